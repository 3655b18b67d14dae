#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hopwise_fuzzing::kube::run(data));
