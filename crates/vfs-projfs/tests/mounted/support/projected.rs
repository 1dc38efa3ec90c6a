//! A root that is served and projected into, over as many starts as a test likes.

use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::sync::Arc;

use projfs_emulator::contract::operations::{Access, ItemId, Open, Target};
use projfs_emulator::contract::{FileState, Wide};
use projfs_emulator::control::{Client, OnRoot};
use projfs_emulator::knobs::Knobs;
use projfs_emulator::link::Process;
use rusty_attachments_model::Manifest;
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs::Volume;
use rusty_attachments_vfs::changes::ChangeKind;
use rusty_attachments_vfs_projfs::{
    OperationPolicy, ProjFsOptions, ProjFsWriteOptions, RemountReport, WritableProjFs,
};

use super::machine::{Machine, Served};
use super::manifests::{self, Files, Mtime, Texts};
use super::{PATIENCE, programs};

/// A process that is no real one.
const SOMEBODY: u32 = 0x3FFF_0000;

/// What is shown.
enum Shown {
    Files(Files, Mtime),
    Manifest(Box<Manifest>, Arc<dyn StorageClient>),
    Volume(Arc<dyn Volume>),
}

/// What is shown, and how.
pub(crate) struct Setup {
    shown: Shown,
    knobs: Knobs,
    options: fn(&mut ProjFsOptions),
    policy: Option<Arc<dyn OperationPolicy>>,
}

impl Setup {
    fn new(shown: Shown) -> Self {
        Self { shown, knobs: Knobs::default(), options: |_| (), policy: None }
    }

    /// Files whose content is in a store beside the root.
    pub(crate) fn files(files: Files, mtime_us: Mtime) -> Self {
        Self::new(Shown::Files(files, mtime_us))
    }

    /// A manifest over a store of the test's own.
    pub(crate) fn manifest(manifest: Manifest, store: Arc<dyn StorageClient>) -> Self {
        Self::new(Shown::Manifest(Box::new(manifest), store))
    }

    /// A volume of the test's own.
    pub(crate) fn volume(volume: Arc<dyn Volume>) -> Self {
        Self::new(Shown::Volume(volume))
    }

    pub(crate) fn knobs(self, knobs: Knobs) -> Self {
        Self { knobs, ..self }
    }

    pub(crate) fn options(self, options: fn(&mut ProjFsOptions)) -> Self {
        Self { options, ..self }
    }

    pub(crate) fn policy(self, policy: Arc<dyn OperationPolicy>) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Projects into the usual place of a machine's folder.
    pub(crate) fn provider(&self, folder: &Path) -> WritableProjFs {
        let mut options = ProjFsOptions::new(folder.join("root"));
        (self.options)(&mut options);
        let mut write = ProjFsWriteOptions::default().with_cache_dir(folder.join("cache"));
        write.policy.clone_from(&self.policy);
        let made = match &self.shown {
            Shown::Files(files, mtime_us) => {
                let manifest = manifests::manifest(files, *mtime_us);
                let store = Arc::new(manifests::store(folder, files));
                WritableProjFs::new(&manifest, store, options, write)
            }
            Shown::Manifest(manifest, store) => {
                WritableProjFs::new(manifest, Arc::clone(store), options, write)
            }
            Shown::Volume(volume) => {
                WritableProjFs::with_volume(Arc::clone(volume), None, options, write)
            }
        };
        made.unwrap()
    }

    /// Serves the root, and projects nothing into it yet.
    pub(crate) fn idle(self) -> Projected {
        let machine = Machine::new();
        let served = machine.serve();
        served.control().set_knobs(self.knobs.clone()).unwrap();
        Projected { vfs: None, served, machine, setup: self }
    }

    pub(crate) fn start(self) -> Projected {
        let mut projected = self.idle();
        projected.start();
        projected
    }
}

/// A root and what is projected into it. When it ends, no rule may have been broken.
pub(crate) struct Projected {
    // From the provider to the folder: each needs those below until it has ended.
    vfs: Option<WritableProjFs>,
    pub(crate) served: Served,
    machine: Machine,
    setup: Setup,
}

impl Projected {
    pub(crate) fn start(&mut self) {
        let vfs = self.setup.provider(self.folder());
        vfs.start().unwrap();
        self.vfs = Some(vfs);
    }

