#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hopwise_fuzzing::lab_document::run(data));
