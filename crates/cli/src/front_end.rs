//! What the operating system must do for a mount, behind one set of names.
//!
//! On Linux it is FUSE. Elsewhere there is no front end yet: manifests, snapshots and caches work,
//! mounting says so.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod missing;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use missing::*;

use std::path::PathBuf;

/// A mount of ours, whichever process serves it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) mount_point: PathBuf,
    /// The name that the mount has in the system's table.
    pub(crate) source: String,
    /// Whether its process is gone.
    pub(crate) stale: bool,
}
