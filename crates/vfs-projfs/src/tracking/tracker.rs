//! The thread that looks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rusty_attachments_model::PathBuf;
use rusty_attachments_vfs::changes::{ChangeStore, Changed, Conflict, LocalContent, LocalState};

use super::ItemCounts;
use super::base::Projected;
use super::bases::Bases;
use super::failures::Failures;
use super::hashing;
use super::look::{Looker, Manner};
use super::observer::WriteObserver;
use super::paths::narrow;
use super::queue::{Job, Queue, WAITING_MAX, deadline};
use super::remount::{RemountReport, Updater};
use super::shown::Shown;
use crate::callbacks::{Hint, HintSink, OnDisk, Presence};
use crate::disk::Disk;
use crate::error::ProjFsError;
use crate::projection::ManifestProjection;

/// How soon a placeholder that is no good is deleted first; later ones wait twice as long each.
const FIRST_REPAIR: Duration = Duration::from_millis(500);

/// How often that is tried: for about a minute.
const REPAIRS_MAX: u32 = 6;

/// Keeps the change store true to the disk.
pub(crate) struct Tracker {
    projection: Arc<ManifestProjection>,
    disk: Arc<dyn Disk>,
    store: Arc<ChangeStore>,
    presence: Arc<Presence>,
    queue: Queue,
    /// Who looks: here while nobody does.
    looker: Mutex<Option<Looker>>,
    /// What could not be looked at the last time.
    failures: Mutex<Failures>,
    /// Ends walks.
    cancelled: Arc<AtomicBool>,
    /// Hears of written files.
    observer: OnceLock<Arc<dyn WriteObserver>>,
}

impl Tracker {
    /// A tracker that does not run yet: hints wait.
    pub(crate) fn new(
        projection: Arc<ManifestProjection>,
        disk: Arc<dyn Disk>,
        store: Arc<ChangeStore>,
        presence: Arc<Presence>,
    ) -> Arc<Self> {
        Self::with_queue(projection, disk, store, presence, WAITING_MAX)
    }

