//! What is accepted can be written, read again, and is the same.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "each target uses one of the two")]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::round_trip(bytes));
