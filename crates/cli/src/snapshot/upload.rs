//! How uploads show on a terminal, are interrupted, and fail.

use futures_util::future::BoxFuture;
use rusty_attachments_vfs::export::{ExportError, UploadEvents};

use crate::error::CliError;
use crate::interrupt::{Interrupt, interrupted};
use crate::progress::Progress;
use crate::store::store_error;

/// Shows progress, and stops when a signal comes.
#[derive(Debug)]
pub(crate) struct UploadProgress {
    progress: Progress,
    interrupt: Interrupt,
}

impl UploadProgress {
    /// Shows it on `progress`.
    pub(crate) const fn new(progress: Progress, interrupt: Interrupt) -> Self {
        Self { progress, interrupt }
    }
}

impl UploadEvents for UploadProgress {
    fn done_bytes(&self, bytes: u64) {
        self.progress.add_bytes(bytes);
    }

    fn done_file(&self) {
        self.progress.add_file();
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_set()
    }

    fn cancelled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.interrupt.wait())
    }
}

/// A failed upload, with what to do about it.
pub(crate) fn export_error(error: ExportError) -> CliError {
    match &error {
        ExportError::Store { path, source } => {
            store_error(format!("store the content of '{path}'"), source)
        }
        ExportError::StoreManifest { key, source } => {
            store_error(format!("store the manifest as '{key}'"), source)
        }
        ExportError::Stage { .. } => CliError::sentence("export", &error)
            .advise("Set TMPDIR to a folder that has room for the largest file."),
        ExportError::Cancelled => interrupted(),
        _ => CliError::sentence("export", &error),
    }
}
