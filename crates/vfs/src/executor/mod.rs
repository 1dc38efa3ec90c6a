//! The bridge from synchronous callbacks (FUSE, ProjFS) to async work.
//!
//! An [`AsyncExecutor`] owns a tokio runtime. Callers hand it futures from any thread; who wants
//! the result waits on a condition variable, never on the runtime's own `block_on`. Time limits
//! count from submission, cancelling ends one piece of work and no other, a panic is reported as
//! such, and a shutdown answers everybody who still waits.
//!
//! It refuses to let its own threads wait for work that they would have to run.

mod error;
mod gate;
mod ticket;
mod worker;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::{Handle, Runtime};

pub use error::ExecutorError;
pub use ticket::{Canceller, Ticket};

use crate::sync::{Mutex, lock};
use gate::{Gate, Pass, Refusal};
use ticket::Slot;

/// How large an executor is, and how patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// Threads that run async tasks; at least 1.
    pub worker_threads: usize,
    /// Most threads for blocking work (files, hashing of large buffers); at least 1.
    pub max_blocking_threads: usize,
    /// Time limit of submitted work that names none; `None` for no limit.
    pub default_timeout: Option<Duration>,
    /// Most submitted pieces of work at a time; who brings more waits within its time limit.
    pub max_in_flight: usize,
}

impl Default for ExecutorConfig {
    /// A worker a core, from two (so that one task that computes does not delay every reply) to
    /// eight; a minute of patience, which outlasts a store client's own retries.
    fn default() -> Self {
        Self {
            worker_threads: std::thread::available_parallelism()
                .map_or(2, NonZero::get)
                .clamp(2, 8),
            max_blocking_threads: 32,
            default_timeout: Some(Duration::from_secs(60)),
            max_in_flight: 1024,
        }
    }
}

/// What an executor has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutorStats {
    /// Pieces of work that run or queue now.
    pub running: usize,
    /// Tasks that panicked.
    pub panics: u64,
    /// Submitted pieces of work that ran out of time.
    pub timeouts: u64,
}

#[derive(Debug, Default)]
struct Counters {
    panics: AtomicU64,
    timeouts: AtomicU64,
}

/// Runs async work for synchronous callers. Share it in an `Arc`.
///
/// Dropping it cancels whatever still runs and waits for nothing; call [`AsyncExecutor::shutdown`]
/// first to let work end.
pub struct AsyncExecutor {
    config: ExecutorConfig,
    counters: Arc<Counters>,
    /// `None` while shut down.
    running: Mutex<Option<Running>>,
}

struct Running {
    runtime: Runtime,
    gate: Arc<Gate>,
}

