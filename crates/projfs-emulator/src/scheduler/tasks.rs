//! Tasks, which of them can go on, and who sleeps until when.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::choices::{Choice, Choices};
use crate::engine::Task;

/// Everything of a scheduler. No future is polled or dropped, and no waker called, while it is
/// locked: all three come back here.
pub(super) struct State {
    /// By the number in which they were spawned.
    tasks: BTreeMap<u64, Entry>,
    spawned: u64,
    /// Tasks that can go on, in the order in which they were woken.
    ready: Vec<u64>,
    /// By when they wake, and by number.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    slept: u64,
    now: Duration,
    choices: Choices,
}

struct Entry {
    name: String,
    /// `None` while it is being polled.
    task: Option<Task>,
}

impl State {
    pub(super) fn new(choices: Choices) -> Self {
        Self {
            tasks: BTreeMap::new(),
            spawned: 0,
            ready: Vec::new(),
            sleepers: BTreeMap::new(),
            slept: 0,
            now: Duration::ZERO,
            choices,
        }
    }

    pub(super) fn add(&mut self, name: String, task: Task) -> u64 {
        let id = self.spawned;
        self.spawned += 1;
        self.tasks.insert(id, Entry { name, task: Some(task) });
        self.ready.push(id);
        id
    }

    pub(super) const fn anyone_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes out a task that can go on, to be polled.
    pub(super) fn next(&mut self) -> Option<(u64, Task)> {
        let index = self.choices.choose(self.ready.len());
        if index >= self.ready.len() {
            return None;
        }
        let id = self.ready.remove(index);
        let task = self.tasks.get_mut(&id)?.task.take()?;
        Some((id, task))
    }

    /// After a poll that did not end it. Gives it back if it was cancelled meanwhile.
    #[must_use]
    pub(super) fn put_back(&mut self, id: u64, task: Task) -> Option<Task> {
        let Some(entry) = self.tasks.get_mut(&id) else { return Some(task) };
        entry.task = Some(task);
        None
    }

    pub(super) fn remove(&mut self, id: u64) {
        // Its future is with the caller: there is nothing here to drop.
        self.tasks.remove(&id);
        self.ready.retain(|ready| *ready != id);
    }

    #[must_use]
    pub(super) fn cancel(&mut self, id: u64) -> Option<Task> {
        self.ready.retain(|ready| *ready != id);
        self.tasks.remove(&id).and_then(|entry| entry.task)
    }

    #[must_use]
    pub(super) fn remove_all(&mut self) -> Vec<Task> {
        self.ready.clear();
        std::mem::take(&mut self.tasks).into_values().filter_map(|entry| entry.task).collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.tasks.values().map(|entry| entry.name.clone()).collect()
    }

    pub(super) const fn spawned(&self) -> u64 {
        self.spawned
    }

    pub(super) const fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn choose(&mut self, options: usize) -> usize {
        self.choices.choose(options)
    }

    pub(super) fn choices(&self) -> &[Choice] {
        self.choices.made()
    }

    /// Moves time to when the next sleepers wake; those who wake together do so in one step.
    #[must_use]
    pub(super) fn pass_time(&mut self) -> Vec<Waker> {
        let Some(((next, _), _)) = self.sleepers.first_key_value() else { return Vec::new() };
        self.now = *next;
        let later = self.sleepers.split_off(&(self.now, u64::MAX));
        let due = std::mem::replace(&mut self.sleepers, later);
        due.into_values().collect()
    }

    fn wake(&mut self, id: u64) {
        if self.tasks.contains_key(&id) && !self.ready.contains(&id) {
            self.ready.push(id);
        }
    }
}

/// Wakes one task.
pub(super) struct Wake {
    pub(super) id: u64,
    pub(super) state: Weak<Mutex<State>>,
}

impl std::task::Wake for Wake {
    fn wake(self: Arc<Self>) {
        if let Some(state) = self.state.upgrade() {
            state.lock().wake(self.id);
        }
    }
}

/// Ends at a moment of virtual time.
pub(super) struct Sleep {
    state: Weak<Mutex<State>>,
    key: (Duration, u64),
}

impl Sleep {
    pub(super) fn new(state: &Arc<Mutex<State>>, duration: Duration) -> Self {
        let mut locked = state.lock();
        let key = (locked.now.saturating_add(duration), locked.slept);
        locked.slept += 1;
        Self { state: Arc::downgrade(state), key }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(shared) = self.state.upgrade() else { return Poll::Pending };
        let mut state = shared.lock();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        let replaced = state.sleepers.insert(self.key, context.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(state) = self.state.upgrade() {
            // Otherwise time would move for somebody who does not wait any more.
            let waker = state.lock().sleepers.remove(&self.key);
            drop(waker);
        }
    }
}
