//! A root that is started, from its checks to its stop.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusty_attachments_model::Manifest;
use rusty_attachments_vfs::changes::{ChangeStore, Changed, Conflict};
use rusty_attachments_vfs::{AsyncExecutor, Volume};

use crate::api::ProjFsApi;
use crate::callbacks::{Presence, VfsCallbacks};
use crate::disk::SystemDisk;
use crate::error::ProjFsError;
use crate::names::NAME_RULE;
use crate::options::{ProjFsOptions, ProjFsWriteOptions};
use crate::projection::{ManifestProjection, ProjectionOptions};
use crate::root;
use crate::state::{self, RootState, Showing};
use crate::stats::ProjFsStats;
use crate::tracking::{ItemCounts, RemountReport, Shown, Tracker};
use crate::virtualizer::{ProjFsVirtualizer, VirtualizerOptions};

/// How long background work on content (filling the cache) may go on after a stop.
const BACKGROUND: Duration = Duration::from_secs(1);

/// All that a start needs; the same for every start.
pub(crate) struct Plan {
    pub(crate) volume: Arc<dyn Volume>,
    /// `None` if only a volume was given: then nothing is known of what was shown before.
    pub(crate) manifest: Option<Manifest>,
    pub(crate) projection: Arc<ManifestProjection>,
    /// How the projection was built.
    pub(crate) projected: ProjectionOptions,
    pub(crate) executor: Arc<AsyncExecutor>,
    pub(crate) stats: Arc<ProjFsStats>,
    pub(crate) options: ProjFsOptions,
    pub(crate) write_options: ProjFsWriteOptions,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("options", &self.options)
            .field("write_options", &self.write_options)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Checks what can be checked without touching anything.
    fn check_folders(&self, root: &Path) -> Result<(), ProjFsError> {
        let cache_dir = &self.write_options.cache_dir;
        if !cache_dir.is_absolute() {
            let reason = format!(
                "its cache_dir '{}' is no absolute path, so that others could decide where it is; \
                 give one (the default needs a home folder)",
                cache_dir.display()
            );
            return Err(ProjFsError::root(root, reason));
        }
        let mut ours = vec![("cache_dir", cache_dir.as_path())];
        ours.extend(self.options.volume.cache.iter().map(|cache| ("disk cache", &*cache.dir)));
        root::check_place(root, &ours)
    }

    /// What placeholders on disk may be of, beside the manifest that is shown now.
    fn shown_before(&self, showing: Option<&Showing>) -> Result<Vec<Shown>, ProjFsError> {
        let before = showing.map_or(&[][..], |showing| &showing.before);
        before.iter().map(|manifest| Shown::new(manifest, self.projected)).collect()
    }
}

/// A root that is started; [`stop`](Self::stop) ends it. Dropped half started, what runs of it ends.
#[derive(Debug)]
pub(crate) struct Running {
    root: PathBuf,
    // In the order in which they end.
    virtualizer: ProjFsVirtualizer,
    tracker: Arc<Tracker>,
    store: Arc<ChangeStore>,
    remounted: Option<RemountReport>,
    ending: AtomicBool,
    executor: ExecutorGuard,
    /// Last, since it has the lock.
    state: RootState,
}

impl Running {
    /// Starts. If a step fails, those before it are undone; a folder that was marked by then stays
    /// marked, and the next start uses it.
    pub(crate) fn start(plan: &Plan) -> Result<Self, ProjFsError> {
        let root = root::resolve(&plan.options.root)?;
        plan.check_folders(&root)?;
        let api = ProjFsApi::load()?;
        let cache_dir = &plan.write_options.cache_dir;
        let mut state = RootState::open(cache_dir, &root)?;
        root::check_others(&root, &state::other_roots(cache_dir, &root))?;
        let prepared = root::prepare(&root, state.is_known(), api)?;
        let store = Arc::new(ChangeStore::open(&state.changes_folder(), NAME_RULE)?);
        let executor = ExecutorGuard::start(&plan.executor)?;
        let manifest = plan.manifest.as_ref();
        let showing = manifest.map(|manifest| state.shown().begin(manifest)).transpose()?;
        api.mark_root(&root, state.instance_id())?;
        state.keep();
        prepared.keep();
        let presence = Arc::new(Presence::new(Arc::clone(&plan.volume)));
        let tracker = Tracker::new(
            Arc::clone(&plan.projection),
            Arc::new(SystemDisk::new(root.clone(), api)),
            Arc::clone(&store),
            Arc::clone(&presence),
        );
        if let Some(observer) = &plan.write_options.observer {
            tracker.observe(Arc::clone(observer));
        }
        // Before the start: what changed while nobody looked can be told from what will (N1).
        tracker.scan(plan.shown_before(showing.as_ref())?)?;
        let virtualizer = start_virtualizer(plan, api, &root, &tracker, presence)?;
        let mut running = Self {
            root,
            virtualizer,
            tracker,
            store,
            remounted: None,
            ending: AtomicBool::new(false),
            executor,
            state,
        };
        running.check_identity()?;
        running.bring_up_to_date(showing.as_ref())?;
        running.tracker.start(Arc::clone(running.virtualizer.instance()) as _)?;
        Ok(running)
    }

