//! Files into the store: hashed, and uploaded where the store lacks them.
//!
//! What is uploaded is exactly what was hashed: most objects from memory, very large ones from a
//! private copy on disk that is hashed while it is written. A file that changes meanwhile is read
//! again.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use rusty_attachments_model::{Content, ContentHash, ContentHasher};
use rusty_attachments_storage::cas::{self, Stored};
use rusty_attachments_storage::{Payload, StorageClient, StorageError};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;

use super::error::ExportError;
use super::platform;
use super::room::{HELD_BYTES_MAX, Room};
use crate::changes::{FileStamp, LocalContent};
use crate::sync::{Mutex, lock};

/// Bytes read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// How often a file that changes while it is read is read in all.
const ATTEMPTS_MAX: u32 = 3;

/// What an uploader tells of its progress, and asks.
pub trait UploadEvents: Send + Sync {
    /// So many more bytes are done: read, or known to be stored.
    fn done_bytes(&self, bytes: u64) {
        let _ = bytes;
    }

    /// One more file is done.
    fn done_file(&self) {}

    /// Whether to stop.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Ends when [`is_cancelled`](Self::is_cancelled) becomes true, and not before: calls to the
    /// store are dropped then.
    fn cancelled(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Nobody watches, nobody cancels.
impl UploadEvents for () {}

/// How files are stored.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// Files larger than this become several objects; `None`: each is one.
    pub chunk_size: Option<NonZeroU64>,
    /// The folder for private copies of objects of more than
    /// [`HELD_BYTES_MAX`] bytes.
    pub staging: PathBuf,
}

impl Default for UploadOptions {
    /// Whole files, staged in the system's folder for temporary files.
    fn default() -> Self {
        Self { chunk_size: None, staging: std::env::temp_dir() }
    }
}

/// A file to store.
#[derive(Clone, Copy)]
pub struct SourceFile<'a> {
    /// What errors call it.
    pub name: &'a dyn std::fmt::Display,
    /// Opens it for reading, several times if it changes.
    pub open: &'a dyn Fn() -> io::Result<File>,
    /// What is known of its content: with the same stamp it is not read where the store has it.
    pub known: Option<(FileStamp, &'a LocalContent)>,
}

impl std::fmt::Debug for SourceFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceFile")
            .field("name", &self.name.to_string())
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// What a manifest says of a file, taken from the very bytes that are in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Size and time before and after it was read.
    pub stamp: FileStamp,
    /// The POSIX execute bit; `None` where the system has none.
    pub executable: Option<bool>,
    /// Bytes in each chunk but the last; 0 if there is one hash of everything.
    pub chunk_size: u64,
    /// One hash, or one for every chunk.
    pub hashes: Vec<ContentHash>,
}

impl Uploaded {
    /// The objects that make up the file.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        match (self.chunk_size, self.hashes.as_slice()) {
            (0, hashes) => Content::Whole(hashes.first().copied().unwrap_or(ContentHash::EMPTY)),
            (chunk_size, hashes) => Content::Chunked { chunk_size, hashes },
        }
    }
}

/// What an uploader did for all files together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadTally {
    /// Objects that the store lacked.
    pub objects_uploaded: u64,
    /// Bytes in those.
    pub bytes_uploaded: u64,
    /// Objects that the store had, each counted once.
    pub objects_present: u64,
}

#[derive(Debug, Default)]
struct Counters {
    objects_uploaded: AtomicU64,
    bytes_uploaded: AtomicU64,
    objects_present: AtomicU64,
}

/// Puts files into a store; shared by the threads that do it. Waits for the store on the caller's
/// thread, which therefore must be none of the runtime's.
pub struct Uploader {
    client: Arc<dyn StorageClient>,
    runtime: Handle,
    events: Arc<dyn UploadEvents>,
    options: UploadOptions,
    /// Objects known to be in the store. Two threads with equal content at the same time may
    /// both upload it, which is harmless (`deadline.md` 3).
    stored: Mutex<HashSet<ContentHash>>,
    room: Room,
    counters: Counters,
}

