//! Bytes that are pinned while somebody holds them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::MemoryPool;

/// Immutable bytes in a pool, pinned until the last clone is dropped. Cloning is cheap.
#[derive(Clone)]
pub struct Block(Arc<Pin>);

/// One pin: of a slot, or of bytes that only it knows of.
struct Pin {
    pool: Arc<MemoryPool>,
    /// `None` only while being dropped.
    data: Option<Arc<Vec<u8>>>,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Slot(u32),
    Detached { charge: u64 },
}

impl Block {
    /// A block whose slot has been pinned for it.
    pub(super) fn in_slot(pool: Arc<MemoryPool>, slot: u32, data: Arc<Vec<u8>>) -> Self {
        Self(Arc::new(Pin { pool, data: Some(data), place: Place::Slot(slot) }))
    }

    /// A block that only its holders know of.
    pub(super) fn detached(pool: Arc<MemoryPool>, charge: u64, data: Vec<u8>) -> Self {
        let place = Place::Detached { charge };
        Self(Arc::new(Pin { pool, data: Some(Arc::new(data)), place }))
    }

    /// The same block as a nameless owner of bytes, without allocating.
    #[must_use]
    pub fn into_shared(self) -> Arc<dyn AsRef<[u8]> + Send + Sync> {
        self.0
    }
}

impl AsRef<[u8]> for Pin {
    fn as_ref(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], |data| data.as_slice())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Detached bytes are freed before others may use their share of the budget.
        self.data = None;
        let place = self.place;
        self.pool.update(|state, after| match place {
            Place::Slot(slot) => state.unpin(slot, after),
            Place::Detached { charge } => state.free(charge, after),
        });
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.len())
    }
}
