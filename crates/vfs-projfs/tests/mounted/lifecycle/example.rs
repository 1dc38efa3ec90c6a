//! The example as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::machine::Machine;

/// The example. Cargo builds it with the tests, unless it is told which tests to build.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let profile = tests.ancestors().nth(2).unwrap();
        let program = profile.join("examples").join("mount_projfs");
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let written = ["src", "examples"].map(|folder| newest(&package.join(folder)));
        let built = fs::metadata(&program).and_then(|told| told.modified());
        if built.is_ok_and(|built| written.iter().all(|written| *written <= built)) {
            return program;
        }
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--example", "mount_projfs"]);
        build.args(["--package", env!("CARGO_PKG_NAME")]);
        build.arg("--target-dir").arg(profile.parent().unwrap());
        assert!(build.current_dir(package).status().unwrap().success());
        program
    })
}

/// When something in a folder was written last.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let times = entries.map(|entry| match entry.metadata().unwrap() {
        told if told.is_dir() => newest(&entry.path()),
        told => told.modified().unwrap(),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A running example; killed when dropped.
#[derive(Debug)]
pub(crate) struct Example {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Example {
    fn command(machine: &Machine, files: &[(&str, &str)]) -> Command {
        let manifest = machine.path("manifest.json");
        fs::write(&manifest, machine.manifest(files).encode()).unwrap();
        let mut command = Command::new(program());
        command.arg(manifest).arg(machine.root());
        command.arg("--store").arg(machine.path("store"));
        command.arg("--cache-dir").arg(machine.cache());
        command.env_remove("PROJFS_EMULATOR").stdin(Stdio::null());
        command
    }

    /// Starts it, and waits until it shows the files.
    pub(crate) fn start(machine: &Machine, files: &[(&str, &str)], options: &[&str]) -> Self {
        let mut command = Self::command(machine, files);
        command.args(options);
        Self::started(command)
    }

    /// As `start`, on a daemon that somebody else runs.
    pub(crate) fn start_at(daemon: SocketAddr, machine: &Machine, files: &[(&str, &str)]) -> Self {
        let mut command = Self::command(machine, files);
        command.env("PROJFS_EMULATOR", daemon.to_string());
        Self::started(command)
    }

    fn started(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains("shows the files"), "'{line}'");
        Self { process, output }
    }

    /// Runs it to its end, which is to come at once.
    pub(crate) fn run(machine: &Machine, files: &[(&str, &str)], options: &[&str]) -> Output {
        Self::command(machine, files).args(options).output().unwrap()
    }

    /// As Ctrl-C; what it prints then.
    pub(crate) fn interrupt(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.process), Signal::INT).unwrap();
        let lines = (&mut self.output).lines().map(Result::unwrap).collect();
        assert!(self.process.wait().unwrap().success());
        lines
    }

    /// As `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
