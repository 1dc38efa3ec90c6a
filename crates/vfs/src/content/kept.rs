//! What the content path keeps in the disk cache, and what it finds there.
//!
//! Small objects are hashed each time they are read from disk; larger ones are used only when the
//! cache vouches for them. Writing happens behind the reader's back, in bounded bytes: a slow or
//! full disk costs caching, never reading.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rusty_attachments_model::ContentHash;
use tokio::sync::Semaphore;

use super::body::ObjectRef;
use crate::cache::{CacheLookup, CachedObject, DiskCache};
use crate::error::{VfsError, VfsErrorKind};
use crate::executor::AsyncExecutor;
use crate::pool::Block;
use crate::stats::Stats;
use crate::sync::{Mutex, lock};

/// Verified files that are held open at most.
const OPEN_FILES_MAX: usize = 256;

/// Objects up to this size are read and hashed whole where a reader asks; larger ones are read in
/// place, so their files must carry the cache's stamp.
pub(super) const HASHED_ON_READ_MAX: u64 = 1024 * 1024;

/// Threads that write to the disk at a time. Enough to keep one busy, too few to stand in the way of
/// readers: with one for every waiting object the first byte of a cold 4 MiB file took four times as
/// long as without a cache.
const WRITERS_MAX: usize = 2;

/// The unit in which pinned bytes are counted.
const PERMIT_BYTES: u64 = 4096;

#[derive(Debug)]
pub(crate) struct KeptFiles {
    cache: Option<Arc<DiskCache>>,
    executor: Arc<AsyncExecutor>,
    stats: Arc<Stats>,
    open: Mutex<HashMap<ContentHash, Arc<CachedObject>>>,
    /// Memory that waits to be written, in [`PERMIT_BYTES`].
    unwritten: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

impl KeptFiles {
    pub(super) fn new(
        cache: Option<Arc<DiskCache>>,
        executor: Arc<AsyncExecutor>,
        stats: Arc<Stats>,
        max_unwritten: u64,
    ) -> Self {
        let permits = usize::try_from(max_unwritten / PERMIT_BYTES).unwrap_or(usize::MAX >> 3);
        Self {
            cache,
            executor,
            stats,
            open: Mutex::new(HashMap::new()),
            unwritten: Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS))),
            writers: Arc::new(Semaphore::new(WRITERS_MAX)),
        }
    }

    pub(super) fn cache(&self) -> Option<&Arc<DiskCache>> {
        self.cache.as_ref()
    }

    /// A file of exactly `object`'s verified content. Touches the local disk.
    pub(crate) fn verified(&self, object: ObjectRef) -> Option<Arc<CachedObject>> {
        let found = lock(&self.open).get(&object.hash).map(Arc::clone);
        if found.is_some() {
            return found;
        }
        match self.cache.as_ref()?.lookup(object.hash, object.size) {
            CacheLookup::Hit(file) if file.is_verified() => {
                self.hold(object, &file);
                Some(file)
            }
            _ => None,
        }
    }

    /// Like [`Self::verified`], but hashes a file that nobody vouches for. May take long.
    pub(super) fn verify(&self, object: ObjectRef) -> Option<Arc<CachedObject>> {
        if let Some(file) = self.verified(object) {
            return Some(file);
        }
        let CacheLookup::Hit(file) = self.cache.as_ref()?.lookup(object.hash, object.size) else {
            return None;
        };
        if let Err(error) = file.verify() {
            tracing::warn!(%error, "a file of the disk cache is not used");
            return None;
        }
        self.hold(object, &file);
        Some(file)
    }

    /// Keeps a verified file open, and forgets an arbitrary other one when there are too many.
    pub(super) fn hold(&self, object: ObjectRef, file: &Arc<CachedObject>) {
        let mut open = lock(&self.open);
        if open.len() >= OPEN_FILES_MAX
            && let Some(&other) = open.keys().next()
        {
            open.remove(&other);
        }
        open.insert(object.hash, Arc::clone(file));
    }

    /// The bytes of a small object, read whole and hashed. Touches the local disk.
    pub(super) fn load(&self, object: ObjectRef) -> Option<Vec<u8>> {
        let CacheLookup::Hit(file) = self.cache.as_ref()?.lookup(object.hash, object.size) else {
            return None;
        };
        let mut bytes = vec![0; usize::try_from(object.size).ok()?];
        if let Err(error) = file.read_verified(&mut bytes) {
            tracing::warn!(%error, "a file of the disk cache is not used");
            return None;
        }
        self.stats.disk_bytes.add(object.size);
        Some(bytes)
    }

    /// Publishes a verified object in the background, if there is room for it to wait.
    pub(super) fn keep(&self, object: ObjectRef, block: Block) {
        let Some(cache) = self.cache.clone() else { return };
        let permits = u32::try_from(object.size.div_ceil(PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.unwritten).try_acquire_many_owned(permits) else {
            self.stats.uncached_objects.add(1);
            return;
        };
        let stats = Arc::clone(&self.stats);
        self.write_behind(move || {
            let _permit = permit;
            match cache.store(object.hash, block.as_ref()) {
                Ok(true) => stats.cached_objects.add(1),
                Ok(false) => stats.uncached_objects.add(1),
                Err(error) => {
                    stats.uncached_objects.add(1);
                    tracing::debug!(%error, "an object was not cached");
                }
            }
        });
    }

    /// Runs disk work that nobody waits for, when a writer is free.
    pub(super) fn write_behind(&self, work: impl FnOnce() + Send + 'static) {
        let (executor, writers) = (Arc::clone(&self.executor), Arc::clone(&self.writers));
        let written = self.executor.spawn(async move {
            let writer = writers.acquire_owned().await;
            if writer.is_err() || executor.spawn_blocking(work).await.is_err() {
                tracing::debug!("an object was not cached: the executor is shutting down");
            }
        });
        if written.is_err() {
            tracing::debug!("an object was not cached: the executor was shut down");
        }
    }

    /// Waits for room to write `bytes` of a partial object behind the reader's back.
    pub(super) async fn room(&self, bytes: u64) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        Arc::clone(&self.unwritten).acquire_many_owned(permits).await.ok()
    }

    /// The open file for a kernel that can read it itself.
    pub(crate) fn local_file(&self, object: ObjectRef) -> Option<Arc<File>> {
        self.verified(object).map(|file| Arc::clone(file.file()))
    }

    /// Reads `range` of a verified file.
    pub(super) fn read(&self, file: &CachedObject, range: &Range<u64>) -> Result<Bytes, VfsError> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        file.read_at(range.start, &mut bytes).map_err(|error| {
            VfsError::new(
                VfsErrorKind::Internal,
                format!("cannot read a file of the disk cache: {error}"),
            )
        })?;
        self.stats.disk_bytes.add(range.end - range.start);
        Ok(bytes.into())
    }
}
