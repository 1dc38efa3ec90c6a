//! A virtualizer over a volume in memory, on an emulator of its own; acted on by other processes.
//! What the emulator finds broken fails the test at its end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use projfs_emulator::Knobs;
use projfs_emulator::contract::Wide;
use projfs_emulator::contract::operations::{
    Access, Attributes, Entry, HandleId, ItemId, Kind, Open, Query, Target,
};
use projfs_emulator::control::{Client, OnRoot};
use projfs_emulator::daemon::{Daemon, Options};
use projfs_emulator::link::Process;
use projfs_emulator::protocol;
use projfs_emulator::provider::{RootGuard, serve_root};
use rusty_attachments_testkit::volume::{ReferenceVolume, Tree};
use rusty_attachments_vfs::{AsyncExecutor, ExecutorConfig, Volume};
use tokio::runtime::Runtime;

use super::super::*;
use crate::callbacks::{Hint, HintSink, OperationPolicy, Presence};
use crate::projection::{LinkPolicy, ManifestProjection, ProjectionOptions};

/// Far longer than anything that works takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is no real one.
const SOMEBODY: u32 = 0x3FFF_0000;

const IDENTITY: u128 = 0x7269_675f_8000_0000_0000_0000_0000_0001;

/// Waits until something is so.
#[track_caller]
pub(super) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A path in UTF-16.
pub(super) fn units(path: &str) -> Vec<u16> {
    path.encode_utf16().collect()
}

/// All hints that came.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<Vec<Hint>>);

impl Hints {
    pub(super) fn all(&self) -> Vec<Hint> {
        self.0.lock().clone()
    }

    pub(super) fn has(&self, hint: &Hint) -> bool {
        self.0.lock().contains(hint)
    }
}

impl HintSink for Hints {
    fn take(&self, hint: Hint) {
        self.0.lock().push(hint);
    }
}

/// What is not as it usually is.
pub(super) struct Setup {
    pub(super) api: &'static ProjFsApi,
    pub(super) policy: Option<Arc<dyn OperationPolicy>>,
    pub(super) max_enumerations: usize,
    pub(super) knobs: Knobs,
}

impl Default for Setup {
    fn default() -> Self {
        let api = ProjFsApi::load().unwrap();
        Self { api, policy: None, max_enumerations: 100, knobs: Knobs::default() }
    }
}

/// An emulator with one folder.
pub(super) struct Emulated {
    pub(super) control: Client,
    pub(super) root: PathBuf,
    served: Option<RootGuard>,
    daemon: Option<Daemon>,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Emulated {
    pub(super) fn new(knobs: Knobs) -> Self {
        let folder = tempfile::Builder::new().prefix("virtualizer-").tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = threads.unwrap();
        let options = Options { knobs, ..Options::default() };
        let daemon = runtime.block_on(Daemon::start(options)).unwrap();
        let served = serve_root(&wide(&root), protocol::connect(daemon.address()).unwrap());
        let control = Client::connect(daemon.address()).unwrap();
        let (served, daemon) = (Some(served), Some(daemon));
        Self { control, root, served, daemon, runtime, _folder: folder }
    }

    /// Changes settings, from the next operation on.
    pub(super) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.control.knobs().unwrap();
        change(&mut knobs);
        self.control.set_knobs(knobs).unwrap();
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        let violations = self.control.take_violations();
        drop(self.served.take());
        if let Some(daemon) = self.daemon.take() {
            self.runtime.block_on(daemon.stop());
        }
        if !std::thread::panicking() {
            assert_eq!(violations.unwrap(), [], "rules were broken");
        }
    }
}

fn wide(path: &Path) -> Wide {
    Wide::from(path.to_str().unwrap())
}

/// A running virtualizer. See the module.
pub(super) struct Rig {
    // Stopped before the emulator is.
    pub(super) virtualizer: ProjFsVirtualizer,
    pub(super) volume: Arc<ReferenceVolume>,
    pub(super) callbacks: Arc<VfsCallbacks>,
    pub(super) stats: Arc<ProjFsStats>,
    pub(super) hints: Arc<Hints>,
    pub(super) setup: Setup,
    executor: Arc<AsyncExecutor>,
    pub(super) emulated: Emulated,
}

impl Rig {
    pub(super) fn new(tree: Tree) -> Self {
        Self::with(tree, Setup::default())
    }

    pub(super) fn with(tree: Tree, setup: Setup) -> Self {
        let volume = tree.build();
        let projected: Arc<dyn Volume> = Arc::clone(&volume) as _;
        let links = if setup.api.has_links() { LinkPolicy::Links } else { LinkPolicy::Content };
        let options = ProjectionOptions { links, ..ProjectionOptions::default() };
        let projection =
            Arc::new(ManifestProjection::new(Arc::clone(&projected), options).unwrap());
        Self::over(projected, volume, projection, setup)
    }

    /// Over a projection that was made otherwise.
    pub(super) fn over(
        projected: Arc<dyn Volume>,
        volume: Arc<ReferenceVolume>,
        projection: Arc<ManifestProjection>,
        setup: Setup,
    ) -> Self {
        let emulated = Emulated::new(setup.knobs.clone());
        let hints = Arc::new(Hints::default());
        let presence = Arc::new(Presence::new(Arc::clone(&projected)));
        let callbacks = Arc::new(VfsCallbacks::new(
            projection,
            projected,
            setup.policy.clone(),
            Arc::clone(&hints) as _,
            presence,
        ));
        let stats = Arc::<ProjFsStats>::default();
        let executor = Arc::new(AsyncExecutor::new(ExecutorConfig::default()).unwrap());
        assert!(!setup.api.mark_root(&emulated.root, IDENTITY).unwrap());
        let started = start(&emulated, &setup, &callbacks, &executor, &stats).unwrap();
        Self { virtualizer: started, volume, callbacks, stats, hints, setup, executor, emulated }
    }

