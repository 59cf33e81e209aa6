#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mediaproxy_fuzz::relays::check(bytes));
