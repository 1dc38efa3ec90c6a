//! One driver per folder: two that keep records in the same one would destroy each other's.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::marks::open_folder;
use crate::contract::{HResult, Result};

/// A folder that no other driver can have, in this process or another; until this is dropped, or
/// the process ends however it does.
#[derive(Debug)]
pub(in crate::engine) struct FolderLock {
    /// Opened for the lock alone, so that nobody else's copy keeps it.
    folder: File,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Not left to the close: a process that is being started may have a copy for a moment.
        let _ = flock(&self.folder, FlockOperation::Unlock);
    }
}

impl FolderLock {
    /// # Errors
    /// VIRTUALIZATION_INVALID_OPERATION if another driver has it; those of [`open_folder`].
    pub(in crate::engine) fn take(folder: &Path) -> Result<Self> {
        let file = open_folder(folder)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                tracing::error!(
                    "another driver of the emulator has '{}'; end it, or use another folder",
                    folder.display()
                );
                return Err(HResult::VIRTUALIZATION_INVALID_OPERATION);
            }
            // Some network file systems have no locks.
            Err(error) => tracing::warn!(%error, "'{}' cannot be locked", folder.display()),
            Ok(()) => {}
        }
        Ok(Self { folder: file })
    }
}
