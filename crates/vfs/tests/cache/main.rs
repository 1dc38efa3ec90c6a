//! The disk cache on real directories, disks and processes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod limits;
mod model;
mod partial;
mod planted;
mod processes;
mod setup;
