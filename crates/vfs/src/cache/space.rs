//! Whether there is room to write: the cache's limit, the disk's free space, and pauses when both
//! are exhausted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::disk::DiskCache;
use super::error::CacheError;
use super::stats::count;

/// How long nothing is written after the disk turned out to be full: long enough not to burden a
/// full disk with every read, short enough that a cleaned one is used again soon.
const PAUSE: Duration = Duration::from_secs(30);
/// After an eviction that could not free enough, scanning again at once would not help either.
const EVICTION_PAUSE: Duration = Duration::from_secs(1);

/// When the cache may write and evict again.
#[derive(Debug)]
pub(super) struct Pauses {
    start: Instant,
    writes_from_ms: AtomicU64,
    evictions_from_ms: AtomicU64,
}

impl Pauses {
    pub(super) fn new() -> Self {
        let none = || AtomicU64::new(0);
        Self { start: Instant::now(), writes_from_ms: none(), evictions_from_ms: none() }
    }

    fn is_over(&self, from_ms: &AtomicU64) -> bool {
        self.start.elapsed() >= Duration::from_millis(from_ms.load(Ordering::Relaxed))
    }

    fn begin(&self, from_ms: &AtomicU64, length: Duration) {
        let until = u64::try_from((self.start.elapsed() + length).as_millis());
        from_ms.store(until.unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl DiskCache {
    /// Whether nothing is written for now.
    pub(super) fn is_paused(&self) -> bool {
        !self.pauses.is_over(&self.pauses.writes_from_ms)
    }

    /// Charges the cache with `bytes` that are about to be written, and evicts to make room.
    pub(super) fn charge(&self, bytes: u64) -> Result<Charge<'_>, CacheError> {
        if self.is_paused() {
            return Err(self.no_room(bytes, "it could not be written a moment ago"));
        }
        self.unwritten.fetch_add(bytes, Ordering::Relaxed);
        let total = self.ledger.add(signed(bytes));
        let charge = Charge { cache: self, bytes, kept: false };
        let limit = self.limits.max_bytes;
        // Evicting a little early leaves room for the writes of others in the meantime.
        if total > limit - limit / 32 {
            self.make_room((limit / 10 * 9).max(bytes));
            if self.ledger.total() > limit {
                return Err(CacheError::Full { path: self.layout.path().to_owned(), limit });
            }
        }
        self.keep_floor(bytes)?;
        Ok(charge)
    }

    /// Takes back what was charged for bytes that are no more.
    pub(super) fn give_back(&self, bytes: u64) {
        self.ledger.add(-signed(bytes));
    }

    /// Leaves the disk its free space, for everybody else on it.
    fn keep_floor(&self, bytes: u64) -> Result<(), CacheError> {
        let wanted = self.limits.min_free_bytes.saturating_add(bytes);
        let free = || self.layout.version.free_bytes().ok().flatten().unwrap_or(u64::MAX);
        let found = free();
        if found >= wanted {
            return Ok(());
        }
        self.make_room(self.ledger.total().saturating_sub(wanted - found));
        if free() >= wanted {
            return Ok(());
        }
        self.pause_writes();
        Err(self.no_room(bytes, "the disk would have less free space than it must keep"))
    }

    /// Evicts down to `target` bytes, unless someone does already or it was in vain just now.
    fn make_room(&self, target: u64) {
        if !self.pauses.is_over(&self.pauses.evictions_from_ms) {
            return;
        }
        match self.evict(target) {
            Ok(report) if report.remaining_bytes <= target => {}
            Err(CacheError::Busy { .. }) => {}
            Ok(_) => self.pauses.begin(&self.pauses.evictions_from_ms, EVICTION_PAUSE),
            Err(error) => {
                self.pauses.begin(&self.pauses.evictions_from_ms, EVICTION_PAUSE);
                tracing::warn!(%error, "the disk cache cannot evict");
            }
        }
    }

    /// Writes, and if the disk is full evicts and tries once more.
    pub(super) fn write_or_evict(
        &self,
        bytes: u64,
        write: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        match write() {
            Err(error) if super::error::is_full(&error) => {
                let total = self.ledger.total();
                self.make_room(total.saturating_sub(bytes.saturating_mul(2).max(total / 10)));
                write().inspect_err(|_| self.pause_writes())
            }
            // A disk that fails gets a rest as well; a mount lives without its cache.
            written => written.inspect_err(|_| self.pause_writes()),
        }
    }

    fn pause_writes(&self) {
        count(&self.counters.write_pauses, 1);
        self.pauses.begin(&self.pauses.writes_from_ms, PAUSE);
        tracing::warn!(
            path = %self.layout.path().display(), seconds = PAUSE.as_secs(),
            "the disk cache cannot be written; content is read from the store for a while"
        );
    }

    pub(super) fn no_room(&self, needed: u64, reason: &str) -> CacheError {
        CacheError::OutOfSpace {
            path: self.layout.path().to_owned(),
            needed,
            reason: reason.to_owned(),
        }
    }
}

/// Bytes that the cache is charged with while they are written; taken back unless kept.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    cache: &'a DiskCache,
    bytes: u64,
    kept: bool,
}

impl Charge<'_> {
    /// The bytes are on disk now.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.cache.give_back(self.bytes);
        }
        self.cache.unwritten.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Sizes of files fit; what does not is cut off rather than wrapped.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
