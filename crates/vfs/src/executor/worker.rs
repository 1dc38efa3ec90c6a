//! Which threads must not wait: those that run the executor's async tasks.
//!
//! A task that waited for another could wait for one that needs the same thread, for ever.

use std::cell::Cell;

use super::ExecutorError;

thread_local! {
    static RUNS_TASKS: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one of an executor's, for good.
pub(super) fn mark() {
    RUNS_TASKS.set(true);
}

/// Refuses on an executor's thread, unless it is lent to blocking work.
pub(super) fn refuse_waiting() -> Result<(), ExecutorError> {
    if RUNS_TASKS.get() { Err(ExecutorError::OnExecutorThread) } else { Ok(()) }
}

/// Runs `f` as blocking work, which may wait.
pub(super) fn may_wait<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNS_TASKS.set(self.0);
        }
    }
    let _restore = Restore(RUNS_TASKS.replace(false));
    f()
}
