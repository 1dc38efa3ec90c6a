//! What was changed with and without a provider, seen by the next one.

use std::fs::{self, OpenOptions};
use std::io::Write;

use projfs_emulator::contract::{FileState, HResult, UpdateFlags};
use rustix::fs::OFlags;

use crate::support::actor::{Actor, Call};
use crate::support::provider::Change;
use crate::support::rig::Rig;
use crate::support::tree::Tree;
use crate::support::truth;

#[test]
fn s37_a_hydrated_file_is_appended_to_after_a_restart() {
    let rig = Rig::new();
    let tree = Tree::new().text("f", "old ");
    let provider = rig.provide(tree.clone());
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "old ");
    provider.stop();
    let provider = rig.provide(tree);
    let mut actor = Actor::start();
    let flags = (OFlags::WRONLY | OFlags::APPEND).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    actor.call(Call::Write { slot: 0, offset: 0, data: b"new".to_vec() }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    provider.await_seen("PreConvertToFull f");
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "old new");
}

#[test]
fn s40_a_deleted_folder_stays_away_until_its_tombstone_goes() {
    let rig = Rig::new();
    let tree = Tree::new().text("d/f", "x").text("other", "x");
    let provider = rig.provide(tree.clone());
    fs::remove_dir_all(rig.path("d")).unwrap();
    provider.stop();
    let provider = rig.provide(tree);
    assert_eq!(rig.app().names("").unwrap(), ["other"]);
    let (refused, causes) = provider.delete("d", UpdateFlags::empty());
    assert_eq!(refused, HResult::VIRTUALIZATION_INVALID_OPERATION);
    assert!(!causes.is_empty());
    assert_eq!(provider.delete("d", UpdateFlags::TOMBSTONE).0, HResult::OK);
    assert_eq!(rig.app().names("").unwrap(), ["d", "other"]);
}

/// Starts, lets `online` act, stops, lets `offline` act, starts again, and gives what the provider
/// believes then, after it was compared with the truth.
fn restarted(
    tree: &Tree,
    online: impl FnOnce(&Rig),
    offline: impl FnOnce(&Rig),
) -> (Rig, Vec<(String, Change)>) {
    let rig = Rig::new();
    let provider = rig.provide(tree.clone());
    online(&rig);
    provider.stop();
    offline(&rig);
    let provider = rig.provide(tree.clone());
    let believed = provider.believes();
    assert_eq!(believed, truth::of(&rig, tree));
    provider.stop();
    (rig, believed.into_iter().collect())
}

fn local(path: &str) -> (String, Change) {
    (path.to_owned(), Change::Local)
}

fn gone(path: &str) -> (String, Change) {
    (path.to_owned(), Change::Gone)
}

#[test]
fn s61_a_file_added_offline_is_found() {
    let tree = Tree::new().text("d/f", "x");
    let (_, believed) = restarted(
        &tree,
        |rig| fs::create_dir(rig.path("full")).unwrap(),
        |rig| fs::write(rig.path("full/added"), "x").unwrap(),
    );
    assert_eq!(believed, [local("full"), local(r"full\added")]);
}

#[test]
fn s61_what_was_removed_while_running_stays_away() {
    let tree = Tree::new().text("d/f", "x");
    let (_, believed) = restarted(&tree, |rig| fs::remove_file(rig.path("d/f")).unwrap(), |_| {});
    assert_eq!(believed, [gone(r"d\f")]);
}

#[test]
fn s61_what_was_removed_offline_comes_back() {
    let tree = Tree::new().text("d/f", "x");
    let (rig, believed) = restarted(
        &tree,
        |rig| drop(fs::read(rig.path("d/f")).unwrap()),
        |rig| fs::remove_file(rig.path("d/f")).unwrap(),
    );
    assert_eq!(believed, []);
    let _provider = rig.provide(tree);
    assert_eq!(fs::read_to_string(rig.path("d/f")).unwrap(), "x");
}

#[test]
fn s61_what_was_removed_offline_from_a_local_folder_is_gone() {
    let (rig, believed) = restarted(
        &Tree::new(),
        |rig| {
            fs::create_dir(rig.path("full")).unwrap();
            fs::write(rig.path("full/f"), "x").unwrap();
        },
        |rig| fs::remove_file(rig.path("full/f")).unwrap(),
    );
    assert_eq!(believed, [local("full")]);
    assert!(!rig.path("full/f").exists());
}

