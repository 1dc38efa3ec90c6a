//! Changes into objects and manifests: what is told, what is uploaded, and in which order.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod background;
mod diff;
mod faults;
mod outputs;
mod setup;
