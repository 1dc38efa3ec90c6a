//! One file into the store: hashed, and uploaded where the store lacks it.
//!
//! What is uploaded is exactly what was hashed: most objects from memory, very large ones from a
//! private copy on disk that is hashed while it is written. A file that changes meanwhile is read again.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusty_attachments_model::{ContentHash, ContentHasher};
use rusty_attachments_storage::cas::{self, Stored};
use rusty_attachments_storage::{Payload, StorageClient, StorageError};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::platform;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::store::store_error;

/// Objects up to this size are held in memory between hashing and upload, one for each thread.
const SMALL_BYTES_MAX: u64 = 8 << 20;
/// Objects up to this size are too, where [`Room`] has place; larger ones are copied to disk.
pub(crate) const HELD_BYTES_MAX: u64 = 128 << 20;
/// Bytes of all objects together that are in memory and not small.
const ROOM_BYTES: u64 = 256 << 20;
const ROOM_UNIT_BYTES: u64 = 1 << 20;
/// Bytes read at a time from larger ones.
const PIECE_BYTES: usize = 1 << 20;
/// How often a file that changes while it is read is read again.
const ATTEMPTS_MAX: u32 = 3;

/// What a manifest says of a file, taken from the very bytes that are in the store.
#[derive(Debug)]
pub(crate) struct HashedFile {
    pub(crate) size: u64,
    pub(crate) mtime_us: i64,
    pub(crate) runnable: bool,
    /// One hash, or one for every chunk.
    pub(crate) hashes: Vec<ContentHash>,
}

/// What was done for all files together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) objects_uploaded: AtomicU64,
    pub(crate) bytes_uploaded: AtomicU64,
    pub(crate) objects_present: AtomicU64,
}

/// Memory for objects that are not small; who finds it taken waits.
#[derive(Debug)]
pub(crate) struct Room(Semaphore);

impl Room {
    pub(crate) const fn new() -> Self {
        Self(Semaphore::const_new((ROOM_BYTES / ROOM_UNIT_BYTES) as usize))
    }

    /// Waits for place for so many bytes, at most [`HELD_BYTES_MAX`]. Small ones need none.
    async fn enter(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        if bytes <= SMALL_BYTES_MAX {
            return None;
        }
        // Never closed, so there is no other error than ours.
        self.0.acquire_many(bytes.div_ceil(ROOM_UNIT_BYTES) as u32).await.ok()
    }
}

/// Puts files into a store; shared by the worker threads.
#[derive(Debug)]
pub(crate) struct Uploader<'a> {
    pub(crate) client: Arc<dyn StorageClient>,
    pub(crate) runtime: Handle,
    pub(crate) interrupt: Interrupt,
    pub(crate) progress: &'a Progress,
    /// Files larger than this become several objects.
    pub(crate) chunk_size: Option<u64>,
    pub(crate) staging: &'a Path,
    /// Objects known to be in the store. Two threads with equal content at the same time may
    /// both upload it, which is harmless (`deadline.md` 3).
    pub(crate) stored: Mutex<HashSet<ContentHash>>,
    pub(crate) room: Room,
    pub(crate) tally: Tally,
}

/// Bytes `offset..offset + length` of an open file.
#[derive(Clone, Copy, Debug)]
struct Extent<'a> {
    file: &'a File,
    path: &'a Path,
    offset: u64,
    length: u64,
}

/// Why an object could not be made.
enum Trouble {
    /// The file is not what it was when it was opened.
    Changed,
    Failed(CliError),
}

