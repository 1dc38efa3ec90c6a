//! The threads that run callbacks: so many threads, of which so many may be active (L1, R12).

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// One callback to be made.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A pool that starts closed: jobs are taken from [`Pool::open`] on.
pub(super) struct Pool {
    concurrent: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    stage: Stage,
    active: usize,
    alive: usize,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Open,
    Closed,
}

impl Pool {
    /// Starts the threads; each runs `prepare` first.
    ///
    /// # Errors
    /// When the system has no more threads; those that run already end.
    pub(super) fn start(
        name: &str,
        threads: usize,
        concurrent: usize,
        prepare: impl Fn(&Arc<Self>) + Clone + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let state = State {
            queue: VecDeque::new(),
            stage: Stage::New,
            active: 0,
            alive: 0,
            threads: Vec::new(),
        };
        let pool = Arc::new(Self { concurrent, state: Mutex::new(state), changed: Condvar::new() });
        for _ in 0..threads {
            let (own, prepare) = (pool.clone(), prepare.clone());
            pool.state.lock().alive += 1;
            let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
                prepare(&own);
                own.work();
            });
            match started {
                Ok(thread) => pool.state.lock().threads.push(thread),
                Err(error) => {
                    pool.state.lock().alive -= 1;
                    pool.close(Duration::ZERO);
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }

    /// Lets the jobs be taken.
    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        if state.stage == Stage::New {
            state.stage = Stage::Open;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Queues a job. How many there can be is bounded by what the driver has in flight.
    pub(super) fn submit(&self, job: Job) {
        let mut state = self.state.lock();
        if state.stage != Stage::Closed {
            state.queue.push_back(job);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Runs `wait` on one of this pool's threads while another may take its place. Afterwards it
    /// goes on at once, even if one more than allowed is active then: as with completion ports.
    pub(super) fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        struct Back<'a>(&'a Pool);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.state.lock().active += 1;
            }
        }
        self.leave_place();
        let _back = Back(self);
        wait()
    }

    /// Drops the jobs that wait, lets the running ones end and joins the threads. False if some
    /// still run when `limit` is over; then it can be called again.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        state.stage = Stage::Closed;
        let dropped = std::mem::take(&mut state.queue);
        self.changed.notify_all();
        while state.alive > 0 {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        let all_ended = state.alive == 0;
        let threads = if all_ended { std::mem::take(&mut state.threads) } else { Vec::new() };
        drop(state);
        drop(dropped);
        for thread in threads {
            // It has said that it ends, and cannot have panicked after that.
            let _ = thread.join();
        }
        all_ended
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a callback could not be made: the library panicked");
            }
            self.leave_place();
        }
        self.state.lock().alive -= 1;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.stage == Stage::Closed {
                return None;
            }
            let place = state.stage == Stage::Open && state.active < self.concurrent;
            if place && let Some(job) = state.queue.pop_front() {
                state.active += 1;
                return Some(job);
            }
            self.changed.wait(&mut state);
        }
    }

    fn leave_place(&self) {
        let mut state = self.state.lock();
        // Saturating: nothing that a provider does may bring the pool down.
        state.active = state.active.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let mut shown = formatter.debug_struct("Pool");
        shown.field("queued", &state.queue.len()).field("active", &state.active);
        shown.field("alive", &state.alive).finish_non_exhaustive()
    }
}
