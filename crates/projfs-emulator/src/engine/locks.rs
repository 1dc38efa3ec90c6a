//! One operation at a time per name: makers, removers and renamers of a name exclude each other,
//! across their callbacks.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::store::ItemId;
use crate::contract::Wide;
use ntfs_names::fold;

/// A name in its directory, folded by case.
type Key = (ItemId, Vec<u16>);

/// The names that somebody holds or waits for.
type Table = Mutex<HashMap<Key, Arc<AsyncMutex<()>>>>;

/// The names that are being changed.
#[derive(Debug, Default)]
pub(super) struct NameLocks {
    table: Arc<Table>,
}

/// Held names; released when dropped.
#[derive(Debug)]
pub(super) struct NameGuard {
    _claims: Vec<Claim>,
}

impl NameLocks {
    /// Waits for all of these names (folded by case) and takes them, in an order that no two
    /// callers can take in a circle. Who waited longest for a name gets it first. Dropping the
    /// future gives up what it has and its place in the queues.
    pub(super) async fn lock(&self, names: &[(ItemId, &Wide)]) -> NameGuard {
        let mut keys: Vec<Key> =
            names.iter().map(|(directory, name)| (*directory, fold(name.units()))).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut claims = Vec::with_capacity(keys.len());
        for key in keys {
            claims.push(Claim::held(&self.table, key).await);
        }
        NameGuard { _claims: claims }
    }
}

