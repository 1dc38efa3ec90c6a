//! The production volume over real stores, faults and caches: every byte, every failure.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bytes;
mod cache;
mod contents;
mod faults;
