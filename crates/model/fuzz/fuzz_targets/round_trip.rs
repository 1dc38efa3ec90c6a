//! What is accepted can be written, read again, and is the same.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::round_trip(bytes));
