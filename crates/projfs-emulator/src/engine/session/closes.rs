//! The queue of close notifications: delivered one after the other, without the application that
//! closed waiting for it (projfs.md K16, R14).

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::About;
use super::commands::Commands;
use super::outstanding::{Outstanding, Token};
use crate::engine::root::Shared;
use crate::knobs::Knobs;
use crate::link::{Process, Request};

/// How many can wait to be delivered; who closes then waits for room.
pub(super) const ROOM: usize = 10_000;

/// The close notifications that one provider has not seen yet.
#[derive(Debug)]
pub(super) struct Closes {
    commands: Arc<Commands>,
    room: Arc<Semaphore>,
    queue: Mutex<Queue>,
    outstanding: Outstanding,
}

/// A close notification.
#[derive(Clone, Debug)]
pub(super) struct Close {
    pub(super) caller: Process,
    pub(super) about: About,
    pub(super) request: Request,
}

#[derive(Debug)]
struct Queued {
    close: Close,
    _room: OwnedSemaphorePermit,
    _counted: Token,
}

#[derive(Debug, Default)]
struct Queue {
    /// Oldest first.
    waiting: VecDeque<Queued>,
    /// A task delivers.
    delivering: bool,
    /// How many go out although they are held back.
    released: usize,
    /// All go out although they are held back.
    draining: bool,
    /// Draws the order.
    lot: Option<fastrand::Rng>,
}

impl Closes {
    pub(super) fn new(commands: Arc<Commands>) -> Self {
        let (queue, outstanding) = Default::default();
        Self { commands, room: Arc::new(Semaphore::new(ROOM)), queue, outstanding }
    }

    /// Queues a notification; waits if ten thousand are queued. Does nothing once the provider
    /// stops.
    pub(super) async fn push(self: &Arc<Self>, shared: &Arc<Shared>, close: Close) {
        if self.queue.lock().draining {
            return;
        }
        // Fails never: it is not closed. At the end all room becomes free.
        let Ok(room) = self.room.clone().acquire_owned().await else { return };
        let queued = Queued { close, _room: room, _counted: self.outstanding.begin() };
        self.queue.lock().waiting.push_back(queued);
        self.deliver(shared);
    }

    /// Lets out those that are queued now, and waits until they are delivered.
    pub(super) async fn release(self: &Arc<Self>, shared: &Arc<Shared>) {
        {
            let mut queue = self.queue.lock();
            queue.released = queue.waiting.len();
        }
        self.deliver(shared);
        self.outstanding.as_many_as_now().await;
    }

    /// Takes no more, lets out those that are queued, and waits until they are delivered (M8).
    pub(super) async fn drain(self: &Arc<Self>, shared: &Arc<Shared>) {
        self.queue.lock().draining = true;
        self.deliver(shared);
        self.outstanding.none().await;
    }

    /// Drops all that are queued.
    pub(super) fn end(&self) {
        let dropped = {
            let mut queue = self.queue.lock();
            queue.draining = true;
            std::mem::take(&mut queue.waiting)
        };
        drop(dropped);
    }

    /// Sees to it that a task delivers what may go out.
    fn deliver(self: &Arc<Self>, shared: &Arc<Shared>) {
        let knobs = shared.knobs();
        {
            let mut queue = self.queue.lock();
            if queue.delivering || !queue.may_deliver(&knobs) {
                return;
            }
            queue.delivering = true;
        }
        let (closes, of_task) = (self.clone(), shared.clone());
        shared.runtime.spawn(Box::pin(async move { closes.deliver_all(&of_task).await }));
    }

    async fn deliver_all(&self, shared: &Shared) {
        while let Some(Queued { close, _room, _counted }) = self.next(&shared.knobs()) {
            let Close { caller, about, request } = close;
            // Nobody is interested in the answer (K24).
            let _ = self.commands.ask(shared, &caller, about, request).await;
        }
    }

    fn next(&self, knobs: &Knobs) -> Option<Queued> {
        self.queue.lock().next(knobs)
    }
}

impl Queue {
    fn may_deliver(&self, knobs: &Knobs) -> bool {
        let held = knobs.closes.held && !self.draining && self.released == 0;
        !held && !self.waiting.is_empty()
    }

    /// The next to deliver; if there is none, the task ends.
    fn next(&mut self, knobs: &Knobs) -> Option<Queued> {
        if !self.may_deliver(knobs) {
            self.delivering = false;
            return None;
        }
        self.released = self.released.saturating_sub(1);
        let index = if knobs.closes.shuffled { self.drawn(knobs.seed) } else { 0 };
        self.waiting.remove(index)
    }

    /// The first of some path: those of one path keep their order.
    fn drawn(&mut self, seed: u64) -> usize {
        let lot = self.lot.get_or_insert_with(|| fastrand::Rng::with_seed(seed));
        let index = lot.usize(..self.waiting.len());
        let path = |index: usize| self.waiting.get(index).map(|queued| &queued.close.about.path);
        (0..index).find(|earlier| path(*earlier) == path(index)).unwrap_or(index)
    }
}
