//! The production volume over real stores, faults and caches: every byte, every failure.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bytes;
mod cache;
mod faults;
mod rig;
