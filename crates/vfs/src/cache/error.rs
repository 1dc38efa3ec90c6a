//! Why the disk cache did not do what it was asked, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusty_attachments_model::ContentHash;

use crate::error::{VfsError, VfsErrorKind};

/// A failed operation of the disk cache.
///
/// Clonable, because one failed fetch answers every reader that waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The directory cannot serve as a cache at all.
    #[error("cannot use '{}' as disk cache: {reason}; {advice}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// The disk is full, and evicting from the cache did not help.
    #[error(
        "no room for {needed} bytes in the disk cache '{}': {reason}; free space on that disk or \
         choose another cache directory", path.display()
    )]
    OutOfSpace {
        /// The cache's directory.
        path: PathBuf,
        /// How many bytes were to be written.
        needed: u64,
        /// What is full.
        reason: String,
    },
    /// The cache holds as much as it may, and all of it is in use or being evicted.
    #[error("the disk cache '{}' is full of what is in use; raise its limit of {limit} bytes",
        path.display())]
    Full {
        /// The cache's directory.
        path: PathBuf,
        /// The cache's limit in bytes.
        limit: u64,
    },
    /// The object alone is larger than the whole cache may be.
    #[error("object {hash} has {size} bytes, the disk cache may hold {limit}; raise its limit")]
    TooLarge {
        /// The object.
        hash: ContentHash,
        /// Its size in bytes.
        size: u64,
        /// The cache's limit in bytes.
        limit: u64,
    },
    /// The directory can be read but not written.
    #[error("the disk cache '{}' is read-only", path.display())]
    ReadOnly {
        /// The cache's directory.
        path: PathBuf,
    },
    /// The bytes are not those of the object.
    #[error("'{}' does not hold object {hash}: {reason}", path.display())]
    Corrupt {
        /// The object that should be there.
        hash: ContentHash,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and whether it was removed.
        reason: String,
    },
    /// Another process evicts from the same cache.
    #[error("another process is evicting from the disk cache '{}'; try again", path.display())]
    Busy {
        /// The cache's directory.
        path: PathBuf,
    },
    /// The caller broke the rules of a partial object, which stays as it is.
    #[error("cannot {action} object {hash}: {reason}")]
    Misused {
        /// What was tried.
        action: &'static str,
        /// The object.
        hash: ContentHash,
        /// Which rule.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {action} '{}': {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
}

impl CacheError {
    /// The failure of one call on one file; a full disk is told apart.
    pub(super) fn io(action: &'static str, path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            let (path, reason) = (path.to_owned(), error.to_string());
            Self::OutOfSpace { path, needed: 0, reason }
        } else {
            Self::Io { action, path: path.to_owned(), reason: error.to_string() }
        }
    }

    pub(super) fn unusable(
        path: &Path,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Unusable { path: path.to_owned(), reason: reason.into(), advice: advice.into() }
    }
}

/// Whether the error says that the disk, or the user's share of it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl From<CacheError> for VfsError {
    fn from(error: CacheError) -> Self {
        let kind = match &error {
            CacheError::OutOfSpace { .. }
            | CacheError::Full { .. }
            | CacheError::TooLarge { .. } => VfsErrorKind::OutOfSpace,
            CacheError::Corrupt { .. } => VfsErrorKind::Corrupt,
            _ => VfsErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
