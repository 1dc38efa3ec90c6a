//! The same folder shows a newer manifest.

use projfs_emulator::contract::operations::{Access, Open, Share};
use rusty_attachments_vfs_projfs::RemountReport;

use super::{SMALL, showing};

fn conflicts(report: &RemountReport) -> Vec<String> {
    report.conflicts.iter().map(|conflict| conflict.path.to_string()).collect()
}

/// M17, M18, M20, T20.
#[test]
fn m18_stale_files_are_updated_vanished_ones_removed_and_new_ones_shown() {
    let mut machine = showing(SMALL);
    machine.sh("cat d/a d/b d/deep/c; stat top; cat missing 2>/dev/null || true");
    let newer = &[("d/a", "alpha"), ("d/b", "other content"), ("top", "y"), ("missing", "here")];
    let report = machine.remount(newer);
    assert_eq!((report.updated, report.removed), (2, 2), "{report:?}");
    assert!(report.failed.is_empty() && report.conflicts.is_empty(), "{report:?}");
    assert!(machine.is_hydrated("d/a"), "what is the same stays");
    assert_eq!(machine.sh("cat d/a d/b top missing"), "alphaother contentyhere");
    assert_eq!(machine.sh("find . -type f | sort"), "./d/a\n./d/b\n./missing\n./top\n");
    assert_eq!(machine.told(), [""; 0]);
}

#[test]
fn what_users_changed_stays_and_conflicts_are_told() {
    let mut machine = showing(SMALL);
    machine.sh("echo mine > d/a; rm d/b; echo mine > d/new; mv top moved; echo mine > d/deep/mine");
    machine.told();
    let newer = &[("d/a", "theirs"), ("d/b", "theirs"), ("d/new", "theirs"), ("top", "x")];
    let report = machine.remount(newer);
    assert_eq!(conflicts(&report), ["d/a", "d/b", "d/new"]);
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(machine.sh("cat d/a d/new moved"), "mine\nmine\nx");
    assert_eq!(
        machine.told(),
        ["M d/a", "D d/b", "A d/deep", "A d/deep/mine", "M d/new", "R top > moved"]
    );
    machine.check();
}

/// M13, T7: content of the older manifest, by its identity.
#[test]
fn m13_a_renamed_placeholder_shows_what_it_was_made_with() {
    let mut machine = showing(SMALL);
    machine.sh("mv d/a d/moved");
    machine.remount(&[("d/a", "newer"), ("d/b", "bravo")]);
    assert_eq!(machine.sh("cat d/moved"), "alpha");
    machine.check();
}

#[test]
fn kinds_and_spellings_change() {
    let mut machine = showing(&[("a", "x"), ("b/f", "y"), ("dir/file", "z")]);
    machine.sh("cat a b/f dir/file");
    let report = machine.remount(&[("a/f", "1"), ("b", "2"), ("Dir/File", "z")]);
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(machine.sh("cat a/f b dir/file"), "12z");
    assert_eq!(machine.sh("find . -type f | sort"), "./Dir/File\n./a/f\n./b\n");
    machine.check();
}

/// M21, N9: a program has a file open, and shares it with nobody.
#[test]
fn n9_an_open_file_is_reported_and_updated_at_the_next_start() {
    let mut machine = showing(SMALL);
    machine.sh("cat d/a d/b");
    let app = machine.app();
    let how = Open { share: Share::empty(), ..Open::existing(Access::READ) };
    let opened = app.open_path("d\\a", how).unwrap();
    let newer = &[("d/a", "newer content"), ("d/b", "bravo")];
    let report = machine.remount(newer);
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert_eq!(report.failed[0].0, "d/a");
    assert_eq!(machine.sh("cat d/b"), "bravo");
    assert_eq!(machine.told(), [""; 0], "no user did that");
    app.close(opened.handle).unwrap();
    let report = machine.remount(newer);
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(machine.sh("cat d/a"), "newer content");
    machine.check();
}

#[test]
fn there_and_back_again() {
    let mut machine = showing(SMALL);
    machine.sh("cat d/a d/b d/deep/c top; rm d/b; echo mine > mine");
    machine.remount(&[("d/a", "other"), ("else", "x")]);
    machine.check();
    machine.sh("cat d/a else");
    machine.remount(SMALL);
    machine.check();
}
