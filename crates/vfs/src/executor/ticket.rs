//! The synchronous side of one piece of work: its result, to be waited for or cancelled.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::sync::{Condvar, Mutex, lock, wait_until};

use super::gate::Pending;
use super::{Counters, ExecutorError, worker};

/// Where a task leaves its result. Whoever settles it first wins.
pub(super) struct Slot<T> {
    state: Mutex<State<T>>,
    settled: Condvar,
}

struct State<T> {
    result: Option<Result<T, ExecutorError>>,
    settled: bool,
    /// Aborted when the result is settled; that does nothing to a task that has ended.
    task: Option<AbortHandle>,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Arc<Self> {
        let state = State { result: None, settled: false, task: None };
        Arc::new(Self { state: Mutex::new(state), settled: Condvar::new() })
    }

    /// Leaves the result, unless there is one; whether it did.
    pub(super) fn settle(&self, result: Result<T, ExecutorError>) -> bool {
        let mut state = lock(&self.state);
        if state.settled {
            // What the result's drop does is not ours, so it must not run under the lock.
            drop(state);
            drop(result);
            return false;
        }
        state.settled = true;
        state.result = Some(result);
        let task = state.task.take();
        drop(state);
        self.settled.notify_all();
        if let Some(task) = task {
            task.abort();
        }
        true
    }

    /// Names the task, so that settling from outside drops it.
    pub(super) fn runs_as(&self, task: AbortHandle) {
        let mut state = lock(&self.state);
        if state.settled {
            drop(state);
            task.abort();
        } else {
            state.task = Some(task);
        }
    }

    /// The result; `None` if there is none at `deadline`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Result<T, ExecutorError>> {
        let mut state = lock(&self.state);
        let mut late = false;
        while !state.settled && !late {
            (state, late) = wait_until(&self.settled, state, deadline);
        }
        state.result.take()
    }
}

impl<T: Send> Pending for Slot<T> {
    fn fail(&self, error: ExecutorError) {
        self.settle(Err(error));
    }
}

/// A piece of work that was handed to the executor. Dropping it cancels the work.
#[must_use = "dropping a ticket cancels its work"]
pub struct Ticket<T: Send + 'static> {
    pub(super) slot: Arc<Slot<T>>,
    pub(super) submitted: Instant,
    /// The time limit, counted from `submitted`.
    pub(super) timeout: Option<Duration>,
    pub(super) counters: Arc<Counters>,
}

impl<T: Send + 'static> Ticket<T> {
    /// Waits for the result, at most as long as the work's own time limit allows.
    ///
    /// # Errors
    /// The work timed out, was cancelled, panicked or met a shutdown; or this thread must not wait.
    pub fn wait(self) -> Result<T, ExecutorError> {
        self.wait_at_most(self.timeout)
    }

    /// As [`Ticket::wait`], but gives up `timeout` after the submission if that comes first.
    ///
    /// # Errors
    /// Those of [`Ticket::wait`].
    pub fn wait_timeout(self, timeout: Duration) -> Result<T, ExecutorError> {
        let limit = self.timeout.map_or(timeout, |own| own.min(timeout));
        self.wait_at_most(Some(limit))
    }

    fn wait_at_most(&self, timeout: Option<Duration>) -> Result<T, ExecutorError> {
        worker::refuse_waiting()?;
        let deadline = timeout.and_then(|timeout| self.submitted.checked_add(timeout));
        if let Some(result) = self.slot.wait(deadline) {
            return result;
        }
        self.counters.time_out(&self.slot, timeout);
        // Settled now: by this thread, or by a task that was faster after all.
        self.slot.wait(None).unwrap_or(Err(ExecutorError::Cancelled))
    }

    /// Drops the task.
    pub fn cancel(self) {
        drop(self);
    }

    /// A handle that cancels this work from another thread while one waits for it.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.slot) as Arc<dyn Pending>)
    }
}

impl<T: Send + 'static> Drop for Ticket<T> {
    fn drop(&mut self) {
        self.slot.fail(ExecutorError::Cancelled);
    }
}

impl<T: Send + 'static> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("age", &self.submitted.elapsed())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Cancels one piece of work: whoever waits for it gets `Cancelled` at once.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Pending>);

impl Canceller {
    /// Cancels the work; without effect once it has ended.
    pub fn cancel(&self) {
        self.0.fail(ExecutorError::Cancelled);
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}
