//! Many who wait for the disk share one flush.

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Who makes what durable. Things are counted in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct GroupCommit {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    /// So many are durable.
    durable: u64,
    /// Whether somebody is at it.
    is_flushing: bool,
}

impl GroupCommit {
    /// Returns when `wanted` things are durable. `flush` makes everything durable that was written
    /// before it begins, and says how many that is, at least `wanted`. It runs in one thread at a
    /// time; all that come meanwhile share the next one.
    ///
    /// # Errors
    /// That of the caller's own `flush`; others then try theirs.
    pub(super) fn commit<E>(
        &self,
        wanted: u64,
        flush: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut progress = self.progress.lock();
        while progress.is_flushing && progress.durable < wanted {
            self.changed.wait(&mut progress);
        }
        if progress.durable >= wanted {
            return Ok(());
        }
        progress.is_flushing = true;
        let flushed = MutexGuard::unlocked(&mut progress, flush);
        progress.is_flushing = false;
        self.changed.notify_all();
        progress.durable = progress.durable.max(flushed?);
        Ok(())
    }

    /// Notes that so many things became durable in another way.
    pub(super) fn note_durable(&self, count: u64) {
        let mut progress = self.progress.lock();
        progress.durable = progress.durable.max(count);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn those_that_come_during_a_flush_share_the_next() {
        let commit = GroupCommit::default();
        let (flushes, written) = (&AtomicU64::new(0), &AtomicU64::new(1));
        let (begun, first_begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let commit = &commit;
        let flush = &|| {
            flushes.fetch_add(1, Ordering::SeqCst);
            Ok::<_, ()>(written.load(Ordering::SeqCst))
        };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let slow = || {
                    let covered = flush();
                    begun.send(()).unwrap();
                    released.recv().unwrap();
                    covered
                };
                commit.commit(1, slow).unwrap();
            });
            first_begins.recv().unwrap();
            // Written while the first flush runs: it does not cover these.
            let waiting: Vec<_> = (2..10)
                .map(|wanted| {
                    written.store(wanted, Ordering::SeqCst);
                    scope.spawn(move || commit.commit(wanted, flush))
                })
                .collect();
            release.send(()).unwrap();
            waiting.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(
            flushes.load(Ordering::SeqCst),
            2,
            "one that was running, and one for all who waited"
        );
    }

    #[test]
    fn a_failed_flush_fails_its_caller_only() {
        let commit = GroupCommit::default();
        assert_eq!(commit.commit(1, || Err("disk")), Err("disk"));
        assert_eq!(commit.commit(1, || Ok::<_, ()>(1)), Ok(()));
        assert_eq!(commit.commit(1, || Err("not called")), Ok(()));
        commit.note_durable(5);
        assert_eq!(commit.commit(5, || Err("not called")), Ok(()));
        assert_eq!(commit.commit(6, || Err("disk")), Err("disk"));
    }
}
