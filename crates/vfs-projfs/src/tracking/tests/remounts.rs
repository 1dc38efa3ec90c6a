//! Another manifest: what is stale goes, what users changed stays.

use std::sync::Arc;

use proptest::prelude::*;

use super::rig::{Base, CONTENTS, Rig, base, planted, small};

fn conflicts(report: &crate::tracking::RemountReport) -> Vec<String> {
    report.conflicts.iter().map(|conflict| conflict.path.to_string()).collect()
}

/// M17, M18, M20, T20.
#[test]
fn m18_stale_placeholders_are_updated_and_vanished_ones_go_with_their_folders() {
    let mut rig = Rig::new(base(&[
        ("d\\same", Some("x")),
        ("d\\newer", Some("alpha")),
        ("gone\\deep\\f", Some("bravo")),
        ("virtual", Some("alpha")),
    ]));
    for path in ["d\\same", "d\\newer", "gone\\deep\\f"] {
        rig.disk.read(path).unwrap();
    }
    let report = rig.remount(
        base(&[("d\\same", Some("x")), ("d\\newer", Some("bravo")), ("virtual", Some("other"))]),
        &[],
    );
    assert_eq!((report.updated, report.removed), (1, 3), "{report:?}");
    assert!(report.failed.is_empty() && report.conflicts.is_empty());
    assert!(rig.disk.is_on_disk("d\\same"), "what is the same stays hydrated");
    assert!(!rig.disk.is_on_disk("gone"));
    assert_eq!(rig.told(), [""; 0]);
    rig.check();
}

#[test]
fn what_users_changed_stays_and_is_a_conflict_if_the_manifest_changed_it_too() {
    let mut rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\a", b"mine"));
    rig.tell(rig.disk.delete("d\\b"));
    rig.tell(rig.disk.write("d\\new", b"mine"));
    rig.tell(rig.disk.write("top", b"mine"));
    rig.work(usize::MAX);
    let newer = base(&[
        ("d\\a", Some("longer text")),
        ("d\\b", Some("other")),
        ("d\\new", Some("x")),
        ("d\\e", None),
        ("top", Some("x")),
    ]);
    let report = rig.remount(newer, &[]);
    assert_eq!(conflicts(&report), ["d/a", "d/b", "d/new"]);
    assert_eq!((report.updated, report.removed), (0, 0));
    assert_eq!(rig.told(), ["M d/a", "D d/b", "M d/new", "M top"]);
    rig.check();
}

/// E5, M19: a file of which somebody set a time keeps its old content, which is a change now.
#[test]
fn a_touched_placeholder_keeps_its_content_and_is_told() {
    let mut rig = Rig::new(small());
    rig.disk.touch("d\\a").unwrap();
    let newer = base(&[("d\\a", Some("longer text")), ("d\\b", Some("bravo"))]);
    let report = rig.remount(newer, &[]);
    assert_eq!(conflicts(&report), ["d/a"]);
    rig.check();
    rig.restart(|_| ());
    rig.check();
}

/// M21, N9: a program has it open.
#[test]
fn n9_what_is_open_is_reported_and_done_at_the_next_start() {
    let mut rig = Rig::new(small());
    rig.disk.read("d\\a").unwrap();
    rig.disk.read("d\\b").unwrap();
    let first = Arc::clone(&rig.projection);
    let newer = base(&[("d\\a", Some("longer text")), ("top", Some("x"))]);
    let report = rig.remount(newer.clone(), &["d\\a"]);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].0, "d/a");
    assert_eq!(report.removed, 1);
    assert_eq!(rig.told(), [""; 0], "it is no change of a user");
    let report = rig.remount_from(&[first], newer, &[]);
    assert!(report.failed.is_empty());
    assert_eq!((report.updated, report.removed), (1, 0));
    rig.check();
}

