//! Processes that serve mounts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Machine, Run};

/// Longest wait for something that happens at once on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`, and fails after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_running(pid: Pid) -> bool {
    // A zombie that nobody has collected yet is not running.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

pub(crate) fn is_stopped(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap();
    threads.map(|thread| thread.unwrap().path().join("stat")).all(|stat| {
        let stat = fs::read_to_string(stat).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

/// A mount in the foreground, killed if a test fails.
pub(crate) struct Foreground {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Foreground {
    #[track_caller]
    pub(crate) fn start(machine: &Machine, args: &[&str]) -> Self {
        let mut child = machine
            .command()
            .arg("mount")
            .args(args)
            .arg("--foreground")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("mounted at ") && line.contains("Ctrl-C unmounts"), "{line}");
        Self { child, stdout }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end of the foreground mount", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.stdout.buffer();
    }
}

/// The line of `status` for one mount; other tests' mounts may be listed too.
#[track_caller]
pub(crate) fn of_mount(status: &Run, mount_point: &Path) -> Value {
    let mut records = status.records();
    records.retain(|record| record["mount_point"] == mount_point.to_str().unwrap());
    assert_eq!(records.len(), 1, "{}{}", status.text(), status.stderr);
    records.remove(0)
}
