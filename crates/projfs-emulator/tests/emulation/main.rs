//! Providers against the emulator, through real folders, processes and programs.
//!
//! Needs `/dev/fuse`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it cannot go on")]

mod browse;
mod knobs;
mod rules;
mod scenarios;
mod support;
mod wrong;