    /// Stops; programs may go on in the folder.
    pub(crate) fn stop(&mut self) {
        if let Some(vfs) = self.vfs.take() {
            vfs.stop().unwrap();
        }
    }

    /// Stops, lets something happen, and starts again.
    pub(crate) fn restart(&mut self, offline: impl FnOnce(&Self)) {
        self.stop();
        offline(self);
        self.start();
    }

    /// Other files for the next start, written as those before.
    pub(crate) fn replace(&mut self, texts: Texts<'_>) {
        let Shown::Files(files, _) = &mut self.setup.shown else { panic!("it shows no files") };
        *files = manifests::files(texts);
    }

    /// Shows other files from now on.
    pub(crate) fn show(&mut self, texts: Texts<'_>) {
        self.replace(texts);
        self.restart(|_| ());
    }

    /// Shows the same files with other times from now on.
    pub(crate) fn show_at(&mut self, mtime_us: Mtime) {
        let Shown::Files(_, mtime) = &mut self.setup.shown else { panic!("it shows no files") };
        *mtime = mtime_us;
        self.restart(|_| ());
    }

    /// As [`Self::show`], and what that did to the folder.
    pub(crate) fn remount(&mut self, texts: Texts<'_>) -> RemountReport {
        self.show(texts);
        self.vfs().remount_report().unwrap()
    }

    pub(crate) fn files(&self) -> &Files {
        let Shown::Files(files, _) = &self.setup.shown else { panic!("it shows no files") };
        files
    }

    pub(crate) fn vfs(&self) -> &WritableProjFs {
        self.vfs.as_ref().unwrap()
    }

    pub(crate) fn control(&self) -> &Client {
        self.served.control()
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.control().knobs().unwrap();
        change(&mut knobs);
        self.control().set_knobs(knobs).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.machine.folder()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.machine.root()
    }

    pub(crate) fn run(&self, commands: &str) -> Output {
        programs::run(&self.root(), commands)
    }

    #[track_caller]
    pub(crate) fn sh(&self, commands: &str) -> String {
        programs::sh(&self.root(), commands)
    }

    #[track_caller]
    pub(crate) fn bytes(&self, commands: &str) -> Vec<u8> {
        programs::bytes(&self.root(), commands)
    }

    pub(crate) fn begin(&self, program: &str) -> Child {
        programs::begin(&self.root(), program)
    }

    /// What differs from the manifest, as it is told.
    #[track_caller]
    pub(crate) fn told(&self) -> Vec<String> {
        told(self.vfs())
    }

    /// The same, sorted by kinds, then by paths.
    #[track_caller]
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut lines = self.told();
        lines.sort();
        lines
    }

    /// The state of a file on disk; `None` if nothing of it is there.
    pub(crate) fn state(&self, path: &str) -> Option<FileState> {
        self.control().on_disk_state(self.root().join(path).to_str().unwrap()).ok()
    }

    /// Whether a file has its content on disk.
    pub(crate) fn is_hydrated(&self, path: &str) -> bool {
        self.state(path).is_some_and(|state| state.contains(FileState::HYDRATED))
    }

    /// A program for which Windows' words are needed.
    pub(crate) fn app(&self) -> OnRoot {
        let somebody = Process { id: SOMEBODY, image: Wide::default() };
        self.control().on(self.root().to_str().unwrap(), somebody)
    }

    /// Renames as Windows does; Linux looks for the new name first, which needs a provider.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        let app = self.app();
        let opened = app.open_path(from, Open::existing(Access::DELETE)).unwrap();
        app.rename(opened.handle, Target { from: ItemId::ROOT, path: to.into() }, false).unwrap();
        app.close(opened.handle).unwrap();
    }
}

impl Drop for Projected {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// What is told: `A path`, `M path`, `D path`, `R from > path`.
#[track_caller]
pub(crate) fn told(vfs: &WritableProjFs) -> Vec<String> {
    let changes = vfs.changes(PATIENCE).unwrap();
    let line = |change: &rusty_attachments_vfs::changes::Changed| {
        let path = &change.path;
        match &change.kind {
            ChangeKind::Added => format!("A {path}"),
            ChangeKind::Modified => format!("M {path}"),
            ChangeKind::Deleted => format!("D {path}"),
            ChangeKind::Renamed { from } => format!("R {from} > {path}"),
            kind => format!("{kind:?} {path}"),
        }
    };
    changes.iter().map(line).collect()
}
