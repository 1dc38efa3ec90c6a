//! Why a store did not do what it was asked, in kinds that a caller can act on.

use std::io;

/// A failed call to a store.
///
/// Clonable, because one failed fetch answers every reader that waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no such object.
    #[error("'{key}' is not in the store")]
    NotFound {
        /// The key that was asked for.
        key: String,
    },
    /// The store knows who asks and refuses.
    #[error("access to '{key}' denied: {reason}")]
    AccessDenied {
        /// The key that was asked for.
        key: String,
        /// What the store said, and what to check.
        reason: String,
    },
    /// The store asks for fewer requests, and still did after the retries.
    #[error("the store throttles requests for '{key}': {reason}")]
    Throttled {
        /// The key that was asked for.
        key: String,
        /// What the store said.
        reason: String,
    },
    /// The store cannot be reached, failed (5xx), did not answer in time, or cut the connection.
    #[error("the store did not deliver '{key}': {reason}")]
    Offline {
        /// The key that was asked for.
        key: String,
        /// What happened.
        reason: String,
    },
    /// The bytes are not those that were asked for.
    #[error("'{key}' is corrupt: {reason}")]
    Corrupt {
        /// The key that was asked for.
        key: String,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// The key is not one that a store can hold.
    #[error("'{key}' is not a valid object key: {reason}")]
    InvalidKey {
        /// The key that was refused.
        key: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The object is larger than the caller is ready to hold.
    #[error("'{key}' holds {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The key that was asked for.
        key: String,
        /// Bytes in the object.
        size: u64,
        /// The most that the caller takes.
        limit: u64,
    },
    /// The store has no such operation.
    #[error("this store cannot {operation} (asked for '{key}')")]
    Unsupported {
        /// The operation's name.
        operation: &'static str,
        /// The key or prefix that was asked for.
        key: String,
    },
    /// The store's address, region or credentials are wrong or missing.
    #[error("the store is not usable: {reason}")]
    Config {
        /// What is wrong, and what to set.
        reason: String,
    },
    /// A local file of the store or payload failed.
    #[error("cannot {action}: {reason}")]
    Io {
        /// What was tried, with the path.
        action: String,
        /// The operating system's words.
        reason: String,
        /// Whether the disk is full.
        out_of_space: bool,
    },
}

impl StorageError {
    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Offline { .. })
    }

    /// The error for a failed local operation; `action` completes "cannot …" and names the path.
    pub(crate) fn io(action: impl Into<String>, error: &io::Error) -> Self {
        Self::Io {
            action: action.into(),
            reason: error.to_string(),
            out_of_space: matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
        }
    }

    /// The error for blocking work that panicked or was dropped with its runtime.
    pub(crate) fn stopped(action: &str, error: &tokio::task::JoinError) -> Self {
        Self::Io { action: action.to_owned(), reason: error.to_string(), out_of_space: false }
    }
}
