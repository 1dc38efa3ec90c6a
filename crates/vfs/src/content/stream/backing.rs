//! What stands behind a streamed object, and how its bytes come to be verified.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use rusty_attachments_model::{ContentHash, ContentHasher};
use tokio::time::timeout;

use super::ObjectStream;
use super::run::Input;
use crate::cache::{CacheError, CachedObject, PartialObject};
use crate::content::ContentFetch;
use crate::content::body::{ObjectRef, mismatch};
use crate::content::whole::{ATTEMPTS, gave_up};
use crate::error::VfsError;
use crate::pool::Block;
use crate::sync::{Mutex, lock};

/// GETs at a time when a whole object is fetched to be verified first.
const SPOOL_REQUESTS: usize = 8;

/// How long a block waits for its turn to be written before its object goes on without the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

/// Blocks in one such GET.
const SPOOL_BLOCKS: u32 = 32;

/// What is known of a streamed object's bytes.
#[derive(Clone, Debug)]
pub(super) enum Backing {
    /// Nobody has looked yet.
    Undecided,
    /// No disk cache: blocks live in memory only, and are hashed while they pass in order.
    Memory(Arc<Mutex<Frontier>>),
    /// No disk cache, but a first pass has verified the object and noted the hash of each block.
    Digests(Arc<[ContentHash]>),
    /// Blocks are gathered in a file, which is verified once it is complete.
    Partial(Arc<PartialObject>),
    /// The whole object is in a verified file.
    Published(Arc<CachedObject>),
    /// The object does not have the hash that it should.
    Poisoned(VfsError),
}

impl Backing {
    /// The hash that block `index` must have, where a first pass has noted it.
    pub(super) fn digest(&self, index: u32) -> Option<ContentHash> {
        match self {
            Self::Digests(digests) => digests.get(index as usize).copied(),
            _ => None,
        }
    }
}

/// How far an object in memory has been hashed from its start.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// What was hashed so far; away while a task goes on with it.
    progress: Progress,
    hashing: bool,
    /// Blocks came while a task was hashing: it must look again.
    arrivals: bool,
}

/// The hash of the blocks so far, and of each of them: blocks that are fetched again after the
/// object was verified are checked against these.
#[derive(Debug, Default)]
struct Progress {
    hasher: ContentHasher,
    digests: Vec<ContentHash>,
}

impl Progress {
    /// The next block to hash.
    fn next(&self) -> u32 {
        u32::try_from(self.digests.len()).unwrap_or(u32::MAX)
    }

    fn add(&mut self, block: &[u8]) {
        self.hasher.update(block);
        self.digests.push(ContentHash::of(block));
    }
}

