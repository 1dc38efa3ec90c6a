//! The public face: a manifest, a store, a folder.

use std::convert::Infallible;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use parking_lot::Mutex;
use rusty_attachments_model::Manifest;
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs::changes::{Changed, Conflict};
use rusty_attachments_vfs::export::{FolderFiles, LocalFiles};
use rusty_attachments_vfs::{
    AsyncExecutor, ExecutorConfig, ManifestVolume, Stats, VerifyPolicy, Volume,
};

use crate::api::ProjFsApi;
use crate::error::ProjFsError;
use crate::options::{ProjFsOptions, ProjFsWriteOptions};
use crate::projection::{LinkPolicy, ManifestProjection, NameReport, ProjectionOptions};
use crate::running::{Plan, Running};
use crate::stats::{ProjFsStats, StatsSnapshot};
use crate::tracking::{ItemCounts, RemountReport};

/// A manifest projected into a folder that programs may change.
///
/// [`start`](Self::start) and [`stop`](Self::stop) may follow each other as often as one likes, in
/// this process and in others: what was read, written, deleted or renamed in the folder stays so.
/// Dropped, it stops.
#[derive(Debug)]
pub struct WritableProjFs {
    root: PathBuf,
    plan: Plan,
    /// What counts where bytes come from, if it is ours.
    content: Option<Arc<ManifestVolume>>,
    phase: Mutex<Phase>,
}

/// What it does.
#[derive(Debug)]
enum Phase {
    Stopped,
    /// A thread is starting or stopping it.
    Changing,
    Running(Shared),
}

/// A running root, and how to know that nobody uses it any more.
#[derive(Debug)]
struct Shared {
    user: Arc<User>,
    /// Disconnected with the last user.
    gone: Receiver<Infallible>,
}

/// What threads that ask a running root have of it.
#[derive(Debug)]
struct User {
    running: Running,
    _gone: Sender<Infallible>,
}

impl WritableProjFs {
    /// Prepares a projection; nothing is on disk yet but the disk cache, if the options have one.
    /// Content is verified before it is shown, whatever the options say: on Windows it stays.
    ///
    /// # Errors
    /// The manifest cannot be shown, or with `strict_names` a name cannot.
    pub fn new(
        manifest: &Manifest,
        storage: Arc<dyn StorageClient>,
        mut options: ProjFsOptions,
        write_options: ProjFsWriteOptions,
    ) -> Result<Self, ProjFsError> {
        let executor = idle_executor(&options);
        options.volume.content.verify = VerifyPolicy::BeforeRead;
        // Large content may take long. That it arrives at all is watched (projfs.md L10): by the
        // limits for content, and by `command_timeout`.
        options.volume.read_timeout = None;
        let content = options.volume.clone();
        let volume = ManifestVolume::new(manifest, storage, content, Arc::clone(&executor))?;
        let mut vfs = Self::prepare(
            Arc::clone(&volume) as _,
            Some(manifest.clone()),
            executor,
            options,
            write_options,
        )?;
        vfs.content = Some(volume);
        Ok(vfs)
    }

