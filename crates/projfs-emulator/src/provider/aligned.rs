//! Buffers from PrjAllocateAlignedBuffer (B11, B12, J5): which live, and what is done with others.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::misuse::{broke, broke_somewhere};
use crate::contract::{HResult, Result};
use crate::link::Driver;

/// What a new buffer is filled with: nobody may rely on zeros.
const FRESH: u8 = 0xCD;
/// What a freed one is filled with.
const FREED: u8 = 0xDD;

/// How many freed buffers, and how many bytes of them, are kept to recognise them.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 16 << 20;

static BUFFERS: Mutex<Buffers> =
    Mutex::new(Buffers { live: BTreeMap::new(), freed: VecDeque::new(), freed_bytes: 0 });

#[derive(Debug)]
struct Buffers {
    live: BTreeMap<usize, Buffer>,
    freed: VecDeque<Buffer>,
    freed_bytes: usize,
}

/// Memory with its alignment; given back when dropped.
#[derive(Debug)]
struct Buffer {
    memory: NonNull<u8>,
    layout: Layout,
    driver: Weak<dyn Driver>,
}

// SAFETY: it owns its memory, which only the provider and the last owner touch.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new(size: usize, alignment: usize, driver: &Arc<dyn Driver>) -> Option<Self> {
        let layout = Layout::from_size_align(size.max(1), alignment).ok()?;
        // SAFETY: the layout has at least one byte.
        let memory = NonNull::new(unsafe { alloc(layout) })?;
        // SAFETY: as many bytes as were allocated.
        unsafe { memory.write_bytes(FRESH, layout.size()) };
        Some(Self { memory, layout, driver: Arc::downgrade(driver) })
    }

    fn address(&self) -> usize {
        self.memory.addr().get()
    }

    fn contains(&self, address: usize) -> bool {
        (self.address()..self.address() + self.layout.size()).contains(&address)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and given back once.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// Memory for content; NULL if there is none.
pub(super) fn allocate(driver: &Arc<dyn Driver>, size: usize, alignment: u32) -> *mut c_void {
    let alignment = usize::try_from(alignment).unwrap_or_default();
    let Some(buffer) = Buffer::new(size, alignment, driver) else {
        return null_mut();
    };
    let pointer = buffer.memory.as_ptr().cast();
    BUFFERS.lock().live.insert(buffer.address(), buffer);
    pointer
}

/// Gives a buffer back. One that is none, or was freed, is reported and left alone.
pub(super) fn free(pointer: *const c_void) {
    if pointer.is_null() {
        return;
    }
    let mut buffers = BUFFERS.lock();
    if let Some(buffer) = buffers.live.remove(&pointer.addr()) {
        // SAFETY: the buffer is whole, and its user has given it back.
        unsafe { buffer.memory.write_bytes(FREED, buffer.layout.size()) };
        buffers.freed_bytes += buffer.layout.size();
        buffers.freed.push_back(buffer);
        while buffers.freed.len() > KEPT || buffers.freed_bytes > KEPT_BYTES {
            let Some(oldest) = buffers.freed.pop_front() else { break };
            buffers.freed_bytes -= oldest.layout.size();
        }
        return;
    }
    let freed = buffers.freed.iter().find(|freed| freed.address() == pointer.addr());
    let owner = freed.map(|freed| freed.driver.clone());
    drop(buffers);
    let what = match owner {
        Some(_) => "PrjFreeAlignedBuffer was called twice for a buffer",
        None => "PrjFreeAlignedBuffer was called for what PrjAllocateAlignedBuffer did not give",
    };
    match owner.and_then(|owner| owner.upgrade()) {
        // Nothing is done with it, strict or not: there is no code to fail with.
        Some(driver) => _ = broke(&driver, "B12", what),
        None => broke_somewhere("B12", what),
    }
}

/// Checks the memory that content is to be written from (J5).
///
/// # Errors
/// INVALID_ARGUMENT if it is not all there; in strict mode OFFSET_ALIGNMENT_VIOLATION if it is not
/// aligned.
pub(super) fn check(
    driver: &Arc<dyn Driver>,
    pointer: *const c_void,
    length: u32,
    alignment: u32,
) -> Result<()> {
    let address = pointer.addr();
    let length = usize::try_from(length).map_err(|_| HResult::INVALID_ARGUMENT)?;
    let (freed, exceeded) = {
        let buffers = BUFFERS.lock();
        let before = buffers.live.range(..=address).next_back();
        let live = before.map(|(_, buffer)| buffer).filter(|buffer| buffer.contains(address));
        let freed = live.is_none() && buffers.freed.iter().any(|freed| freed.contains(address));
        let end = live.map(|live| live.address() + live.layout.size());
        (freed, end.is_some_and(|end| end - address < length))
    };
    if freed || exceeded {
        let how = if freed { "was freed" } else { "is shorter than the length says" };
        let what = format_args!("PrjWriteFileData got an aligned buffer that {how}");
        // Strict or not: the memory must not be read.
        let _ = broke(driver, "J5", what);
        return Err(HResult::INVALID_ARGUMENT);
    }
    let alignment = usize::try_from(alignment).unwrap_or(1).max(1);
    if !address.is_multiple_of(alignment) {
        let what = format_args!(
            "PrjWriteFileData got a buffer that is not aligned to {alignment} bytes: use \
             PrjAllocateAlignedBuffer"
        );
        if broke(driver, "J5", what) {
            return Err(HResult::OFFSET_ALIGNMENT_VIOLATION);
        }
    }
    Ok(())
}
