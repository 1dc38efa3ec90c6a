//! The paths that a provider said it has not: the negative path cache (projfs.md H10), and what its
//! later answers are held against (E9). Also the paths that it said have changed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::contract::Wide;
use crate::engine::session::Session;
use ntfs_names::fold;

/// How many paths of each kind are kept; those beyond are asked for again, and checked less.
const MOST: usize = 100_000;

/// Paths that the provider said it has not (H10); outlives it.
#[derive(Debug, Default)]
pub(in crate::engine) struct NegativePaths {
    /// By folded path.
    denials: Mutex<HashMap<Vec<u16>, Denial>>,
    /// Folded paths of what a provider updated, deleted or marked, or tried to.
    changed_paths: Mutex<HashSet<Vec<u16>>>,
    /// How often the provider said that its projection changed.
    changes: AtomicU64,
    /// Told of each.
    changed: Notify,
}

#[derive(Debug)]
struct Denial {
    by: Weak<Session>,
    /// The provider wanted the cache, so that it is not asked again.
    cached: bool,
    /// As they were when it was denied.
    changes: u64,
    /// As it was asked for.
    spelled: Wide,
}

/// When a path got into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// The provider that runs denied it.
    InThisSession,
    /// One that ran earlier did, and none has cleared the cache since.
    Before,
}

impl NegativePaths {
    /// The provider denied a path.
    pub(super) fn learn(&self, path: &Wide, session: &Arc<Session>) {
        let denial = Denial {
            by: Arc::downgrade(session),
            cached: session.request().negative_path_cache,
            changes: self.changes(),
            spelled: path.clone(),
        };
        let (mut denials, key) = (self.denials.lock(), fold(path.units()));
        if denials.len() < MOST || denials.contains_key(&key) {
            denials.insert(key, denial);
        }
    }

    /// Whether a path is in the cache.
    pub(super) fn learnt(&self, path: &Wide, session: &Arc<Session>) -> Option<Learnt> {
        let denials = self.denials.lock();
        let denial = denials.get(&fold(path.units())).filter(|denial| denial.cached)?;
        Some(if denial.is_by(session) { Learnt::InThisSession } else { Learnt::Before })
    }

    /// Whether the provider denied a path and has not said since that its projection changed.
    pub(super) fn is_denied(&self, path: &Wide, session: &Arc<Session>) -> bool {
        let denials = self.denials.lock();
        let denial = denials.get(&fold(path.units()));
        denial.is_some_and(|denial| denial.is_by(session) && denial.changes == self.changes())
    }

    /// What is wrong if this session lists a path, in this spelling: the rule, and what is right.
    pub(in crate::engine) fn listed(
        &self,
        path: &Wide,
        session: &Arc<Session>,
    ) -> Option<(&'static str, &'static str)> {
        let denials = self.denials.lock();
        let denial = denials.get(&fold(path.units()))?;
        let unchanged = denial.is_by(session) && denial.changes == self.changes();
        if denial.cached && session.request().negative_path_cache {
            Some(("H10", "but is in the negative path cache; clear it when the projection changes"))
        } else if unchanged && denial.spelled != *path {
            Some(("G9", "but was denied in another case; find names in any case"))
        } else {
            None
        }
    }

    /// The provider has this path, as it is now: it wrote a placeholder.
    pub(super) fn forget(&self, path: &Wide) {
        let key = fold(path.units());
        self.denials.lock().remove(&key);
        self.changed_paths.lock().remove(&key);
    }

    /// The provider said that its projection changed at this path.
    pub(super) fn projection_changed(&self, path: &Wide) {
        {
            let mut changed = self.changed_paths.lock();
            if changed.len() < MOST {
                changed.insert(fold(path.units()));
            }
        }
        self.count_change();
    }

    /// Whether the provider said that its projection changed at this path, so that what is on disk
    /// may be what it was before: where an update was refused, it is (N9).
    pub(in crate::engine) fn is_changed(&self, path: &Wide) -> bool {
        self.changed_paths.lock().contains(&fold(path.units()))
    }

    fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Ends when the provider says next that its projection changed, from now on.
    pub(super) fn next_change(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// How often the provider said that its projection changed.
    pub(in crate::engine) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Empties the cache; gives how many paths it had.
    pub(super) fn clear(&self) -> u32 {
        let denials = std::mem::take(&mut *self.denials.lock());
        self.count_change();
        let cached = denials.values().filter(|denial| denial.cached).count();
        u32::try_from(cached).unwrap_or(u32::MAX)
    }
}

impl Denial {
    /// The weak reference keeps the session's place, so that no other session can have it.
    fn is_by(&self, session: &Arc<Session>) -> bool {
        std::ptr::eq(self.by.as_ptr(), Arc::as_ptr(session))
    }
}
