//! Hints that wait for their turn.
//!
//! Bounded: a path waits once however often it is hinted at, and when too many paths wait they
//! become "look at all below" of the folders that they are in. Nothing is lost by that.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusty_attachments_model::{PathBuf, PathRef};

use super::paths::{Key, folder_of};

/// Entries that wait at most; then they are merged into a quarter of that.
pub(super) const WAITING_MAX: usize = 100_000;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Look at a path.
    Look(PathBuf),
    /// Look at a path and everything below it.
    LookBelow(PathBuf),
    /// Something was renamed; empty paths are outside.
    Renamed { from: PathBuf, to: PathBuf, directory: bool },
    /// A file got another name; empty paths are outside.
    Linked { path: PathBuf, link: PathBuf },
    /// Renames were forgotten: believe nothing of placeholders that they may have moved.
    ForgotRenames,
    /// Look at everything that is known.
    Refresh,
    /// Delete a placeholder that is no good, so often tried before.
    Repair { path: PathBuf, attempt: u32 },
}

/// Jobs for later that wait at most; more are dropped.
const LATER_MAX: usize = 1_000;

/// What waits, for one worker.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// In the order in which they came, with their numbers.
    jobs: VecDeque<(u64, Work)>,
    /// The newest spelling of each path that waits to be looked at.
    looks: HashMap<Key, PathBuf>,
    next: u64,
    /// Jobs that are not due yet. Nobody waits for them.
    later: Vec<(Instant, Job)>,
    /// The job that is being done.
    current: Option<u64>,
    closing: bool,
    /// A worker takes jobs.
    is_served: bool,
}

#[derive(Debug)]
enum Work {
    Look(Key),
    Other(Job),
}

