//! What went wrong in a mount so far: counted always, logged within bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusty_attachments_vfs::{NodeId, VfsError, VfsErrorKind};

use crate::errno::errno;

/// Counters of one mount since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountStats {
    /// Reads that were answered with an error. The kernel often asks twice before it tells an
    /// application: once to read ahead, once in earnest.
    pub failed_reads: u64,
    /// Requests that ended in a defect of the program and were answered with `EIO`.
    pub panics: u64,
    /// Times that a file was handed to the kernel to read by itself.
    pub passthrough_opens: u64,
}

/// Shared by everything that answers requests of one mount.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failed_reads: AtomicU64,
    panics: AtomicU64,
    passthrough_opens: AtomicU64,
    log: Mutex<LogBudget>,
}

impl Health {
    pub(crate) fn stats(&self) -> MountStats {
        MountStats {
            failed_reads: self.failed_reads.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
            passthrough_opens: self.passthrough_opens.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn read_failed(&self, node: NodeId, offset: u64, error: &VfsError) {
        self.failed_reads.fetch_add(1, Ordering::Relaxed);
        let admitted = self.log.lock().admit(Instant::now(), node, error.kind());
        let Some(unlogged) = admitted else { return };
        let errno = errno(error.kind()).code();
        tracing::warn!(node = node.0, offset, errno, unlogged, "{error}");
    }

    pub(crate) fn panicked(&self, operation: &'static str) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(operation, "a request ended in a defect of this program; answered EIO");
    }

    pub(crate) fn passed_through(&self) {
        self.passthrough_opens.fetch_add(1, Ordering::Relaxed);
    }
}

/// Decides which failures are logged: each file and kind once per window, and so many lines at
/// most, because a store that is down fails every read of a farm.
#[derive(Debug, Default)]
struct LogBudget {
    since: Option<Instant>,
    logged: Vec<(NodeId, VfsErrorKind)>,
    unlogged: u64,
}

impl LogBudget {
    const WINDOW: Duration = Duration::from_secs(10);
    const LINES: usize = 20;

    /// Whether a failure is logged; if so, how many were not since the last that was.
    fn admit(&mut self, now: Instant, node: NodeId, kind: VfsErrorKind) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) >= Self::WINDOW) {
            self.since = Some(now);
            self.logged.clear();
        }
        if self.logged.len() >= Self::LINES || self.logged.contains(&(node, kind)) {
            self.unlogged += 1;
            return None;
        }
        self.logged.push((node, kind));
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_failures_is_logged_within_bounds() {
        let (mut budget, start) = (LogBudget::default(), Instant::now());
        let mut lines = 0;
        for round in 0..100 {
            let node = NodeId(round % 50);
            lines += usize::from(budget.admit(start, node, VfsErrorKind::Offline).is_some());
        }
        assert_eq!(lines, LogBudget::LINES);
        let later = start + LogBudget::WINDOW;
        assert_eq!(budget.admit(later, NodeId(1), VfsErrorKind::Offline), Some(80));
        assert_eq!(budget.admit(later, NodeId(1), VfsErrorKind::Offline), None);
        assert_eq!(budget.admit(later, NodeId(1), VfsErrorKind::Corrupt), Some(1));
    }
}
