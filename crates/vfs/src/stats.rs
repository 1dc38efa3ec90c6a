//! Counters that every front end and the content path fill. Relaxed atomics: cheap enough to stay
//! on, exact once things are quiet.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// What was added so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Serialize for Counter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

/// What a volume has done so far.
#[derive(Debug, Default, Serialize)]
pub struct Stats {
    /// Calls of `Volume::read`, `read_content` and `copy_content`.
    pub reads: Counter,
    /// Reads that failed.
    pub failed_reads: Counter,
    /// Bytes answered from memory.
    pub pool_bytes: Counter,
    /// Bytes read from the disk cache, to answer reads or to fill memory.
    pub disk_bytes: Counter,
    /// Bytes that came from the store.
    pub store_bytes: Counter,
    /// GET requests to the store.
    pub store_requests: Counter,
    /// Requests or bodies that failed: refused, timed out, cut.
    pub store_failures: Counter,
    /// Objects whose bytes did not have the size or hash that they should.
    pub corrupt_objects: Counter,
    /// Objects that were fetched before anybody asked.
    pub prefetched_objects: Counter,
    /// Objects published in the disk cache.
    pub cached_objects: Counter,
    /// Objects that could not be kept in the disk cache: too large, disk full or too slow.
    pub uncached_objects: Counter,
}
