//! The command `rusty-attachments`: job attachments as a local folder.
//!
//! This crate parses arguments, wires the libraries together and talks to people. It refuses to
//! hold file-system, store or manifest logic: those live in the crates that it calls.
#![forbid(unsafe_code)]

mod app;
mod args;
mod commands;
mod config;
mod control;
mod demo;
mod error;
mod files;
mod front_end;
mod interrupt;
mod logging;
mod output;
mod progress;
mod snapshot;
mod store;
mod system;

fn main() -> std::process::ExitCode {
    // Mounts on the emulator run this program again, as the driver that Windows has in the kernel.
    #[cfg(target_os = "linux")]
    rusty_attachments_vfs_projfs::emulator::host_daemon();
    app::run()
}
