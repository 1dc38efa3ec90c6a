//! The memory that one callback sees: PRJ_CALLBACK_DATA with everything it points to. It is dead
//! when the callback returns (L2): overwritten, and kept for a while to find late writes.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

use parking_lot::Mutex;
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_NOTIFICATION_PARAMETERS, PRJ_PLACEHOLDER_VERSION_INFO,
};
use windows_sys::core::{GUID, PCWSTR};

use super::super::misuse::broke;
use crate::contract::{Guid, NotifyMask, VersionInfo, Wide};
use crate::link::Driver;

/// What dead memory is filled with. As a pointer it faults.
const DEAD: u8 = 0xDD;

/// How many dead blocks an instance keeps.
const KEPT: usize = 256;

/// What every block has. One that has no version, or no identifier, does not point to it.
#[repr(C)]
struct Fixed {
    data: PRJ_CALLBACK_DATA,
    version: PRJ_PLACEHOLDER_VERSION_INFO,
    enumeration: GUID,
    parameters: PRJ_NOTIFICATION_PARAMETERS,
}

/// One callback's memory. Given back when dropped.
#[derive(Debug)]
pub(super) struct Block {
    /// Words, because they are aligned as pointers are.
    memory: NonNull<[u64]>,
    /// Byte at which the next string goes.
    end: usize,
    /// Which callback, for reports.
    what: String,
}

// SAFETY: it owns its memory; whoever has the block decides who else may look at it.
unsafe impl Send for Block {}

impl Block {
    /// Zeroed memory with room for these strings.
    pub(super) fn new(strings: &[&Wide], what: String) -> Self {
        let units: usize = strings.iter().map(|string| string.units().len() + 1).sum();
        let bytes = size_of::<Fixed>() + units * size_of::<u16>();
        let words = vec![0_u64; bytes.div_ceil(size_of::<u64>())].into_boxed_slice();
        let memory = NonNull::from(Box::leak(words));
        Self { memory, end: size_of::<Fixed>(), what }
    }

    fn start(&self) -> *mut u8 {
        self.memory.as_ptr().cast()
    }

    fn size(&self) -> usize {
        self.memory.len() * size_of::<u64>()
    }

    fn fixed(&self) -> *mut Fixed {
        self.start().cast()
    }

    pub(super) fn data(&self) -> *mut PRJ_CALLBACK_DATA {
        // SAFETY: the block begins with the fixed part.
        unsafe { &raw mut (*self.fixed()).data }
    }

    pub(super) fn parameters(&self) -> *mut PRJ_NOTIFICATION_PARAMETERS {
        // SAFETY: as in `data`.
        unsafe { &raw mut (*self.fixed()).parameters }
    }

    pub(super) fn enumeration(&self, id: Guid) -> *const GUID {
        // SAFETY: as in `data`.
        let place = unsafe { &raw mut (*self.fixed()).enumeration };
        // SAFETY: as many bytes as a GUID has, in its place.
        unsafe { place.cast::<[u8; 16]>().write_unaligned(id.0) };
        place
    }

    pub(super) fn version(&self, version: &VersionInfo) -> *mut PRJ_PLACEHOLDER_VERSION_INFO {
        let (provider, content) = (version.provider, version.content);
        // SAFETY: as in `data`.
        let place = unsafe { &raw mut (*self.fixed()).version };
        let version = PRJ_PLACEHOLDER_VERSION_INFO { ProviderID: provider, ContentID: content };
        // SAFETY: its place in the block.
        unsafe { place.write(version) };
        place
    }

    /// Adds one of the strings that there is room for; NULL if there is none.
    pub(super) fn string(&mut self, string: &Wide) -> PCWSTR {
        let units = string.to_c();
        let place = self.end;
        let end = place + units.len() * size_of::<u16>();
        if end > self.size() {
            return null();
        }
        self.end = end;
        // SAFETY: from `place` to `end` is within the block and aligned for units.
        unsafe {
            let place = self.start().add(place).cast::<u16>();
            place.copy_from_nonoverlapping(units.as_ptr(), units.len());
            place
        }
    }

    /// The mask that a notification's callback left (K11).
    pub(super) fn mask(&self) -> NotifyMask {
        // SAFETY: four bytes of the block, of which any are a mask.
        NotifyMask::from_bits_retain(unsafe { self.parameters().cast::<u32>().read() })
    }

    /// Fills the `data` that callbacks have in common.
    pub(super) fn set_data(&self, data: PRJ_CALLBACK_DATA) {
        // SAFETY: its place in the block.
        unsafe { self.data().write(data) };
    }

    fn kill(&self) {
        // SAFETY: all of the block. The callback has returned: nobody else may use it.
        unsafe { self.start().write_bytes(DEAD, self.size()) };
    }

    fn was_written(&self) -> bool {
        // Volatile, because who breaks the rule may write right now.
        // SAFETY: within the block.
        let byte = |at| unsafe { self.start().add(at).read_volatile() };
        (0..self.size()).any(|at| byte(at) != DEAD)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`, and given back once.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// A GUID as C has it.
pub(super) const fn c_guid(guid: Guid) -> GUID {
    let [a, b, c, d, e, f, g, h, rest @ ..] = guid.0;
    GUID {
        data1: u32::from_le_bytes([a, b, c, d]),
        data2: u16::from_le_bytes([e, f]),
        data3: u16::from_le_bytes([g, h]),
        data4: rest,
    }
}

/// Data with nothing in it.
pub(super) const fn empty_data(context: *mut c_void, instance: *mut c_void) -> PRJ_CALLBACK_DATA {
    let none = c_guid(Guid([0; 16]));
    PRJ_CALLBACK_DATA {
        // The size is 96 wherever pointers have 64 bits (C2).
        Size: size_of::<PRJ_CALLBACK_DATA>() as u32,
        Flags: 0,
        NamespaceVirtualizationContext: context,
        CommandId: 0,
        FileId: none,
        DataStreamId: none,
        FilePathName: null(),
        VersionInfo: null_mut(),
        TriggeringProcessId: 0,
        TriggeringProcessImageFileName: null(),
        InstanceContext: instance,
    }
}

/// Dead blocks, the newest.
#[derive(Debug, Default)]
pub(in super::super) struct Quarantine {
    dead: Mutex<VecDeque<Block>>,
}

impl Quarantine {
    /// Takes the memory of a callback that has returned.
    pub(super) fn take(&self, block: Block, driver: &Arc<dyn Driver>) {
        block.kill();
        let oldest = {
            let mut dead = self.dead.lock();
            dead.push_back(block);
            if dead.len() > KEPT { dead.pop_front() } else { None }
        };
        if let Some(oldest) = oldest {
            oldest.check(driver);
        }
    }

    /// Checks and frees all of them.
    pub(in super::super) fn empty(&self, driver: &Arc<dyn Driver>) {
        let dead = std::mem::take(&mut *self.dead.lock());
        for block in dead {
            block.check(driver);
        }
    }
}

impl Block {
    fn check(&self, driver: &Arc<dyn Driver>) {
        if self.was_written() {
            let what = format_args!(
                "what {} was given was written to after it had returned; copy what is needed later",
                self.what
            );
            // The callback is long over: nothing is left to fail.
            let _ = broke(driver, "L2", what);
        }
    }
}
