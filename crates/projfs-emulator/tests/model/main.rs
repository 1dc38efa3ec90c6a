//! The state machine of projfs.md E against a reference model of it: random sequences of operations
//! by several processes, compared after every step, and operations at the same time, of which the
//! outcome must be that of some order.
//!
//! * `projection`: what a provider projects. `provider`: one that answers from it.
//! * `action`: what processes do, and what comes of it.
//! * `reference`: the model, written from the rulebook. `machine`: the engine.
//! * `sequences`: one action after the other. `races`: several at the same time.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod action;
mod machine;
mod projection;
mod provider;
mod races;
mod reference;
mod sequences;
