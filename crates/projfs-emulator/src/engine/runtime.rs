//! What the engine needs of whoever runs it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future of which only the end matters.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the engine's own tasks: threads in the daemon, one step at a time in tests.
pub trait Runtime: Send + Sync + Debug {
    /// Runs a task to its end, whoever waits for it.
    fn spawn(&self, task: Task);

    /// Ends after `duration`, of the runtime's own time.
    fn sleep(&self, duration: Duration) -> Task;
}

/// Runs the engine on tokio's threads.
#[derive(Clone, Debug)]
pub struct TokioRuntime(pub tokio::runtime::Handle);

impl Runtime for TokioRuntime {
    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }
}
