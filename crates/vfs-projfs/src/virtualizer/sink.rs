//! What hydration needs of a running instance, so that it can be tested without one.

use std::ops::DerefMut;

use crate::api::{Failure, StreamId};

/// Memory from PrjAllocateAlignedBuffer, given back when dropped.
pub(crate) type DataBuffer = Box<dyn DerefMut<Target = [u8]> + Send>;

/// Where content and answers go. All calls may come from any thread, and after a stop too: then
/// they fail.
pub(crate) trait DataSink: Send + Sync {
    /// Offsets and lengths of writes are multiples of this, but for the end of the file
    /// (projfs.md J5).
    fn write_alignment(&self) -> u32;

    /// `None` if there is no memory.
    fn allocate(&self, bytes: usize) -> Option<DataBuffer>;

    /// Writes the begin of an allocated buffer to `offset` of the stream. May block.
    fn write(&self, stream: StreamId, data: &[u8], offset: u64) -> Result<(), Failure>;

    /// Answers a command that was left pending.
    fn complete(&self, command: i32, result: i32) -> Result<(), Failure>;
}
