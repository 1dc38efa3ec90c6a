//! Folders that are projected, as programs find them: real processes, the emulator. One program,
//! so that it is linked once; what must be alone in its process is a program of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod conformance;
mod hydration;
mod lifecycle;
mod rules;
mod support;
mod tracking;