    /// As [`new`](Self::new), of a volume that somebody else made. Its content must be verified
    /// before it is read.
    ///
    /// Without the manifest that the volume shows, it is not told apart from what the folder showed
    /// before: then use the folder for volumes of the same names and content only.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_volume(
        volume: Arc<dyn Volume>,
        manifest: Option<Manifest>,
        options: ProjFsOptions,
        write_options: ProjFsWriteOptions,
    ) -> Result<Self, ProjFsError> {
        let executor = idle_executor(&options);
        Self::prepare(volume, manifest, executor, options, write_options)
    }

    fn prepare(
        volume: Arc<dyn Volume>,
        manifest: Option<Manifest>,
        executor: Arc<AsyncExecutor>,
        mut options: ProjFsOptions,
        write_options: ProjFsWriteOptions,
    ) -> Result<Self, ProjFsError> {
        let root = std::path::absolute(&options.root);
        let root = root.map_err(|error| {
            ProjFsError::root(&options.root, format!("{error}; give the path of a folder"))
        })?;
        // Every start means the same folder, whatever the working directory is by then.
        options.root.clone_from(&root);
        let projected = ProjectionOptions {
            links: links(options.links),
            listing_budget: options.listing_budget,
        };
        let projection = ManifestProjection::new(Arc::clone(&volume), projected)?;
        let report = projection.report();
        if options.strict_names && !report.is_clean() {
            return Err(ProjFsError::Names { report: report.clone() });
        }
        let plan = Plan {
            volume,
            manifest,
            projection: Arc::new(projection),
            projected,
            executor,
            stats: Arc::new(ProjFsStats::default()),
            options,
            write_options,
        };
        Ok(Self { root, plan, content: None, phase: Mutex::new(Phase::Stopped) })
    }

    /// Makes the folder show the manifest. It is made if only the folder above it is there; a
    /// folder that was not projected into before must be empty. May be called again after
    /// [`stop`](Self::stop).
    ///
    /// # Errors
    /// As [`ProjFsError`] says. Then nothing runs, and nothing is locked; a folder that ProjFS had
    /// taken over by then stays so, and the next start uses it.
    pub fn start(&self) -> Result<(), ProjFsError> {
        let change = {
            let mut phase = self.phase.lock();
            match &*phase {
                Phase::Stopped => *phase = Phase::Changing,
                Phase::Changing => return Err(ProjFsError::Busy { path: self.root.clone() }),
                Phase::Running(_) => {
                    return Err(ProjFsError::AlreadyStarted { path: self.root.clone() });
                }
            }
            drop(phase);
            Change::of(&self.phase)
        };
        if let Some(volume) = &self.content {
            volume.index_content();
        }
        let running = Running::start(&self.plan)?;
        let (sender, gone) = mpsc::channel();
        let user = Arc::new(User { running, _gone: sender });
        change.to(Phase::Running(Shared { user, gone }));
        tracing::info!(root = %self.root.display(), "started");
        Ok(())
    }

    /// Stops: content on its way arrives or is cancelled, what was changed is recorded. What was
    /// read or written before stays readable in the folder; the rest is there again after the
    /// next start. Does nothing if it does not run.
    ///
    /// It takes the `stop_patience` of the options at each of its few steps, and stops in any case.
    ///
    /// # Errors
    /// What was changed could not be recorded; another thread is starting or stopping it.
    pub fn stop(&self) -> Result<(), ProjFsError> {
        let Shared { user, gone } = {
            let mut phase = self.phase.lock();
            match mem::replace(&mut *phase, Phase::Changing) {
                Phase::Running(shared) => shared,
                Phase::Changing => return Err(ProjFsError::Busy { path: self.root.clone() }),
                Phase::Stopped => {
                    *phase = Phase::Stopped;
                    return Ok(());
                }
            }
        };
        let change = Change::of(&self.phase);
        let patience = self.plan.options.stop_patience;
        let stopped = user.running.stop(patience);
        // Threads that still ask have been told to end; the lock goes with the last.
        drop(user);
        let _ = gone.recv_timeout(patience);
        drop(change);
        tracing::info!(root = %self.root.display(), "stopped");
        stopped
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_started(&self) -> bool {
        matches!(*self.phase.lock(), Phase::Running(_))
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The names that Windows gets otherwise than they are written, or not at all.
    #[must_use]
    pub fn name_report(&self) -> &NameReport {
        self.plan.projection.report()
    }

    /// What the last start did because the manifest was another one than before; `None` if it was
    /// the same, or if it does not run.
    #[must_use]
    pub fn remount_report(&self) -> Option<RemountReport> {
        self.user().ok()?.running.remounted().cloned()
    }

    /// What differs from the manifest, exactly; hashes what was written since.
    ///
    /// # Errors
    /// Not started; a changed file cannot be read; recording lags behind for longer than
    /// `patience`; stopped meanwhile.
    pub fn changes(&self, patience: Duration) -> Result<Vec<Changed>, ProjFsError> {
        self.user()?.running.changes(patience)
    }

    /// Paths that were changed here, and in the manifest since. What was changed here stays.
    ///
    /// # Errors
    /// Not started.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, ProjFsError> {
        Ok(self.user()?.running.conflicts())
    }

    /// The manifest that is shown: the base of [`changes`](Self::changes). `None` if only a volume
    /// was given.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Manifest> {
        self.plan.manifest.as_ref()
    }

    /// Opens changed files for an export. Not for threads of ProjFS (projfs.md J15).
    #[must_use]
    pub fn local_files(&self) -> impl LocalFiles + use<> {
        FolderFiles::new(self.root.clone())
    }

    /// How many files are in which state.
    ///
    /// # Errors
    /// Not started.
    pub fn counts(&self) -> Result<ItemCounts, ProjFsError> {
        Ok(self.user()?.running.counts())
    }

    /// Counters and timings of all starts so far.
    #[must_use]
    pub fn stats(&self) -> StatsSnapshot {
        let queued = self.user().map_or(0, |user| user.running.queued());
        match &self.content {
            Some(volume) => self.plan.stats.snapshot(queued, volume.stats()),
            None => self.plan.stats.snapshot(queued, &Stats::default()),
        }
    }

    /// The state as one JSON object, for `status` and for people.
    #[must_use]
    pub fn report(&self) -> String {
        let volume: serde_json::Value =
            serde_json::from_str(&self.plan.volume.report()).unwrap_or_default();
        let names: Vec<_> = self.name_report().faults().iter().map(ToString::to_string).collect();
        serde_json::json!({
            "schema": "rusty-attachments/projfs/1",
            "pid": std::process::id(),
            "root": self.root.display().to_string(),
            "started": self.is_started(),
            "counts": self.counts().ok(),
            "stats": self.stats(),
            "names_not_shown": names,
            "volume": volume,
        })
        .to_string()
    }

    fn user(&self) -> Result<Arc<User>, ProjFsError> {
        match &*self.phase.lock() {
            Phase::Running(shared) => Ok(Arc::clone(&shared.user)),
            Phase::Stopped | Phase::Changing => {
                Err(ProjFsError::NotStarted { path: self.root.clone() })
            }
        }
    }
}

impl Drop for WritableProjFs {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!("{error}");
        }
    }
}

/// A start or stop that is under way; what comes of it if nothing else is said is a stopped root.
struct Change<'a> {
    phase: &'a Mutex<Phase>,
    next: Phase,
}

impl<'a> Change<'a> {
    const fn of(phase: &'a Mutex<Phase>) -> Self {
        Self { phase, next: Phase::Stopped }
    }

    fn to(mut self, next: Phase) {
        self.next = next;
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        *self.phase.lock() = mem::replace(&mut self.next, Phase::Stopped);
    }
}

/// What runs content; no thread of it runs before a start.
fn idle_executor(options: &ProjFsOptions) -> Arc<AsyncExecutor> {
    let worker_threads = options.worker_threads.max(1);
    Arc::new(AsyncExecutor::stopped(ExecutorConfig { worker_threads, ..Default::default() }))
}

/// What becomes of links on this machine.
fn links(wanted: LinkPolicy) -> LinkPolicy {
    match ProjFsApi::load() {
        Ok(api) if !api.has_links() => LinkPolicy::Content,
        // Without the library, the start says so.
        Ok(_) | Err(_) => wanted,
    }
}
