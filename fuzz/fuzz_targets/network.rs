#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kit::fuzz::network::check(bytes));
