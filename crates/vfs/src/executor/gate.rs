//! Who may still bring work, how much of it runs, and who waits for it to end.
//!
//! A gate lives from one start of the executor to its shutdown. Its lock guards counters and the
//! list of results that someone waits for; it is never held while a task runs or is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::sync::{Condvar, Mutex, lock, wait_until};

use super::ExecutorError;

/// A result that someone waits for, and that a shutdown must be able to settle.
pub(super) trait Pending: Send + Sync {
    /// Settles the result with `error` unless it is settled, and drops the task.
    fn fail(&self, error: ExecutorError);
}

/// Why the gate let nobody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Closed by a shutdown.
    Closed,
    /// Full until the deadline.
    Full,
}

/// Counts work in and out.
pub(super) struct Gate {
    /// Most pieces of bounded work at a time.
    limit: usize,
    state: Mutex<State>,
    /// A place became free, or the gate closed.
    freed: Condvar,
    /// Nothing runs any more.
    idle: Condvar,
}

struct State {
    open: bool,
    /// Everything that runs, bounded or not.
    running: usize,
    /// What counts against the limit.
    bounded: usize,
    next_id: u64,
    pending: BTreeMap<u64, Arc<dyn Pending>>,
}

/// A place taken by one piece of work; given back on drop, also when the task panics.
pub(super) struct Pass {
    gate: Arc<Gate>,
    /// The entry in `State::pending`, which only bounded work has.
    bounded: Option<u64>,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let state =
            State { open: true, running: 0, bounded: 0, next_id: 0, pending: BTreeMap::new() };
        Arc::new(Self {
            limit: limit.max(1),
            state: Mutex::new(state),
            freed: Condvar::new(),
            idle: Condvar::new(),
        })
    }

    /// Waits for a place until `deadline`, then registers `pending`.
    pub(super) fn enter(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        pending: Arc<dyn Pending>,
    ) -> Result<Pass, Refusal> {
        let mut state = lock(&self.state);
        let mut late = false;
        while state.open && state.bounded >= self.limit {
            // A notified thread that is also late still takes the free place: no wake-up is lost.
            if late {
                return Err(Refusal::Full);
            }
            (state, late) = wait_until(&self.freed, state, deadline);
        }
        if !state.open {
            return Err(Refusal::Closed);
        }
        let id = state.next_id;
        state.next_id += 1;
        state.running += 1;
        state.bounded += 1;
        state.pending.insert(id, pending);
        Ok(Pass { gate: Arc::clone(self), bounded: Some(id) })
    }

    /// Counts work that nobody waits for; never waits.
    pub(super) fn enter_unbounded(self: &Arc<Self>) -> Result<Pass, Refusal> {
        let mut state = lock(&self.state);
        if !state.open {
            return Err(Refusal::Closed);
        }
        state.running += 1;
        Ok(Pass { gate: Arc::clone(self), bounded: None })
    }

    /// Lets nobody in from now on, and wakes those that wait outside.
    pub(super) fn close(&self) {
        lock(&self.state).open = false;
        self.freed.notify_all();
    }

    /// Waits until nothing runs; how much still does if that is not so at `deadline`.
    pub(super) fn wait_idle(&self, deadline: Option<Instant>) -> usize {
        let mut state = lock(&self.state);
        let mut late = false;
        while state.running > 0 && !late {
            (state, late) = wait_until(&self.idle, state, deadline);
        }
        state.running
    }

    /// Settles every result that is still waited for.
    pub(super) fn fail_pending(&self, error: &ExecutorError) {
        let pending = std::mem::take(&mut lock(&self.state).pending);
        for pending in pending.into_values() {
            pending.fail(error.clone());
        }
    }

    /// How much runs.
    pub(super) fn running(&self) -> usize {
        lock(&self.state).running
    }
}

impl Pass {
    /// Whether the executor still takes work.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.gate.state).open
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        state.running -= 1;
        let pending = self.bounded.map(|id| {
            state.bounded -= 1;
            state.pending.remove(&id)
        });
        let idle = state.running == 0;
        drop(state);
        if pending.is_some() {
            self.gate.freed.notify_one();
        }
        if idle {
            self.gate.idle.notify_all();
        }
    }
}
