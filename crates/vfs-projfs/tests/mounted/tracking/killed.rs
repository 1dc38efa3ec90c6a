//! The provider is killed, and loses nothing.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusty_attachments_vfs_projfs::emulator::Emulator;

use super::{SMALL, setup, showing};
use crate::support::PATIENCE;
use crate::support::manifests::{Files, files};
use crate::support::projected::Projected;

/// Says to a test process that it is a provider, of which files in which folder.
const ORDER: &str = "TRACKING_TEST_PROVIDER";

/// Where that process begins, below the name of the program.
const ORDERED: &str = concat!(module_path!(), "::a_process_provides_if_it_is_told_to");

/// In a process that [`Provider::start`] made, this provides until its input ends; elsewhere, that
/// a provider can be made of what is handed over.
#[test]
fn a_process_provides_if_it_is_told_to() {
    let order = (PathBuf::from("folder"), files(SMALL));
    let text = serde_json::to_string(&order).unwrap();
    assert_eq!(serde_json::from_str::<(PathBuf, Files)>(&text).unwrap(), order);
    let Ok(text) = std::env::var(ORDER) else { return };
    let (folder, files): (PathBuf, Files) = serde_json::from_str(&text).unwrap();
    let _emulator = Emulator::serve(&folder.join("root")).unwrap();
    let vfs = setup(files).provider(&folder);
    vfs.start().unwrap();
    println!("\nREADY");
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "drain" => {
                vfs.changes(PATIENCE).unwrap();
                println!("\nREADY");
            }
            other => panic!("an unknown order: {other}"),
        }
    }
    vfs.stop().unwrap();
}

/// A provider in a process of its own.
struct Provider {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Provider {
    fn start(machine: &Projected, folder: &Path, files: &Files) -> Self {
        let (_, order) = ORDERED.split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([order, "--exact", "--nocapture"])
            .env(ORDER, serde_json::to_string(&(folder, files)).unwrap())
            .env("PROJFS_EMULATOR", machine.served.emulator.address().unwrap().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut provider = Self { child, lines };
        provider.await_ready();
        provider
    }

    fn await_ready(&mut self) {
        assert!(self.lines.any(|line| line.unwrap() == "READY"), "it ended");
    }

    /// Waits until all that programs did has been looked at.
    fn drain(&mut self) {
        writeln!(self.child.stdin.as_ref().unwrap(), "drain").unwrap();
        self.await_ready();
    }
}

impl Drop for Provider {
    /// kill -9.
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// M9, N3, B17.
#[test]
fn what_was_changed_before_a_kill_is_known_after_it() {
    let mut machine = setup(files(SMALL)).idle();
    let mut provider = Provider::start(&machine, machine.folder(), machine.files());
    machine
        .sh("echo 1 > new; echo more >> d/a; rm d/b; mv d/deep/c moved; mkdir out; echo 1 > out/f");
    provider.drain();
    drop(provider);
    machine.sh("echo offline >> out/f");
    machine.start();
    assert_eq!(
        machine.told(),
        ["M d/a", "D d/b", "A new", "A out", "A out/f", "R d/deep/c > moved"].sorted()
    );
    machine.check();
}

/// A kill at any moment: whatever had been looked at by then.
#[test]
fn a_kill_in_the_midst_of_changes_loses_nothing() {
    let mut machine = setup(files(SMALL)).idle();
    for round in 0..4 {
        let provider = Provider::start(&machine, machine.folder(), machine.files());
        machine.sh(&format!(
            "mkdir -p d/out{round}; for i in 1 2 3 4 5; do echo {round} > d/out{round}/f$i; done
             mv d/out{round} out{round}; echo {round} >> d/a; rm -f d/b"
        ));
        drop(provider);
    }
    machine.start();
    machine.check();
}

/// A remount that is killed is done again.
#[test]
fn a_kill_between_two_manifests_leaves_no_stale_file() {
    let mut machine = showing(SMALL);
    machine.sh("cat d/a d/b d/deep/c top; echo mine > d/mine");
    machine.stop();
    let newer = files(&[("d/a", "newer"), ("d/b", "bravo"), ("top", "newer too")]);
    drop(Provider::start(&machine, machine.folder(), &newer));
    machine.replace(&[("d/a", "newest"), ("d/b", "bravo")]);
    machine.start();
    assert_eq!(machine.sh("cat d/a d/b"), "newestbravo");
    assert_eq!(machine.told(), ["A d/mine"]);
    machine.check();
}

trait Sorted {
    fn sorted(self) -> Vec<String>;
}

impl<const N: usize> Sorted for [&str; N] {
    /// By path.
    fn sorted(self) -> Vec<String> {
        let mut lines: Vec<_> = self.iter().map(|line| (*line).to_owned()).collect();
        lines.sort_by_key(|line| line.split(' ').next_back().map(str::to_owned));
        lines
    }
}
