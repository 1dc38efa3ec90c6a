//! What the projection of large manifests costs: deciding on a million names, building listings,
//! lookups, and memory for each entry.
//!
//! `cargo bench -p rusty-attachments-vfs-projfs --bench projection`. Lookups stand beside what the
//! volume needs for the same names in their exact spelling, which no program on Windows must know.
#![allow(missing_docs, clippy::allow_attributes, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[cfg(target_os = "linux")]
mod measures;

fn main() {
    #[cfg(target_os = "linux")]
    measures::run();
}
