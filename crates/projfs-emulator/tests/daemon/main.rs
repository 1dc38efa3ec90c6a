//! The daemon at its real boundaries: mounted roots used by programs, providers that come and go,
//! control connections, and what strangers may send.
//!
//! Needs `/dev/fuse`.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails where it cannot go on, and says why"
)]

mod commands;
mod connections;
mod control;
mod interruptions;
mod life;
mod programs;
mod provider;
#[path = "../support/daemon.rs"]
mod support;