    /// Starts again what was stopped, as the next mount does.
    pub(super) fn restart(&mut self) {
        assert!(self.setup.api.mark_root(&self.emulated.root, IDENTITY).unwrap());
        let started = self.start_another().unwrap();
        self.virtualizer = started;
    }

    pub(super) fn start_another(&self) -> Result<ProjFsVirtualizer, ProjFsError> {
        start(&self.emulated, &self.setup, &self.callbacks, &self.executor, &self.stats)
    }

    /// A path in the root.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.emulated.root.join(path)
    }

    /// Runs a shell's command in the root, in another process.
    pub(super) fn sh(&self, command: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&self.emulated.root).env("LC_ALL", "C.UTF-8");
        shell.output().unwrap()
    }

    /// What a command that must succeed says.
    #[track_caller]
    pub(super) fn says(&self, command: &str) -> String {
        let output = self.sh(command);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail complains about.
    #[track_caller]
    pub(super) fn complains(&self, command: &str) -> String {
        let output = self.sh(command);
        assert!(!output.status.success(), "{command} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// An application for which Windows' words are needed.
    pub(super) fn app(&self) -> App {
        let somebody = Process { id: SOMEBODY, image: Wide::default() };
        App(self.emulated.control.on(wide(&self.emulated.root), somebody))
    }

    /// Callbacks since the last call, those of the kind only.
    pub(super) fn trace(&self, kind: &str) -> Vec<String> {
        let trace = self.emulated.control.take_trace().unwrap();
        trace.iter().map(|traced| traced.line()).filter(|line| line.starts_with(kind)).collect()
    }
}

pub(super) fn start(
    emulated: &Emulated,
    setup: &Setup,
    callbacks: &Arc<VfsCallbacks>,
    executor: &Arc<AsyncExecutor>,
    stats: &Arc<ProjFsStats>,
) -> Result<ProjFsVirtualizer, ProjFsError> {
    let options = VirtualizerOptions {
        root: emulated.root.clone(),
        pool_threads: 0,
        concurrent_threads: 0,
        command_timeout: PATIENCE,
        max_enumerations: setup.max_enumerations,
    };
    let (callbacks, executor) = (Arc::clone(callbacks), Arc::clone(executor));
    ProjFsVirtualizer::start(setup.api, callbacks, executor, Arc::clone(stats), options)
}

/// Some process that uses the root. Paths have backslashes.
pub(super) struct App(OnRoot);

/// A directory that it lists.
pub(super) struct Listing<'a> {
    app: &'a App,
    handle: HandleId,
}

impl App {
    pub(super) fn list(&self, path: &str) -> Listing<'_> {
        let how = Open { kind: Kind::Directory, ..Open::existing(Access::READ) };
        Listing { app: self, handle: self.0.open_path(path, how).unwrap().handle }
    }

    /// The name of what is at a path, as it is spelled on disk.
    pub(super) fn spelling(&self, path: &str) -> String {
        self.attributes(path).name.to_string()
    }

    /// What an open for attributes tells.
    pub(super) fn attributes(&self, path: &str) -> Attributes {
        let opened = self.0.open_path(path, Open::existing(Access::empty())).unwrap();
        self.0.close(opened.handle).unwrap();
        opened.attributes
    }

    /// Renames within the root, also where only the case differs, for which Linux has no words.
    pub(super) fn rename(&self, from: &str, to: &str) {
        self.with(from, |handle| self.0.rename(handle, at(to), false));
    }

    /// Moves a file of the daemon's machine into the root.
    pub(super) fn move_in(&self, from: &Path, to: &str) {
        self.0.move_in(from.to_str().unwrap(), at(to), false).unwrap();
    }

    /// Moves out of the root.
    pub(super) fn move_out(&self, from: &str, to: &Path) {
        self.with(from, |handle| self.0.move_out(handle, to.to_str().unwrap()));
    }

    fn with<E: std::fmt::Debug>(&self, path: &str, act: impl FnOnce(HandleId) -> Result<(), E>) {
        let handle = self.0.open_path(path, Open::existing(Access::DELETE)).unwrap().handle;
        act(handle).unwrap();
        self.0.close(handle).unwrap();
    }

    /// What of a folder is on disk, tombstones included.
    pub(super) fn on_disk(&self, path: &str) -> Vec<String> {
        let query = Query { buffer: 64 << 10, on_disk_only: true, ..Query::default() };
        names(&self.list(path).rest(&query).unwrap())
    }
}

impl Listing<'_> {
    /// The names of next entries; the code if there are none.
    pub(super) fn next(&self, query: &Query) -> Result<Vec<String>, u32> {
        self.entries(query).map(|entries| names(&entries))
    }

    pub(super) fn entries(&self, query: &Query) -> Result<Vec<Entry>, u32> {
        let entries = self.app.0.query_directory(self.handle, query.clone());
        entries.map_err(|code| code.0.cast_unsigned())
    }

    /// All entries to the end, but `.` and `..`.
    pub(super) fn rest(&self, query: &Query) -> Result<Vec<Entry>, u32> {
        const NO_MORE_FILES: u32 = 0x8007_0012;
        let mut all = vec![];
        loop {
            match self.entries(query) {
                Ok(entries) => all.extend(entries),
                Err(NO_MORE_FILES) => break,
                Err(code) => return Err(code),
            }
        }
        all.retain(|entry| !matches!(entry.name.to_string().as_str(), "." | ".."));
        Ok(all)
    }
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        let _ = self.app.0.close(self.handle);
    }
}

fn at(path: &str) -> Target {
    Target { from: ItemId::ROOT, path: path.into() }
}

pub(super) fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.to_string()).collect()
}