/// M20: a folder with users' files in it stays, and is theirs.
#[test]
fn m20_a_vanished_folder_with_users_files_stays() {
    let mut rig = Rig::new(base(&[("gone\\f", Some("x")), ("top", Some("x"))]));
    rig.disk.read("gone\\f").unwrap();
    rig.tell(rig.disk.write("gone\\mine", b"mine"));
    rig.work(usize::MAX);
    let report = rig.remount(base(&[("top", Some("x"))]), &[]);
    assert_eq!((report.removed, report.failed.len()), (1, 0), "{report:?}");
    assert_eq!(rig.told(), ["A gone", "A gone/mine"]);
    rig.check();
    // It is projected again, and takes what is in it back.
    rig.remount(base(&[("gone\\f", Some("other")), ("top", Some("x"))]), &[]);
    assert_eq!(rig.told(), ["A gone/mine"]);
    rig.check();
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    let mut rig = Rig::new(base(&[("a", Some("x")), ("b\\f", Some("x"))]));
    rig.disk.read("a").unwrap();
    rig.disk.read("b\\f").unwrap();
    rig.remount(base(&[("a\\f", Some("x")), ("b", Some("x"))]), &[]);
    assert_eq!(rig.told(), [""; 0]);
    rig.check();
}

#[test]
fn a_name_that_only_changes_its_case_is_made_anew() {
    let mut rig = Rig::new(base(&[("dir\\file", Some("x")), ("dir\\other", Some("x"))]));
    rig.disk.read("dir\\file").unwrap();
    rig.remount(base(&[("Dir\\File", Some("x")), ("Dir\\other", Some("x"))]), &[]);
    assert!(!rig.disk.is_on_disk("dir"), "the next placeholder has the new spelling");
    rig.check();
}

/// M13: content of an older manifest is served by its identity, and is told as what it is.
#[test]
fn a_renamed_placeholder_keeps_the_content_it_was_made_with() {
    let mut rig = Rig::new(small());
    rig.tell(rig.disk.rename("d\\a", "d\\moved"));
    rig.work(usize::MAX);
    let report = rig.remount(base(&[("d\\a", Some("longer text")), ("d\\b", Some("bravo"))]), &[]);
    assert_eq!((report.updated, report.removed, report.failed.len()), (0, 0, 0));
    rig.check();
}

#[test]
fn a_deletion_that_the_manifest_made_too_is_forgotten() {
    let mut rig = Rig::new(small());
    rig.tell(rig.disk.delete("d\\a"));
    rig.work(usize::MAX);
    rig.remount(base(&[("d\\b", Some("bravo")), ("d\\e", None), ("top", Some("x"))]), &[]);
    assert!(rig.store.is_empty());
    rig.remount(small(), &[]);
    assert_eq!(rig.told(), [""; 0], "it is there again");
    rig.check();
}

/// A process that dies half way has forgotten nothing.
#[test]
fn a_remount_that_was_cut_short_is_done_again() {
    let mut rig = Rig::new(small());
    rig.disk.read("d\\a").unwrap();
    rig.disk.read("d\\b").unwrap();
    rig.disk.read("top").unwrap();
    let first = Arc::clone(&rig.projection);
    let newer = base(&[("d\\a", Some("other")), ("d\\e", None)]);
    // Only some of it gets done.
    rig.remount(newer.clone(), &["d\\a", "top"]);
    let report = rig.remount_from(&[first], newer, &[]);
    assert!(report.failed.is_empty());
    rig.check();
}

fn tree() -> impl Strategy<Value = Base> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    let path = prop::collection::vec(name(), 1..4).prop_map(|names| names.join("\\"));
    let text = prop::option::weighted(0.85, prop::sample::select(&CONTENTS[..]));
    prop::collection::vec((path, text), 0..10).prop_map(planted)
}