impl Queue {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), waiting_max }
    }

    /// Adds a job. A look that waits already is not added again; one that is being done is.
    pub(super) fn push(&self, job: Job) {
        let mut state = self.state.lock();
        state.push(job);
        if state.jobs.len() > self.waiting_max {
            state.merge(self.waiting_max / 4);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Adds a job that is to be done after a while.
    pub(super) fn push_later(&self, after: Duration, job: Job) {
        let mut state = self.state.lock();
        if state.later.iter().any(|(_, waiting)| *waiting == job) {
            return;
        }
        if state.later.len() < LATER_MAX {
            state.later.push((deadline(after), job));
        } else {
            tracing::warn!(?job, "too much is to be done later: this is not done");
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Takes back the repairs of a path that are not due yet.
    pub(super) fn forget_repairs(&self, path: PathRef<'_>) {
        let concerns = |job: &Job| match job {
            Job::Repair { path: other, .. } => other.as_ref() == path,
            _ => false,
        };
        self.state.lock().later.retain(|(_, job)| !concerns(job));
    }

    pub(super) fn len(&self) -> u64 {
        self.state.lock().jobs.len() as u64
    }

    /// Lets a worker take jobs; `false` if one does already.
    pub(super) fn open(&self) -> bool {
        let mut state = self.state.lock();
        state.closing = false;
        !std::mem::replace(&mut state.is_served, true)
    }

    /// The next job, waited for; `None` when the queue was closed. The job is done when the next
    /// one is asked for.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        state.current = None;
        self.changed.notify_all();
        loop {
            if state.closing {
                return None;
            }
            if let Some((number, work)) = state.jobs.pop_front() {
                state.current = Some(number);
                return Some(state.job(work));
            }
            let first = state.later.iter().enumerate().min_by_key(|(_, (due, _))| *due);
            match first.map(|(index, (due, _))| (index, *due)) {
                Some((index, due)) if due <= Instant::now() => {
                    return Some(state.later.swap_remove(index).1);
                }
                Some((_, due)) => drop(self.changed.wait_until(&mut state, due)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// The next job, if there is one.
    #[cfg(test)]
    pub(super) fn try_next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        let (_, work) = state.jobs.pop_front()?;
        Some(state.job(work))
    }

    /// Says that no worker takes jobs any more.
    pub(super) fn left(&self) {
        let mut state = self.state.lock();
        (state.current, state.is_served) = (None, false);
        self.changed.notify_all();
    }

    /// Tells the worker to end after its current job. What waits stays.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits until all that was added before this call is done; `false` if `deadline` came first,
    /// or nobody takes jobs.
    pub(super) fn drain(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        let end = state.next;
        self.wait(&mut state, deadline, |state| state.is_done_before(end), |state| !state.is_served)
    }

    /// Waits until no worker takes jobs; `false` if `deadline` came first.
    pub(super) fn await_left(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        self.wait(&mut state, deadline, |state| !state.is_served, |_| false)
    }

    fn wait(
        &self,
        state: &mut parking_lot::MutexGuard<'_, State>,
        deadline: Instant,
        is_met: impl Fn(&State) -> bool,
        is_hopeless: impl Fn(&State) -> bool,
    ) -> bool {
        loop {
            if is_met(state) {
                return true;
            }
            if is_hopeless(state) || Instant::now() >= deadline {
                return false;
            }
            self.changed.wait_until(state, deadline);
        }
    }
}

/// A deadline that is not out of what clocks can tell.
pub(super) fn deadline(patience: Duration) -> Instant {
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + patience.min(LONGEST)
}

impl State {
    fn push(&mut self, job: Job) {
        let work = match job {
            Job::Look(path) => {
                let key = Key::of(path.as_ref());
                if self.looks.insert(key.clone(), path).is_some() {
                    return;
                }
                Work::Look(key)
            }
            job => Work::Other(job),
        };
        self.jobs.push_back((self.next, work));
        self.next += 1;
    }

    fn job(&mut self, work: Work) -> Job {
        match work {
            Work::Look(key) => Job::Look(self.looks.remove(&key).unwrap_or_default()),
            Work::Other(job) => job,
        }
    }

    fn is_done_before(&self, end: u64) -> bool {
        let first = self.jobs.front().map(|(number, _)| *number);
        self.current.into_iter().chain(first).all(|number| number >= end)
    }

    /// Merges all that waits into at most about `most` jobs, numbered as the first of them, so that
    /// who waits for any of them waits for all.
    fn merge(&mut self, most: usize) {
        let number = self.jobs.front().map_or(self.next, |(number, _)| *number);
        let (mut paths, mut others, mut renames) = (Vec::new(), Vec::new(), false);
        let jobs: Vec<_> = self.jobs.drain(..).collect();
        for (_, work) in jobs {
            match self.job(work) {
                Job::Look(path) => paths.push((path, false)),
                Job::LookBelow(path) => paths.push((path, true)),
                Job::Renamed { from: a, to: b, .. } | Job::Linked { path: a, link: b } => {
                    renames = true;
                    let inside = [a, b].into_iter().filter(|path| *path != PathBuf::default());
                    paths.extend(inside.map(|path| (path, true)));
                }
                Job::ForgotRenames => renames = true,
                Job::Refresh if others.contains(&Job::Refresh) => {}
                job @ (Job::Refresh | Job::Repair { .. }) => others.push(job),
            }
        }
        others.truncate(LATER_MAX);
        tracing::info!("{} hints wait: looking at whole folders instead", paths.len());
        // First, so that what is looked at after it is not believed from what came before it.
        let first = renames.then_some(Job::ForgotRenames);
        let jobs = first.into_iter().chain(merged(paths, most)).chain(others);
        self.jobs = jobs.map(|job| (number, Work::Other(job))).collect();
    }
}

/// Replaces paths by their folders, the deepest first, until few are left.
fn merged(paths: Vec<(PathBuf, bool)>, most: usize) -> Vec<Job> {
    let depth = |path: PathRef<'_>| path.components().count();
    let mut deepest = paths.iter().map(|(path, _)| depth(path.as_ref())).max().unwrap_or(0);
    let mut kept: BTreeMap<Key, (PathBuf, bool)> = BTreeMap::new();
    let add = |kept: &mut BTreeMap<Key, (PathBuf, bool)>, path: PathBuf, below: bool| {
        kept.entry(Key::of(path.as_ref())).or_insert((path, false)).1 |= below;
    };
    for (path, below) in paths {
        add(&mut kept, path, below);
    }
    while kept.len() > most && deepest > 0 {
        for (key, (path, below)) in std::mem::take(&mut kept) {
            let folder = folder_of(path.as_ref());
            if depth(path.as_ref()) == deepest && path != PathBuf::default() {
                add(&mut kept, folder.into(), true);
            } else {
                kept.entry(key).or_insert((path, false)).1 |= below;
            }
        }
        deepest -= 1;
    }
    let job = |(path, below)| if below { Job::LookBelow(path) } else { Job::Look(path) };
    kept.into_values().map(job).collect()
}
