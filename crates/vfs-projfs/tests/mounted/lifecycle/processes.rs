//! The same root in one process after another.

use std::fs;

use rusty_attachments_vfs_projfs::emulator::Emulator;

use super::example::Example;
use super::job::{FILES, reads};
use super::mounted::mounts_below;
use crate::support::machine::Machine;
use crate::support::programs::{run, sh, wait_until};

/// Unmounts what a killed process has left, whatever becomes of the test.
struct Cleared(std::path::PathBuf);

impl Drop for Cleared {
    fn drop(&mut self) {
        let _ = Emulator::clear(&self.0);
    }
}

/// The one identity that is kept below a cache.
fn identity(machine: &Machine) -> String {
    let roots = fs::read_dir(machine.cache().join("roots")).unwrap();
    let [root] = roots.collect::<Vec<_>>().try_into().unwrap();
    let record = fs::read(root.unwrap().path().join("root.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    record["instance"].as_str().unwrap().to_owned()
}

#[test]
fn the_example_shows_what_was_changed_and_keeps_it() {
    let machine = Machine::new();
    let (served, root) = (machine.serve(), machine.root());
    let daemon = served.emulator.address().unwrap();
    let example = Example::start_at(daemon, &machine, FILES);
    assert_eq!(sh(&root, "cat a.txt"), "alpha");
    sh(&root, "printf after > edit.me; rm z.txt");
    // K16: it is told of the deletion when it is over, maybe after `rm` is.
    let control = served.control();
    wait_until("the deletion is told", || {
        let trace = control.take_trace().unwrap();
        trace.iter().any(|told| format!("{told:?}").contains("ClosedFileDeleted"))
    });
    let expected = ["Modified: edit.me", "Deleted: z.txt"];
    assert_eq!(example.interrupt(), expected);

    let example = Example::start_at(daemon, &machine, FILES);
    assert_eq!(sh(&root, "cat edit.me; ls"), "aftera.txt\ndocs\nedit.me\n");
    assert_eq!(example.interrupt(), expected);
}

#[test]
fn an_example_that_ends_takes_its_mount_along() {
    let machine = Machine::new();
    let root = machine.root();
    let _cleared = Cleared(root.clone());
    let example = Example::start(&machine, FILES, &[]);
    assert_eq!(mounts_below(&root).len(), 1);
    assert_eq!(example.interrupt(), Vec::<String>::new());
    assert_eq!(mounts_below(&root), Vec::<String>::new());
}

#[test]
fn m9_nothing_is_lost_when_the_process_is_killed() {
    let machine = Machine::new();
    let root = machine.root();
    let _cleared = Cleared(root.clone());
    let example = Example::start(&machine, FILES, &[]);
    assert_eq!(sh(&root, "cat a.txt docs/b.txt"), "alphabeta");
    sh(
        &root,
        "printf after > edit.me; mkdir out; echo x > out/new; rm z.txt; mv docs/b.txt docs/B2",
    );
    let first = identity(&machine);
    example.kill();

    let example = Example::start(&machine, FILES, &[]);
    assert_eq!(
        sh(&root, "cat a.txt docs/B2 edit.me out/new docs/deep/c.txt"),
        "alphabetaafterx\ngamma"
    );
    assert!(!reads(&root, "z.txt"));
    assert_eq!(identity(&machine), first);
    let told = example.interrupt();
    // A rename that nobody has written down yet is a deletion and a new file.
    let (moved, others): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|line| line.contains("docs/"));
    assert_eq!(others, ["Modified: edit.me", "Added: out", "Added: out/new", "Deleted: z.txt"]);
    assert!(moved.iter().any(|line| line.ends_with(": docs/B2")), "{moved:?}");
}

#[test]
fn a_second_process_is_refused() {
    let machine = Machine::new();
    let root = machine.root();
    let _cleared = Cleared(root.clone());
    let example = Example::start(&machine, FILES, &[]);
    sh(&root, "cat a.txt");
    let second = Example::run(&machine, FILES, &[]);
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("started already"), "{told}");
    assert_eq!(sh(&root, "cat z.txt"), "omega", "the first goes on");
    assert_eq!(example.interrupt(), Vec::<String>::new());
}

#[test]
fn the_examples_options_do_what_they_say() {
    let machine = Machine::new();
    let root = machine.root();
    let _cleared = Cleared(root.clone());
    let example = Example::start(&machine, FILES, &["--protect-inputs"]);
    // K8: not `>`, since nobody is asked before a file is emptied.
    assert!(!run(&root, "printf x >> a.txt").status.success());
    assert!(!run(&root, "rm a.txt").status.success());
    sh(&root, "echo x > new");
    assert_eq!(example.interrupt(), ["Added: new"]);

    let refused = Example::run(&machine, &[("a", "x"), ("A", "y")], &["--strict-names"]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("names cannot be shown"), "{told}");
}
