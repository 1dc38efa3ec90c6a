//! Answers the kernel's requests from a volume.
//!
//! One file per family of requests. [`requests`] joins them to fuser and keeps a panic in any of
//! them from ending the mount.

mod attributes;
mod changes;
mod directories;
mod files;
mod init;
mod lookup;
mod open_files;
mod requests;
mod statfs;
mod status;

use std::sync::Arc;

use fuser::{BackingId, Errno};
use rusty_attachments_vfs::{AsyncExecutor, VfsError, Volume};
use tokio::sync::watch;

use crate::errno::errno;
use crate::health::Health;
use attributes::Presentation;
use directories::OpenDirectories;
use init::Negotiated;
use open_files::OpenFiles;
pub use status::STATUS_FILE;
use status::StatusFiles;

/// What the kernel talks to.
pub(crate) struct Frontend {
    volume: Arc<dyn Volume>,
    executor: Arc<AsyncExecutor>,
    presentation: Presentation,
    passthrough_min_bytes: u64,
    negotiated: Negotiated,
    directories: OpenDirectories,
    files: OpenFiles<BackingId>,
    status: StatusFiles,
    health: Arc<Health>,
    ending: watch::Receiver<bool>,
}

/// What a [`Frontend`] is made of.
pub(crate) struct Parts {
    pub(crate) volume: Arc<dyn Volume>,
    pub(crate) executor: Arc<AsyncExecutor>,
    pub(crate) health: Arc<Health>,
    /// Turns true when the mount ends: what still waits for the store is given up.
    pub(crate) ending: watch::Receiver<bool>,
}

impl Frontend {
    pub(crate) fn new(parts: Parts, options: &crate::MountOptions) -> Self {
        Self {
            volume: parts.volume,
            executor: parts.executor,
            presentation: Presentation::new(options),
            passthrough_min_bytes: options.passthrough_min_bytes,
            negotiated: Negotiated::wanted(options),
            directories: OpenDirectories::default(),
            files: OpenFiles::default(),
            status: StatusFiles::default(),
            health: parts.health,
            ending: parts.ending,
        }
    }
}

fn refusal(error: &VfsError) -> Errno {
    errno(error.kind())
}
