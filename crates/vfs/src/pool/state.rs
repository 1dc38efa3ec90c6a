//! What the pool's lock guards: who has how much, who waits, and which block is found by which key.
//!
//! Nothing here locks, frees content or wakes anybody: that is left to the [`Aftermath`], which the
//! caller settles when it has let go of the lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::Waker;

use super::lru::{Blocks, Entry, Unpinned};
use super::{BlockKey, IDLE_BYTES_AT_LEAST, PoolStats};

/// Idle blocks that any pool may keep, however small its budget.
const IDLE_BLOCKS_AT_LEAST: u64 = 64;

/// A place in the queue for memory. Lower is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

struct Waiter {
    bytes: u64,
    waker: Waker,
}

/// What a change leaves to be done outside of the lock.
#[derive(Default)]
pub(super) struct Aftermath {
    freed: Vec<Arc<Vec<u8>>>,
    served: Vec<Waker>,
    stale: Option<Waker>,
}

impl Aftermath {
    /// Frees first, so that whoever is woken finds the memory free.
    pub(super) fn settle(self) {
        drop(self.freed);
        self.served.into_iter().for_each(Waker::wake);
    }
}

/// The pool behind its lock. Invariant: `reserved + idle + pinned == used <= budget`.
pub(super) struct State {
    stats: PoolStats,
    /// Most idle blocks at a time, whatever their size.
    max_idle: usize,
    index: HashMap<BlockKey, u32>,
    blocks: Blocks,
    /// Those who wait, in the order in which they came.
    waiters: BTreeMap<Turn, Waiter>,
    next_turn: u64,
}