impl Uploader<'_> {
    /// Hashes and uploads the file at `path`.
    pub(crate) fn file(&self, path: &Path) -> Result<HashedFile, CliError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.try_file(path) {
                Ok(hashed) => {
                    self.progress.add_file();
                    return Ok(hashed);
                }
                Err(Trouble::Changed) => {}
                Err(Trouble::Failed(error)) => return Err(error),
            }
        }
        let action = format!("snapshot '{}'", path.display());
        Err(CliError::runtime(action, "it keeps changing while it is read")
            .advise("Wait until whatever writes it has finished."))
    }

    fn try_file(&self, path: &Path) -> Result<HashedFile, Trouble> {
        let failed = |error| Trouble::Failed(read_error(path, &error));
        let file = File::open(path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        if !before.is_file() {
            return Err(Trouble::Changed);
        }
        let size = before.len();
        let chunk_size = self.chunk_size.filter(|chunk| size > *chunk).unwrap_or(size.max(1));
        let mut hashes = Vec::new();
        for index in 0..size.div_ceil(chunk_size).max(1) {
            let offset = index * chunk_size;
            let length = chunk_size.min(size - offset);
            hashes.push(self.object(Extent { file: &file, path, offset, length })?);
        }
        let after = file.metadata().map_err(failed)?;
        if !is_same(&before, &after) {
            return Err(Trouble::Changed);
        }
        Ok(HashedFile {
            size,
            mtime_us: platform::modified_us(&before),
            runnable: platform::is_executable(&before),
            hashes,
        })
    }

    fn object(&self, extent: Extent<'_>) -> Result<ContentHash, Trouble> {
        self.interrupt.check().map_err(Trouble::Failed)?;
        if extent.length <= HELD_BYTES_MAX {
            let _room = self.wait(self.room.enter(extent.length))?;
            let mut bytes = Vec::with_capacity(extent.length as usize);
            self.pieces(extent, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            let hash = ContentHash::of(&bytes);
            if !self.is_stored(hash) {
                self.upload(hash, extent, Payload::Bytes(bytes.into()))?;
            }
            self.progress.add_bytes(extent.length);
            return Ok(hash);
        }
        self.large_object(extent)
    }

    /// Hashes first, and copies only what the store lacks: most of a second snapshot is there.
    fn large_object(&self, extent: Extent<'_>) -> Result<ContentHash, Trouble> {
        let mut hasher = ContentHasher::new();
        self.pieces(extent, |piece| {
            hasher.update(piece);
            self.progress.add_bytes(piece.len() as u64);
            Ok(())
        })?;
        let hash = hasher.finish();
        if self.is_stored(hash) || self.is_present(hash, extent)? {
            return Ok(hash);
        }
        let (staged, staged_hash) = self.stage(extent)?;
        if staged_hash != hash {
            return Err(Trouble::Changed);
        }
        self.upload(hash, extent, Payload::File(staged.path().to_owned()))?;
        Ok(hash)
    }

    /// A private copy, deleted when dropped, and the hash of what was written to it.
    fn stage(&self, extent: Extent<'_>) -> Result<(NamedTempFile, ContentHash), Trouble> {
        let failed = |error: std::io::Error| {
            let action = format!("copy '{}' to a temporary file", extent.path.display());
            Trouble::Failed(
                CliError::caused(action, &error)
                    .advise("Set TMPDIR to a folder that has room for the largest file."),
            )
        };
        let mut staged = tempfile::Builder::new()
            .prefix(".rusty-attachments-")
            .tempfile_in(self.staging)
            .map_err(failed)?;
        let mut hasher = ContentHasher::new();
        self.pieces(extent, |piece| {
            hasher.update(piece);
            staged.write_all(piece).map_err(failed)
        })?;
        Ok((staged, hasher.finish()))
    }

    /// Hands all bytes of an extent to `consume`, in pieces.
    fn pieces(
        &self,
        extent: Extent<'_>,
        mut consume: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut buffer = vec![0; PIECE_BYTES.min(extent.length as usize)];
        let mut done = 0;
        while done < extent.length {
            self.interrupt.check().map_err(Trouble::Failed)?;
            let wanted = (extent.length - done).min(PIECE_BYTES as u64) as usize;
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            match platform::read_at(extent.file, piece, extent.offset + done) {
                Ok(0) => return Err(Trouble::Changed),
                Ok(read) => {
                    consume(piece.get(..read).unwrap_or_default())?;
                    done += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Failed(read_error(extent.path, &error))),
            }
        }
        Ok(())
    }

    fn is_stored(&self, hash: ContentHash) -> bool {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }

    fn note_stored(&self, hash: ContentHash, stored: Stored, bytes: u64) {
        if !self.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            return;
        }
        match stored {
            Stored::Present => {
                self.tally.objects_present.fetch_add(1, Ordering::Relaxed);
            }
            Stored::Uploaded => {
                self.tally.objects_uploaded.fetch_add(1, Ordering::Relaxed);
                self.tally.bytes_uploaded.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    fn is_present(&self, hash: ContentHash, extent: Extent<'_>) -> Result<bool, Trouble> {
        let key = cas::object_key(hash);
        match self.wait(self.client.head(&key))? {
            Ok(info) if info.size == extent.length => {
                self.note_stored(hash, Stored::Present, 0);
                Ok(true)
            }
            Ok(_) | Err(StorageError::NotFound { .. }) => Ok(false),
            Err(error) => Err(upload_error(extent.path, &error)),
        }
    }

    fn upload(
        &self,
        hash: ContentHash,
        extent: Extent<'_>,
        payload: Payload,
    ) -> Result<(), Trouble> {
        let stored = self.wait(cas::put_if_absent(self.client.as_ref(), hash, payload))?;
        let stored = stored.map_err(|error| upload_error(extent.path, &error))?;
        self.note_stored(hash, stored, extent.length);
        Ok(())
    }

    fn wait<T>(&self, call: impl Future<Output = T>) -> Result<T, Trouble> {
        self.runtime.block_on(self.interrupt.guard(call)).map_err(Trouble::Failed)
    }
}

/// Whether nobody wrote to the file in between, as far as its times can tell.
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len()
        && platform::modified_us(before) == platform::modified_us(after)
        && before.modified().ok() == after.modified().ok()
}

fn read_error(path: &Path, error: &std::io::Error) -> CliError {
    CliError::caused(format!("read '{}'", path.display()), error)
}

fn upload_error(path: &Path, error: &StorageError) -> Trouble {
    Trouble::Failed(store_error(format!("store the content of '{}'", path.display()), error))
}
