//! The production volume at real mounts, on days when the store, the disk or the job is bad.
//!
//! Each test says what a program sees: the errno that tells the truth (`docs/errors.md`), and that
//! everything else goes on.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod caches;
mod fixture;
mod jobs;
mod stores;
