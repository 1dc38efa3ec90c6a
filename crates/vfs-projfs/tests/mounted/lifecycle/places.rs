//! Which folders are taken, which are refused; what a start that fails leaves behind.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use projfs_emulator::contract::{Guid, Wide};
use projfs_emulator::link::{Command, MarkRequest, Process, Provider, StartRequest};
use projfs_emulator::{Knobs, protocol};

use super::job::{FILES, is_free, snapshot};
use super::mounted::{attributes, mounts_below};
use crate::support::PATIENCE;
use crate::support::machine::{Machine, Served};
use crate::support::programs::sh;

/// Starts at a root with a cache, in vain: the message names the root and says why.
#[track_caller]
fn assert_refused(machine: &Machine, root: &Path, cache: &Path, why: &str) {
    let vfs = machine.vfs_of(FILES, root, cache).unwrap();
    let refused = vfs.start().unwrap_err().to_string();
    assert!(refused.contains(why), "{refused}");
    assert!(!vfs.is_started());
}

#[test]
fn a_root_is_made_if_only_its_parent_is_there() {
    let machine = Machine::new();
    let _served = machine.serve();
    let vfs = machine.vfs();
    vfs.start().unwrap();
    assert_eq!(sh(&machine.root(), "cat a.txt"), "alpha");
    drop(vfs);
    let orphan = machine.path("no").join("root");
    let _served = Served::at(&orphan);
    assert_refused(&machine, &orphan, &machine.cache(), "make it first");
    assert!(!machine.path("no").exists());
}

#[test]
fn m5_a_folder_with_files_of_others_is_refused_and_untouched() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("sub").join("theirs"), "precious").unwrap();
    let before = snapshot(&root);
    assert_refused(&machine, &root, &machine.cache(), "not empty");
    assert_eq!(snapshot(&root), before);
    assert_eq!(attributes(&root), "");
    assert_eq!(mounts_below(&root), Vec::<String>::new());
    fs::remove_dir_all(root.join("sub")).unwrap();
    machine.vfs().start().unwrap();
}

#[test]
fn a_file_is_no_root() {
    let machine = Machine::new();
    let _served = machine.serve();
    fs::write(machine.root(), "a file").unwrap();
    assert_refused(&machine, &machine.root(), &machine.cache(), "no folder");
    assert_eq!(fs::read(machine.root()).unwrap(), b"a file");
}

#[test]
fn l8_caches_in_the_root_or_around_it_are_refused() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    assert_refused(&machine, &root, &root.join("cache"), "around the cache_dir");
    assert_refused(&machine, &root, &machine.path(""), "inside of the cache_dir");
    assert_refused(&machine, &root, Path::new("relative"), "absolute");
    assert!(!root.exists(), "nothing was made");
}

#[test]
fn m4_a_root_in_a_root_is_refused() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    vfs.start().unwrap();
    assert_refused(&machine, &root.join("docs"), &machine.cache(), "inside of");
    vfs.stop().unwrap();
    assert_refused(&machine, &root.join("docs"), &machine.cache(), "inside of");
    // Of another cache_dir nothing is known here: ProjFS refuses.
    let other = machine.path("other");
    let refused = machine.vfs_of(FILES, &root.join("docs"), &other).unwrap().start();
    assert!(refused.is_err());
}

#[test]
fn a_root_of_another_program_is_refused_and_untouched() {
    let machine = Machine::new();
    let (served, root) = (machine.serve(), machine.root());
    fs::create_dir(&root).unwrap();
    let driver = protocol::connect(served.emulator.address().unwrap()).unwrap();
    let theirs = Guid([7; 16]);
    let request = MarkRequest {
        process: Process::default(),
        root: Wide::from(root.to_str().unwrap()),
        target: None,
        version: None,
        instance: theirs,
    };
    driver.mark(request).unwrap();
    assert_refused(&machine, &root, &machine.cache(), "another program");
    assert_eq!(served.identity().instance, theirs);
    // Nor is anything of it remembered.
    assert_refused(&machine, &root, &machine.cache(), "another program");
}

