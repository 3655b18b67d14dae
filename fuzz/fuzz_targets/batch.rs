#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hopwise_fuzzing::batch::run(data));
