//! Why a journal cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be used. The message names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk is full or failed; what was asked for was not done.
    #[error("cannot {action} the journal '{}': {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody has it open, perhaps this process.
    #[error(
        "the journal '{}' is in use: end what has it open (unmount), or use another folder",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file does not begin as journals do.
    #[error(
        "'{}' is not a journal, or its first {} bytes are damaged; nothing was changed: move it \
         away to begin anew",
        path.display(),
        super::frame::HEAD_SIZE
    )]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error(
        "the journal '{}' has version {found}, and this program reads version {expected}; nothing \
         was changed: use the program that wrote it, or move it away to begin anew",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What is in the file.
        found: u32,
        /// What was asked for.
        expected: u32,
    },
    /// A record in the middle is not what was written; the records after it are whole.
    #[error(
        "the journal '{}' is damaged at byte {offset}, after {records} whole records, and whole \
         records follow; nothing was changed: restore the file from a backup, or cut it to \
         {offset} bytes to go on without what came later, or move it away to begin anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins, in bytes from the start of the file.
        offset: u64,
        /// How many whole records are before it.
        records: usize,
    },
    /// Records have 1 to 64 MiB.
    #[error(
        "a record of {size} bytes cannot be in the journal '{}': from 1 to {} bytes can",
        path.display(),
        super::frame::MAX_RECORD
    )]
    RecordSize {
        /// The file.
        path: PathBuf,
        /// Bytes in the record.
        size: usize,
    },
    /// The disk failed in a way after which the end of the file is not known. What was synced
    /// before is safe.
    #[error(
        "the journal '{}' takes no more records since the disk failed ({reason}): free space or \
         repair the disk, then open it again",
        path.display()
    )]
    Failed {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl JournalError {
    /// Turns what the system says when `action` fails on `path` into this.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
