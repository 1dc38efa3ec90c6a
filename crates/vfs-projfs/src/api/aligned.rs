//! Memory from which content can be written (projfs.md B11, J5).

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use super::functions::ProjFsApi;

/// A buffer of ProjFS; given back when dropped.
#[derive(Debug)]
pub(super) struct AlignedBuffer {
    api: &'static ProjFsApi,
    memory: NonNull<u8>,
    length: usize,
}

// SAFETY: it owns its memory, which any thread may use and give back.
unsafe impl Send for AlignedBuffer {}

impl AlignedBuffer {
    /// Takes over what PrjAllocateAlignedBuffer gave for `length` bytes.
    ///
    /// # Safety
    /// `memory` came from PrjAllocateAlignedBuffer with at least this length, and nobody else
    /// uses it.
    pub(super) unsafe fn new(api: &'static ProjFsApi, memory: NonNull<u8>, length: usize) -> Self {
        // SAFETY: `length` bytes that are ours. A slice must not be of bytes nobody has set.
        unsafe { memory.write_bytes(0, length) };
        Self { api, memory, length }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as many bytes as were allocated, all of them set.
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed by nobody else.
        unsafe { slice::from_raw_parts_mut(self.memory.as_ptr(), self.length) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated by the library, and given back once. Needs no running instance.
        unsafe { (self.api.PrjFreeAlignedBuffer)(self.memory.as_ptr().cast()) };
    }
}
