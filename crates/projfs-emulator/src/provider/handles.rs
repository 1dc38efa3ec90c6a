//! Opaque handles: numbers in the shape of pointers that no memory can have, so that a wrong one
//! is recognised and following one faults at once.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::link::Driver;

/// How many ended handles are remembered, to tell the driver that one was used again.
const REMEMBERED: usize = 1024;

/// The bits of a handle that say its kind. No address of a process has any of them alone.
const KIND_SHIFT: u32 = 48;

/// A number that stands for a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Handle(usize);

impl Handle {
    pub(super) fn of(pointer: *const c_void) -> Self {
        Self(pointer.addr())
    }

    pub(super) const fn as_pointer(self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.0)
    }

    /// Whether this is a handle rather than an address: arguments in the wrong order.
    pub(super) const fn looks_made_here(self) -> bool {
        matches!(self.0 >> KIND_SHIFT, INSTANCE | ENTRIES)
    }
}

/// PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT.
pub(super) const INSTANCE: usize = 0x5052;

/// PRJ_DIR_ENTRY_BUFFER_HANDLE.
pub(super) const ENTRIES: usize = 0x5044;

/// All handles of one kind.
#[derive(Debug)]
pub(super) struct Handles<T> {
    kind: usize,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    issued: usize,
    live: BTreeMap<Handle, Arc<T>>,
    ended: VecDeque<(Handle, Weak<dyn Driver>)>,
}

/// What a handle turned out to be.
#[derive(Debug)]
pub(super) enum Lookup<T> {
    Live(Arc<T>),
    /// Was one; with the driver that it belonged to, if that still is.
    Ended(Option<Arc<dyn Driver>>),
    Unknown,
}

impl<T> Handles<T> {
    pub(super) const fn new(kind: usize) -> Self {
        let state = State { issued: 0, live: BTreeMap::new(), ended: VecDeque::new() };
        Self { kind, state: Mutex::new(state) }
    }

    /// A number that was never given out before.
    pub(super) fn reserve(&self) -> Handle {
        let mut state = self.state.lock();
        state.issued += 1;
        // Eight apart, as pointers would be.
        Handle((self.kind << KIND_SHIFT) | (state.issued << 3))
    }

    pub(super) fn insert(&self, handle: Handle, value: Arc<T>) {
        self.state.lock().live.insert(handle, value);
    }

    pub(super) fn find(&self, handle: Handle) -> Lookup<T> {
        let state = self.state.lock();
        if let Some(value) = state.live.get(&handle) {
            return Lookup::Live(value.clone());
        }
        let issued = handle.0 >> KIND_SHIFT == self.kind
            && (handle.0 & ((1 << KIND_SHIFT) - 1)) >> 3 <= state.issued;
        if !issued {
            return Lookup::Unknown;
        }
        let driver = state.ended.iter().rev().find(|(ended, _)| *ended == handle);
        Lookup::Ended(driver.and_then(|(_, driver)| driver.upgrade()))
    }

    pub(super) fn end(&self, handle: Handle, driver: &Arc<dyn Driver>) {
        let mut state = self.state.lock();
        let removed = state.live.remove(&handle);
        if removed.is_some() {
            if state.ended.len() >= REMEMBERED {
                state.ended.pop_front();
            }
            state.ended.push_back((handle, Arc::downgrade(driver)));
        }
        drop(state);
        // Here and not under the lock: it may be the last one.
        drop(removed);
    }
}
