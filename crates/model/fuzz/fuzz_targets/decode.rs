//! Whatever the bytes are, decoding ends with a verdict, and what it accepts is safe.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::decode(bytes));
