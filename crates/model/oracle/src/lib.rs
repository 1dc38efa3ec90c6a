//! Holds no code: see `tests/openjd.rs`.
