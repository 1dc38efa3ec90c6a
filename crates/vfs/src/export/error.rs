//! Why files or a manifest could not be exported.

use std::io;
use std::path::PathBuf;

use rusty_attachments_model::ManifestError;
use rusty_attachments_storage::StorageError;

/// A failed export. Whatever was stored before stays stored: a repeated export goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file cannot be opened or read.
    #[error("cannot read '{path}': {source}")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Every time that a file was read, somebody wrote to it.
    #[error(
        "cannot store '{path}': it keeps changing while it is read. Wait until whatever writes it \
         has finished."
    )]
    KeepsChanging {
        /// The file.
        path: String,
    },
    /// A large file needs a private copy, and that failed.
    #[error("cannot copy '{path}' to a temporary file in '{}': {source}", folder.display())]
    Stage {
        /// The file.
        path: String,
        /// Where the copy was to be.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The store did not take a file's content.
    #[error("cannot store the content of '{path}': {source}")]
    Store {
        /// The file.
        path: String,
        /// The store's reason.
        source: StorageError,
    },
    /// The store did not take the manifest; all content is stored.
    #[error("cannot store the manifest as '{key}': {source}")]
    StoreManifest {
        /// The manifest's key.
        key: String,
        /// The store's reason.
        source: StorageError,
    },
    /// The manifest's file cannot be written; all content is stored.
    #[error("cannot write the manifest '{}': {source}", path.display())]
    WriteManifest {
        /// The manifest's file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The changes cannot be told in a manifest.
    #[error("cannot make the manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The manifest cannot go where it is to go.
    #[error("cannot put the manifest below '{place}': {reason}")]
    Place {
        /// The field or path that is wrong.
        place: String,
        /// What is wrong, and what to do.
        reason: &'static str,
    },
    /// [`UploadEvents::is_cancelled`](super::UploadEvents::is_cancelled) said so.
    #[error("cannot finish: it was cancelled")]
    Cancelled,
    /// A bug of ours; the export is incomplete.
    #[error("cannot finish: a worker thread panicked")]
    WorkerPanicked,
}