/// A name that is held or waited for. Its lock is in the table while there is any claim on it.
#[derive(Debug)]
struct Claim {
    table: Arc<Table>,
    key: Key,
    lock: Option<Arc<AsyncMutex<()>>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Claim {
    async fn held(table: &Arc<Table>, key: Key) -> Self {
        let lock = table.lock().entry(key.clone()).or_default().clone();
        let mut claim = Self { table: table.clone(), key, lock: Some(lock.clone()), held: None };
        claim.held = Some(lock.lock_owned().await);
        claim
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.held = None;
        let mut table = self.table.lock();
        // Within the table's lock, so that of two last claims one sees that it is the last.
        self.lock = None;
        if table.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::yield_now;

    use super::*;
    use crate::scheduler::{Handle, Scheduler, explore};

    const A: (ItemId, &str) = (ItemId(1), "a");
    const B: (ItemId, &str) = (ItemId(1), "b");

    /// Somebody who takes names, keeps them for a moment, and counts how many do so.
    fn keeper(
        scheduler: &Scheduler,
        locks: &Arc<NameLocks>,
        inside: &Arc<AtomicUsize>,
        names: &[(ItemId, &str)],
    ) -> Handle<()> {
        let (locks, inside) = (locks.clone(), inside.clone());
        let names: Vec<_> = names.iter().map(|(item, name)| (*item, Wide::from(*name))).collect();
        scheduler.spawn("keeper", async move {
            let names: Vec<_> = names.iter().map(|(item, name)| (*item, name)).collect();
            let _guard = locks.lock(&names).await;
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two at once");
            yield_now().await;
            inside.fetch_sub(1, Ordering::Relaxed);
        })
    }

    fn is_empty(locks: &NameLocks) -> bool {
        locks.table.lock().is_empty()
    }

    #[test]
    fn one_at_a_time_has_a_name_however_it_is_spelled() {
        let explored = explore(100_000, |scheduler| {
            let (locks, inside) = <(Arc<NameLocks>, Arc<AtomicUsize>)>::default();
            for name in ["a", "A", "a"] {
                keeper(scheduler, &locks, &inside, &[(ItemId(1), name)]);
            }
            scheduler.run_until_idle().unwrap();
            assert!(is_empty(&locks));
        });
        assert!(explored.unwrap().complete);
    }

    #[test]
    fn names_in_different_folders_and_different_names_do_not_wait_for_each_other() {
        let scheduler = Scheduler::seeded(0);
        let locks = Arc::new(NameLocks::default());
        let name = Wide::from("a");
        let (of_task, of_other) = (locks.clone(), name.clone());
        let first = scheduler.spawn("first", async move {
            let _guard = of_task.lock(&[(ItemId(1), &of_other)]).await;
            std::future::pending::<()>().await;
        });
        assert!(scheduler.run_until_idle().is_err());
        for (item, other) in [(ItemId(2), "a"), (ItemId(1), "b")] {
            let (locks, other) = (locks.clone(), Wide::from(other));
            let second = scheduler.spawn("second", async move {
                drop(locks.lock(&[(item, &other)]).await);
            });
            assert!(scheduler.run_until_idle().is_err());
            assert_eq!(second.take(), Some(()));
        }
        first.cancel();
        assert!(is_empty(&locks));
    }

    #[test]
    fn several_names_are_taken_without_a_circle() {
        let explored = explore(100_000, |scheduler| {
            let (locks, inside) = <(Arc<NameLocks>, Arc<AtomicUsize>)>::default();
            // While somebody has one of them, the others can come to hold the rest.
            keeper(scheduler, &locks, &inside, &[A]);
            keeper(scheduler, &locks, &inside, &[A, B]);
            keeper(scheduler, &locks, &inside, &[B, A]);
            scheduler.run_until_idle().unwrap();
            assert!(is_empty(&locks));
        });
        assert!(explored.unwrap().complete);
    }

    #[test]
    fn a_rename_that_only_changes_case_takes_its_name_once() {
        let scheduler = Scheduler::seeded(0);
        let (locks, inside) = <(Arc<NameLocks>, Arc<AtomicUsize>)>::default();
        keeper(&scheduler, &locks, &inside, &[A, (ItemId(1), "A")]);
        scheduler.run_until_idle().unwrap();
    }

    #[test]
    fn who_waited_longest_is_next() {
        for seed in 0..50 {
            let scheduler = Scheduler::seeded(seed);
            let locks = Arc::new(NameLocks::default());
            let order = Arc::new(Mutex::new(Vec::new()));
            let [first, ..] = [0, 1, 2, 3].map(|number| {
                let (locks, order, name) = (locks.clone(), order.clone(), Wide::from("a"));
                let waiter = scheduler.spawn("waiter", async move {
                    let _guard = locks.lock(&[(ItemId(1), &name)]).await;
                    order.lock().push(number);
                    if number == 0 {
                        std::future::pending::<()>().await;
                    }
                });
                // In line before the next one comes.
                assert!(scheduler.step());
                waiter
            });
            assert!(scheduler.run_until_idle().is_err());
            first.cancel();
            scheduler.run_until_idle().unwrap();
            assert_eq!(*order.lock(), [0, 1, 2, 3]);
        }
    }

    #[test]
    fn a_waiter_that_is_dropped_leaves_nothing_behind_and_holds_up_nobody() {
        let mut cancelled = 0;
        let explored = explore(200_000, |scheduler| {
            let (locks, inside) = <(Arc<NameLocks>, Arc<AtomicUsize>)>::default();
            let first = keeper(scheduler, &locks, &inside, &[A]);
            let dropped = Arc::new(keeper(scheduler, &locks, &Arc::default(), &[A, B]));
            let of_task = dropped.clone();
            scheduler.spawn("cancel", async move { of_task.cancel() });
            let last = keeper(scheduler, &locks, &Arc::default(), &[B]);
            scheduler.run_until_idle().unwrap();
            assert_eq!((first.take(), last.take()), (Some(()), Some(())));
            cancelled += usize::from(dropped.take().is_none());
            assert!(is_empty(&locks));
        });
        assert!(explored.unwrap().complete);
        assert!(cancelled > 0);
    }
    #[test]
    fn threads_leave_nothing_behind_either() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build();
        let runtime = runtime.unwrap();
        let locks = Arc::new(NameLocks::default());
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (locks, name) = (locks.clone(), Wide::from("a"));
                runtime.spawn(async move {
                    for _ in 0..2000 {
                        drop(locks.lock(&[(ItemId(1), &name)]).await);
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        assert!(is_empty(&locks));
    }
}
