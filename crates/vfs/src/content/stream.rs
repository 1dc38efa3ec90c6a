//! Objects that are too large to hold: read in blocks, verified when complete or first of all.
//!
//! Every block is in one of four places: memory, the partial file of the disk cache, the verified
//! file, or the store. A run fetches neighbouring blocks in one GET and lands each as it arrives.

mod backing;
mod run;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusty_attachments_model::ContentHash;

use super::body::ObjectRef;
use super::readahead::ReadAhead;
use super::whole::{ATTEMPTS, gave_up};
use super::{BlockResult, ContentFetch, VerifyPolicy};
use crate::error::VfsError;
use crate::pool::{Block, BlockKey};
use crate::sync::{Mutex, lock};
use crate::volume::{Outcome, ReadData};
use backing::Backing;

/// Streamed objects whose state is remembered at most.
const STREAMS_MAX: usize = 1024;

/// A reader that was not seen for this long does not count when memory is shared out.
const ACTIVE_FOR: Duration = Duration::from_secs(2);

/// The state of one streamed object.
#[derive(Debug)]
pub(super) struct ObjectStream {
    object: ObjectRef,
    block_bytes: u64,
    blocks: u32,
    state: Mutex<StreamState>,
}

#[derive(Debug)]
struct StreamState {
    backing: Backing,
    readahead: ReadAhead,
    last_read: Instant,
}

impl ObjectStream {
    fn key(&self, index: u32) -> BlockKey {
        BlockKey { object: self.object.hash, index }
    }

    /// The bytes of block `index` within the object.
    fn extent(&self, index: u32) -> Range<u64> {
        let start = u64::from(index) * self.block_bytes;
        start..(start + self.block_bytes).min(self.object.size)
    }

    /// The first and last block that `range` touches.
    fn touched(&self, range: &Range<u64>) -> (u32, u32) {
        let index = |offset: u64| u32::try_from(offset / self.block_bytes).unwrap_or(u32::MAX);
        (index(range.start), index(range.end.saturating_sub(1)))
    }
}

impl ObjectStream {
    /// Whether nothing is lost when this state is dropped. What is known to be corrupt is kept.
    fn is_forgettable(&self) -> bool {
        let state = lock(&self.state);
        state.last_read.elapsed() > ACTIVE_FOR && !matches!(state.backing, Backing::Poisoned(_))
    }
}

impl ContentFetch {
    pub(super) fn read_streamed(
        self: &Arc<Self>,
        object: ObjectRef,
        range: Range<u64>,
    ) -> Outcome<ReadData> {
        let stream = match self.stream(object) {
            Ok(stream) => stream,
            Err(error) => return Outcome::Ready(Err(error)),
        };
        let backing = {
            let mut state = lock(&stream.state);
            state.last_read = Instant::now();
            state.backing.clone()
        };
        match backing {
            Backing::Poisoned(error) => return Outcome::Ready(Err(error)),
            Backing::Published(file) => {
                return Outcome::Ready(self.kept.read(&file, &range).map(ReadData::from));
            }
            Backing::Undecided => {}
            _ => {
                self.read_ahead(&stream, &range);
                if let Some(data) = self.assemble(&stream, &range) {
                    return Outcome::Ready(Ok(data));
                }
            }
        }
        let this = Arc::clone(self);
        Outcome::Pending(Box::pin(async move { this.read_pending(&stream, range).await }))
    }

    /// The state of `object`'s stream, made on first use.
    fn stream(&self, object: ObjectRef) -> Result<Arc<ObjectStream>, VfsError> {
        let mut streams = lock(&self.streams);
        if let Some(stream) = streams.get(&object) {
            return Ok(Arc::clone(stream));
        }
        if streams.len() >= STREAMS_MAX {
            streams.retain(|_, stream| Arc::strong_count(stream) > 1 || !stream.is_forgettable());
        }
        let blocks = u32::try_from(object.size.div_ceil(self.block_bytes)).map_err(|_| {
            VfsError::new(
                crate::error::VfsErrorKind::OutOfMemory,
                format!(
                    "object {} of {} bytes has too many blocks of {} bytes: raise the memory budget",
                    object.hash, object.size, self.block_bytes
                ),
            )
        })?;
        let stream = Arc::new(ObjectStream {
            object,
            block_bytes: self.block_bytes,
            blocks,
            state: Mutex::new(StreamState {
                backing: Backing::Undecided,
                readahead: ReadAhead::default(),
                last_read: Instant::now(),
            }),
        });
        streams.insert(object, Arc::clone(&stream));
        Ok(stream)
    }

