//! Bytes that were promised and are not yet a block, and the wait for them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::state::Turn;
use super::{Block, BlockKey, MemoryPool};

/// A share of the budget. Dropping it gives the bytes back.
#[must_use = "dropping a reservation gives its bytes back"]
pub struct Reservation {
    pool: Arc<MemoryPool>,
    bytes: usize,
}

impl Reservation {
    pub(super) const fn new(pool: Arc<MemoryPool>, bytes: usize) -> Self {
        Self { pool, bytes }
    }

    /// How many bytes are reserved.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back all but `bytes`; without effect if fewer are reserved.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(excess) = self.bytes.checked_sub(bytes).filter(|&excess| excess > 0) {
            self.bytes = bytes;
            self.pool.update(|state, after| state.unreserve(excess as u64, after));
        }
    }

    /// An empty buffer whose capacity is exactly what is reserved: filled without growing, it
    /// becomes a block without being copied.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        Vec::with_capacity(self.bytes)
    }

    /// Makes a block that others find by `key`. If there is one already, that one is returned and
    /// the new bytes are freed: equal keys mean equal bytes.
    ///
    /// The capacity of `bytes` is charged; what is reserved beyond it is given back. A buffer
    /// larger than the reservation is the caller's bug: it is cut to its length and charged as
    /// what was reserved, which hides the rest from the budget, and an error is logged.
    pub fn insert(mut self, key: BlockKey, bytes: Vec<u8>) -> Block {
        let bytes = self.fit(bytes);
        let charge = bytes.capacity().min(self.bytes) as u64;
        let reserved = std::mem::take(&mut self.bytes) as u64;
        let data = Arc::new(bytes);
        let (slot, data) =
            self.pool.update(|state, after| state.insert(key, data, reserved, charge, after));
        Block::in_slot(Arc::clone(&self.pool), slot, data)
    }

    /// Makes a block that nobody can find, freed when its last holder drops it. Charges as
    /// [`Reservation::insert`] does.
    pub fn detached(mut self, bytes: Vec<u8>) -> Block {
        let bytes = self.fit(bytes);
        let charge = bytes.capacity().min(self.bytes) as u64;
        let reserved = std::mem::take(&mut self.bytes) as u64;
        self.pool.update(|state, after| state.detach(reserved, charge, after));
        Block::detached(Arc::clone(&self.pool), charge, bytes)
    }

    fn fit(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.capacity() > self.bytes {
            bytes.shrink_to_fit();
        }
        let (held, reserved) = (bytes.capacity(), self.bytes);
        debug_assert!(held <= reserved, "{held} bytes for a reservation of {reserved}");
        if held > reserved {
            tracing::error!(held, reserved, "a buffer is larger than its reservation");
        }
        bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({} bytes)", self.bytes)
    }
}

/// The wait for a reservation that the budget can hold.
pub(super) struct Acquire<'a> {
    pool: &'a Arc<MemoryPool>,
    bytes: usize,
    turn: Option<Turn>,
}

impl<'a> Acquire<'a> {
    pub(super) const fn new(pool: &'a Arc<MemoryPool>, bytes: usize) -> Self {
        Self { pool, bytes, turn: None }
    }
}

impl Future for Acquire<'_> {
    type Output = Reservation;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reservation> {
        let waker = context.waker().clone();
        let bytes = self.bytes as u64;
        let turn = self.turn.take();
        let turn = self.pool.update(|state, after| match turn {
            Some(turn) => state.wait_on(turn, waker, after),
            None => state.queue(bytes, waker, after),
        });
        match turn {
            None => Poll::Ready(Reservation::new(Arc::clone(self.pool), self.bytes)),
            turn => {
                self.turn = turn;
                Poll::Pending
            }
        }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            let bytes = self.bytes as u64;
            self.pool.update(|state, after| state.leave(turn, bytes, after));
        }
    }
}
