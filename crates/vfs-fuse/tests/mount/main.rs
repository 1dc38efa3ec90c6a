//! Real mounts, used from outside through system calls and the tools that people use.
//!
//! One file per family of requests or kind of bad day. Needs `/dev/fuse`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests")]

mod attributes;
mod contents;
mod failures;
mod fixture;
mod lifecycle;
mod listings;
mod names;
mod passthrough;
mod read_only;
mod stale;
mod status;
mod unprivileged;
