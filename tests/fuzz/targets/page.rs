#![no_main]

#[path = "../../plain/mod.rs"]
mod plain;

libfuzzer_sys::fuzz_target!(|input: &[u8]| plain::page::check(input));
