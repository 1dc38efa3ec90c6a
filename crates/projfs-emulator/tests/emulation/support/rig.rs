//! One daemon with one folder for one test. What is wrong at the end fails the test: a broken rule
//! that it did not ask for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use projfs_emulator::contract::{FileState, Result, Wide};
use projfs_emulator::control::Client;
use projfs_emulator::knobs::Compare;
use projfs_emulator::link::{LibraryKnobs, Process};
use projfs_emulator::provider::{Library, RootGuard, serve_root};
use projfs_emulator::{Knobs, Violation, protocol};

use super::app::App;
use super::provider::{Options, Provider};
use super::remote::RemoteProvider;
use super::tree::Tree;

/// Far longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is no real one.
const SOMEBODY: u32 = 0x3FFF_0000;

/// A daemon of its own.
struct Daemon {
    process: Child,
    address: String,
}

impl Daemon {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"))
            .args(["serve", "--until-eof"])
            .env("PROJFS_EMULATOR_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It ends with its input, so with this process too. Its first line says where it listens.
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_whitespace().last().unwrap_or_default().to_owned();
        Self { process, address }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The end of its input is its own: it unmounts what it has.
        drop(self.process.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = self.process.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A folder, a daemon for it, and a way to ask it.
pub(crate) struct Rig {
    control: Client,
    root: PathBuf,
    // Dropped in this order.
    _served: RootGuard,
    daemon: Daemon,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let daemon = Daemon::start();
        let driver = protocol::connect(&daemon.address).unwrap();
        let control = Client::connect(&daemon.address).unwrap();
        let _served = serve_root(&full(&root), driver);
        Self { control, root, _served, daemon, folder }
    }

    /// With other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Knobs)) -> Self {
        let rig = Self::new();
        rig.set(change);
        rig
    }

    /// Changes settings, from the next operation on.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.control.knobs().unwrap();
        change(&mut knobs);
        self.control.set_knobs(knobs).unwrap();
    }

    /// The folder that is projected.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A path beside the folder, on the same file system as what is below it.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// A correct provider in this process.
    pub(crate) fn provide(&self, tree: Tree) -> Provider {
        self.provide_with(tree, Options::default())
    }

    /// A provider in this process.
    pub(crate) fn provide_with(&self, tree: Tree, options: Options) -> Provider {
        self.try_provide(tree, options).unwrap()
    }

    /// A provider in this process, if it can start.
    pub(crate) fn try_provide(&self, tree: Tree, options: Options) -> Result<Provider> {
        let knobs = self.control.knobs().unwrap();
        let library = Library::with(LibraryKnobs {
            strict: knobs.strict,
            hide_symlink_functions: knobs.hide_symlink_functions,
            legacy_compare: knobs.compare == Compare::LegacyLower,
        });
        Provider::start(library, &self.root, tree, options)
    }

    /// A provider in a process of its own.
    pub(crate) fn provide_elsewhere(&self, tree: Tree, options: Options) -> RemoteProvider {
        RemoteProvider::start(&self.daemon.address, &self.root, tree, options).unwrap()
    }

    /// An application, by the control interface.
    pub(crate) fn app(&self) -> App {
        self.app_of(SOMEBODY)
    }

    /// An application in the name of this process.
    pub(crate) fn app_of(&self, process: u32) -> App {
        let image = Wide::from(r"\Device\HarddiskVolume1\app.exe");
        App(self.control.on(full(&self.root), Process { id: process, image }))
    }

    /// The control interface.
    pub(crate) const fn control(&self) -> &Client {
        &self.control
    }

    /// The state on disk, as PrjGetOnDiskFileState says it.
    pub(crate) fn state(&self, path: &str) -> Result<FileState> {
        self.control.on_disk_state(full(&self.path(path)))
    }

    /// Callbacks since the last call, one a line, with their answers.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.control.take_trace().unwrap().iter().map(|traced| traced.line()).collect()
    }

    /// Broken rules since the last call.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.control.take_violations().unwrap()
    }

    /// Lets close notifications out that were held back.
    pub(crate) fn release_closes(&self) {
        self.app().raw().release_closes().unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            let violations = self.violations();
            assert!(violations.is_empty(), "rules were broken: {violations:#?}");
        }
    }
}

/// A path as full paths are given to the library.
fn full(path: &Path) -> Wide {
    Wide::from(path.to_str().unwrap())
}
