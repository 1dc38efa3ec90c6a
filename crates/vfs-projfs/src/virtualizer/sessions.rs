//! The enumerations that are open, with a lock each and a bound (projfs.md F1 to F4).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ActiveEnumeration;
use crate::stats::ProjFsStats;

/// The enumerations that are open. The end of one may get lost (projfs.md F3), so there is a bound,
/// at which the one that was not used for longest makes room.
#[derive(Debug)]
pub(super) struct Sessions {
    bound: usize,
    open: Mutex<Open>,
    stats: Arc<ProjFsStats>,
}

#[derive(Debug, Default)]
struct Open {
    sessions: HashMap<u128, Session>,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Session {
    enumeration: Arc<Mutex<ActiveEnumeration>>,
    used: u64,
}

impl Sessions {
    /// None open, and never more than `bound`, but at least one.
    pub(super) fn new(bound: usize, stats: Arc<ProjFsStats>) -> Self {
        Self { bound: bound.max(1), open: Mutex::default(), stats }
    }

    /// Opens one; an open one of the same id is replaced.
    pub(super) fn insert(&self, id: u128, enumeration: ActiveEnumeration) {
        let enumeration = Arc::new(Mutex::new(enumeration));
        let mut open = self.open.lock();
        let used = open.tick();
        let mut dropped = open.sessions.insert(id, Session { enumeration, used });
        if open.sessions.len() > self.bound {
            dropped = open.remove_oldest();
        }
        self.stats.enumerations.set(open.sessions.len() as u64);
        drop(open);
        // Here and not under the lock: a listing may be freed.
        drop(dropped);
    }

    /// An open one.
    pub(super) fn get(&self, id: u128) -> Option<Arc<Mutex<ActiveEnumeration>>> {
        let mut open = self.open.lock();
        let now = open.tick();
        let session = open.sessions.get_mut(&id)?;
        session.used = now;
        Some(Arc::clone(&session.enumeration))
    }

    /// Closes one, if it is open.
    pub(super) fn remove(&self, id: u128) {
        let mut open = self.open.lock();
        let removed = open.sessions.remove(&id);
        self.stats.enumerations.set(open.sessions.len() as u64);
        drop(open);
        drop(removed);
    }
}

impl Open {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn remove_oldest(&mut self) -> Option<Session> {
        let (oldest, _) = self.sessions.iter().min_by_key(|(_, session)| session.used)?;
        let oldest = *oldest;
        tracing::debug!("enumeration {oldest:032x} was not used for longest and makes room");
        self.sessions.remove(&oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enumeration() -> ActiveEnumeration {
        ActiveEnumeration::new(Arc::default())
    }

    fn bounded(bound: usize) -> Sessions {
        Sessions::new(bound, Arc::default())
    }

    /// What is told of how many are open.
    fn told(sessions: &Sessions) -> u64 {
        sessions.stats.snapshot(0, &rusty_attachments_vfs::Stats::default()).enumerations
    }

    #[test]
    fn f3_lost_ends_do_not_pile_up() {
        let sessions = bounded(3);
        for id in 0..1000 {
            sessions.insert(id, enumeration());
            assert_eq!(told(&sessions), 3.min(id as u64 + 1));
        }
        assert!(sessions.get(996).is_none() && sessions.get(997).is_some());
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_makes_room() {
        let sessions = bounded(3);
        for id in [1, 2, 3] {
            sessions.insert(id, enumeration());
        }
        assert!(sessions.get(1).is_some());
        sessions.insert(4, enumeration());
        let open: Vec<_> = (1..5).filter(|id| sessions.get(*id).is_some()).collect();
        assert_eq!(open, [1, 3, 4]);
    }

    #[test]
    fn one_that_makes_room_while_it_is_used_stays_whole() {
        let sessions = bounded(1);
        sessions.insert(1, enumeration());
        let used = sessions.get(1).unwrap();
        let locked = used.lock();
        // Neither waits for the lock of the session.
        sessions.insert(2, enumeration());
        assert!(sessions.get(1).is_none());
        assert!(locked.is_empty());
    }

    #[test]
    fn ends_of_unknown_enumerations_are_ignored() {
        let sessions = bounded(2);
        sessions.insert(1, enumeration());
        sessions.remove(77);
        assert_eq!(told(&sessions), 1);
        sessions.remove(1);
        sessions.remove(1);
        assert_eq!(told(&sessions), 0);
    }
}