#[test]
fn s61_a_renamed_placeholder_is_readable_after_a_restart() {
    let tree = Tree::new().text("d/f", "content");
    let (rig, _) =
        restarted(&tree, |rig| fs::rename(rig.path("d/f"), rig.path("d/g")).unwrap(), |_| {});
    let _provider = rig.provide(tree);
    assert_eq!(rig.app().names("d").unwrap(), ["g"]);
    assert_eq!(fs::read_to_string(rig.path("d/g")).unwrap(), "content");
}

#[test]
fn s61_full_files_are_local_after_a_restart() {
    let tree = Tree::new().text("d/f", "content").text("d/g", "content");
    let (rig, believed) = restarted(
        &tree,
        |rig| {
            fs::write(rig.path("d/f"), "changed").unwrap();
            fs::read(rig.path("d/g")).unwrap();
        },
        |rig| {
            let mut file = OpenOptions::new().append(true).open(rig.path("d/f")).unwrap();
            file.write_all(b" offline").unwrap();
        },
    );
    assert_eq!(believed, [local(r"d\f")]);
    assert_eq!(fs::read_to_string(rig.path("d/f")).unwrap(), "changed offline");
}

#[test]
fn s61_a_directory_that_became_a_file_is_found() {
    let tree = Tree::new().text("d/f", "x").text("top", "x");
    let (_, believed) = restarted(
        &tree,
        |rig| {
            fs::remove_dir_all(rig.path("d")).unwrap();
            fs::write(rig.path("d"), "now a file").unwrap();
        },
        |_| {},
    );
    assert_eq!(believed, [local("d")]);
}

#[test]
fn s61_untouched_children_of_a_dirty_directory_are_no_change() {
    let tree = Tree::new().text("d/a", "x").text("d/b", "x");
    let (_, believed) = restarted(&tree, |rig| fs::write(rig.path("d/new"), "x").unwrap(), |_| {});
    assert_eq!(believed, [local(r"d\new")]);
}

#[test]
fn s61_a_change_of_case_offline_is_no_change() {
    let tree = Tree::new().text("d/f", "content");
    let (rig, _) = restarted(
        &tree,
        |rig| drop(fs::read(rig.path("d/f")).unwrap()),
        |rig| rig.app().rename("d/f", "d/F", false).unwrap(),
    );
    let _provider = rig.provide(tree);
    assert_eq!(rig.app().names("d").unwrap(), ["F"]);
    assert_eq!(fs::read_to_string(rig.path("d/f")).unwrap(), "content");
}

#[test]
fn s61_changes_that_nobody_was_told_of_are_found_at_the_start() {
    let tree = Tree::new().text("d/renamed", "x").text("d/replaced", "x").text("d/other", "x");
    // The provider's own process is not told of (K12): all of this is lost to it.
    let lost = |rig: &Rig| {
        fs::rename(rig.path("d/renamed"), rig.path("d/new name")).unwrap();
        fs::remove_file(rig.path("d/replaced")).unwrap();
        fs::write(rig.path("d/tmp"), "x").unwrap();
        fs::rename(rig.path("d/tmp"), rig.path("d/replaced")).unwrap();
    };
    let (_, believed) = restarted(&tree, lost, |_| {});
    assert_eq!(believed, [gone(r"d\renamed"), local(r"d\replaced")]);
}

#[test]
fn s61_a_foreign_link_survives() {
    let (rig, _) = restarted(
        &Tree::new().text("f", "x"),
        |rig| std::os::unix::fs::symlink("/tmp", rig.path("junction")).unwrap(),
        |_| {},
    );
    assert!(fs::symlink_metadata(rig.path("junction")).unwrap().is_symlink());
}

#[test]
fn old_content_is_still_served_after_the_projection_changed() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "old"));
    fs::metadata(rig.path("f")).unwrap();
    provider.project(Tree::new().text("f", "newer")).unwrap();
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "old");
    assert_eq!(provider.update("f", UpdateFlags::empty()).0, HResult::OK);
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "newer");
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER | FileState::HYDRATED);
}
