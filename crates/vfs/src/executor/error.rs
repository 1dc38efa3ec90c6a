//! Why work handed to the executor gave no result.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{VfsError, VfsErrorKind};

/// Work that was refused, or ended without a result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The time limit passed, counted from submission, queueing included. The task was dropped.
    #[error("no result within {0:?}, queueing included; the work was cancelled")]
    TimedOut(Duration),
    /// Someone cancelled this piece of work.
    #[error("the work was cancelled")]
    Cancelled,
    /// The executor is shut down, or was before the work could end.
    #[error("the executor is shut down; start it again before handing it work")]
    ShutDown,
    /// The task panicked; no other task is affected.
    #[error("the task panicked: {0}")]
    Panicked(String),
    /// Waiting was asked for on a thread that has to run the work that would be waited for.
    #[error(
        "cannot wait on an executor thread: await the future instead, or wait inside \
             AsyncExecutor::spawn_blocking"
    )]
    OnExecutorThread,
    /// The runtime's threads could not be started.
    #[error("cannot start the executor's threads: {0}; check the limits on processes and memory")]
    Start(#[source] Arc<io::Error>),
    /// Work was still running when the time to shut down was over, and was cancelled.
    #[error("{tasks} tasks were still running {timeout:?} into the shutdown and were cancelled")]
    CutShort {
        /// How many.
        tasks: usize,
        /// How long they were given.
        timeout: Duration,
    },
}

impl ExecutorError {
    /// The error for a task that panicked with `payload`.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
    }
}

impl From<ExecutorError> for VfsError {
    fn from(error: ExecutorError) -> Self {
        let kind = match error {
            ExecutorError::TimedOut(_) => VfsErrorKind::TimedOut,
            ExecutorError::Cancelled | ExecutorError::ShutDown => VfsErrorKind::Cancelled,
            ExecutorError::Panicked(_)
            | ExecutorError::OnExecutorThread
            | ExecutorError::Start(_)
            | ExecutorError::CutShort { .. } => VfsErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