impl State {
    pub(super) fn new(budget: u64) -> Self {
        let max_idle = (budget / IDLE_BYTES_AT_LEAST).max(IDLE_BLOCKS_AT_LEAST);
        Self {
            stats: PoolStats { budget, ..PoolStats::default() },
            max_idle: usize::try_from(max_idle).unwrap_or(usize::MAX),
            index: HashMap::new(),
            blocks: Blocks::new(),
            waiters: BTreeMap::new(),
            next_turn: 0,
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        PoolStats {
            blocks: self.index.len() as u64,
            waiting: self.waiters.len() as u64,
            ..self.stats
        }
    }

    /// Pins the block with `key`.
    pub(super) fn get(&mut self, key: &BlockKey) -> Option<(u32, Arc<Vec<u8>>)> {
        let Some(&slot) = self.index.get(key) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        Some((slot, self.pin(slot)))
    }

    fn pin(&mut self, slot: u32) -> Arc<Vec<u8>> {
        let (data, was_idle) = self.blocks.pin(slot);
        self.stats.idle -= was_idle.unwrap_or_default();
        data
    }

    /// Takes one pin away.
    pub(super) fn unpin(&mut self, slot: u32, after: &mut Aftermath) {
        match self.blocks.unpin(slot) {
            Unpinned::StillPinned => {}
            Unpinned::Idle { charge } => {
                self.stats.idle += charge;
                if self.blocks.idle() > self.max_idle {
                    self.evict(after);
                }
                self.serve(after);
            }
            Unpinned::Gone(entry) => {
                after.freed.push(entry.data);
                self.free(entry.charge, after);
            }
        }
    }

    /// Makes a block of a reservation, pinned; the block that is there if there is one.
    pub(super) fn insert(
        &mut self,
        key: BlockKey,
        data: Arc<Vec<u8>>,
        reserved: u64,
        charge: u64,
        after: &mut Aftermath,
    ) -> (u32, Arc<Vec<u8>>) {
        if let Some(&slot) = self.index.get(&key) {
            after.freed.push(data);
            let data = self.pin(slot);
            self.unreserve(reserved, after);
            return (slot, data);
        }
        let slot = self.blocks.insert(Entry { key: Some(key), data: Arc::clone(&data), charge });
        self.index.insert(key, slot);
        self.detach(reserved, charge, after);
        (slot, data)
    }

    /// Turns `charge` bytes of a reservation into a pinned block's and frees the rest.
    pub(super) fn detach(&mut self, reserved: u64, charge: u64, after: &mut Aftermath) {
        self.stats.reserved -= charge;
        self.unreserve(reserved - charge, after);
    }

    /// Makes a block impossible to find.
    pub(super) fn remove(&mut self, key: &BlockKey, after: &mut Aftermath) -> bool {
        let Some(slot) = self.index.remove(key) else { return false };
        if let Some(entry) = self.blocks.disown(slot) {
            self.stats.idle -= entry.charge;
            after.freed.push(entry.data);
            self.free(entry.charge, after);
        }
        true
    }

    /// Takes `bytes` now unless others wait for memory.
    pub(super) fn try_reserve(&mut self, bytes: u64, after: &mut Aftermath) -> bool {
        self.waiters.is_empty() && self.take(bytes, after)
    }

    /// Takes `bytes`, or a place in the queue for them.
    pub(super) fn queue(
        &mut self,
        bytes: u64,
        waker: Waker,
        after: &mut Aftermath,
    ) -> Option<Turn> {
        if self.try_reserve(bytes, after) {
            return None;
        }
        let turn = Turn(self.next_turn);
        self.next_turn += 1;
        self.stats.waits += 1;
        self.waiters.insert(turn, Waiter { bytes, waker });
        Some(turn)
    }

    /// Keeps waiting; `None` if the turn has come, and the bytes were taken.
    pub(super) fn wait_on(
        &mut self,
        turn: Turn,
        waker: Waker,
        after: &mut Aftermath,
    ) -> Option<Turn> {
        let waiter = self.waiters.get_mut(&turn)?;
        after.stale = Some(std::mem::replace(&mut waiter.waker, waker));
        Some(turn)
    }

    /// Gives a place in the queue up, or the bytes if the turn had come unnoticed.
    pub(super) fn leave(&mut self, turn: Turn, bytes: u64, after: &mut Aftermath) {
        match self.waiters.remove(&turn) {
            Some(waiter) => {
                after.stale = Some(waiter.waker);
                self.serve(after);
            }
            None => self.unreserve(bytes, after),
        }
    }

    /// Gives bytes of a reservation back.
    pub(super) fn unreserve(&mut self, bytes: u64, after: &mut Aftermath) {
        self.stats.reserved -= bytes;
        self.free(bytes, after);
    }

    /// Gives bytes back that are neither reserved nor idle.
    pub(super) fn free(&mut self, bytes: u64, after: &mut Aftermath) {
        self.stats.used -= bytes;
        self.serve(after);
    }

    /// Gives memory to those who wait, strictly in turn: a large request is not overtaken by
    /// small ones, or it might never be served.
    fn serve(&mut self, after: &mut Aftermath) {
        while let Some((_, waiter)) = self.waiters.first_key_value() {
            if !self.take(waiter.bytes, after) {
                return;
            }
            if let Some((_, waiter)) = self.waiters.pop_first() {
                after.served.push(waiter.waker);
            }
        }
    }

    /// Takes `bytes` for a reservation, throwing idle blocks out if that is enough.
    fn take(&mut self, bytes: u64, after: &mut Aftermath) -> bool {
        let stats = &self.stats;
        if bytes > stats.budget - (stats.used - stats.idle) {
            return false;
        }
        while bytes > self.stats.budget - self.stats.used && self.evict(after) {}
        self.stats.used += bytes;
        self.stats.reserved += bytes;
        true
    }

    /// Throws out the idle block that was used longest ago; `false` if there is none.
    fn evict(&mut self, after: &mut Aftermath) -> bool {
        let Some(entry) = self.blocks.evict() else { return false };
        if let Some(key) = entry.key {
            self.index.remove(&key);
        }
        self.stats.idle -= entry.charge;
        self.stats.used -= entry.charge;
        self.stats.evictions += 1;
        after.freed.push(entry.data);
        true
    }
}
