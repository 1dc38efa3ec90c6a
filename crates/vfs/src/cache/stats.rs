//! What the cache did since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one opened cache, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Lookups that found the object.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Files that could not be the object, by size, kind or owner.
    pub rejected: u64,
    /// Objects with wrong bytes, found or offered.
    pub corrupt: u64,
    /// Objects published.
    pub stored: u64,
    /// Bytes of them.
    pub stored_bytes: u64,
    /// Objects evicted.
    pub evicted: u64,
    /// Bytes of them.
    pub evicted_bytes: u64,
    /// Times that writing was given up for a while: no room, or the disk failed.
    pub write_pauses: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        /// The counts while they change.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64),*
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> CacheStats {
                CacheStats { $($name: self.$name.load(Ordering::Relaxed)),* }
            }
        }
    };
}

counters!(
    hits,
    misses,
    rejected,
    corrupt,
    stored,
    stored_bytes,
    evicted,
    evicted_bytes,
    write_pauses
);

/// Adds to a count; counts order nothing.
pub(super) fn count(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