    /// A root that was marked before, under the same path, may be somebody else's by now (M2).
    fn check_identity(&self) -> Result<(), ProjFsError> {
        let found = self.virtualizer.instance().instance_id();
        if found.is_ok_and(|found| found == self.state.instance_id()) {
            return Ok(());
        }
        Err(ProjFsError::root(
            &self.root,
            "another program has made it its own since it was last projected into; choose another \
             folder",
        ))
    }

    /// Placeholders of other manifests than the one that is shown are updated or go. On this
    /// thread, which is none of ProjFS (projfs.md L8).
    fn bring_up_to_date(&mut self, showing: Option<&Showing>) -> Result<(), ProjFsError> {
        let Some(showing) = showing else { return Ok(()) };
        if !showing.before.is_empty() {
            let report = self.tracker.remount(&**self.virtualizer.instance())?;
            // New names may be among those that were not there (projfs.md M24).
            self.forget_missing_names()?;
            self.remounted = Some(report);
        }
        if self.remounted.as_ref().is_none_or(|report| report.failed.is_empty()) {
            self.state.shown().settle(showing)?;
        }
        Ok(())
    }

    fn forget_missing_names(&self) -> Result<(), ProjFsError> {
        let cleared = self.virtualizer.instance().clear_negative_path_cache();
        cleared.map_err(|failure| ProjFsError::Api {
            action: "forget the missing names of",
            path: self.root.clone(),
            function: "PrjClearNegativePathCache",
            hresult: failure.0.cast_unsigned(),
            advice: "; start again",
        })
    }

    /// Ends everything, whatever fails on the way; tells the first failure. Takes a few times
    /// `patience` at most. What was on its way to a program by then fails there.
    pub(crate) fn stop(&self, patience: Duration) -> Result<(), ProjFsError> {
        self.ending.store(true, Ordering::Relaxed);
        // While the root runs, it can be looked at in full.
        let finished = self.tracker.finish(patience);
        self.virtualizer.stop(patience);
        self.tracker.stop(patience);
        let synced = self.store.sync();
        self.executor.stop();
        synced?;
        finished
    }

    pub(crate) fn changes(&self, patience: Duration) -> Result<Vec<Changed>, ProjFsError> {
        self.tracker.changes(patience, &|| self.ending.load(Ordering::Relaxed))
    }

    pub(crate) fn conflicts(&self) -> Vec<Conflict> {
        self.tracker.conflicts()
    }

    pub(crate) fn counts(&self) -> ItemCounts {
        self.tracker.counts()
    }

    pub(crate) fn queued(&self) -> u64 {
        self.tracker.queued()
    }

    pub(crate) const fn remounted(&self) -> Option<&RemountReport> {
        self.remounted.as_ref()
    }
}

fn start_virtualizer(
    plan: &Plan,
    api: &'static ProjFsApi,
    root: &Path,
    tracker: &Arc<Tracker>,
    presence: Arc<Presence>,
) -> Result<ProjFsVirtualizer, ProjFsError> {
    let callbacks = VfsCallbacks::new(
        Arc::clone(&plan.projection),
        Arc::clone(&plan.volume),
        plan.write_options.policy.clone(),
        Arc::clone(tracker) as _,
        presence,
    );
    let options = VirtualizerOptions {
        root: root.to_path_buf(),
        pool_threads: plan.options.pool_threads,
        concurrent_threads: plan.options.concurrent_threads,
        command_timeout: plan.options.command_timeout,
        max_enumerations: plan.options.max_enumerations,
    };
    let (executor, stats) = (Arc::clone(&plan.executor), Arc::clone(&plan.stats));
    ProjFsVirtualizer::start(api, Arc::new(callbacks), executor, stats, options)
}

/// An executor that runs until this is dropped. The next start runs it again.
#[derive(Debug)]
struct ExecutorGuard(Arc<AsyncExecutor>);

impl ExecutorGuard {
    fn start(executor: &Arc<AsyncExecutor>) -> Result<Self, ProjFsError> {
        executor.start()?;
        Ok(Self(Arc::clone(executor)))
    }

    fn stop(&self) {
        if let Err(error) = self.0.shutdown(BACKGROUND) {
            tracing::info!("some content was still on its way: {error}");
        }
    }
}

impl Drop for ExecutorGuard {
    fn drop(&mut self) {
        self.stop();
    }
}
