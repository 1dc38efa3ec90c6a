//! The pool's blocks, and the order in which those that nobody holds were last used.
//!
//! A slab whose free and idle slots are chained through the slots themselves: pinning, unpinning
//! and throwing out the oldest touch a few slots, however many there are. No locks.

use std::sync::Arc;

use super::BlockKey;

/// No slot.
const NONE: u32 = u32::MAX;

/// One block.
pub(super) struct Entry {
    /// What it is found by; `None` once it was removed while somebody held it.
    pub(super) key: Option<BlockKey>,
    pub(super) data: Arc<Vec<u8>>,
    /// Its share of the budget.
    pub(super) charge: u64,
}

enum Slot {
    Pinned { entry: Entry, pins: u32 },
    Idle { entry: Entry, older: u32, newer: u32 },
    Free { next: u32 },
}

/// All blocks by slot, and the chain of the idle ones.
pub(super) struct Blocks {
    slots: Vec<Slot>,
    free: u32,
    oldest: u32,
    newest: u32,
    idle: usize,
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE, oldest: NONE, newest: NONE, idle: 0 }
    }

    /// How many blocks are idle.
    pub(super) const fn idle(&self) -> usize {
        self.idle
    }

    /// Adds a block with one pin.
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        let slot = Slot::Pinned { entry, pins: 1 };
        if let Some(Slot::Free { next }) = self.slots.get(self.free as usize) {
            let id = std::mem::replace(&mut self.free, *next);
            self.slots[id as usize] = slot;
            return id;
        }
        self.slots.push(slot);
        // A slot is larger than 32 bytes, so memory ends long before the ids do.
        (self.slots.len() - 1) as u32
    }

    /// Pins a block once more; its charge if it was idle until now.
    pub(super) fn pin(&mut self, id: u32) -> (Arc<Vec<u8>>, Option<u64>) {
        match std::mem::replace(&mut self.slots[id as usize], Slot::Free { next: NONE }) {
            Slot::Pinned { entry, pins } => {
                let data = Arc::clone(&entry.data);
                self.slots[id as usize] = Slot::Pinned { entry, pins: pins + 1 };
                (data, None)
            }
            Slot::Idle { entry, older, newer } => {
                self.unchain(older, newer);
                let (data, charge) = (Arc::clone(&entry.data), entry.charge);
                self.slots[id as usize] = Slot::Pinned { entry, pins: 1 };
                (data, Some(charge))
            }
            Slot::Free { .. } => unreachable!("slot {id} of the pool is pinned but free"),
        }
    }

    /// Takes one pin away; what that did to the block.
    pub(super) fn unpin(&mut self, id: u32) -> Unpinned {
        match std::mem::replace(&mut self.slots[id as usize], Slot::Free { next: self.free }) {
            Slot::Pinned { entry, pins } if pins > 1 => {
                self.slots[id as usize] = Slot::Pinned { entry, pins: pins - 1 };
                Unpinned::StillPinned
            }
            Slot::Pinned { entry, .. } if entry.key.is_some() => {
                let charge = entry.charge;
                let older = std::mem::replace(&mut self.newest, id);
                self.slots[id as usize] = Slot::Idle { entry, older, newer: NONE };
                match self.slots.get_mut(older as usize) {
                    Some(Slot::Idle { newer, .. }) => *newer = id,
                    _ => self.oldest = id,
                }
                self.idle += 1;
                Unpinned::Idle { charge }
            }
            Slot::Pinned { entry, .. } => {
                self.free = id;
                Unpinned::Gone(entry)
            }
            Slot::Idle { .. } | Slot::Free { .. } => {
                unreachable!("slot {id} of the pool is unpinned twice")
            }
        }
    }

    /// Takes the idle block out that was used longest ago.
    pub(super) fn evict(&mut self) -> Option<Entry> {
        match self.oldest {
            NONE => None,
            oldest => self.take_idle(oldest),
        }
    }

    /// Takes a block out if it is idle; one that is pinned loses its key, and goes when unpinned.
    pub(super) fn disown(&mut self, id: u32) -> Option<Entry> {
        if let Some(Slot::Pinned { entry, .. }) = self.slots.get_mut(id as usize) {
            entry.key = None;
            return None;
        }
        self.take_idle(id)
    }

    fn take_idle(&mut self, id: u32) -> Option<Entry> {
        let slot = self.slots.get_mut(id as usize)?;
        if !matches!(slot, Slot::Idle { .. }) {
            return None;
        }
        let Slot::Idle { entry, older, newer } =
            std::mem::replace(slot, Slot::Free { next: self.free })
        else {
            return None;
        };
        self.free = id;
        self.unchain(older, newer);
        Some(entry)
    }

    /// Closes the chain of idle slots over one that leaves it.
    fn unchain(&mut self, before: u32, after: u32) {
        match self.slots.get_mut(before as usize) {
            Some(Slot::Idle { newer, .. }) => *newer = after,
            _ => self.oldest = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(Slot::Idle { older, .. }) => *older = before,
            _ => self.newest = before,
        }
        self.idle -= 1;
    }
}

/// What became of a block that lost a pin.
pub(super) enum Unpinned {
    /// Others hold it.
    StillPinned,
    /// Nobody holds it; it can still be found.
    Idle {
        /// Its share of the budget.
        charge: u64,
    },
    /// Nobody holds it and nobody can find it.
    Gone(Entry),
}