    pub(super) fn with_queue(
        projection: Arc<ManifestProjection>,
        disk: Arc<dyn Disk>,
        store: Arc<ChangeStore>,
        presence: Arc<Presence>,
        waiting_max: usize,
    ) -> Arc<Self> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let looker = Looker::new(
            Bases { projection: Arc::clone(&projection), shown: Vec::new() },
            Arc::clone(&disk),
            Arc::clone(&store),
            Arc::clone(&presence),
            Arc::clone(&cancelled),
        );
        Arc::new(Self {
            projection,
            disk,
            store,
            presence,
            queue: Queue::new(waiting_max),
            looker: Mutex::new(Some(looker)),
            failures: Mutex::default(),
            cancelled,
            observer: OnceLock::new(),
        })
    }

    /// Lets somebody hear of written files. Once, before the start.
    pub(crate) fn observe(&self, observer: Arc<dyn WriteObserver>) {
        let _ = self.observer.set(observer);
    }

    /// Looks at the whole disk before the root is started. Replaces what the journal says by what
    /// is there, but for what only the journal knows: from where files were renamed, and hashes.
    ///
    /// `shown` are the manifests that placeholders on disk may be of, beside the present one.
    ///
    /// # Errors
    /// A folder cannot be listed, or what was found cannot be noted. The tracker runs already.
    pub(crate) fn scan(&self, shown: Vec<Shown>) -> Result<(), ProjFsError> {
        self.with_looker(|looker| looker.scan(shown))
    }

    /// Brings placeholders of other manifests that the scan found up to date. The root runs, the
    /// tracker does not yet. Those that failed are found again by the next scan, if it is given
    /// the same manifests.
    ///
    /// # Errors
    /// What was done cannot be noted. The tracker runs already.
    pub(crate) fn remount(&self, updater: &dyn Updater) -> Result<RemountReport, ProjFsError> {
        self.with_looker(|looker| looker.remount(updater))
    }

    fn with_looker<T>(
        &self,
        act: impl FnOnce(&mut Looker) -> Result<T, ProjFsError>,
    ) -> Result<T, ProjFsError> {
        let taken = self.looker.lock().take();
        let Some(mut looker) = taken else { return Err(self.runs_already()) };
        self.cancelled.store(false, Ordering::Relaxed);
        let result = act(&mut looker);
        *self.looker.lock() = Some(looker);
        result
    }

    fn runs_already(&self) -> ProjFsError {
        ProjFsError::AlreadyStarted { path: self.disk.full_path(&[]) }
    }

    /// Starts the thread. It deletes placeholders that are no good through `updater`.
    ///
    /// # Errors
    /// It runs already, or the system has no thread.
    pub(crate) fn start(self: &Arc<Self>, updater: Arc<dyn Updater>) -> Result<(), ProjFsError> {
        let taken = self.looker.lock().take();
        let Some(mut looker) = taken else { return Err(self.runs_already()) };
        self.cancelled.store(false, Ordering::Relaxed);
        self.queue.open();
        let tracker = Arc::clone(self);
        let work = move || {
            while let Some(job) = tracker.queue.next() {
                tracker.work(&mut looker, &*updater, &job);
            }
            *tracker.looker.lock() = Some(looker);
            tracker.queue.left();
        };
        let spawned = thread::Builder::new().name("projfs-tracker".to_owned()).spawn(work);
        spawned.map(drop).map_err(|source| {
            self.queue.left();
            let path = self.disk.full_path(&[]);
            ProjFsError::Io { action: "start a thread for", path, source }
        })
    }

    /// Does one job. What fails is tried once more, then remembered.
    fn work(&self, looker: &mut Looker, updater: &dyn Updater, job: &Job) {
        for is_last in [false, true] {
            let done = catch_unwind(AssertUnwindSafe(|| {
                self.done(looker, updater, job)?;
                self.tell(job);
                Ok(())
            }));
            let error = match done {
                Ok(Ok(())) => return self.settle(job),
                Ok(Err(error)) => error,
                Err(panic) => self.panicked(job, &*panic),
            };
            if self.cancelled.load(Ordering::Relaxed) {
                // Ended on purpose; the next scan looks at it.
                return;
            }
            tracing::warn!(?job, "cannot keep track of a change: {error}");
            if is_last {
                self.failures.lock().add(&paths(job), error);
            }
        }
    }

    /// Tells of written files. A file that a program still writes to is told of again at its close.
    fn tell(&self, job: &Job) {
        let Some(observer) = self.observer.get() else { return };
        for path in paths(job) {
            if let Some(LocalState::File(file)) = self.store.get(path.as_ref())
                && file.content == LocalContent::Unhashed
            {
                observer.written(path.as_ref());
            }
        }
    }

    fn done(
        &self,
        looker: &mut Looker,
        updater: &dyn Updater,
        job: &Job,
    ) -> Result<(), ProjFsError> {
        match job {
            // Hints of a file that is known mean that it was written to.
            Job::Look(path) => {
                looker.look(path.as_ref(), &Manner { written: true, ..Manner::default() })
            }
            Job::LookBelow(path) => looker.look_below(path.as_ref()),
            Job::Renamed { from, to, directory } => {
                looker.renamed(from.as_ref(), to.as_ref(), *directory)
            }
            Job::Linked { path, link } => looker.linked(path.as_ref(), link.as_ref()),
            Job::ForgotRenames => looker.forget_renames(),
            Job::Repair { path, attempt } => {
                if looker.repair(path.as_ref(), updater)? {
                    return Ok(());
                }
                self.repair_later(path.clone(), attempt + 1);
                Ok(())
            }
            Job::Refresh => {
                let before = self.failures.lock().take();
                for (path, error) in looker.refresh() {
                    self.failures.lock().add(&[path], error);
                }
                for path in before.into_iter().flat_map(|(_, paths)| paths) {
                    if let Err(error) = looker.look_below(path.as_ref()) {
                        self.failures.lock().add(&[path], error);
                    }
                }
                Ok(())
            }
        }
    }

    /// Programs that met the placeholder have it open for a while (projfs.md J10).
    fn repair_later(&self, path: PathBuf, attempt: u32) {
        if attempt > REPAIRS_MAX {
            tracing::warn!("'{path}' has wrong content and cannot be deleted: it is open");
            return;
        }
        let after = FIRST_REPAIR * 2_u32.pow(attempt);
        self.queue.push_later(after, Job::Repair { path, attempt });
    }

    fn panicked(&self, job: &Job, panic: &(dyn std::any::Any + Send)) -> ProjFsError {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = format!("a defect of this program: {}", text.unwrap_or_default());
        let path = paths(job).first().map(|path| super::paths::wide(path.as_ref()));
        let path = self.disk.full_path(&path.unwrap_or_default());
        ProjFsError::Io { action: "look at", path, source: std::io::Error::other(text) }
    }

    fn settle(&self, job: &Job) {
        if *job != Job::Refresh {
            self.failures.lock().settle(&paths(job));
        }
    }

    /// Waits until everything that was hinted at before this call has been looked at (projfs.md
    /// N6); `false` if that took longer, or the tracker does not run.
    pub(crate) fn drain(&self, patience: Duration) -> bool {
        self.queue.drain(deadline(patience))
    }

    fn drained(&self, patience: Duration) -> Result<(), ProjFsError> {
        if self.drain(patience) {
            return Ok(());
        }
        Err(ProjFsError::Lagging { path: self.disk.full_path(&[]), patience })
    }

    /// Drains, and looks once more at what could not be looked at. Waits for twice `patience` at
    /// most.
    ///
    /// # Errors
    /// The tracker lags behind or does not run; something cannot be looked at or noted still.
    pub(crate) fn finish(&self, patience: Duration) -> Result<(), ProjFsError> {
        self.drained(patience)?;
        if self.failures.lock().is_empty() {
            return Ok(());
        }
        self.queue.push(Job::Refresh);
        self.drained(patience)?;
        self.failures.lock().take().map_or(Ok(()), |(error, _)| Err(error))
    }

    /// Drains and ends the thread; `false` if that took longer: then what waits is left to the
    /// next scan. Hints after this are not looked at until the next start.
    pub(crate) fn stop(&self, patience: Duration) -> bool {
        let deadline = deadline(patience);
        let is_drained = self.queue.drain(deadline);
        self.queue.close();
        if !is_drained {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.queue.await_left(deadline.max(std::time::Instant::now() + Duration::from_secs(1)))
            && is_drained
    }

    /// What differs from the projection, files hashed that were not: exact. `patience` bounds the
    /// wait for the queue; `cancelled` is asked between pieces of files.
    ///
    /// # Errors
    /// The tracker lags behind or does not run; something cannot be looked at, read or noted.
    pub(crate) fn changes(
        &self,
        patience: Duration,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Vec<Changed>, ProjFsError> {
        self.queue.push(Job::Refresh);
        self.drained(patience)?;
        if let Some((error, paths)) = self.failures.lock().take() {
            // They stay in question until somebody can look at them.
            paths.into_iter().for_each(|path| self.queue.push(Job::LookBelow(path)));
            return Err(error);
        }
        hashing::changes(&self.projection, &*self.disk, &self.store, cancelled)
    }

    /// What was changed here and in the projection since.
    pub(crate) fn conflicts(&self) -> Vec<Conflict> {
        self.store.conflicts(&Projected(&self.projection))
    }

    /// How many files are in which state.
    pub(crate) fn counts(&self) -> ItemCounts {
        let [is_virtual, placeholder, hydrated] =
            [OnDisk::Virtual, OnDisk::Placeholder, OnDisk::Hydrated]
                .map(|on_disk| self.presence.tally(on_disk));
        let states = self.store.states();
        let sizes = states.iter().map(|(_, state)| match state {
            LocalState::File(file) => file.stamp.size,
            _ => 0,
        });
        ItemCounts {
            virtual_files: is_virtual.files,
            virtual_bytes: is_virtual.bytes,
            placeholder_files: placeholder.files,
            placeholder_bytes: placeholder.bytes,
            hydrated_files: hydrated.files,
            hydrated_bytes: hydrated.bytes,
            dirty_bytes: sizes.fold(0, u64::saturating_add),
            dirty_paths: states.len() as u64,
        }
    }

    /// Does at most so many jobs, on this thread.
    #[cfg(test)]
    pub(super) fn work_off(&self, updater: &dyn Updater, most: usize) {
        let worked = self.with_looker(|looker| {
            for _ in 0..most {
                let Some(job) = self.queue.try_next() else { break };
                self.work(looker, updater, &job);
            }
            Ok(())
        });
        worked.expect("it does not run");
    }

    #[cfg(test)]
    pub(super) fn push(&self, job: Job) {
        self.queue.push(job);
    }

    #[cfg(test)]
    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.lock().texts()
    }

    /// Hints that wait.
    pub(crate) fn queued(&self) -> u64 {
        self.queue.len()
    }
}

/// The paths that a job is about.
fn paths(job: &Job) -> Vec<PathBuf> {
    let inside = |paths: [&PathBuf; 2]| {
        paths.into_iter().filter(|path| **path != PathBuf::default()).cloned().collect()
    };
    match job {
        Job::Look(path) | Job::LookBelow(path) | Job::Repair { path, .. } => vec![path.clone()],
        Job::Renamed { from, to, .. } => inside([to, from]),
        Job::Linked { path, link } => inside([path, link]),
        Job::ForgotRenames | Job::Refresh => Vec::new(),
    }
}

impl HintSink for Tracker {
    fn take(&self, hint: Hint) {
        self.queue.push(match hint {
            Hint::Look(path) => Job::Look(narrow(&path)),
            Hint::Repair(path) => return self.repair_later(narrow(&path), 0),
            Hint::NoRepair(path) => return self.queue.forget_repairs(narrow(&path).as_ref()),
            Hint::Renamed { from, to, directory } => {
                Job::Renamed { from: narrow(&from), to: narrow(&to), directory }
            }
            Hint::Linked { path, link } => Job::Linked { path: narrow(&path), link: narrow(&link) },
        });
    }
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("queue", &self.queue).finish_non_exhaustive()
    }
}
