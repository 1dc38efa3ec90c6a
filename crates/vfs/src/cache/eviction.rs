//! Eviction of what was not used for longest, by one process at a time.
//!
//! The truth is in the folders: every eviction scans them, which also corrects the byte count. Use
//! is the access time, which the cache sets itself when it hands an object out. Open files stay
//! readable after they were evicted, so nobody is asked.

use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use rusty_attachments_model::ContentHash;

use super::disk::DiskCache;
use super::error::CacheError;
use super::layout::cost;
use super::space::signed;
use super::stats::count;

/// Candidates that one scan keeps: 3 MiB of memory, whatever the cache holds.
const CANDIDATES: usize = 65_536;

/// What an eviction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// Objects removed.
    pub removed: u64,
    /// Bytes of disk that they took.
    pub removed_bytes: u64,
    /// Bytes of disk that the cache still takes.
    pub remaining_bytes: u64,
}

/// Ordered by last use first, so that a heap gives up the most recent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    accessed_ns: i128,
    hash: ContentHash,
    cost: u64,
}

impl DiskCache {
    /// Removes the least recently used objects until the cache takes at most `target` bytes, and
    /// partial files of processes that are no more. Objects used since the call stay.
    ///
    /// # Errors
    /// `Busy` while another process evicts, `ReadOnly`, `Io`.
    pub(super) fn evict(&self, target: u64) -> Result<PruneReport, CacheError> {
        let path = self.layout.path();
        if self.is_read_only() {
            return Err(CacheError::ReadOnly { path: path.to_owned() });
        }
        let failed = |error| CacheError::io("evict from", path, &error);
        // Opened anew each time, because a lock does not tell threads that share a file apart.
        let lock = self.layout.version.open_or_create_file("evict.lock").map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(CacheError::Busy { path: path.to_owned() });
        }
        self.layout.sweep_partials().map_err(failed)?;
        let mut report = PruneReport::default();
        loop {
            let (total, oldest) = self.scan()?;
            report.remaining_bytes = total;
            let more = oldest.len() >= CANDIDATES;
            let removed = self.remove_oldest(oldest, target, &mut report);
            if report.remaining_bytes <= target || !more || removed == 0 {
                break;
            }
        }
        tracing::debug!(?report, target, "evicted from the disk cache");
        Ok(report)
    }

    /// Counts the cache's bytes, which corrects the ledger, and finds the least recently used.
    fn scan(&self) -> Result<(u64, Vec<Candidate>), CacheError> {
        let before = self.ledger.add(0);
        // Charged, but not yet to be seen on disk.
        let unwritten = self.unwritten.load(Ordering::Relaxed);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX);
        let mut oldest = BinaryHeap::new();
        let mut visit = |hash, info: &super::os::FileInfo| {
            if info.accessed_ns > started {
                return;
            }
            oldest.push(Candidate { accessed_ns: info.accessed_ns, hash, cost: cost(info.size) });
            if oldest.len() > CANDIDATES {
                oldest.pop();
            }
        };
        let usage = self
            .layout
            .measure(&mut visit)
            .map_err(|error| CacheError::io("scan", self.layout.path(), &error))?;
        let total = usage.object_bytes + usage.partial_bytes + unwritten;
        // As a difference, so that what others add meanwhile stays counted.
        self.ledger.add(signed(total) - signed(before));
        Ok((total, oldest.into_sorted_vec()))
    }

    fn remove_oldest(&self, oldest: Vec<Candidate>, target: u64, report: &mut PruneReport) -> u64 {
        let (mut removed, mut freed) = (0, 0);
        for candidate in oldest {
            if report.remaining_bytes <= target {
                break;
            }
            if self.remove_unused(&candidate) {
                removed += 1;
                freed += candidate.cost;
                report.remaining_bytes = report.remaining_bytes.saturating_sub(candidate.cost);
            }
        }
        report.removed += removed;
        report.removed_bytes += freed;
        count(&self.counters.evicted, removed);
        count(&self.counters.evicted_bytes, freed);
        self.give_back(freed);
        removed
    }

    /// Removes an object unless it was used since the scan.
    fn remove_unused(&self, candidate: &Candidate) -> bool {
        let Ok(shelf) = self.layout.shelf(candidate.hash) else { return false };
        let name = candidate.hash.to_string();
        shelf.info_of(&name).is_ok_and(|info| info.accessed_ns == candidate.accessed_ns)
            && shelf.remove(&name).is_ok()
    }
}
