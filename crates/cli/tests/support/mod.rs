//! Runs the real binary in a home folder of its own.
#![allow(clippy::allow_attributes, dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(target_os = "linux")]
pub(crate) mod mounts;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A machine with nothing on it but our binary.
pub(crate) struct Machine {
    home: TempDir,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::with_prefix("rusty-attachments-test-").unwrap() }
    }

    /// A path below the home folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file below the home folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes a folder below the home folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The command, with nothing of this process's environment that could change what it does.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rusty-attachments"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("TMPDIR", self.folder("tmp"))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Run {
        self.finish(self.command().args(args))
    }

    /// The same with something on stdin.
    pub(crate) fn run_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Run {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Run::of(child.wait_with_output().unwrap())
    }

    pub(crate) fn finish(&self, command: &mut Command) -> Run {
        Run::of(command.output().unwrap())
    }
}

impl Run {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The stdout of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        String::from_utf8(self.stdout).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// All JSON lines of stdout.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one JSON line with this schema.
    #[track_caller]
    pub(crate) fn record(&self, schema: &str) -> Value {
        let schema = format!("rusty-attachments/{schema}");
        let mut records = self.records();
        records.retain(|record| record["schema"] == schema.as_str());
        assert_eq!(records.len(), 1, "{schema} in {:?} and {}", self.text(), self.stderr);
        records.remove(0)
    }

    /// Checks a failure: its code, and that stderr is one line with all of `words` in it.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.text(), self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("rusty-attachments: cannot "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no '{word}' in {}", self.stderr);
        }
    }
}

impl Run {
    /// The same for a failure under `--json`, which is told on stdout too.
    #[track_caller]
    pub(crate) fn fails_as_json(self, code: i32, words: &[&str]) {
        assert_eq!(self.record("error/1")["code"], code);
        self.fails(code, words);
    }
}

/// The official manifests, one folder each.
pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/vectors")
}

/// A valid manifest with these paths, of files that no store has.
pub(crate) fn manifest(paths: &[&str]) -> String {
    let entry = |path: &&str| {
        let path = serde_json::to_string(path).unwrap();
        format!(r#"{{"hash":"0123456789abcdef0123456789abcdef","mtime":1,"path":{path},"size":5}}"#)
    };
    let entries: Vec<_> = paths.iter().map(entry).collect();
    format!(
        r#"{{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[{}],"totalSize":{}}}"#,
        entries.join(","),
        paths.len() * 5,
    )
}
