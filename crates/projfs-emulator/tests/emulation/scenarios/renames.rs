//! Files and directories are renamed: within the root, into it and out of it.

use std::fs;

use projfs_emulator::contract::{FileState, HResult, UpdateFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::support::actor::run;
use crate::support::app::target;
use crate::support::rig::Rig;
use crate::support::tree::Tree;

/// Renames as Windows does by default: what is there is not replaced.
fn rename(rig: &Rig, from: &str, to: &str) -> Result<(), Errno> {
    renameat_with(CWD, rig.path(from), CWD, rig.path(to), RenameFlags::NOREPLACE)
}

#[test]
fn s23_files_get_new_names_but_not_those_of_others() {
    let rig = Rig::new();
    let tree = ["virtual", "placeholder", "hydrated", "full", "v1", "v2", "v3", "p1", "p2", "p3"];
    let tree = tree.iter().fold(Tree::new(), |tree, name| tree.text(name, name));
    let _provider = rig.provide(tree.text("d/in", "in").text("e/in", "in"));
    for name in ["placeholder", "p1", "p2", "p3"] {
        fs::metadata(rig.path(name)).unwrap();
    }
    fs::read(rig.path("hydrated")).unwrap();
    fs::write(rig.path("full"), "full").unwrap();
    fs::write(rig.path("local"), "local").unwrap();
    assert_eq!(rename(&rig, "missing", "d/x"), Err(Errno::NOENT));
    for name in ["virtual", "placeholder", "hydrated", "full", "local"] {
        let new = format!("d/new {name}");
        rename(&rig, name, &new).unwrap();
        assert_eq!(fs::read_to_string(rig.path(&new)).unwrap(), name);
        assert!(fs::symlink_metadata(rig.path(name)).is_err(), "{name}");
    }
    fs::write(rig.path("local"), "local").unwrap();
    for (from, to) in [("v1", "v2"), ("v3", "p1"), ("p2", "p3"), ("local", "v3")] {
        assert_eq!(rename(&rig, from, to), Err(Errno::EXIST), "{from} {to}");
        assert_eq!(fs::read_to_string(rig.path(from)).unwrap(), from);
        assert_eq!(fs::read_to_string(rig.path(to)).unwrap(), to);
    }
    assert_eq!(rename(&rig, "v1", "nowhere/v1"), Err(Errno::NOENT));
    assert_eq!(rename(&rig, "d/in", "e/in"), Err(Errno::EXIST));
    assert_eq!(rig.app().rename("v1", "v2", false), Err(HResult::ALREADY_EXISTS));
}

#[test]
fn s24_files_come_in_and_go_out() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("virtual", "virtual").text("placeholder", "ph"));
    fs::metadata(rig.path("placeholder")).unwrap();
    let app = rig.app();
    let outside = |name: &str| rig.outside(name).to_str().unwrap().to_owned();
    let long = format!("{}1", "n".repeat(200));
    for to in ["new", long.as_str()] {
        fs::write(rig.outside("from"), "came").unwrap();
        app.raw().move_in(&outside("from"), target(to), false).unwrap();
        assert_eq!(fs::read_to_string(rig.path(to)).unwrap(), "came");
        assert!(!rig.outside("from").exists());
        assert_eq!(rig.state(to).unwrap(), FileState::FULL);
    }
    assert!(provider.take_seen().contains(&"FileRenamed  -> new".to_owned()));
    fs::write(rig.outside("from"), "came").unwrap();
    for to in ["virtual", "placeholder"] {
        let error = app.raw().move_in(&outside("from"), target(to), false).unwrap_err();
        assert_eq!(error, HResult::ALREADY_EXISTS, "{to}");
        assert!(rig.outside("from").exists());
    }
    for (from, text) in [("virtual", "virtual"), ("placeholder", "ph")] {
        let handle = app.open(from, projfs_emulator::contract::operations::Access::DELETE).unwrap();
        app.raw().move_out(handle, &outside(&format!("out {from}"))).unwrap();
        app.close(handle);
        assert_eq!(fs::read_to_string(rig.outside(&format!("out {from}"))).unwrap(), text);
        assert!(fs::symlink_metadata(rig.path(from)).is_err(), "{from}");
    }
    assert!(provider.take_seen().contains(&"FileRenamed virtual -> ".to_owned()));
}

