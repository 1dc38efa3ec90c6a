//! Memory for objects between hashing and upload.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Objects up to this size are held in memory between hashing and upload, one for each thread.
const SMALL_BYTES_MAX: u64 = 8 << 20;
/// Objects up to this size are too, where there is room for them; larger ones are copied to disk.
pub const HELD_BYTES_MAX: u64 = 128 << 20;
/// Bytes of all objects together that are in memory and not small.
const ROOM_BYTES: u64 = 256 << 20;
const UNIT_BYTES: u64 = 1 << 20;

/// Memory for objects that are not small; who finds it taken waits.
#[derive(Debug)]
pub(super) struct Room(Semaphore);

impl Room {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new((ROOM_BYTES / UNIT_BYTES) as usize))
    }

    /// Waits for place for so many bytes, at most [`HELD_BYTES_MAX`]. Small ones need none.
    pub(super) async fn enter(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        if bytes <= SMALL_BYTES_MAX {
            return None;
        }
        // Never closed, so there is no other error than ours.
        self.0.acquire_many(bytes.div_ceil(UNIT_BYTES) as u32).await.ok()
    }
}