impl AsyncExecutor {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`ExecutorError::Start`] if the system refuses to.
    pub fn new(config: ExecutorConfig) -> Result<Self, ExecutorError> {
        let executor = Self::stopped(config);
        executor.start()?;
        Ok(executor)
    }

    /// One without threads, as after a shutdown: [`start`](Self::start) it.
    #[must_use]
    pub fn stopped(config: ExecutorConfig) -> Self {
        Self { config, counters: Arc::default(), running: Mutex::new(None) }
    }

    /// Starts again after a shutdown; without effect while running.
    ///
    /// # Errors
    /// [`ExecutorError::Start`] if the system refuses to.
    pub fn start(&self) -> Result<(), ExecutorError> {
        let mut running = lock(&self.running);
        if running.is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(self.config.worker_threads.max(1))
                .max_blocking_threads(self.config.max_blocking_threads.max(1))
                .thread_name("attachments")
                .on_thread_start(worker::mark)
                .enable_all()
                .build()
                .map_err(|error| ExecutorError::Start(Arc::new(error)))?;
            *running = Some(Running { runtime, gate: Gate::new(self.config.max_in_flight) });
        }
        Ok(())
    }

    /// The runtime, to spawn on or to enter. What is spawned on it directly is neither counted
    /// nor waited for by a shutdown, and its panics are the spawner's to report.
    ///
    /// # Errors
    /// [`ExecutorError::ShutDown`].
    pub fn handle(&self) -> Result<Handle, ExecutorError> {
        self.current().map(|(handle, _)| handle)
    }

    fn current(&self) -> Result<(Handle, Arc<Gate>), ExecutorError> {
        lock(&self.running)
            .as_ref()
            .map(|running| (running.runtime.handle().clone(), Arc::clone(&running.gate)))
            .ok_or(ExecutorError::ShutDown)
    }

    /// Runs a future that reports its result itself, such as a reply to the kernel. Never waits,
    /// so it may be called from anywhere. A panic in it is logged and counted.
    ///
    /// Not bounded by `max_in_flight`: submitted work may wait for what is spawned here, so this
    /// must not queue behind it. Its callers are bounded by other means (the kernel limits its
    /// requests, the content layer its fetches).
    ///
    /// # Errors
    /// [`ExecutorError::ShutDown`]; the future is dropped.
    pub fn spawn<F>(&self, future: F) -> Result<(), ExecutorError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (handle, gate) = self.current()?;
        let pass = gate.enter_unbounded().map_err(|_| ExecutorError::ShutDown)?;
        let counters = Arc::clone(&self.counters);
        handle.spawn(async move {
            let _pass = pass;
            if let Err(payload) = AssertUnwindSafe(future).catch_unwind().await {
                counters.panicked(&*payload);
            }
        });
        Ok(())
    }

    /// Starts blocking work (disk, hashing) on a thread of its own and returns its result as a
    /// future. Dropping the future does not stop the work. Inside `f`, waiting for tickets is
    /// allowed.
    ///
    /// The future fails with [`ExecutorError::Panicked`] or [`ExecutorError::ShutDown`].
    pub fn spawn_blocking<F, T>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<T, ExecutorError>> + Send + use<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let started = self.current().and_then(|(handle, gate)| {
            let pass = gate.enter_unbounded().map_err(|_| ExecutorError::ShutDown)?;
            let counters = Arc::clone(&self.counters);
            Ok(handle.spawn_blocking(move || {
                let _pass = pass;
                std::panic::catch_unwind(AssertUnwindSafe(|| worker::may_wait(f)))
                    .map_err(|payload| counters.panicked(&*payload))
            }))
        });
        async move {
            // The runtime drops blocking work that had not begun when it was shut down.
            started?.await.unwrap_or(Err(ExecutorError::ShutDown))
        }
    }

    /// Hands over a future with the default time limit. Waits for a place if `max_in_flight`
    /// pieces of work are under way.
    ///
    /// # Errors
    /// [`ExecutorError::ShutDown`]; [`ExecutorError::TimedOut`] if no place became free;
    /// [`ExecutorError::OnExecutorThread`].
    pub fn submit<F, T>(&self, future: F) -> Result<Ticket<T>, ExecutorError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit_within(future, self.config.default_timeout)
    }

    /// As [`AsyncExecutor::submit`], with a time limit of its own; `None` for no limit.
    ///
    /// # Errors
    /// Those of [`AsyncExecutor::submit`].
    pub fn submit_within<F, T>(
        &self,
        future: F,
        timeout: Option<Duration>,
    ) -> Result<Ticket<T>, ExecutorError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let submitted = Instant::now();
        // The wait for a place would be one for this thread's own work.
        worker::refuse_waiting()?;
        let (handle, gate) = self.current()?;
        let deadline = timeout.and_then(|timeout| submitted.checked_add(timeout));
        let slot = Slot::new();
        let pass =
            gate.enter(deadline, Arc::clone(&slot) as _).map_err(|refusal| match refusal {
                Refusal::Closed => ExecutorError::ShutDown,
                Refusal::Full => {
                    self.counters.time_out(&slot, timeout);
                    ExecutorError::TimedOut(timeout.unwrap_or_default())
                }
            })?;
        let promise =
            Promise { slot: Arc::clone(&slot), pass, counters: Arc::clone(&self.counters) };
        let task = handle.spawn(promise.keep(future, deadline, timeout));
        slot.runs_as(task.abort_handle());
        Ok(Ticket { slot, submitted, timeout, counters: Arc::clone(&self.counters) })
    }

    /// Runs a future and waits for its result, within the default time limit.
    ///
    /// # Errors
    /// Those of [`AsyncExecutor::submit`] and [`Ticket::wait`].
    pub fn block_on<F, T>(&self, future: F) -> Result<T, ExecutorError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(future)?.wait()
    }

    /// As [`AsyncExecutor::block_on`], with a time limit of its own.
    ///
    /// # Errors
    /// Those of [`AsyncExecutor::block_on`].
    pub fn block_on_timeout<F, T>(&self, future: F, timeout: Duration) -> Result<T, ExecutorError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit_within(future, Some(timeout))?.wait()
    }

    /// Takes no more work, waits up to `timeout` for what runs, then cancels the rest: whoever
    /// waits for it gets [`ExecutorError::ShutDown`]. Without effect when shut down already.
    ///
    /// # Errors
    /// [`ExecutorError::CutShort`] if something had to be cancelled (the executor is shut down all
    /// the same); [`ExecutorError::OnExecutorThread`], and nothing is done.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), ExecutorError> {
        worker::refuse_waiting()?;
        let Some(Running { runtime, gate }) = lock(&self.running).take() else { return Ok(()) };
        let deadline = Instant::now().checked_add(timeout);
        gate.close();
        let tasks = gate.wait_idle(deadline);
        gate.fail_pending(&ExecutorError::ShutDown);
        if tasks > 0 || Handle::try_current().is_ok() {
            // Waiting for threads is not possible inside another runtime, and of no use if they
            // are busy: they end with the work that keeps them.
            runtime.shutdown_background();
        } else {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            runtime.shutdown_timeout(left.unwrap_or(timeout));
        }
        if tasks > 0 { Err(ExecutorError::CutShort { tasks, timeout }) } else { Ok(()) }
    }

    /// What has been done so far.
    #[must_use]
    pub fn stats(&self) -> ExecutorStats {
        ExecutorStats {
            running: lock(&self.running).as_ref().map_or(0, |running| running.gate.running()),
            panics: self.counters.panics.load(Ordering::Relaxed),
            timeouts: self.counters.timeouts.load(Ordering::Relaxed),
        }
    }
}

