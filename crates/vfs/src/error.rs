//! Why an operation on a volume failed.

use rusty_attachments_storage::StorageError;

/// What kind of failure it was: front ends translate this, exhaustively, to errno or HRESULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VfsErrorKind {
    /// No such path.
    NotFound,
    /// A folder was needed.
    NotDirectory,
    /// A file was needed, a folder found.
    IsDirectory,
    /// The node is not of the kind that the operation works on.
    InvalidNode,
    /// The volume takes no changes.
    ReadOnly,
    /// The store has no object with the content's hash.
    ContentMissing,
    /// The store refuses access to the content.
    AccessDenied,
    /// The store asks for fewer requests, and still did after the retries.
    Throttled,
    /// The store cannot be reached or does not answer.
    Offline,
    /// The content's bytes do not have the hash or size that the manifest states.
    Corrupt,
    /// A local disk is full.
    OutOfSpace,
    /// The memory budget cannot hold what the operation needs.
    OutOfMemory,
    /// The operation took longer than it may.
    TimedOut,
    /// Who asked has gone away, or the volume is shutting down.
    Cancelled,
    /// A local disk failed, or a defect of this program showed.
    Internal,
}

/// A failed operation: one line that says what failed, on which path, and why.
///
/// Clonable, because one failed fetch answers every reader that waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct VfsError {
    kind: VfsErrorKind,
    message: String,
    source: Option<StorageError>,
}

impl VfsError {
    /// A failure of `kind`; the message says what failed, on which path or object, and why.
    #[must_use]
    pub fn new(kind: VfsErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// A failure that a store caused, while doing what `action` says.
    #[must_use]
    pub fn from_storage(action: &str, source: StorageError) -> Self {
        let kind = match &source {
            StorageError::NotFound { .. } => VfsErrorKind::ContentMissing,
            StorageError::AccessDenied { .. } => VfsErrorKind::AccessDenied,
            StorageError::Throttled { .. } => VfsErrorKind::Throttled,
            StorageError::Offline { .. } => VfsErrorKind::Offline,
            StorageError::Corrupt { .. } => VfsErrorKind::Corrupt,
            StorageError::Io { out_of_space: true, .. } => VfsErrorKind::OutOfSpace,
            _ => VfsErrorKind::Internal,
        };
        Self { kind, message: format!("cannot {action}: {source}"), source: Some(source) }
    }

    /// The same failure, told of the file that it hit.
    #[must_use]
    pub fn while_reading(self, path: impl std::fmt::Display) -> Self {
        Self { message: format!("cannot read '{path}': {}", self.message), ..self }
    }

    /// The kind of failure.
    #[must_use]
    pub const fn kind(&self) -> VfsErrorKind {
        self.kind
    }
}
