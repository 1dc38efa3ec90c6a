//! One budget in bytes for all content that is held in memory: blocks that were read, and buffers
//! that a fetch is filling.
//!
//! Memory is spent in two steps. [`MemoryPool::reserve`] waits until the bytes are free, first come
//! first served, throwing out the least recently used blocks that nobody holds. The
//! [`Reservation`] then becomes a [`Block`], or gives its bytes back when it is dropped, which
//! happens also when the fetching task is cancelled. A block is pinned while a `Block` of it
//! exists: it is never thrown out, and its bytes never change.
//!
//! **Rule for callers**: do not wait for a reservation while holding another one or a block.
//! Everybody who waits could then hold what the others wait for.
//!
//! The budget counts what was promised: it is never exceeded. A block that is thrown out leaves the
//! count under the lock and goes back to the allocator right after it, so that no thread waits for
//! an `munmap`. Bookkeeping is not counted, but bounded: see [`IDLE_BYTES_AT_LEAST`].
//!
//! All operations take one short lock and cost O(1), with waiters O(log waiters). Nothing here does
//! I/O, and no lock is held while bytes are freed or wakers run.

mod block;
mod lru;
mod reservation;
mod state;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use rusty_attachments_model::ContentHash;

pub use block::Block;
pub use reservation::Reservation;

use crate::error::{VfsError, VfsErrorKind};
use crate::sync::{Mutex, lock};
use reservation::Acquire;
use state::{Aftermath, State};

/// Blocks that nobody holds count as at least this much against the budget, on average: bookkeeping
/// takes about 150 bytes a block, so a pool full of tiny files stays within 1.2 budgets.
pub(crate) const IDLE_BYTES_AT_LEAST: u64 = 1024;

/// Which part of which object a block holds. How long the parts are is the content layer's matter;
/// the same content has the same key whatever file it is found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockKey {
    /// The object in the CAS.
    pub object: ContentHash,
    /// The part of it, from 0.
    pub index: u32,
}

/// More was asked for than the pool can ever give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{bytes} bytes of memory are needed at once, but the memory budget is {budget} bytes; \
     raise the budget or read in smaller parts"
)]
pub struct PoolError {
    /// What was asked for.
    pub bytes: u64,
    /// All that there is.
    pub budget: u64,
}

impl From<PoolError> for VfsError {
    fn from(error: PoolError) -> Self {
        Self::new(VfsErrorKind::OutOfMemory, error.to_string())
    }
}

/// The state of a pool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Bytes that may be in use at a time.
    pub budget: u64,
    /// Bytes in use: reservations and blocks.
    pub used: u64,
    /// Of those, bytes of reservations that have not become blocks.
    pub reserved: u64,
    /// Of those, bytes of blocks that nobody holds, which would be thrown out for others.
    pub idle: u64,
    /// Blocks that can be found.
    pub blocks: u64,
    /// Reservations that wait.
    pub waiting: u64,
    /// Lookups that found their block.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Blocks thrown out to make room.
    pub evictions: u64,
    /// Reservations that had to wait.
    pub waits: u64,
}

/// Blocks of content within one budget in bytes. Shared by everything that is mounted together.
pub struct MemoryPool {
    budget: u64,
    state: Mutex<State>,
}

impl MemoryPool {
    /// An empty pool that holds at most `budget` bytes.
    #[must_use]
    pub fn new(budget: u64) -> Arc<Self> {
        Arc::new(Self { budget, state: Mutex::new(State::new(budget)) })
    }

    /// The block with `key`, pinned, if it is here.
    #[must_use]
    pub fn get(self: &Arc<Self>, key: &BlockKey) -> Option<Block> {
        let (slot, data) = lock(&self.state).get(key)?;
        Some(Block::in_slot(Arc::clone(self), slot, data))
    }

    /// Waits until `bytes` are free and takes them. Whoever asked first is served first, however
    /// much it is. Dropping the future leaves no trace.
    ///
    /// Has no time limit of its own.
    ///
    /// # Errors
    /// [`PoolError`] if `bytes` is more than the budget.
    pub async fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation, PoolError> {
        if bytes as u64 > self.budget {
            return Err(PoolError { bytes: bytes as u64, budget: self.budget });
        }
        Ok(Acquire::new(self, bytes).await)
    }

    /// Takes `bytes` if they are free now, or can be made so, and nobody waits for memory.
    #[must_use]
    pub fn try_reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        self.update(|state, after| state.try_reserve(bytes as u64, after))
            .then(|| Reservation::new(Arc::clone(self), bytes))
    }

    /// Makes a block impossible to find, such as one whose object proved corrupt; whether there
    /// was one. Who holds it keeps it.
    pub fn remove(&self, key: &BlockKey) -> bool {
        self.update(|state, after| state.remove(key, after))
    }

    /// Bytes that may be in use at a time.
    #[must_use]
    pub const fn budget(&self) -> u64 {
        self.budget
    }

    /// All numbers of one moment. Costs one short lock, however much the pool holds.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        lock(&self.state).stats()
    }

    /// Changes the state, then frees and wakes what that set free, outside of the lock.
    fn update<T>(&self, change: impl FnOnce(&mut State, &mut Aftermath) -> T) -> T {
        let mut after = Aftermath::default();
        let result = change(&mut lock(&self.state), &mut after);
        after.settle();
        result
    }
}

impl fmt::Debug for MemoryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryPool").field(&self.stats()).finish()
    }
}
