//! The command `rusty-attachments`: job attachments as a local folder.
//!
//! This crate parses arguments, wires the libraries together and talks to people. It refuses to
//! hold file-system, store or manifest logic: those live in the crates that it calls.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "settings and stores also serve mounts")]

mod app;
mod args;
mod commands;
mod config;
mod error;
mod files;
mod interrupt;
mod output;
mod progress;
mod snapshot;
mod store;

fn main() -> std::process::ExitCode {
    app::run()
}
