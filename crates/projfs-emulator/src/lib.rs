//! The Windows Projected File System in user mode, for tests of its providers.
//!
//! A provider written for ProjectedFSLib runs against this crate on Linux: the same nineteen
//! functions ([`provider`]), the same callbacks, real processes that read and write a real folder
//! ([`daemon`]). It is strict where Windows is unforgiving: a broken rule is a [`Violation`] that
//! names its number.
//!
//! The crate knows ProjFS and nothing of what is projected. It does not aim to be a production
//! file system: it favours being right, repeatable and telling over being fast.
//!
//! * [`contract`]: the vocabulary. [`names`]: comparing and matching names as NTFS does, which
//!   providers need as well.
//! * [`link`]: the seam between a provider's process and the driver.
//! * [`provider`]: the library's side: the C functions, callback threads, misuse checks.
//! * [`engine`]: the driver's side: items and their states, callbacks in their order. Speaks
//!   Windows (opens with dispositions, renames by handle), knows no FUSE and no sockets.
//! * [`protocol`]: the seam over a loopback socket. [`control`]: what tests may ask beside it.
//! * [`daemon`]: the process that has the engine, mounts its roots with FUSE and serves sockets.
//! * [`scheduler`]: runs the engine one step at a time, in an order drawn by lot.

pub mod contract;
pub mod control;
#[cfg(target_os = "linux")]
pub mod daemon;
#[cfg(target_os = "linux")]
pub mod engine;
pub mod knobs;
pub mod link;
pub use ntfs_names as names;
pub mod protocol;
pub mod provider;
#[cfg(target_os = "linux")]
pub mod scheduler;
pub mod violation;

pub use knobs::Knobs;
pub use violation::{Violation, ViolationLog};
