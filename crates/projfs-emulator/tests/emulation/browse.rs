//! The sample provider, browsed with the programs that people use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::actor::{Ran, run};

/// The example as a process of its own, ended by SIGINT as from a terminal.
struct Sample {
    process: Child,
}

impl Sample {
    fn start(folder: &Path) -> Self {
        // Beside this program: `cargo test` builds examples, unless it is told to build one test.
        let program = std::env::current_exe().unwrap();
        let program = program.parent().unwrap().parent().unwrap().join("examples/sample_provider");
        assert!(program.exists(), "cargo build -p projfs-emulator --example sample_provider");
        let mut process = Command::new(program).arg(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.contains("shows the files"), "{ready}");
        Self { process }
    }

    /// Ctrl-C; it must end well.
    fn stop(mut self) {
        self.signal();
        assert!(self.process.wait().unwrap().success());
    }

    fn signal(&self) {
        let process = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::INT);
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal();
            let _ = self.process.wait();
        }
    }
}

/// A folder to project into, with paths in it as programs take them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path()).unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("folder")
    }

    /// Runs a program on these paths in the folder; arguments that begin with `-` stay as they are.
    fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let path = |argument: &&str| match argument.strip_prefix('-') {
            Some(_) => (*argument).to_owned(),
            None => self.path().join(argument).to_str().unwrap().to_owned(),
        };
        let arguments: Vec<_> = arguments.iter().map(path).collect();
        run(program, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[track_caller]
    fn gives(&self, program: &str, arguments: &[&str]) -> String {
        let ran = self.run(program, arguments);
        assert!(ran.success, "{program} {arguments:?}: {}", ran.complaint);
        ran.output
    }

    #[track_caller]
    fn fails(&self, program: &str, arguments: &[&str]) -> String {
        let ran = self.run(program, arguments);
        assert!(!ran.success, "{program} {arguments:?} worked");
        ran.complaint
    }
}

#[test]
fn listing_and_stat_ask_for_no_data() {
    let folder = Folder::new();
    let sample = Sample::start(&folder.path());
    assert_eq!(folder.gives("ls", &["docs"]), "a.txt\nb.txt\ndeep\n");
    let sizes = folder.gives("stat", &["--format=%s", "docs/a.txt", "docs/deep/c.txt"]);
    assert_eq!(sizes, "6\n6\n");
    let blocks = fs::metadata(folder.path().join("docs/a.txt")).unwrap().blocks();
    assert_eq!(blocks, 0, "nothing of it is on disk");
    sample.stop();
}

#[test]
fn cat_reads_in_any_case() {
    let folder = Folder::new();
    let sample = Sample::start(&folder.path());
    assert_eq!(folder.gives("cat", &["DOCS/A.TXT", "docs/Deep/c.txt"]), "alpha\ngamma\n");
    assert_eq!(folder.gives("ls", &["Docs"]), "a.txt\nb.txt\ndeep\n");
    assert!(folder.fails("cat", &["docs/missing"]).contains("No such file"));
    sample.stop();
}

#[test]
fn what_cp_brings_is_local_and_stays() {
    let folder = Folder::new();
    let sample = Sample::start(&folder.path());
    folder.gives("cp", &["docs/a.txt", "docs/copy.txt"]);
    folder.gives("cp", &["-r", "docs", "copied"]);
    assert_eq!(folder.gives("cat", &["docs/copy.txt", "copied/deep/c.txt"]), "alpha\ngamma\n");
    sample.stop();
    // Without any provider: the daemon has unmounted, and what is on disk is there.
    assert_eq!(folder.gives("cat", &["docs/copy.txt"]), "alpha\n");
    let sample = Sample::start(&folder.path());
    assert_eq!(folder.gives("cat", &["copied/a.txt"]), "alpha\n");
    sample.stop();
}

#[test]
fn what_rm_removes_stays_away() {
    let folder = Folder::new();
    let sample = Sample::start(&folder.path());
    folder.gives("rm", &["docs/b.txt"]);
    folder.gives("rm", &["-r", "docs/deep"]);
    assert_eq!(folder.gives("ls", &["docs"]), "a.txt\n");
    sample.stop();
    let sample = Sample::start(&folder.path());
    assert_eq!(folder.gives("ls", &["docs"]), "a.txt\n");
    assert!(folder.fails("cat", &["docs/b.txt"]).contains("No such file"));
    sample.stop();
}

#[test]
fn mv_moves_files_and_no_projected_directories() {
    let folder = Folder::new();
    let sample = Sample::start(&folder.path());
    assert!(folder.fails("mv", &["docs", "moved"]).contains("not supported"));
    assert_eq!(folder.gives("ls", &["docs"]), "a.txt\nb.txt\ndeep\n");
    folder.gives("mv", &["docs/a.txt", "mine.txt"]);
    assert_eq!(folder.gives("ls", &["docs"]), "b.txt\ndeep\n");
    // Fetched now, under its old name (J3).
    assert_eq!(folder.gives("cat", &["mine.txt"]), "alpha\n");
    folder.gives("mkdir", &["local"]);
    folder.gives("mv", &["mine.txt", "local/mine.txt"]);
    folder.gives("mv", &["local", "moved"]);
    assert_eq!(folder.gives("cat", &["moved/mine.txt"]), "alpha\n");
    sample.stop();
}

#[test]
fn ending_the_sample_unmounts() {
    let folder = Folder::new();
    let below = fs::metadata(folder.path()).unwrap().dev();
    let sample = Sample::start(&folder.path());
    assert_ne!(fs::metadata(folder.path()).unwrap().dev(), below);
    sample.stop();
    assert_eq!(fs::metadata(folder.path()).unwrap().dev(), below);
}
