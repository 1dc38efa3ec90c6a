//! How many bytes the cache holds, agreed on by all processes that use it.
//!
//! The count is a hint: it decides when to scan, and a scan corrects it. It lives in a small file
//! that is only touched under a lock. Nobody ever waits for that lock; who does not get it keeps its
//! change to itself and adds it the next time.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::os;

/// How often to ask for the lock before the change is put off; it is held for microseconds.
const ATTEMPTS: usize = 16;

#[derive(Debug)]
pub(super) struct Ledger {
    /// `None` in a cache that cannot be written.
    file: Option<File>,
    /// What the file said last.
    known: AtomicI64,
    /// Changes that the file does not have yet.
    pending: AtomicI64,
    /// Whether a thread of this process is at the file: file locks do not tell threads apart.
    busy: AtomicBool,
}

impl Ledger {
    /// The second value says whether a count was there; without one the caller has to measure.
    pub(super) fn open(file: Option<File>) -> (Self, bool) {
        let stored = file.as_ref().and_then(read);
        let known = AtomicI64::new(stored.unwrap_or(0));
        let ledger = Self { file, known, pending: AtomicI64::new(0), busy: AtomicBool::new(false) };
        (ledger, stored.is_some())
    }

    /// Bytes in the cache, as far as known.
    pub(super) fn total(&self) -> u64 {
        let sum = self.known.load(Ordering::Relaxed) + self.pending.load(Ordering::Relaxed);
        u64::try_from(sum).unwrap_or(0)
    }

    /// Adds to the count, or takes from it; returns the new total.
    pub(super) fn add(&self, delta: i64) -> u64 {
        self.pending.fetch_add(delta, Ordering::Relaxed);
        if let Some(file) = &self.file
            && !self.busy.swap(true, Ordering::Acquire)
        {
            if lock(file) {
                self.exchange(file);
                // Closing the file would also unlock it.
                let _ = file.unlock();
            }
            self.busy.store(false, Ordering::Release);
        }
        self.total()
    }

    fn exchange(&self, file: &File) {
        let stored = read(file).unwrap_or(0);
        let mine = self.pending.load(Ordering::Relaxed);
        let sum = stored.saturating_add(mine).max(0);
        let written = os::write_all_at(file, &sum.to_le_bytes(), 0).is_ok();
        self.known.store(if written { sum } else { stored }, Ordering::Relaxed);
        if written {
            self.pending.fetch_sub(mine, Ordering::Relaxed);
        }
    }
}

fn read(file: &File) -> Option<i64> {
    let mut bytes = [0; 8];
    os::read_exact_at(file, &mut bytes, 0).ok()?;
    Some(i64::from_le_bytes(bytes))
}

fn lock(file: &File) -> bool {
    (0..ATTEMPTS).any(|_| {
        file.try_lock().is_ok() || {
            std::thread::yield_now();
            false
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_openers_share_one_count() {
        let temp = tempfile::tempdir().unwrap();
        let dir = os::Dir::open_or_create(temp.path()).unwrap();
        let open = || Ledger::open(Some(dir.open_or_create_file("usage").unwrap()));
        let ((a, counted), (b, _)) = (open(), open());
        assert!(!counted);
        std::thread::scope(|scope| {
            for ledger in [&a, &a, &b, &b] {
                scope.spawn(|| {
                    (0..1000).map(|_| ledger.add(3)).for_each(|total| assert!(total > 0))
                });
            }
        });
        a.add(0);
        b.add(-12_000 + 7);
        assert_eq!(a.add(0), 7);
        assert!(open().1, "the count outlives its openers");
        assert_eq!(open().0.total(), 7);
    }

    #[test]
    fn a_held_lock_delays_nobody_and_loses_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = os::Dir::open_or_create(temp.path()).unwrap();
        let holder = dir.open_or_create_file("usage").unwrap();
        let (ledger, _) = Ledger::open(Some(dir.open_or_create_file("usage").unwrap()));
        holder.lock().unwrap();
        assert_eq!(ledger.add(5), 5);
        holder.unlock().unwrap();
        ledger.add(1);
        assert_eq!(read(&holder), Some(6));
    }
}
