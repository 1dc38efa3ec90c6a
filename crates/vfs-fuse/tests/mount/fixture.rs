//! A mounted reference volume that is unmounted whatever happens to the test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusty_attachments_testkit::volume::{ReferenceVolume, Tree};
use rusty_attachments_vfs::{AsyncExecutor, ExecutorConfig};
use rusty_attachments_vfs_fuse::{FuseMount, MountOptions, mount};
use tempfile::TempDir;

/// Longer than anything takes on a machine that is only slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

// Fields are dropped in this order: first the mount, then the folder beneath it.
pub(crate) struct Mounted {
    mount: Option<FuseMount>,
    pub(crate) volume: Arc<ReferenceVolume>,
    folder: TempDir,
    executor: Arc<AsyncExecutor>,
}

impl Mounted {
    pub(crate) fn new(tree: Tree) -> Self {
        Self::with(tree, &MountOptions::default())
    }

    pub(crate) fn with(tree: Tree, options: &MountOptions) -> Self {
        let (volume, executor, folder) = (tree.build(), executor(), scratch());
        let mount = mount(Arc::clone(&volume) as _, Arc::clone(&executor), folder.path(), options)
            .expect("these tests need /dev/fuse and the right to mount");
        Self { mount: Some(mount), volume, folder, executor }
    }

    pub(crate) fn mount(&self) -> &FuseMount {
        self.mount.as_ref().unwrap()
    }

    pub(crate) fn end(&mut self) {
        self.mount.take();
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.root().join(Path::new(name.as_ref()))
    }

    pub(crate) fn executor(&self) -> &Arc<AsyncExecutor> {
        &self.executor
    }

    /// Runs a shell command in the root of the mount.
    pub(crate) fn shell(&self, command: &str) -> Output {
        shell_in(self.root(), command)
    }

    /// Runs a shell command that must succeed and returns what it printed.
    pub(crate) fn printed(&self, command: &str) -> String {
        let output = self.shell(command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {output:?}");
        text
    }
}

pub(crate) fn executor() -> Arc<AsyncExecutor> {
    Arc::new(AsyncExecutor::new(ExecutorConfig::default()).unwrap())
}

/// A folder to mount on, free of links so that it can be compared.
pub(crate) fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("rusty-fuse-").tempdir().unwrap()
}

pub(crate) fn shell_in(folder: &Path, command: &str) -> Output {
    Command::new("sh").arg("-c").arg(command).current_dir(folder).output().unwrap()
}

/// A process that is killed when the test is over.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(program: &str, arguments: &[&OsStr], folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Kills it the hard way and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        eventually("the killed process ends", || self.0.try_wait().unwrap().is_some());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "it never happened that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `work` on a thread and fails if it takes longer than anything should.
pub(crate) fn within_patience<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}
