//! The content path: object and byte range in, verified bytes out.
//!
//! Two strategies share one fetcher, one memory budget and one disk cache. [`whole`] serves
//! objects that are small enough to fetch and verify before a byte of them is shown. [`stream`]
//! serves larger ones in blocks as they arrive, and verifies them as soon as they are complete
//! (`architecture.md` 5), or first of all where the policy or the memory budget says so.
//!
//! [`copy`] passes whole files on, for whoever keeps them elsewhere.
//!
//! Answers from memory and from verified local files are given on the caller's thread; everything
//! else runs on the executor.

mod body;
mod copy;
mod flight;
mod kept;
mod readahead;
mod stream;
mod whole;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::StorageClient;

use crate::cache::DiskCache;
use crate::error::{VfsError, VfsErrorKind};
use crate::executor::AsyncExecutor;
use crate::pool::{Block, BlockKey, MemoryPool, Reservation};
use crate::stats::Stats;
use crate::sync::{Mutex, lock};
use crate::volume::{Outcome, ReadData};

pub(crate) use body::ObjectRef;
use body::{FetchTimeouts, Fetcher};
use flight::SingleFlight;
use kept::KeptFiles;
use stream::ObjectStream;

/// Bytes in a block of a streamed object: small enough that a random read costs little more than
/// one store latency, large enough that a 40 GiB object has few of them.
const BLOCK_BYTES: u64 = 256 * 1024;

/// When bytes of a large object may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VerifyPolicy {
    /// As they arrive; the object is verified when it is complete, and a mismatch poisons it.
    /// Objects up to [`ContentOptions::verified_first_max`] are verified before all the same.
    #[default]
    OnComplete,
    /// After the whole object was fetched and verified.
    BeforeRead,
}

/// How content is fetched.
#[derive(Clone, Copy, Debug)]
pub struct ContentOptions {
    /// When bytes of large objects may be shown.
    pub verify: VerifyPolicy,
    /// Objects up to this many bytes are verified before a byte of them is shown, whatever the
    /// policy. Default 64 MiB.
    pub verified_first_max: u64,
    /// Objects up to this many bytes, and up to a quarter of the memory budget, are held in memory
    /// whole; larger ones in blocks. Default 64 MiB.
    pub whole_max: u64,
    /// Requests to the store at a time: so many for whole objects, and as many for blocks of larger
    /// ones. Default 64.
    pub max_requests: usize,
    /// Objects fetched ahead of their readers at a time; zero turns that off. Default 32.
    pub max_prefetches: usize,
    /// From a request to its answer, the store client's own retries included. Default 60 s.
    pub answer_timeout: Duration,
    /// Between two pieces of an answer. Default 30 s.
    pub stall_timeout: Duration,
}

impl Default for ContentOptions {
    fn default() -> Self {
        Self {
            verify: VerifyPolicy::OnComplete,
            verified_first_max: 64 * 1024 * 1024,
            whole_max: 64 * 1024 * 1024,
            max_requests: 64,
            max_prefetches: 32,
            answer_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
        }
    }
}

/// Called with the hash of an object that turned out corrupt after bytes of it had been shown.
pub(crate) type PoisonWatcher = Box<dyn Fn(ContentHash) + Send + Sync>;

/// An answer to a read, and where it comes from.
pub(crate) struct Answer {
    pub(crate) outcome: Outcome<ReadData>,
    pub(crate) origin: Origin,
}

/// Where a read's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A whole object in memory.
    Memory,
    /// A whole object in the disk cache.
    Disk,
    /// A whole object that must be obtained, most likely from the store.
    Elsewhere,
    /// A streamed object.
    Streamed,
}

type BlockResult = Result<Block, VfsError>;