    /// The bytes of `range`, if all of its blocks are in memory.
    fn assemble(&self, stream: &ObjectStream, range: &Range<u64>) -> Option<ReadData> {
        let (first, last) = stream.touched(range);
        if first == last {
            let block = self.block_in_memory(stream, first)?;
            self.stats.pool_bytes.add(range.end - range.start);
            let part = super::part_of(range, stream.extent(first).start, block.as_ref().len());
            return Some(ReadData::shared(Arc::new(block), part));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(range.end - range.start).ok()?);
        for index in first..=last {
            let block = self.block_in_memory(stream, index)?;
            let part = super::part_of(range, stream.extent(index).start, block.as_ref().len());
            bytes.extend_from_slice(block.as_ref().get(part)?);
        }
        self.stats.pool_bytes.add(range.end - range.start);
        Some(ReadData::from(bytes::Bytes::from(bytes)))
    }

    fn block_in_memory(&self, stream: &ObjectStream, index: u32) -> Option<Block> {
        let extent = stream.extent(index);
        self.in_memory(&stream.key(index), extent.end - extent.start)
    }

    async fn read_pending(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
        range: Range<u64>,
    ) -> Result<ReadData, VfsError> {
        self.prepare(stream).await?;
        let backing = lock(&stream.state).backing.clone();
        if let Backing::Published(file) = backing {
            let kept = Arc::clone(&self.kept);
            return self.blocking(move || kept.read(&file, &range)).await?.map(ReadData::from);
        }
        let (first, last) = stream.touched(&range);
        self.launch(stream, first..last + 1);
        self.read_ahead(stream, &range);
        // Reply buffers are not charged to the budget: the kernel bounds the requests in flight,
        // and waiting for memory while holding blocks could wait for ever.
        let mut bytes = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        for index in first..=last {
            let block = self.obtain_block(stream, index).await?;
            let start = stream.extent(index).start;
            let part = super::part_of(&range, start, block.as_ref().len());
            if first == last {
                return Ok(ReadData::shared(Arc::new(block), part));
            }
            bytes.extend_from_slice(block.as_ref().get(part).unwrap_or_default());
        }
        Ok(ReadData::from(bytes::Bytes::from(bytes)))
    }

    async fn obtain_block(self: &Arc<Self>, stream: &Arc<ObjectStream>, index: u32) -> BlockResult {
        for _ in 0..ATTEMPTS {
            if let Some(block) = self.block_in_memory(stream, index) {
                self.stats.pool_bytes.add(block.as_ref().len() as u64);
                return Ok(block);
            }
            if let Some(block) = self.from_partial(stream, index).await? {
                return Ok(block);
            }
            let (ticket, leader) = self.blocks.join((stream.object, index));
            if let Some(leader) = leader {
                self.start_run(stream, index, vec![leader]);
            }
            if let Some(block) = ticket.await {
                return block;
            }
        }
        Err(gave_up(stream.object))
    }

    /// Notes a read and fetches ahead of it what its reader will want.
    fn read_ahead(self: &Arc<Self>, stream: &Arc<ObjectStream>, range: &Range<u64>) {
        let (first, last) = stream.touched(range);
        let window = self.window_max();
        let ahead = lock(&stream.state).readahead.note(first, last, stream.blocks, window);
        if let Some(ahead) = ahead {
            self.launch(stream, ahead);
        }
    }

    /// How many blocks one reader may fetch ahead: a quarter of the budget, shared by the objects
    /// that are being read just now.
    fn window_max(&self) -> u32 {
        let active =
            |stream: &Arc<ObjectStream>| lock(&stream.state).last_read.elapsed() < ACTIVE_FOR;
        let readers = lock(&self.streams).values().filter(|stream| active(stream)).count().max(1);
        let blocks = self.pool.budget() / 4 / self.block_bytes / readers as u64;
        u32::try_from(blocks).unwrap_or(u32::MAX).max(2)
    }

    /// Whether bytes of `object` may be shown only after all of it was verified.
    fn verified_first(&self, object: ObjectRef) -> bool {
        self.options.verify == VerifyPolicy::BeforeRead
            || object.size <= self.options.verified_first_max
    }

    /// Drops everything that is known of a corrupt object, and tells who may have shown it; once,
    /// however many find it out.
    fn poison(&self, stream: &ObjectStream, error: VfsError) {
        let mut state = lock(&stream.state);
        if matches!(state.backing, Backing::Poisoned(_)) {
            return;
        }
        state.backing = Backing::Poisoned(error.clone());
        drop(state);
        self.stats.corrupt_objects.add(1);
        tracing::error!(hash = %stream.object.hash, %error, "a large object is corrupt: its reads fail from now on");
        for index in 0..stream.blocks {
            self.pool.remove(&stream.key(index));
        }
        let watcher = lock(&self.poison_watcher).clone();
        if let Some(watcher) = watcher {
            watcher(stream.object.hash);
        }
    }

    /// How many streamed objects turned out corrupt and are refused.
    pub(crate) fn poisoned(&self) -> Vec<ContentHash> {
        let streams = lock(&self.streams);
        let poisoned = |stream: &&Arc<ObjectStream>| {
            matches!(lock(&stream.state).backing, Backing::Poisoned(_))
        };
        streams.values().filter(poisoned).map(|stream| stream.object.hash).collect()
    }
}
