//! Written files into the store soon after programs have closed them, so that an export, ours or
//! the official one, finds their objects there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_model::PathRef;
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs::export::{BackgroundOptions, BackgroundUploader, FolderFiles};
use rusty_attachments_vfs_projfs::WriteObserver;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::error::CliError;

/// How long the end of a mount waits for what is on its way; the rest is left to the export.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// Uploads of one root.
#[derive(Debug)]
pub(super) struct Uploads(BackgroundUploader);

impl Uploads {
    pub(super) fn start(
        root: &Path,
        client: Arc<dyn StorageClient>,
        handle: &Handle,
    ) -> Result<Self, CliError> {
        let files = Arc::new(FolderFiles::new(root.to_owned()));
        let options = BackgroundOptions::default();
        BackgroundUploader::start(client, handle.clone(), files, options, Arc::new(()))
            .map(Self)
            .map_err(|error| CliError::caused("start to upload in the background", &error))
    }

    /// What was done so far.
    pub(super) fn report(&self) -> Value {
        let stats = self.0.stats();
        json!({
            "pending": stats.pending,
            "stored": stats.stored,
            "failed": stats.failed,
            "refused": stats.refused,
            "objects_uploaded": stats.tally.objects_uploaded,
            "bytes_uploaded": stats.tally.bytes_uploaded,
            "objects_present": stats.tally.objects_present,
        })
    }

    pub(super) fn end(&self) {
        if !self.0.drain(END_PATIENCE) {
            tracing::warn!("some written files are not in the store yet: export them");
        }
        self.0.stop();
    }
}

impl WriteObserver for Uploads {
    fn written(&self, path: PathRef<'_>) {
        // What does not fit the queue is left to the export.
        let _ = self.0.offer(path.into());
    }
}
