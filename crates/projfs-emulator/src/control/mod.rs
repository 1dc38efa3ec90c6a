//! What tests may ask of the daemon beside its file systems: listings with patterns, flags and
//! buffer sizes, moves across the root, states on disk, broken rules, callbacks in order, knobs;
//! and every operation of the engine in the name of any process (`projfs.md R7`, `R9`).
//!
//! Handles that were opened here close when the connection ends, and operations that still run
//! are cancelled, as if their process had been killed.

mod client;
mod messages;
mod settings;

pub use client::{Client, OnRoot, Pending};
pub use messages::{Answer, Operation, Question, RootState};
#[cfg(target_os = "linux")]
pub(crate) use messages::{FromDaemon, ToDaemon};
pub use settings::{UnknownSetting, changed, shown};
