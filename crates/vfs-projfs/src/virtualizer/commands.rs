//! Commands that are answered later: each is answered exactly once, or cancelled (projfs.md L2 to L5).
//!
//! A command is registered before work for it starts and before its callback returns. Whoever takes
//! it out of the table answers it: the work, the stop, or nobody if it was cancelled. ProjFS may
//! use the number of a cancelled command again at once, so entries are told apart by a ticket too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{AbortHandle, AbortRegistration};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::sink::DataSink;
use crate::api::codes;
use crate::stats::ProjFsStats;

/// The pending commands of one instance.
pub(crate) struct Commands(Arc<Table>);

struct Table {
    state: Mutex<State>,
    emptied: Condvar,
    stats: Arc<ProjFsStats>,
}

#[derive(Default)]
struct State {
    closed: bool,
    last_ticket: u64,
    pending: HashMap<i32, Entry>,
    /// Answers on their way to ProjFS. After a stop it would not take them.
    answering: usize,
}

impl State {
    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.answering == 0
    }
}

struct Entry {
    ticket: u64,
    sink: Arc<dyn DataSink>,
    abort: AbortHandle,
}

impl Entry {
    fn answer(&self, id: i32, hresult: i32) {
        // After a cancellation that is still on its way, or after a stop (projfs.md L4).
        if let Err(failure) = self.sink.complete(id, hresult) {
            tracing::debug!(id, ?failure, "a command did not take its answer");
        }
    }
}

impl Commands {
    /// None yet.
    pub(crate) fn new(stats: Arc<ProjFsStats>) -> Self {
        Self(Arc::new(Table { state: Mutex::default(), emptied: Condvar::new(), stats }))
    }

    /// Notes that a command will be answered later. The registration belongs to the future that
    /// works for it: that future ends when the command is cancelled. `None` after [`drain`] or
    /// [`cancel_all`]: the command must be refused.
    ///
    /// [`drain`]: Self::drain
    /// [`cancel_all`]: Self::cancel_all
    pub(crate) fn register(
        &self,
        id: i32,
        sink: &Arc<dyn DataSink>,
    ) -> Option<(PendingCommand, AbortRegistration)> {
        let (abort, registration) = AbortHandle::new_pair();
        let mut state = self.0.state.lock();
        if state.closed {
            return None;
        }
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        let stale = state.pending.insert(id, Entry { ticket, sink: Arc::clone(sink), abort });
        self.0.changed(&state);
        drop(state);
        // Its cancellation got lost: ProjFS would not use the number twice at a time.
        if let Some(stale) = stale {
            stale.abort.abort();
        }
        Some((PendingCommand { table: Arc::clone(&self.0), id, ticket }, registration))
    }

    /// Nobody waits for a command any more. Unknown numbers are none of ours (projfs.md L5).
    pub(crate) fn cancel(&self, id: i32) {
        let mut state = self.0.state.lock();
        let cancelled = state.pending.remove(&id);
        self.0.changed(&state);
        drop(state);
        if let Some(entry) = cancelled {
            self.0.stats.cancelled_commands.add(1);
            entry.abort.abort();
        }
    }

    /// Takes no more commands, and waits until those that are pending are answered; `false` if that
    /// takes longer than `patience`.
    pub(crate) fn drain(&self, patience: Duration) -> bool {
        let mut state = self.0.state.lock();
        state.closed = true;
        self.0.wait_until_idle(state, patience)
    }

    /// Takes no more commands, ends the work for those that are pending and answers them with
    /// `hresult`. Then waits until answers of others have arrived; `false` if that takes longer than
    /// `patience`.
    pub(crate) fn cancel_all(&self, hresult: i32, patience: Duration) -> bool {
        let mut state = self.0.state.lock();
        state.closed = true;
        let pending = std::mem::take(&mut state.pending);
        self.0.changed(&state);
        drop(state);
        for (id, entry) in pending {
            entry.abort.abort();
            entry.answer(id, hresult);
        }
        self.0.wait_until_idle(self.0.state.lock(), patience)
    }
}

impl Table {
    /// Whether nothing is pending or on its way to ProjFS within `patience`.
    fn wait_until_idle(&self, mut state: MutexGuard<'_, State>, patience: Duration) -> bool {
        let deadline = Instant::now().checked_add(patience);
        while !state.is_idle() {
            match deadline {
                Some(deadline) => {
                    if self.emptied.wait_until(&mut state, deadline).timed_out() {
                        return state.is_idle();
                    }
                }
                None => self.emptied.wait(&mut state),
            }
        }
        true
    }

    fn changed(&self, state: &State) {
        self.stats.pending_commands.set(state.pending.len() as u64);
        if state.is_idle() {
            self.emptied.notify_all();
        }
    }

    /// Answers a command if it still waits for this answer.
    fn answer(&self, id: i32, ticket: u64, hresult: i32) {
        let mut state = self.state.lock();
        if state.pending.get(&id).is_none_or(|entry| entry.ticket != ticket) {
            return;
        }
        let Some(entry) = state.pending.remove(&id) else { return };
        state.answering += 1;
        self.changed(&state);
        drop(state);
        entry.answer(id, hresult);
        let mut state = self.state.lock();
        state.answering -= 1;
        self.changed(&state);
    }
}

/// A command that waits for its answer; dropped without one it fails.
pub(crate) struct PendingCommand {
    table: Arc<Table>,
    id: i32,
    ticket: u64,
}

impl PendingCommand {
    /// Answers it, unless it was cancelled.
    pub(crate) fn complete(self, hresult: i32) {
        self.answer(hresult);
    }

    fn answer(&self, hresult: i32) {
        self.table.answer(self.id, self.ticket, hresult);
    }
}

impl Drop for PendingCommand {
    fn drop(&mut self) {
        // Without effect once it was answered: nothing is left to take.
        self.answer(codes::INTERNAL_ERROR);
    }
}

#[cfg(test)]
mod tests;
