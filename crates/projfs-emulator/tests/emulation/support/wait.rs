//! Waiting for others: gates that hold callbacks, conditions that come true.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Far longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Holds whoever comes, until it is opened; opens when dropped, so that nobody hangs.
pub(crate) struct Gate(Arc<Inner>);

/// The side of those who come.
#[derive(Clone)]
pub(crate) struct Passage(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    arrived: usize,
    open: bool,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn passage(&self) -> Passage {
        Passage(self.0.clone())
    }

    /// Waits until so many have come.
    #[track_caller]
    pub(crate) fn await_arrivals(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0.state.lock();
        while state.arrived < count {
            let late = self.0.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!late, "{} came, not {count}", state.arrived);
        }
    }

    pub(crate) fn open(&self) {
        self.0.state.lock().open = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Passage {
    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0.state.lock();
        state.arrived += 1;
        self.0.changed.notify_all();
        while !state.open {
            if self.0.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