impl ContentFetch {
    /// Decides what stands behind a stream; the first reader does, the others wait for it.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
    ) -> Result<(), VfsError> {
        for _ in 0..ATTEMPTS {
            match &lock(&stream.state).backing {
                Backing::Undecided => {}
                Backing::Poisoned(error) => return Err(error.clone()),
                _ => return Ok(()),
            }
            let (ticket, leader) = self.preparations.join(stream.object);
            if let Some(leader) = leader {
                let (this, stream) = (Arc::clone(self), Arc::clone(stream));
                self.spawn(async move {
                    let decided = !matches!(lock(&stream.state).backing, Backing::Undecided);
                    if decided {
                        return leader.land(Ok(()));
                    }
                    let result = this.decide(&stream).await;
                    leader.land(result.map(|backing| {
                        let mut state = lock(&stream.state);
                        if matches!(state.backing, Backing::Undecided) {
                            state.backing = backing;
                        }
                    }));
                });
            }
            if let Some(result) = ticket.await {
                return result;
            }
        }
        Err(gave_up(stream.object))
    }

    async fn decide(self: &Arc<Self>, stream: &ObjectStream) -> Result<Backing, VfsError> {
        let object = stream.object;
        let kept = Arc::clone(&self.kept);
        if let Some(file) = self.blocking(move || kept.verify(object)).await? {
            return Ok(Backing::Published(file));
        }
        let partial = self.begin_partial(object).await?;
        match (self.verified_first(object), partial) {
            (false, Some(partial)) => Ok(Backing::Partial(partial)),
            (false, None) => Ok(Backing::Memory(Arc::default())),
            (true, Some(partial)) => match self.spool(stream, &partial).await? {
                Some(file) => Ok(Backing::Published(file)),
                None => self.take_digests(stream).await,
            },
            (true, None) => self.take_digests(stream).await,
        }
    }

    async fn begin_partial(
        self: &Arc<Self>,
        object: ObjectRef,
    ) -> Result<Option<Arc<PartialObject>>, VfsError> {
        let Some(cache) = self.kept.cache().map(Arc::clone) else { return Ok(None) };
        match self.blocking(move || cache.begin(object.hash, object.size)).await? {
            Ok(partial) => Ok(Some(Arc::new(partial))),
            Err(error) => {
                self.stats.uncached_objects.add(1);
                tracing::warn!(%error, hash = %object.hash, "a large object is read without the disk cache");
                Ok(None)
            }
        }
    }

    /// Fetches a whole object into its partial file and publishes it. `None` if the disk failed.
    async fn spool(
        self: &Arc<Self>,
        stream: &ObjectStream,
        partial: &Arc<PartialObject>,
    ) -> Result<Option<Arc<CachedObject>>, VfsError> {
        let starts = (0..stream.blocks).step_by(SPOOL_BLOCKS as usize);
        let fetches = futures_util::stream::iter(starts)
            .map(|first| self.spool_run(stream, partial, first))
            .buffer_unordered(SPOOL_REQUESTS);
        if fetches.try_fold(true, |all, ok| async move { Ok(all && ok) }).await? {
            let finished = Arc::clone(partial);
            return match self.blocking(move || finished.finish()).await? {
                Ok(file) => {
                    self.stats.cached_objects.add(1);
                    Ok(Some(file))
                }
                Err(error @ CacheError::Corrupt { .. }) => {
                    self.stats.corrupt_objects.add(1);
                    Err(VfsError::from(error))
                }
                Err(_) => Ok(None),
            };
        }
        Ok(None)
    }

    /// Copies one run of blocks from the store into the partial file; false if the disk failed.
    async fn spool_run(
        self: &Arc<Self>,
        stream: &ObjectStream,
        partial: &Arc<PartialObject>,
        first: u32,
    ) -> Result<bool, VfsError> {
        let last = (first + SPOOL_BLOCKS).min(stream.blocks) - 1;
        let range = stream.extent(first).start..stream.extent(last).end;
        let body = self.block_fetcher.open(stream.object, range).await?;
        let mut input = Input { body, rest: Bytes::new() };
        for index in first..=last {
            let extent = stream.extent(index);
            let reserved = self.reserve(extent.end - extent.start).await?;
            let mut bytes = reserved.buffer();
            input.read_exact(&mut bytes).await?;
            let file = Arc::clone(partial);
            let written = self.blocking(move || {
                let written = file.write_at(extent.start, &bytes);
                drop(reserved);
                written
            });
            if let Err(error) = written.await? {
                tracing::warn!(%error, "a large object cannot be gathered on disk");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a whole object once to verify it, keeping only the hash of each block.
    async fn take_digests(&self, stream: &ObjectStream) -> Result<Backing, VfsError> {
        let body = self.block_fetcher.open(stream.object, 0..stream.object.size).await?;
        let mut input = Input { body, rest: Bytes::new() };
        let mut progress = Progress::default();
        let length = stream.block_bytes.min(stream.object.size);
        let reserved = self.reserve(length).await?;
        for index in 0..stream.blocks {
            let extent = stream.extent(index);
            let mut bytes =
                Vec::with_capacity(usize::try_from(extent.end - extent.start).unwrap_or(0));
            input.read_exact(&mut bytes).await?;
            progress.add(&bytes);
        }
        drop(reserved);
        let actual = progress.hasher.finish();
        if actual != stream.object.hash {
            return Err(self.block_fetcher.mismatch(stream.object, actual));
        }
        Ok(Backing::Digests(progress.digests.into()))
    }

    /// A block that the partial file holds and memory no longer does.
    pub(super) async fn from_partial(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
        index: u32,
    ) -> Result<Option<Block>, VfsError> {
        let backing = lock(&stream.state).backing.clone();
        let extent = stream.extent(index);
        let held = match &backing {
            Backing::Partial(partial) => partial.contains(&extent),
            Backing::Published(_) => true,
            Backing::Poisoned(error) => return Err(error.clone()),
            _ => false,
        };
        if !held {
            return Ok(None);
        }
        let length = extent.end - extent.start;
        let reservation = self.reserve(length).await?;
        let kept = Arc::clone(&self.kept);
        let read = self.blocking(move || match backing {
            Backing::Partial(partial) => {
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
                partial.read_at(extent.start, &mut bytes).map(|whole| whole.then_some(bytes))
            }
            Backing::Published(file) => Ok(kept.read(&file, &extent).ok().map(Vec::from)),
            _ => Ok(None),
        });
        match read.await? {
            Ok(Some(bytes)) => Ok(Some(reservation.insert(stream.key(index), bytes))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::warn!(%error, "a block is fetched again");
                Ok(None)
            }
        }
    }

    /// Does for a new block what its backing demands: write it down, or hash it.
    pub(super) async fn arrived(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
        index: u32,
        block: Block,
    ) {
        let backing = lock(&stream.state).backing.clone();
        match backing {
            Backing::Partial(partial) => self.write_block(stream, index, block, partial).await,
            Backing::Memory(frontier) => self.hash_forward(stream, &frontier, index, &block),
            _ => {}
        }
    }

    async fn write_block(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
        index: u32,
        block: Block,
        partial: Arc<PartialObject>,
    ) {
        let extent = stream.extent(index);
        let room = self.kept.room(extent.end - extent.start);
        let Ok(Some(room)) = timeout(DISK_PATIENCE, room).await else {
            tracing::warn!(hash = %stream.object.hash, "the disk of the cache does not keep up");
            return self.give_up_disk(stream, &partial);
        };
        let (this, stream) = (Arc::clone(self), Arc::clone(stream));
        self.kept.write_behind(move || {
            let _room = room;
            if partial.contains(&extent) {
                return;
            }
            if let Err(error) = partial.write_at(extent.start, block.as_ref()) {
                tracing::warn!(%error, "a large object cannot be gathered on disk");
                this.give_up_disk(&stream, &partial);
            } else if partial.is_complete() {
                drop(block);
                this.complete(&stream, &partial);
            }
        });
    }

    /// Goes on in memory when the disk fails: reading matters more than keeping.
    fn give_up_disk(&self, stream: &ObjectStream, partial: &Arc<PartialObject>) {
        let mut state = lock(&stream.state);
        if matches!(&state.backing, Backing::Partial(current) if Arc::ptr_eq(current, partial)) {
            state.backing = Backing::Memory(Arc::default());
            drop(state);
            self.stats.uncached_objects.add(1);
        }
    }

    fn complete(&self, stream: &ObjectStream, partial: &Arc<PartialObject>) {
        match partial.finish() {
            Ok(file) => {
                self.kept.hold(stream.object, &file);
                lock(&stream.state).backing = Backing::Published(file);
                self.stats.cached_objects.add(1);
            }
            Err(error @ CacheError::Corrupt { .. }) => self.poison(stream, VfsError::from(error)),
            Err(error) => {
                tracing::warn!(%error, "a large object cannot be published on disk");
                self.give_up_disk(stream, partial);
            }
        }
    }

    /// Hashes as far as blocks in memory reach without a gap.
    fn hash_forward(
        &self,
        stream: &ObjectStream,
        frontier: &Mutex<Frontier>,
        index: u32,
        block: &Block,
    ) {
        let Some(mut progress) = take_progress(frontier) else { return };
        loop {
            let next = progress.next();
            if next >= stream.blocks {
                return self.hashed_all(stream, progress);
            }
            let found = if next == index {
                Some(block.clone())
            } else {
                self.block_in_memory(stream, next)
            };
            match found {
                Some(block) => progress.add(block.as_ref()),
                None => match give_back(frontier, progress) {
                    Some(again) => progress = again,
                    None => return,
                },
            }
        }
    }

    fn hashed_all(&self, stream: &ObjectStream, progress: Progress) {
        let actual = progress.hasher.finish();
        if actual == stream.object.hash {
            lock(&stream.state).backing = Backing::Digests(progress.digests.into());
        } else {
            self.poison(stream, mismatch(stream.object, actual));
        }
    }
}

/// Takes the progress out, so that hashing holds no lock. `None` if a task has it; that task is told
/// to look again.
fn take_progress(frontier: &Mutex<Frontier>) -> Option<Progress> {
    let mut frontier = lock(frontier);
    if frontier.hashing {
        frontier.arrivals = true;
        return None;
    }
    frontier.hashing = true;
    Some(std::mem::take(&mut frontier.progress))
}

/// Puts the progress back, unless blocks arrived meanwhile: then the caller goes on with it.
fn give_back(frontier: &Mutex<Frontier>, progress: Progress) -> Option<Progress> {
    let mut frontier = lock(frontier);
    if std::mem::take(&mut frontier.arrivals) {
        return Some(progress);
    }
    frontier.hashing = false;
    frontier.progress = progress;
    None
}