#[test]
fn m2_a_root_that_another_program_took_over_is_refused() {
    let machine = Machine::new();
    let root = machine.root();
    {
        let _served = machine.serve();
        machine.vfs().start().unwrap();
    }
    // Deleted, made again, and projected into with another cache_dir.
    fs::remove_dir_all(&root).unwrap();
    let served = machine.serve();
    let theirs = machine.vfs_of(FILES, &root, &machine.path("their cache")).unwrap();
    theirs.start().unwrap();
    theirs.stop().unwrap();
    let identity = served.identity().instance;
    // A strict emulator refuses the mark. Windows takes it: then the identities are compared.
    let control = served.control();
    for (strict, why) in [(true, "PrjMarkDirectoryAsPlaceholder"), (false, "another program")] {
        control.set_knobs(Knobs { strict, ..Knobs::default() }).unwrap();
        assert_refused(&machine, &root, &machine.cache(), why);
        assert_eq!(served.identity().instance, identity);
        let broken = control.take_violations().unwrap();
        assert!(broken.iter().all(|broken| broken.rule == "M2"), "{broken:?}");
    }
    theirs.start().unwrap();
    assert_eq!(sh(&root, "cat a.txt"), "alpha");
}

#[test]
fn a_root_that_was_emptied_by_hand_begins_anew() {
    let machine = Machine::new();
    let root = machine.root();
    {
        let _served = machine.serve();
        let vfs = machine.vfs();
        vfs.start().unwrap();
        sh(&root, "echo x > new; rm a.txt; cat z.txt");
    }
    fs::remove_dir_all(&root).unwrap();
    let _served = machine.serve();
    let vfs = machine.vfs();
    vfs.start().unwrap();
    assert_eq!(sh(&root, "cat a.txt"), "alpha");
    assert_eq!(vfs.changes(PATIENCE).unwrap(), []);
}

#[test]
fn a_start_without_the_emulator_leaves_nothing_and_works_with_it() {
    let machine = Machine::new();
    let vfs = machine.vfs();
    let refused = vfs.start().unwrap_err().to_string();
    assert!(refused.contains("emulator"), "{refused}");
    assert!(!machine.root().exists(), "the folder that was made is gone again");
    assert!(locks(&machine.cache()).iter().all(|lock| is_free(lock)));
    let _served = machine.serve();
    vfs.start().unwrap();
    assert_eq!(sh(&machine.root(), "cat a.txt"), "alpha");
}

#[test]
fn a_start_that_cannot_keep_state_leaves_nothing_and_works_afterwards() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    fs::write(machine.cache(), "in the way").unwrap();
    assert_refused(&machine, &root, &machine.cache(), "cannot make the folder");
    assert!(!root.exists());
    fs::remove_file(machine.cache()).unwrap();
    let vfs = machine.vfs();
    vfs.start().unwrap();
    vfs.stop().unwrap();
    // A file where the journal should be.
    let [state] = folders(&machine.cache().join("roots")).try_into().unwrap();
    let (changes, aside) = (state.join("changes"), state.join("aside"));
    fs::rename(&changes, &aside).unwrap();
    fs::write(&changes, "in the way").unwrap();
    assert!(vfs.start().is_err());
    assert!(is_free(&state.join("lock")));
    fs::remove_file(&changes).unwrap();
    fs::rename(&aside, &changes).unwrap();
    vfs.start().unwrap();
    assert_eq!(sh(&root, "cat a.txt"), "alpha");
}

/// A program that has a root and answers nothing.
#[derive(Debug)]
struct Silent;

impl Provider for Silent {
    fn invoke(&self, _: Command) {}

    fn cancel(&self, _: i32) {}
}

#[test]
fn a_start_that_fails_at_the_last_step_leaves_nothing_and_works_afterwards() {
    let machine = Machine::new();
    let (served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    vfs.start().unwrap();
    sh(&root, "cat a.txt; echo x > new");
    vfs.stop().unwrap();
    let driver = protocol::connect(served.emulator.address().unwrap()).unwrap();
    let request = StartRequest {
        process: Process::default(),
        root: Wide::from(root.to_str().unwrap()),
        negative_path_cache: false,
        queries_names: false,
        notifications: None,
        cancels: false,
    };
    served.control().set_knobs(Knobs { command_limit_ms: Some(10), ..Knobs::default() }).unwrap();
    let other = driver.start(request, Arc::new(Silent)).unwrap();
    let refused = vfs.start().unwrap_err().to_string();
    assert!(refused.contains("PrjStartVirtualizing"), "{refused}");
    assert!(locks(&machine.cache()).iter().all(|lock| is_free(lock)));
    other.stop();
    served.control().set_knobs(Knobs::default()).unwrap();
    vfs.start().unwrap();
    assert_eq!(sh(&root, "cat z.txt new"), "omegax\n");
    assert_eq!(vfs.changes(PATIENCE).unwrap().len(), 1);
}

fn folders(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn locks(cache: &Path) -> Vec<std::path::PathBuf> {
    folders(&cache.join("roots")).iter().map(|state| state.join("lock")).collect()
}