#[test]
fn s25_projected_folders_cannot_move() {
    let rig = Rig::new();
    let tree = Tree::new().text("virtual/a", "x").text("placeholder/a", "x").text("other/a", "x");
    let _provider = rig.provide(tree);
    fs::read(rig.path("placeholder/a")).unwrap();
    assert_eq!(rename(&rig, "missing", "new"), Err(Errno::NOENT));
    let app = rig.app();
    for folder in ["virtual", "placeholder"] {
        assert_eq!(rename(&rig, folder, "new"), Err(Errno::OPNOTSUPP), "{folder}");
        let handle =
            app.open(folder, projfs_emulator::contract::operations::Access::DELETE).unwrap();
        let out = app.raw().move_out(handle, rig.outside("out").to_str().unwrap());
        assert_eq!(out.unwrap_err(), HResult::NOT_SUPPORTED, "{folder}");
        app.close(handle);
        let onto = rename(&rig, folder, "other").unwrap_err();
        assert!(onto == Errno::EXIST || onto == Errno::OPNOTSUPP, "{onto}");
        assert_eq!(fs::read_to_string(rig.path(&format!("{folder}/a"))).unwrap(), "x");
    }
    for to in ["came", "virtual"] {
        fs::create_dir(rig.outside("from")).unwrap();
        fs::write(rig.outside("from/b"), "below").unwrap();
        let moved = app.raw().move_in(rig.outside("from").to_str().unwrap(), target(to), false);
        if to == "came" {
            moved.unwrap();
            assert_eq!(fs::read_to_string(rig.path("came/b")).unwrap(), "below");
            assert_eq!(rig.state("came").unwrap(), FileState::FULL);
        } else {
            assert_eq!(moved.unwrap_err(), HResult::ALREADY_EXISTS);
        }
    }
}

#[test]
fn s26_local_folders_change_their_case() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("p", "x"));
    fs::create_dir(rig.path("empty")).unwrap();
    fs::create_dir_all(rig.path("top/below")).unwrap();
    for (from, to) in [("empty", "Empty"), ("top", "Top"), ("Empty", "EMPTY"), ("Top", "TOP")] {
        // Not by path: for Linux both names are one file, which needs no rename.
        rig.app().rename(from, to, false).unwrap();
        assert!(rig.app().names("").unwrap().contains(&to.to_owned()), "{to}");
    }
    assert_eq!(rig.app().names("").unwrap(), ["EMPTY", "p", "TOP"]);
    assert_eq!(rig.app().names("TOP").unwrap(), ["below"]);
}

#[test]
fn a_projected_file_changes_its_case() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("file", "x"));
    rig.app().rename("file", "FILE", false).unwrap();
    assert_eq!(rig.app().names("").unwrap(), ["FILE"]);
    assert_eq!(fs::read_to_string(rig.path("FILE")).unwrap(), "x");
}

#[test]
fn a_renamed_placeholder_is_fetched_by_its_old_name() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("d/old", "content"));
    fs::rename(rig.path("d/old"), rig.path("new")).unwrap();
    provider.take_seen();
    assert_eq!(fs::read_to_string(rig.path("new")).unwrap(), "content");
    let seen = provider.take_seen();
    assert!(seen.contains(&r"GetFileData d\old 0+7".to_owned()), "{seen:#?}");
}

#[test]
fn s75_what_an_editor_saved_can_be_thrown_away() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("d/f", "original"));
    fs::write(rig.path("d/f.tmp"), "edited").unwrap();
    let (from, to) = (rig.path("d/f.tmp"), rig.path("d/f"));
    assert!(run("mv", &[from.to_str().unwrap(), to.to_str().unwrap()]).success);
    assert_eq!(fs::read_to_string(&to).unwrap(), "edited");
    let (deleted, causes) = provider.delete("d/f", UpdateFlags::DIRTY_DATA);
    assert!(deleted.is_ok(), "{deleted} {causes:?}");
    assert_eq!(fs::read_to_string(&to).unwrap(), "original");
}
