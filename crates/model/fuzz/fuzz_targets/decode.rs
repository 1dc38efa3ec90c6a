//! Whatever the bytes are, decoding ends with a verdict, and what it accepts is safe.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "each target uses one of the two")]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::decode(bytes));
