//! Hashing a changed file where it is.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZeroU64;

use rusty_attachments_model::{ContentHash, ContentHasher, PathBuf, PathRef};

use super::state::{FileStamp, LocalContent};

/// Bytes that are read at once; cancellation is looked at between two pieces.
const PIECE: usize = 256 * 1024;
/// How often a file is read that changes meanwhile.
const ATTEMPTS: usize = 3;

/// A file's hashes, and the stamp that it had all the while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// What the hashes are of. They may be kept as long as the file has this stamp, if that
    /// [is settled](FileStamp::is_settled).
    pub stamp: FileStamp,
    /// Always [`LocalContent::Hashed`].
    pub content: LocalContent,
}

/// Why a file has no hash.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// It cannot be read.
    #[error("cannot read '{path}' to hash it: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody writes to it all the time.
    #[error(
        "cannot hash '{path}': it keeps changing, {ATTEMPTS} times while it was read; try again \
         when the program that writes it is done"
    )]
    KeepsChanging {
        /// Which file.
        path: PathBuf,
    },
    /// The caller asked to stop.
    #[error("hashing '{path}' was cancelled")]
    Cancelled {
        /// Which file.
        path: PathBuf,
    },
}

/// Hashes an open file from its beginning: in chunks of `chunk_size` bytes, or as one. `path` is
/// what errors call it.
///
/// A file that changes while it is read is read again, three times in all. An empty file has one
/// hash as one object, and none in chunks. Takes 256 KiB of memory and 16 bytes for each chunk.
///
/// # Errors
/// As [`HashError`] says.
pub fn hash_file(
    file: &File,
    path: PathRef<'_>,
    chunk_size: Option<NonZeroU64>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Hashed, HashError> {
    let failed = |source| HashError::Io { path: path.into(), source };
    let stamp = || file.metadata().map(|metadata| FileStamp::of(&metadata)).map_err(failed);
    let mut piece = vec![0; PIECE];
    for _ in 0..ATTEMPTS {
        let before = stamp()?;
        let mut hashes = Hashes::new(chunk_size);
        let mut source = file;
        source.rewind().map_err(failed)?;
        loop {
            if is_cancelled() {
                return Err(HashError::Cancelled { path: path.into() });
            }
            match source.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => hashes.update(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
            // Longer than it was: no need to follow a file that grows as fast as it is read.
            if hashes.bytes > before.size {
                break;
            }
        }
        if hashes.bytes == before.size && stamp()? == before {
            return Ok(Hashed { stamp: before, content: hashes.finish() });
        }
    }
    Err(HashError::KeepsChanging { path: path.into() })
}

/// The hashes of a stream, chunk by chunk or as one.
struct Hashes {
    chunk_size: Option<NonZeroU64>,
    bytes: u64,
    current: ContentHasher,
    in_current: u64,
    done: Vec<ContentHash>,
}

impl Hashes {
    fn new(chunk_size: Option<NonZeroU64>) -> Self {
        let current = ContentHasher::new();
        Self { chunk_size, bytes: 0, current, in_current: 0, done: Vec::new() }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.chunk_size.map_or(u64::MAX, NonZeroU64::get) - self.in_current;
            let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (chunk, rest) = bytes.split_at(count);
            self.current.update(chunk);
            self.in_current += count as u64;
            bytes = rest;
            if self.chunk_size.is_some_and(|size| size.get() == self.in_current) {
                self.end_chunk();
            }
        }
    }

    fn end_chunk(&mut self) {
        self.done.push(self.current.finish());
        self.current = ContentHasher::new();
        self.in_current = 0;
    }

    fn finish(mut self) -> LocalContent {
        if self.chunk_size.is_none() || self.in_current > 0 {
            self.end_chunk();
        }
        let chunk_size = self.chunk_size.map_or(0, NonZeroU64::get);
        LocalContent::Hashed { chunk_size, hashes: self.done }
    }
}

#[cfg(test)]
mod tests;
