//! A daemon for a test: its process, and folders to be marked below one of its own. It ends with
//! the test, whatever happens, and leaves no mount behind.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use projfs_emulator::control::Client;
use rustix::process::Signal;
use tempfile::TempDir;

/// How long anything may take that should not take long.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What is mounted at or below a folder, innermost last.
pub(crate) fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(PathBuf::from).filter(|point| point.starts_with(folder)).collect()
}

/// A daemon in a process of its own.
#[derive(Debug)]
pub(crate) struct Daemon {
    folder: TempDir,
    settings: Vec<String>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// The daemon ends when this closes, so also with a test that is killed.
    input: Option<ChildStdin>,
    address: String,
}

impl Daemon {
    /// Starts one with these settings, such as `strict=false`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("projfs-").tempdir().unwrap();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut daemon = Self { folder, settings, running: None };
        daemon.restart();
        daemon
    }

    /// Starts it again, with the same folders; it must not run.
    pub(crate) fn restart(&mut self) {
        assert!(self.running.is_none(), "the daemon runs");
        let log = File::options().append(true).create(true).open(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"));
        command.args(["serve", "--until-eof"]);
        if !self.settings.is_empty() {
            command.arg("--knobs").args(&self.settings);
        }
        command
            .env("PROJFS_EMULATOR_LOG", "info,projfs_emulator=debug,fuser=warn")
            .env_remove("PROJFS_EMULATOR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(!address.is_empty(), "the daemon did not start");
        let address = address.trim().to_owned();
        self.running = Some(Running { child, input, address });
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.running.as_ref().unwrap().address
    }

    /// A control connection.
    pub(crate) fn control(&self) -> Client {
        Client::connect(self.address()).unwrap()
    }

    /// A folder to be marked; made if it is not there.
    pub(crate) fn root(&self, name: &str) -> PathBuf {
        let root = self.folder.path().join(name);
        // A mounted one is there.
        if !mounts_below(&root).contains(&root) {
            std::fs::create_dir_all(&root).unwrap();
        }
        root
    }

    /// The folder of all roots: for files outside of them.
    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    /// Asks it to end, as `kill` does, and waits for that.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.end_by(Signal::TERM)
    }

    /// Sends it a signal that ends it, and waits for that.
    pub(crate) fn end_by(&mut self, signal: Signal) -> ExitStatus {
        let mut running = self.running.take().unwrap();
        let process = rustix::process::Pid::from_child(&running.child);
        rustix::process::kill_process(process, signal).unwrap();
        running.wait()
    }

    /// As `kill -9`: its mounts are dead then.
    pub(crate) fn kill(&mut self) {
        let mut running = self.running.take().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("daemon.log")
    }
}

impl Running {
    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                return self.child.wait().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.input.take());
            running.wait();
        }
        for point in mounts_below(self.folder.path()).iter().rev() {
            let _ = rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH);
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            eprintln!("--- the daemon's log\n{log}---");
        }
    }
}
