//! Where broken rules go, and which threads are the library's own.

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;

use super::drivers;
use super::pool::Pool;
use crate::link::Driver;
use crate::violation::Violation;

thread_local! {
    static CALLBACK_THREAD: RefCell<Option<CallbackThread>> = const { RefCell::new(None) };
}

/// What a thread that runs callbacks belongs to.
#[derive(Clone, Debug)]
pub(super) struct CallbackThread {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) pool: Arc<Pool>,
}

impl CallbackThread {
    /// Says that this thread runs callbacks, to its end.
    pub(super) fn enter(self) {
        CALLBACK_THREAD.set(Some(self));
    }

    /// This thread's, if it is one.
    pub(super) fn current() -> Option<Self> {
        CALLBACK_THREAD.with_borrow(Clone::clone)
    }
}

/// Waits for the driver. A callback's thread gives its place to another meanwhile (R12), as
/// Windows lets another thread run when one waits.
pub(super) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    match CallbackThread::current() {
        Some(thread) => thread.pool.waiting(wait),
        None => wait(),
    }
}

/// Reports a broken rule. True if the call that broke it must fail (strict mode).
pub(super) fn broke(driver: &Arc<dyn Driver>, rule: &str, what: impl Display) -> bool {
    driver.report(Violation::new(rule, what));
    driver.knobs().strict
}

/// Reports a broken rule of a call that says too little to know whose it is: the driver whose
/// callback makes the call, or the only one that there is.
pub(super) fn broke_somewhere(rule: &str, what: impl Display) {
    let driver = CallbackThread::current().map(|thread| thread.driver);
    match driver.or_else(drivers::only_one) {
        Some(driver) => driver.report(Violation::new(rule, what)),
        None => tracing::error!(rule, "contract broken, by whom is not known: {what}"),
    }
}

/// Checks that a function that must not be called by callbacks (L8, M8, M15) is not. False if it
/// must fail for it.
#[must_use]
pub(super) fn allowed_here(driver: &Arc<dyn Driver>, rule: &str, function: &str) -> bool {
    CallbackThread::current().is_none()
        || !broke(driver, rule, format_args!("{function} was called by a callback's thread"))
}
