//! Start, stop, and start again in one process; what a running root tells.

use std::fs;
use std::time::Duration;

use rusty_attachments_vfs_projfs::{ProjFsError, WritableProjFs};

use super::job::{FILES, reads};
use crate::support::PATIENCE;
use crate::support::machine::{Machine, Served};
use crate::support::programs::{sh, wait_until};
use crate::support::projected::told;

/// What is told, sorted by kinds, then by paths.
fn changes(vfs: &WritableProjFs) -> Vec<String> {
    let mut lines = told(vfs);
    lines.sort();
    lines
}

/// Deletions are told when the last handle is closed, which may be after the program has gone on
/// (projfs.md K16).
#[track_caller]
fn assert_changes(vfs: &WritableProjFs, expected: &[&str]) {
    wait_until(&format!("the changes are {expected:?}"), || changes(vfs) == expected);
}

#[test]
fn a_root_starts_stops_and_starts_again() {
    let machine = Machine::new();
    let (served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    assert!(!vfs.is_started());
    vfs.start().unwrap();
    assert!(vfs.is_started());
    assert_eq!(sh(&root, "cat a.txt docs/b.txt"), "alphabeta");
    sh(&root, "echo mine > new.txt; printf after > edit.me");
    let identity = served.identity().instance;
    vfs.stop().unwrap();
    assert!(!vfs.is_started());

    // M10: what was read or written is there, the rest is not.
    assert_eq!(sh(&root, "cat a.txt docs/b.txt edit.me new.txt"), "alphabetaaftermine\n");
    assert!(!reads(&root, "z.txt"));

    vfs.start().unwrap();
    assert_eq!(sh(&root, "cat z.txt docs/deep/c.txt edit.me"), "omegagammaafter");
    assert_eq!(served.identity().instance, identity, "M2: one identity for ever");
    assert_eq!(changes(&vfs), ["A new.txt", "M edit.me"]);
    vfs.stop().unwrap();
}

#[test]
fn starts_and_stops_out_of_turn_are_told_and_harmless() {
    let machine = Machine::new();
    let _served = machine.serve();
    let vfs = machine.vfs();
    vfs.stop().unwrap();
    assert!(matches!(vfs.changes(PATIENCE), Err(ProjFsError::NotStarted { .. })));
    assert!(matches!(vfs.counts(), Err(ProjFsError::NotStarted { .. })));
    vfs.start().unwrap();
    assert!(matches!(vfs.start(), Err(ProjFsError::AlreadyStarted { .. })));
    assert!(vfs.is_started());
    vfs.stop().unwrap();
    vfs.stop().unwrap();
    assert!(!vfs.is_started());
}

#[test]
fn two_roots_in_one_process_are_apart() {
    let machine = Machine::new();
    let (one, two) = (machine.path("one"), machine.path("two"));
    let _served = [Served::at(&one), Served::at(&two)];
    let first = machine.vfs_of(&[("a", "first")], &one, &machine.cache()).unwrap();
    let second = machine.vfs_of(&[("a", "second")], &two, &machine.cache()).unwrap();
    first.start().unwrap();
    second.start().unwrap();
    assert_eq!((sh(&one, "cat a"), sh(&two, "cat a")), ("first".into(), "second".into()));
    first.stop().unwrap();
    sh(&two, "echo more > b; ls");
    assert_eq!(changes(&second), ["A b"]);
    second.stop().unwrap();
}

#[test]
fn everyday_use_is_told_exactly() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    vfs.start().unwrap();
    assert_eq!(sh(&root, "ls"), "a.txt\ndocs\nedit.me\nz.txt\n");
    assert_eq!(changes(&vfs), Vec::<String>::new());
    sh(&root, "cat docs/b.txt; cat docs/b.txt");
    sh(
        &root,
        "printf after > edit.me && mv a.txt first.txt && rm z.txt && mkdir out && echo x > out/x",
    );
    let expected = ["A out", "A out/x", "D z.txt", "M edit.me", "R a.txt > first.txt"];
    assert_changes(&vfs, &expected);
    vfs.stop().unwrap();
    vfs.start().unwrap();
    assert_eq!(changes(&vfs), expected);
    vfs.stop().unwrap();
}