/// Reads objects of the CAS.
pub(crate) struct ContentFetch {
    /// For whole objects, which have their memory before they ask for a request.
    fetcher: Fetcher,
    /// For blocks, which wait for memory while their request is open. Counted apart, because with
    /// one count for both each side could hold what the other waits for.
    block_fetcher: Fetcher,
    pool: Arc<MemoryPool>,
    kept: Arc<KeptFiles>,
    executor: Arc<AsyncExecutor>,
    stats: Arc<Stats>,
    options: ContentOptions,
    block_bytes: u64,
    whole: Arc<SingleFlight<ObjectRef, Result<whole::Held, VfsError>>>,
    prefetches: Arc<tokio::sync::Semaphore>,
    streams: Mutex<HashMap<ObjectRef, Arc<ObjectStream>>>,
    blocks: Arc<SingleFlight<(ObjectRef, u32), BlockResult>>,
    preparations: Arc<SingleFlight<ObjectRef, Result<(), VfsError>>>,
    poison_watcher: Mutex<Option<Arc<PoisonWatcher>>>,
}

impl fmt::Debug for ContentFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentFetch").field("options", &self.options).finish_non_exhaustive()
    }
}

impl ContentFetch {
    pub(crate) fn new(
        client: Arc<dyn StorageClient>,
        pool: Arc<MemoryPool>,
        cache: Option<Arc<DiskCache>>,
        executor: Arc<AsyncExecutor>,
        stats: Arc<Stats>,
        options: ContentOptions,
    ) -> Arc<Self> {
        let timeouts =
            FetchTimeouts { answer: options.answer_timeout, stall: options.stall_timeout };
        // A quarter of the budget, so that one whole object never crowds out everything else.
        let whole_max = options.whole_max.min(pool.budget() / 4);
        let kept =
            KeptFiles::new(cache, Arc::clone(&executor), Arc::clone(&stats), pool.budget() / 4);
        Arc::new(Self {
            fetcher: Fetcher::new(
                Arc::clone(&client),
                options.max_requests,
                timeouts,
                Arc::clone(&stats),
            ),
            block_fetcher: Fetcher::new(client, options.max_requests, timeouts, Arc::clone(&stats)),
            kept: Arc::new(kept),
            executor,
            stats,
            options: ContentOptions { whole_max, ..options },
            // A budget smaller than a few blocks gets smaller blocks.
            block_bytes: BLOCK_BYTES.min(pool.budget() / 8).max(512),
            pool,
            whole: SingleFlight::new(),
            prefetches: Arc::new(tokio::sync::Semaphore::new(options.max_prefetches)),
            streams: Mutex::new(HashMap::new()),
            blocks: SingleFlight::new(),
            preparations: SingleFlight::new(),
            poison_watcher: Mutex::new(None),
        })
    }

    /// Reads `range` of `object`, which lies within it and is not empty.
    pub(crate) fn read(self: &Arc<Self>, object: ObjectRef, range: Range<u64>) -> Answer {
        if self.is_whole(object) {
            return self.read_whole(object, range);
        }
        let outcome = self.read_streamed(object, range);
        Answer { outcome, origin: Origin::Streamed }
    }

    /// Whether `object` is fetched and verified whole, in memory.
    pub(crate) fn is_whole(&self, object: ObjectRef) -> bool {
        object.size <= self.options.whole_max
    }

    /// The files of the disk cache.
    pub(crate) fn kept(&self) -> &KeptFiles {
        &self.kept
    }

    /// A block in memory. A manifest may state two sizes for one hash: the one that is wrong must
    /// not be served what was fetched for the other, cut to fit.
    fn in_memory(&self, key: &BlockKey, length: u64) -> Option<Block> {
        self.pool.get(key).filter(|block| block.as_ref().len() as u64 == length)
    }

    /// Waits for memory.
    async fn reserve(&self, bytes: u64) -> Result<Reservation, VfsError> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let reserved = self.pool.reserve(bytes).await;
        reserved.map_err(|error| VfsError::new(VfsErrorKind::OutOfMemory, error.to_string()))
    }

    /// Memory, if there is some to spare just now.
    fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        self.pool.try_reserve(usize::try_from(bytes).ok()?)
    }

    pub(crate) fn watch_poison(&self, watcher: PoisonWatcher) {
        *lock(&self.poison_watcher) = Some(Arc::new(watcher));
    }
}

/// The part of a block that `range` of its object covers; `start` is the block's offset there.
fn part_of(range: &Range<u64>, start: u64, len: usize) -> Range<usize> {
    let clamp =
        |offset: u64| usize::try_from(offset.saturating_sub(start)).map_or(len, |at| at.min(len));
    clamp(range.start)..clamp(range.end)
}