impl Drop for AsyncExecutor {
    fn drop(&mut self) {
        if let Some(Running { runtime, gate }) = lock(&self.running).take() {
            gate.close();
            gate.fail_pending(&ExecutorError::ShutDown);
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for AsyncExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncExecutor")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Counters {
    fn panicked(&self, payload: &(dyn Any + Send)) -> ExecutorError {
        self.panics.fetch_add(1, Ordering::Relaxed);
        let error = ExecutorError::panicked(payload);
        tracing::error!("a background task failed: {error}");
        error
    }

    /// Settles a result that came too late, and counts it once whoever noticed first.
    fn time_out<T>(&self, slot: &Slot<T>, timeout: Option<Duration>) {
        if slot.settle(Err(ExecutorError::TimedOut(timeout.unwrap_or_default()))) {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The task's side of a ticket: settles the result whatever becomes of the task.
struct Promise<T: Send + 'static> {
    slot: Arc<Slot<T>>,
    pass: Pass,
    counters: Arc<Counters>,
}

impl<T: Send + 'static> Promise<T> {
    /// Runs `future` and leaves its result. The task ends at its deadline even if nobody waits.
    async fn keep<F: Future<Output = T>>(
        self,
        future: F,
        deadline: Option<Instant>,
        timeout: Option<Duration>,
    ) {
        let caught = AssertUnwindSafe(future).catch_unwind();
        let ended = match deadline {
            None => Ok(caught.await),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), caught).await,
        };
        let result = match ended {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(payload)) => Err(self.counters.panicked(&*payload)),
            Err(_) => return self.counters.time_out(&self.slot, timeout),
        };
        self.slot.settle(result);
    }
}

impl<T: Send + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        // Only a task that was dropped before its end comes here unsettled.
        let error =
            if self.pass.is_open() { ExecutorError::Cancelled } else { ExecutorError::ShutDown };
        self.slot.settle(Err(error));
    }
}
