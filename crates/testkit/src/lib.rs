//! Test support for the other crates; never part of what ships.
//!
//! Everything here runs on this machine alone, is deterministic by seed, and panics where a test
//! should fail.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "test support panics to fail tests")]

mod conformance;
mod faulty;
#[cfg(unix)]
pub mod folder_conformance;
pub mod job;
#[cfg(unix)]
pub mod python;
mod raw_server;
pub mod rig;
#[cfg(feature = "s3-server")]
mod s3_server;
pub mod volume;

pub use conformance::store_conformance;
pub use faulty::{ArmedFault, Fault, FaultKind, FaultyStore, Operation};
pub use job::Job;
pub use raw_server::{RawReply, RawRequest, RawServer};
#[cfg(feature = "s3-server")]
pub use s3_server::S3Server;
