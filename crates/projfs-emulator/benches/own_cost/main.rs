//! The emulator's own cost, with a provider that costs nothing, beside the limit of the same run:
//! what the plain file system and the loopback socket take.
//!
//! `cargo bench -p projfs-emulator --bench own_cost`
#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "ProjFS is a C interface"))]

#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod null_provider;

#[cfg(target_os = "linux")]
fn main() {
    // `cargo test` runs benchmarks too, to see that they build.
    if std::env::args().any(|argument| argument == "--bench") {
        measure::run();
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
