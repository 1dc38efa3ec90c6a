//! A folder for everything that a test makes, and the emulator for roots in it.

use std::path::{Path, PathBuf};

use projfs_emulator::control::{Client, RootState};
use rusty_attachments_vfs_projfs::emulator::Emulator;
use tempfile::TempDir;

/// A folder with places for a store, a cache and a root, which need not exist yet.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("mounted-").tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// Serves the usual place.
    pub(crate) fn serve(&self) -> Served {
        Served::at(&self.root())
    }
}

/// An emulator that serves a root. When it ends, no rule may have been broken.
#[derive(Debug)]
pub(crate) struct Served {
    control: Client,
    pub(crate) emulator: Emulator,
    root: PathBuf,
}

impl Served {
    pub(crate) fn at(root: &Path) -> Self {
        let emulator = Emulator::serve(root).unwrap();
        let control = Client::connect(emulator.address().unwrap()).unwrap();
        Self { control, emulator, root: root.to_owned() }
    }

    pub(crate) fn control(&self) -> &Client {
        &self.control
    }

    /// The identity that the root is marked with.
    pub(crate) fn identity(&self) -> RootState {
        let roots = self.control.roots().unwrap();
        let [root] = roots.try_into().unwrap();
        root
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let broken = self.control.take_violations();
        if !std::thread::panicking() {
            let broken = broken.unwrap();
            assert!(broken.is_empty(), "{}: {broken:?}", self.root.display());
        }
    }
}
