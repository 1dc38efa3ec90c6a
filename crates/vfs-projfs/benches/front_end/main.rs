//! What this front end costs beside what is below it, in one table of ratios: callbacks beside plain
//! vectors; a root on the emulator beside a provider that does nothing (what the emulator itself
//! takes) and beside plain verified copies from the same store; waiting beside the store's latency.
//!
//! `cargo bench -p rusty-attachments-vfs-projfs --bench front_end`, with some of `answers`,
//! `listings`, `placeholders`, `hydration` and `latency` for these parts only. On a machine that
//! others use as well, `nice -n -20` and `TMPDIR=/dev/shm` keep their noise down. What a projection
//! keeps for each of a million entries is in the benchmark `projection`.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark, printing a table")
)]

#[cfg(target_os = "linux")]
mod act;
#[cfg(target_os = "linux")]
mod answers;
#[cfg(target_os = "linux")]
mod emulated;
#[cfg(target_os = "linux")]
mod job;
#[cfg(target_os = "linux")]
mod latency;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "ProjFS is a C interface")]
mod null_provider;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, act, what, folder] = arguments.as_slice()
        && act == act::ARGUMENT
    {
        return act::run(what, folder.as_ref());
    }
    // `cargo test` runs benchmarks too, to see that they build.
    if arguments.iter().any(|argument| argument == "--bench") {
        table::print_head();
        let chosen: Vec<_> = arguments.iter().skip(1).filter(|one| !one.starts_with('-')).collect();
        for (name, measure) in [
            ("answers", answers::measure as fn()),
            ("listings", emulated::measure_listings),
            ("placeholders", emulated::measure_placeholders),
            ("hydration", emulated::measure_hydration),
            ("latency", latency::measure),
        ] {
            if chosen.is_empty() || chosen.iter().any(|one| *one == name) {
                measure();
            }
        }
        table::print_load();
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
