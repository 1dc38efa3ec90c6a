//! Watches one session: runs it, knows whether it is connected, tells how it ended.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use fuser::{Notifier, Session};
use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::detach::{self, How};
use super::{stale, table};
use crate::filesystem::Frontend;

/// What is known of a session while it runs, and how it ended.
#[derive(Debug)]
pub(super) struct Watch {
    /// Nothing while it runs; then why it broke, if it did.
    result: Mutex<Option<Option<String>>>,
    ended: Condvar,
    /// Only while the session runs. Held longer it would keep a connection alive that nobody
    /// answers.
    line: Mutex<Option<Line>>,
}

/// The line to the kernel, beside the session's own.
#[derive(Debug)]
struct Line {
    device: OwnedFd,
    notifier: Notifier,
}

impl Watch {
    pub(super) fn of(device: OwnedFd, notifier: Notifier) -> Self {
        let line = Mutex::new(Some(Line { device, notifier }));
        Self { result: Mutex::default(), ended: Condvar::new(), line }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.result.lock().is_some()
    }

    /// Why the session broke, if it did.
    pub(super) fn broken(&self) -> Option<String> {
        self.result.lock().clone().flatten()
    }

    /// The way to tell the kernel something unasked, while somebody listens.
    pub(super) fn notifier(&self) -> Option<Notifier> {
        self.line.lock().as_ref().map(|line| line.notifier.clone())
    }

    /// Runs a session to its end and cleans up behind one that broke.
    pub(super) fn over(&self, session: Session<Frontend>, identity: &table::Mount) {
        let broken = session.run().err().map(|error| error.to_string());
        if let Some(reason) = &broken {
            tracing::error!(mount_point = %identity.point.display(), "session broke: {reason}");
        }
        drop(self.line.lock().take());
        // A connection that was cut from outside leaves a mount that only says ENOTCONN.
        let left = table::top_at(&identity.point).ok().flatten();
        if left.is_some_and(|top| top.id == identity.id)
            && stale::is_dead(&identity.point)
            && let Err(error) = detach::detach(&identity.point, How::Lazy)
        {
            tracing::warn!("{error}");
        }
        *self.result.lock() = Some(broken);
        self.ended.notify_all();
    }

    /// Whether the kernel has not cut the connection: by an unmount, or an abort.
    pub(super) fn is_connected(&self) -> bool {
        self.line.lock().as_ref().is_some_and(|line| {
            let mut polled = [PollFd::new(&line.device, PollFlags::empty())];
            let now = Timespec::default();
            poll(&mut polled, Some(&now)).is_ok_and(|ready| ready == 0)
        })
    }

    /// Waits for the end; false if `limit` passed first.
    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut result = self.result.lock();
        while result.is_none() {
            match deadline {
                None => self.ended.wait(&mut result),
                Some(deadline) => {
                    if self.ended.wait_until(&mut result, deadline).timed_out() {
                        return result.is_some();
                    }
                }
            }
        }
        true
    }
}
