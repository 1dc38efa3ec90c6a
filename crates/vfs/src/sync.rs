//! The one place that decides whose locks this crate's own synchronisation is built on.
//!
//! Normally the standard library's; with the feature `shuttle` those of the schedule explorer, so
//! that the pool and the executor's locks are tested over many thousand interleavings:
//! `cargo test -p rusty-attachments-vfs --features shuttle shuttle_`. In such a build the locks
//! work only inside shuttle, so no other test can run.
//!
//! Poisoning is ignored throughout: no code here leaves a half-made change behind when it panics,
//! and a mount must outlive one failed request.

use std::sync::PoisonError;
use std::time::Instant;

#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};

/// Locks, poisoned or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, or until `deadline`; `true` if the deadline has passed. May wake for
/// no reason, so callers look at their condition again, also after the deadline.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(deadline) = deadline else {
        return (condvar.wait(guard).unwrap_or_else(PoisonError::into_inner), false);
    };
    let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
    else {
        return (guard, true);
    };
    let (guard, _) = condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
    (guard, Instant::now() >= deadline)
}

/// Runs a test over thousands of random schedules, then over as many that move few threads, but at
/// the worst moments.
#[cfg(all(test, feature = "shuttle"))]
pub(crate) fn explore(test: impl Fn() + Send + Sync + Copy + 'static) {
    const SCHEDULES: usize = 10_000;
    shuttle::check_random(test, SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, 3);
}