#[derive(Clone, Debug)]
enum Act {
    Read(String),
    Write(String, &'static str),
    Delete(String),
    MakeFolder(String),
    Rename(String, String),
    Remount(Base, Vec<String>),
}

fn act() -> impl Strategy<Value = Act> {
    let name = || prop::sample::select(vec!["a", "b", "c", "n"]);
    let path = move || prop::collection::vec(name(), 1..4).prop_map(|names| names.join("\\"));
    let text = || prop::sample::select(&CONTENTS[..]);
    prop_oneof![
        6 => path().prop_map(Act::Read),
        3 => (path(), text()).prop_map(|(path, text)| Act::Write(path, text)),
        3 => path().prop_map(Act::Delete),
        2 => path().prop_map(Act::MakeFolder),
        3 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
        3 => (tree(), prop::collection::vec(path(), 0..3)).prop_map(|(base, open)| Act::Remount(base, open)),
    ]
}

proptest! {
    #![proptest_config(super::random::cases(300))]

    /// Whatever users and manifests do: no user's file is lost, and once nothing is open, the
    /// difference is told exactly.
    #[test]
    fn t20_any_remount_leaves_what_users_made_and_tells_the_difference(
        first in tree(),
        acts in prop::collection::vec(act(), 1..25),
        last in tree(),
    ) {
        let mut rig = Rig::new(first);
        let mut before = Vec::new();
        for act in acts {
            match act {
                Act::Read(path) => drop(rig.disk.read(&path)),
                Act::Write(path, text) => {
                    if let Some(hints) = rig.disk.write(&path, text.as_bytes()) {
                        rig.tell(Some(hints));
                    }
                }
                Act::Delete(path) => {
                    if let Some(hints) = rig.disk.delete(&path) {
                        rig.tell(Some(hints));
                    }
                }
                Act::MakeFolder(path) => {
                    if let Some(hints) = rig.disk.make_folder(&path) {
                        rig.tell(Some(hints));
                    }
                }
                Act::Rename(from, to) => {
                    if let Some(hints) = rig.disk.rename(&from, &to) {
                        rig.tell(Some(hints));
                    }
                }
                Act::Remount(base, open) => {
                    rig.work(usize::MAX);
                    before.push(Arc::clone(&rig.projection));
                    let full = rig.disk.full_files();
                    let open: Vec<_> = open.iter().map(String::as_str).collect();
                    let report = rig.remount_from(&before, base, &open);
                    prop_assert_eq!(rig.disk.full_files(), full);
                    if report.failed.is_empty() {
                        before.clear();
                        rig.check();
                    }
                }
            }
        }
        rig.work(usize::MAX);
        before.push(Arc::clone(&rig.projection));
        let full = rig.disk.full_files();
        let report = rig.remount_from(&before, last, &[]);
        prop_assert_eq!(rig.disk.full_files(), full);
        prop_assert!(report.failed.is_empty(), "{:?}", report);
        rig.check();
        rig.restart(|_| ());
        rig.check();
    }
}

/// Two manifests had other contents of one size there: the older one was open at the first remount.
#[test]
fn a_touched_placeholder_of_one_of_several_manifests_is_read() {
    let mut rig = Rig::new(base(&[("f", Some("alpha"))]));
    let first = Arc::clone(&rig.projection);
    let report = rig.remount(base(&[("f", Some("bravo"))]), &[]);
    assert!(report.failed.is_empty());
    let second = Arc::clone(&rig.projection);
    rig.disk.read("f").unwrap();
    rig.disk.touch("f").unwrap();
    let report = rig.remount_from(&[first, second], base(&[("f", Some("longer text"))]), &[]);
    assert_eq!(conflicts(&report), ["f"]);
    let changes = rig.changes();
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    let Some(rusty_attachments_vfs::changes::LocalState::File(file)) = rig.state("f") else {
        panic!("no file")
    };
    let bravo = rusty_attachments_model::ContentHash::of(b"bravo");
    assert!(format!("{:?}", file.content).contains(&format!("{bravo:?}")), "{change:?} {file:?}");
}