#[test]
fn counts_and_stats_tell_what_happened() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    vfs.start().unwrap();
    let counts = vfs.counts().unwrap();
    assert_eq!(counts.virtual_files, FILES.len() as u64, "{counts:?}");
    assert_eq!((counts.hydrated_files, counts.dirty_paths), (0, 0));
    sh(&root, "ls -R; stat z.txt; cat a.txt; echo new > new.txt");
    vfs.changes(PATIENCE).unwrap();
    let counts = vfs.counts().unwrap();
    assert_eq!((counts.hydrated_files, counts.hydrated_bytes), (1, 5), "{counts:?}");
    assert_eq!(counts.placeholder_files, 1, "{counts:?}");
    assert_eq!((counts.dirty_paths, counts.dirty_bytes), (1, 4), "{counts:?}");
    let stats = vfs.stats();
    assert_eq!((stats.hydrated_files, stats.hydrated_bytes), (1, 5), "{stats:?}");
    assert_eq!(stats.pending_commands, 0);
    assert_eq!(stats.store_bytes, 5);
    let report: serde_json::Value = serde_json::from_str(&vfs.report()).unwrap();
    assert_eq!(report["started"], true);
    assert_eq!(report["counts"]["hydrated_files"], 1);
    assert_eq!(report["root"], root.canonicalize().unwrap().to_str().unwrap());
    vfs.stop().unwrap();
    assert_eq!(vfs.stats().hydrated_bytes, 5, "they are of all starts");
}

#[test]
fn another_manifest_is_shown_by_the_next_start() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let show = |files| machine.vfs_of(files, &root, &machine.cache()).unwrap();
    let first = show(&[("gone", "old"), ("kept", "same"), ("mine", "theirs"), ("new", "1")]);
    first.start().unwrap();
    assert!(first.remount_report().is_none());
    assert_eq!(sh(&root, "cat gone kept new"), "oldsame1");
    sh(&root, "printf edited > mine; cat missing 2>&1 || true");
    first.stop().unwrap();
    drop(first);

    let second = show(&[("kept", "same"), ("mine", "other"), ("missing", "here"), ("new", "22")]);
    second.start().unwrap();
    let report = second.remount_report().unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    // H10, T16: "missing" was asked for in vain before.
    assert_eq!(
        sh(&root, "cat kept mine missing new; ls"),
        "sameeditedhere22kept\nmine\nmissing\nnew\n"
    );
    let conflicts: Vec<_> =
        second.conflicts().unwrap().iter().map(|it| it.path.to_string()).collect();
    assert_eq!(conflicts, ["mine"]);
    second.stop().unwrap();

    // Nothing is left to be brought up to date.
    second.start().unwrap();
    assert!(second.remount_report().is_none());
}

#[test]
fn starts_and_stops_of_many_threads_leave_it_in_one_piece() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (vfs, root) = (&vfs, &root);
            scope.spawn(move || {
                for _ in 0..5 {
                    let done = if number % 2 == 0 { vfs.start() } else { vfs.stop() };
                    assert!(
                        matches!(
                            done,
                            Ok(())
                                | Err(ProjFsError::Busy { .. } | ProjFsError::AlreadyStarted { .. })
                        ),
                        "{done:?}"
                    );
                    let _ = (vfs.counts(), vfs.changes(Duration::from_secs(5)));
                    let _ = fs::read_dir(root);
                }
            });
        }
    });
    vfs.stop().unwrap();
    vfs.start().unwrap();
    assert_eq!(sh(&root, "cat a.txt"), "alpha");
}

#[test]
fn exports_read_changed_files_from_the_root() {
    use std::io::Read;

    use rusty_attachments_vfs::export::LocalFiles;

    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    vfs.start().unwrap();
    sh(&root, "mkdir out; printf rendered > out/frame");
    let mut text = String::new();
    let files = vfs.local_files();
    files.open("out/frame".into()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "rendered");
    assert!(files.open("out/none".into()).is_err());
}
