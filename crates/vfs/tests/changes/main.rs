//! The change journal and the change set, through their public face.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod classify;
mod crash;
mod exact;
mod journal;
mod store;
mod world;