impl std::fmt::Debug for Uploader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploader")
            .field("client", &self.client)
            .field("options", &self.options)
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}

/// Bytes `offset..offset + length` of an open file.
#[derive(Clone, Copy)]
struct Extent<'a> {
    file: &'a File,
    name: &'a dyn std::fmt::Display,
    offset: u64,
    length: u64,
}

/// What is done for each object of a file, whose hash may be known; gives the hash.
type ObjectWork<'a> = dyn Fn(Extent<'_>, Option<ContentHash>) -> Result<ContentHash, Trouble> + 'a;

/// Why an object could not be made.
enum Trouble {
    /// The file is not what it was when it was opened.
    Changed,
    Failed(ExportError),
}

impl Uploader {
    /// An uploader to `client`, whose calls run on `runtime`.
    #[must_use]
    pub fn new(
        client: Arc<dyn StorageClient>,
        runtime: Handle,
        options: UploadOptions,
        events: Arc<dyn UploadEvents>,
    ) -> Self {
        Self {
            client,
            runtime,
            events,
            options,
            stored: Mutex::default(),
            room: Room::new(),
            counters: Counters::default(),
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn tally(&self) -> UploadTally {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        UploadTally {
            objects_uploaded: count(&self.counters.objects_uploaded),
            bytes_uploaded: count(&self.counters.bytes_uploaded),
            objects_present: count(&self.counters.objects_present),
        }
    }

    /// Hashes a file and stores what the store lacks of it.
    ///
    /// # Errors
    /// [`ExportError::Read`], [`ExportError::KeepsChanging`], [`ExportError::Stage`],
    /// [`ExportError::Store`] or [`ExportError::Cancelled`].
    ///
    /// # Panics
    /// On a thread of an asynchronous runtime.
    pub fn store(&self, source: SourceFile<'_>) -> Result<Uploaded, ExportError> {
        let object = |extent: Extent<'_>, known| self.object(extent, known);
        let uploaded = persist(source, || self.read(source, self.options.chunk_size, &object))?;
        self.events.done_file();
        Ok(uploaded)
    }

    /// Hashes a file in chunks of `chunk_size` and stores nothing.
    ///
    /// # Errors
    /// [`ExportError::Read`], [`ExportError::KeepsChanging`] or [`ExportError::Cancelled`].
    pub fn hash(
        &self,
        source: SourceFile<'_>,
        chunk_size: Option<NonZeroU64>,
    ) -> Result<Uploaded, ExportError> {
        let object = |extent: Extent<'_>, _| self.hash_extent(extent, |_| {});
        persist(source, || self.read(source, chunk_size, &object))
    }

    /// Bytes in each chunk of a file of `size` bytes; `None` if it is one object.
    #[must_use]
    pub fn chunk_size(&self, size: u64) -> Option<NonZeroU64> {
        self.options.chunk_size.filter(|chunk| size > chunk.get())
    }

    /// Whether the store has an object of so many bytes, under its current or its old key.
    ///
    /// # Errors
    /// [`ExportError::Store`] or [`ExportError::Cancelled`].
    ///
    /// # Panics
    /// On a thread of an asynchronous runtime.
    pub fn has_object(
        &self,
        hash: ContentHash,
        size: u64,
        name: &dyn std::fmt::Display,
    ) -> Result<bool, ExportError> {
        if lock(&self.stored).contains(&hash) {
            return Ok(true);
        }
        let answer = self.wait(cas::head(self.client.as_ref(), hash))?;
        self.judge(hash, size, answer).map_err(|error| upload_error(name, error))
    }

    /// Reads a file once, object by object.
    fn read(
        &self,
        source: SourceFile<'_>,
        chunk_size: Option<NonZeroU64>,
        object: &ObjectWork<'_>,
    ) -> Result<Uploaded, Trouble> {
        let failed = |error| Trouble::Failed(read_error(source.name, error));
        let file = (source.open)().map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        if !before.is_file() {
            return Err(failed(io::Error::other("it is not a file")));
        }
        let stamp = FileStamp::of(&before);
        let size = stamp.size;
        let chunk_size = chunk_size.map(NonZeroU64::get).filter(|chunk| size > *chunk);
        let known = known_hashes(source.known, stamp, chunk_size);
        let length_max = chunk_size.unwrap_or(size.max(1));
        let mut hashes = Vec::new();
        for index in 0..size.div_ceil(length_max).max(1) {
            let offset = index * length_max;
            let length = length_max.min(size - offset);
            let extent = Extent { file: &file, name: source.name, offset, length };
            hashes.push(object(extent, known.get(index as usize).copied())?);
        }
        let after = file.metadata().map_err(failed)?;
        if !is_same(&before, &after) {
            return Err(Trouble::Changed);
        }
        let executable = platform::executable(&before);
        Ok(Uploaded { stamp, executable, chunk_size: chunk_size.unwrap_or(0), hashes })
    }

    fn object(
        &self,
        extent: Extent<'_>,
        known: Option<ContentHash>,
    ) -> Result<ContentHash, Trouble> {
        self.check()?;
        let mut absent = None;
        if let Some(hash) = known {
            if self.is_present(hash, extent)? {
                self.events.done_bytes(extent.length);
                return Ok(hash);
            }
            absent = known;
        }
        if extent.length > HELD_BYTES_MAX {
            return self.large_object(extent, absent);
        }
        let _room = self.wait(self.room.enter(extent.length)).map_err(Trouble::Failed)?;
        let mut bytes = Vec::with_capacity(extent.length as usize);
        self.pieces(extent, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let hash = ContentHash::of(&bytes);
        if !lock(&self.stored).contains(&hash) {
            self.upload(hash, extent, Payload::Bytes(bytes.into()), absent)?;
        }
        self.events.done_bytes(extent.length);
        Ok(hash)
    }

    /// Hashes first, and copies only what the store lacks: most of what is exported again is there.
    fn large_object(
        &self,
        extent: Extent<'_>,
        absent: Option<ContentHash>,
    ) -> Result<ContentHash, Trouble> {
        let hash = self.hash_extent(extent, |bytes| self.events.done_bytes(bytes))?;
        if absent != Some(hash) && self.is_present(hash, extent)? {
            return Ok(hash);
        }
        let (staged, staged_hash) = self.stage(extent)?;
        if staged_hash != hash {
            return Err(Trouble::Changed);
        }
        self.upload(hash, extent, Payload::File(staged.path().to_owned()), Some(hash))?;
        Ok(hash)
    }

    fn hash_extent(&self, extent: Extent<'_>, done: impl Fn(u64)) -> Result<ContentHash, Trouble> {
        let mut hasher = ContentHasher::new();
        self.pieces(extent, |piece| {
            hasher.update(piece);
            done(piece.len() as u64);
            Ok(())
        })?;
        Ok(hasher.finish())
    }

    /// A private copy, deleted when dropped, and the hash of what was written to it.
    fn stage(&self, extent: Extent<'_>) -> Result<(NamedTempFile, ContentHash), Trouble> {
        let failed = |source| {
            let (path, folder) = (extent.name.to_string(), self.options.staging.clone());
            Trouble::Failed(ExportError::Stage { path, folder, source })
        };
        let mut staged = tempfile::Builder::new()
            .prefix(".rusty-attachments-")
            .tempfile_in(&self.options.staging)
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
            self.check()?;
            let wanted = (extent.length - done).min(PIECE_BYTES as u64) as usize;
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            match platform::read_at(extent.file, piece, extent.offset + done) {
                Ok(0) => return Err(Trouble::Changed),
                Ok(read) => {
                    consume(piece.get(..read).unwrap_or_default())?;
                    done += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Failed(read_error(extent.name, error))),
            }
        }
        Ok(())
    }

    fn is_present(&self, hash: ContentHash, extent: Extent<'_>) -> Result<bool, Trouble> {
        if lock(&self.stored).contains(&hash) {
            return Ok(true);
        }
        let key = cas::object_key(hash);
        let answer = self.wait(self.client.head(&key)).map_err(Trouble::Failed)?;
        let present = self.judge(hash, extent.length, answer);
        present.map_err(|error| Trouble::Failed(upload_error(extent.name, error)))
    }

    /// What the answer to a HEAD means. A refusal is none (`deadline.md` 3): it fails.
    fn judge(
        &self,
        hash: ContentHash,
        size: u64,
        answer: Result<rusty_attachments_storage::ObjectInfo, StorageError>,
    ) -> Result<bool, StorageError> {
        match answer {
            Ok(info) if info.size == size => {
                self.note_stored(hash, Stored::Present, 0);
                Ok(true)
            }
            Ok(_) | Err(StorageError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Uploads an object unless it is there; `absent` is known not to be.
    fn upload(
        &self,
        hash: ContentHash,
        extent: Extent<'_>,
        payload: Payload,
        absent: Option<ContentHash>,
    ) -> Result<(), Trouble> {
        let client = self.client.as_ref();
        let stored = if absent == Some(hash) {
            self.wait(cas::put(client, hash, payload)).map(|put| put.map(|()| Stored::Uploaded))
        } else {
            self.wait(cas::put_if_absent(client, hash, payload))
        };
        let stored = stored.map_err(Trouble::Failed)?;
        let stored = stored.map_err(|error| Trouble::Failed(upload_error(extent.name, error)))?;
        self.note_stored(hash, stored, extent.length);
        Ok(())
    }

    fn note_stored(&self, hash: ContentHash, stored: Stored, bytes: u64) {
        if !lock(&self.stored).insert(hash) {
            return;
        }
        let counters = &self.counters;
        match stored {
            Stored::Present => {
                counters.objects_present.fetch_add(1, Ordering::Relaxed);
            }
            Stored::Uploaded => {
                counters.objects_uploaded.fetch_add(1, Ordering::Relaxed);
                counters.bytes_uploaded.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    fn check(&self) -> Result<(), Trouble> {
        match self.events.is_cancelled() {
            true => Err(Trouble::Failed(ExportError::Cancelled)),
            false => Ok(()),
        }
    }

    /// Waits for a call to the store, or drops it when the work is cancelled.
    pub(super) fn wait<T>(&self, call: impl Future<Output = T>) -> Result<T, ExportError> {
        self.runtime.block_on(async {
            tokio::select! {
                done = call => Ok(done),
                () = self.events.cancelled() => Err(ExportError::Cancelled),
            }
        })
    }

    pub(super) fn client(&self) -> &dyn StorageClient {
        self.client.as_ref()
    }
}

/// Reads a file until it stays as it is, but not for ever.
fn persist(
    source: SourceFile<'_>,
    read: impl Fn() -> Result<Uploaded, Trouble>,
) -> Result<Uploaded, ExportError> {
    for _ in 0..ATTEMPTS_MAX {
        match read() {
            Ok(uploaded) => return Ok(uploaded),
            Err(Trouble::Changed) => {}
            Err(Trouble::Failed(error)) => return Err(error),
        }
    }
    Err(ExportError::KeepsChanging { path: source.name.to_string() })
}

/// The hashes that are known of a file with this stamp, in chunks of this size; else none.
fn known_hashes(
    known: Option<(FileStamp, &LocalContent)>,
    stamp: FileStamp,
    chunk_size: Option<u64>,
) -> &[ContentHash] {
    let Some((noted, LocalContent::Hashed { chunk_size: noted_size, hashes })) = known else {
        return &[];
    };
    // One chunk is the whole file, whatever its size might have been.
    let fits = match chunk_size {
        None => hashes.len() == 1,
        Some(chunk_size) => *noted_size == chunk_size,
    };
    if fits && noted == stamp { hashes } else { &[] }
}

/// Whether nobody wrote to the file in between, as far as its times can tell.
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    FileStamp::of(before) == FileStamp::of(after)
}

fn read_error(name: &dyn std::fmt::Display, source: io::Error) -> ExportError {
    ExportError::Read { path: name.to_string(), source }
}

fn upload_error(name: &dyn std::fmt::Display, source: StorageError) -> ExportError {
    ExportError::Store { path: name.to_string(), source }
}
