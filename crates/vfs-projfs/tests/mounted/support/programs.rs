//! Programs in a folder: processes of their own (projfs.md K12).

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Runs a shell's commands, up to the first that fails.
pub(crate) fn run(folder: &Path, commands: &str) -> Output {
    Command::new("sh").args(["-ec", commands]).current_dir(folder).output().unwrap()
}

/// What commands print; they must succeed.
#[track_caller]
pub(crate) fn bytes(folder: &Path, commands: &str) -> Vec<u8> {
    let ran = run(folder, commands);
    assert!(ran.status.success(), "{commands}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// As [`bytes`], of commands that print text.
#[track_caller]
pub(crate) fn sh(folder: &Path, commands: &str) -> String {
    String::from_utf8(bytes(folder, commands)).unwrap()
}

/// Starts one program, whose output is kept.
pub(crate) fn begin(folder: &Path, program: &str) -> Child {
    let mut shell = Command::new("sh");
    // Not the shell but what it runs is to be killed.
    shell.args(["-c", &format!("exec {program}")]).current_dir(folder);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts commands that go on whatever becomes of the folder and of each other.
pub(crate) fn keep_doing(folder: &Path, commands: &str) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", commands]).current_dir(folder);
    shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
