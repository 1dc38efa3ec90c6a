//! Runs the engine and a provider one step at a time on the caller's thread, in an order drawn by
//! lot or in every order there is, so that races are found and can be repeated.
//!
//! A [`Scheduler`] is a [`Runtime`] for the engine, and runs the futures of tests beside it. A step
//! polls one task that can go on; where several can, a choice is made. All choices of a run come
//! from one place: drawn from a seed ([`Scheduler::seeded`]), given ([`Scheduler::replaying`]), or
//! gone through one after the other ([`explore`]).
//!
//! Time is virtual: it moves when no task can go on, to when the next sleeper wakes. Nothing takes
//! time otherwise, and a minute passes at once.
//!
//! ```
//! use std::time::Duration;
//! use projfs_emulator::engine::Runtime;
//! use projfs_emulator::scheduler::Scheduler;
//!
//! let scheduler = Scheduler::seeded(1);
//! let pause = scheduler.sleep(Duration::from_secs(60));
//! let slow = scheduler.spawn("slow", async move { pause.await; 7 });
//! scheduler.run_until_idle()?;
//! assert_eq!((slow.take(), scheduler.now()), (Some(7), Duration::from_secs(60)));
//! # Ok::<(), projfs_emulator::scheduler::Deadlock>(())
//! ```

mod choices;
mod exploration;
mod tasks;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use self::choices::Choices;
pub use self::exploration::{Explored, FailedRun, explore};
use self::tasks::{Sleep, State, Wake};
use crate::engine::{Runtime, Task};

/// Runs tasks one step at a time. Clones are the same scheduler.
#[derive(Clone)]
pub struct Scheduler {
    state: Arc<Mutex<State>>,
}

/// Tasks that wait, when none can go on and nobody sleeps.
///
/// It is a deadlock unless the test itself wakes them afterwards: then it says what they wait for
/// it to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing can wake: {}", .tasks.join(", "))]
pub struct Deadlock {
    /// Their names, in the order in which they were spawned.
    pub tasks: Vec<String>,
}

impl Scheduler {
    /// Draws each choice from a seed: the same seed makes the same choices.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::choosing(Choices::drawn(seed))
    }

    /// Makes these choices first, and then always the first: repeats a run that [`explore`] found.
    #[must_use]
    pub fn replaying(choices: &[usize]) -> Self {
        Self::choosing(Choices::given(choices.to_vec()))
    }

    fn choosing(choices: Choices) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(choices))) }
    }

    /// Runs a future as a task. Its name is what [`Deadlock`] calls it.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Handle<T> {
        let result = Arc::new(Mutex::new(None));
        let of_task = result.clone();
        let task = self.state.lock().add(
            name.to_owned(),
            Box::pin(async move {
                let value = future.await;
                *of_task.lock() = Some(value);
            }),
        );
        Handle { scheduler: self.clone(), task, result }
    }

    /// Runs all tasks as far as they get. Not to be called by a task, as [`Self::step`] is not.
    ///
    /// # Errors
    /// When tasks are left that wait.
    pub fn run_until_idle(&self) -> Result<(), Deadlock> {
        while self.step() {}
        let tasks = self.state.lock().names();
        if tasks.is_empty() { Ok(()) } else { Err(Deadlock { tasks }) }
    }

    /// Runs all tasks as far as they get without time passing.
    pub fn settle(&self) {
        while self.state.lock().anyone_ready() && self.step() {}
    }

    /// Polls one task that can go on; if there is none, lets time pass until a sleeper wakes.
    /// False if there is neither.
    pub fn step(&self) -> bool {
        let Some((id, mut task)) = self.state.lock().next() else {
            // Outside of the lock: it comes back here.
            let woken = self.state.lock().pass_time();
            woken.iter().for_each(Waker::wake_by_ref);
            return !woken.is_empty();
        };
        let waker = Waker::from(Arc::new(Wake { id, state: Arc::downgrade(&self.state) }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            let cancelled = self.state.lock().put_back(id, task);
            drop(cancelled);
        } else {
            self.state.lock().remove(id);
        }
        true
    }

    /// A number below `options`, chosen as the order of tasks is: for tests that want to vary more
    /// than the order. 0 if there are no options.
    #[must_use]
    pub fn choose(&self, options: usize) -> usize {
        self.state.lock().choose(options)
    }

    /// Virtual time since the scheduler was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state.lock().now()
    }

    /// The choices made so far, for [`Self::replaying`]. Where there was only one option, nothing
    /// was chosen.
    #[must_use]
    pub fn choices(&self) -> Vec<usize> {
        self.state.lock().choices().iter().map(|choice| choice.taken).collect()
    }

    /// Drops all tasks. They may hold the scheduler as their runtime: whoever leaves waiting tasks
    /// behind frees them with this.
    pub fn abandon(&self) {
        loop {
            let tasks = self.state.lock().remove_all();
            if tasks.is_empty() {
                return;
            }
            drop(tasks);
        }
    }
}

impl Runtime for Scheduler {
    fn spawn(&self, task: Task) {
        let mut state = self.state.lock();
        let name = format!("engine's task {}", state.spawned());
        state.add(name, task);
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(Sleep::new(&self.state, duration))
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The tasks may have this scheduler inside.
        formatter.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

/// A task of a test.
#[derive(Debug)]
pub struct Handle<T> {
    scheduler: Scheduler,
    task: u64,
    result: Arc<Mutex<Option<T>>>,
}

impl<T> Handle<T> {
    /// Its result, once; `None` if it has not ended, or was cancelled.
    pub fn take(&self) -> Option<T> {
        self.result.lock().take()
    }

    /// Drops its future where it stands, as an application's end does. Nothing to do if it has
    /// ended.
    pub fn cancel(&self) {
        let dropped = self.scheduler.state.lock().cancel(self.task);
        drop(dropped);
    }
}
