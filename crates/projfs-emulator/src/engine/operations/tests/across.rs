//! T22, T23 and K7: moving and linking across the root's border.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fixture::*;
use crate::contract::operations::*;
use crate::contract::{HResult, NotifyMask, Result, UpdateFlags};
use crate::engine::stage::{Act, Stage, info, is_data};

impl Rig {
    fn host(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    fn host_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.host(name);
        fs::write(&path, content).unwrap();
        path
    }

    #[track_caller]
    fn move_in(&self, from: &Path, to: &str, replace: bool) -> Result<()> {
        let (from, to) = (from.to_owned(), at(to));
        self.run(|root, caller| async move { root.move_in(&caller, &from, &to, replace).await })
    }

    #[track_caller]
    fn move_out(&self, from: &str, to: &Path) -> Result<()> {
        let handle = self.handle(from, Open::existing(Access::DELETE));
        let to = to.to_owned();
        let done = self.run(|root, _| async move { root.move_out(handle, &to).await });
        self.close(handle);
        done
    }

    #[track_caller]
    fn link_in(&self, from: &Path, to: &str) -> Result<()> {
        let (from, to) = (from.to_owned(), at(to));
        self.run(|root, caller| async move { root.link_in(&caller, &from, &to).await })
    }

    #[track_caller]
    fn link_out(&self, from: &str, to: &Path) -> Result<()> {
        let handle = self.handle(from, Open::existing(Access::empty()));
        let to = to.to_owned();
        let done = self.run(|root, _| async move { root.link_out(handle, &to).await });
        self.close(handle);
        done
    }
}

/// Makes a tree of two files on the host.
fn host_tree(rig: &Rig) -> PathBuf {
    let tree = rig.host("tree");
    fs::create_dir_all(tree.join("inner")).unwrap();
    fs::write(tree.join("a"), "a").unwrap();
    fs::write(tree.join("inner").join("b"), "b").unwrap();
    tree
}

#[test]
fn t22_what_is_moved_in_is_full() {
    let rig = Rig::new(&["d\\"]);
    let file = rig.host_file("file", "outside");
    rig.move_in(&file, "d\\new", false).unwrap();
    rig.expect(&[
        "GetPlaceholderInfo d",
        "GetPlaceholderInfo d\\new -> FILE_NOT_FOUND",
        "Notify PreRename \"\" -> d\\new",
        "Notify FileRenamed \"\" -> d\\new",
    ]);
    assert!(!file.exists());
    assert_eq!((rig.state("d\\new"), rig.state("d")), (FULL, DIRTY));
    assert_eq!(rig.content("d\\new").unwrap(), "outside");
}

#[test]
fn t22_a_tree_becomes_full_directories() {
    let rig = Rig::new(&["gone"]);
    rig.delete("gone").unwrap();
    rig.callbacks();
    // Onto a tombstone: nothing is asked.
    rig.move_in(&host_tree(&rig), "gone", false).unwrap();
    rig.expect(&[
        "Notify PreRename \"\" -> gone (directory)",
        "Notify FileRenamed \"\" -> gone (directory)",
    ]);
    assert_eq!((rig.state("gone"), rig.state("gone\\inner")), (FULL, FULL));
    assert_eq!(rig.content("gone\\inner\\b").unwrap(), "b");
    assert_eq!(
        rig.open("gone\\x", Open::existing(Access::READ)).unwrap_err(),
        HResult::FILE_NOT_FOUND
    );
    assert!(!rig.callbacks().iter().any(|line| line.contains("GetPlaceholderInfo")));
}

#[test]
fn t22_moves_onto_projected_names_need_to_replace() {
    let rig = Rig::new(&["f", "g", "d\\"]);
    rig.content("g").unwrap();
    let file = rig.host_file("file", "outside");
    for to in ["f", "g", "d"] {
        assert_eq!(rig.move_in(&file, to, false).unwrap_err(), HResult::ALREADY_EXISTS);
    }
    assert_eq!(rig.move_in(&file, "d", true).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.move_in(&host_tree(&rig), "f", true).unwrap_err(), HResult::ACCESS_DENIED);
    rig.move_in(&file, "f", true).unwrap();
    assert_eq!(rig.content("f").unwrap(), "outside");
    assert_eq!(rig.move_in(&file, "new", true).unwrap_err(), HResult::FILE_NOT_FOUND);
}

#[test]
fn t22_a_refused_move_in_leaves_it_outside() {
    let rig = Rig::new(&[]);
    let file = rig.host_file("file", "outside");
    rig.refuse("Notify PreRename", HResult::ACCESS_DENIED);
    assert_eq!(rig.move_in(&file, "new", false).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!((rig.state("new"), fs::read_to_string(file).unwrap().as_str()), (None, "outside"));
}

#[test]
fn t22_items_of_another_root_do_not_come_in() {
    let (rig, other) = (Rig::new(&[]), Rig::new(&["f"]));
    rig.make("mine", "");
    other.content("f").unwrap();
    let path = other.lower("f");
    assert_eq!(rig.move_in(&path, "f", false).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.link_in(&path, "f").unwrap_err(), HResult::ACCESS_DENIED);
    assert!(path.exists());
}

#[test]
fn t23_what_is_moved_out_has_its_content() {
    for prepare in ["virtual", "hydrated", "full"] {
        let rig = Rig::new(&["f"]);
        match prepare {
            "hydrated" => drop(rig.content("f")),
            "full" => drop(rig.handle("f", Open::existing(Access::WRITE))),
            _ => {}
        }
        rig.callbacks();
        rig.move_out("f", &rig.host("out")).unwrap();
        let mut expected = vec![
            "Notify FileOpened f",
            "Notify PreRename f -> \"\"",
            "QueryFileName f",
            "Notify FileRenamed f -> \"\"",
            "Notify ClosedNoModification f",
        ];
        if prepare == "virtual" {
            expected.insert(0, "GetPlaceholderInfo f");
            expected.insert(2, "GetFileData f 0+1");
        }
        rig.expect(&expected);
        assert_eq!(rig.state("f"), TOMBSTONE);
        assert_eq!(fs::read_to_string(rig.host("out")).unwrap(), "f");
        // Nothing of ours is on it: it can come back as a local file.
        rig.move_in(&rig.host("out"), "back", false).unwrap();
        assert_eq!((rig.state("back"), rig.content("back").unwrap().as_str()), (FULL, "f"));
    }
}

#[test]
fn t23_a_moved_out_file_keeps_its_time() {
    let rig = Rig::new(&["f"]);
    rig.touch("f");
    let shown = rig.item("f").unwrap().basic.write;
    rig.move_out("f", &rig.host("out")).unwrap();
    rig.move_in(&rig.host("out"), "back", false).unwrap();
    // 100 ns and 1 ns are the units.
    assert_eq!(rig.item("back").unwrap().basic.write, shown);
}

#[test]
fn t23_a_local_directory_goes_with_everything() {
    let rig = Rig::new(&["f"]);
    rig.make_directory("d");
    rig.make("d\\local", "x");
    rig.rename_path("f", "d\\renamed", false).unwrap();
    rig.callbacks();
    rig.move_out("d", &rig.host("out")).unwrap();
    let lines = rig.callbacks();
    assert!(lines.contains(&"Notify FileRenamed d -> \"\" (directory)".to_owned()), "{lines:?}");
    assert_eq!(rig.state("d"), None);
    assert_eq!(fs::read_to_string(rig.host("out").join("local")).unwrap(), "x");
    assert_eq!(fs::read_to_string(rig.host("out").join("renamed")).unwrap(), "f");
    rig.make_directory("d");
    assert_eq!(rig.state("d\\local"), None);
}

#[test]
fn t23_what_cannot_go_out_stays() {
    let rig = Rig::new(&["d\\", "d\\f", "f"]);
    let taken = rig.host_file("taken", "");
    let none = rig.host("missing").join("out");
    for (from, to, code) in [
        ("d", rig.host("out"), HResult::NOT_SUPPORTED),
        ("f", taken, HResult::ALREADY_EXISTS),
        ("f", none, HResult::PATH_NOT_FOUND),
    ] {
        assert_eq!(rig.move_out(from, &to).unwrap_err(), code);
    }
    rig.refuse("Notify PreRename", HResult::ACCESS_DENIED);
    assert_eq!(rig.move_out("f", &rig.host("out")).unwrap_err(), HResult::ACCESS_DENIED);
    assert!(!rig.host("out").exists());
    assert_eq!(rig.state("f"), HYDRATED);
}

#[test]
fn k7_links_in_and_out_share_their_content() {
    let rig = Rig::new(&["f"]);
    let file = rig.host_file("file", "outside");
    rig.link_in(&file, "inside").unwrap();
    rig.expect(&[
        "GetPlaceholderInfo inside -> FILE_NOT_FOUND",
        "Notify PreSetHardlink \"\" -> inside",
        "Notify HardlinkCreated \"\" -> inside",
    ]);
    fs::write(&file, "changed").unwrap();
    assert_eq!((rig.state("inside"), rig.content("inside").unwrap().as_str()), (FULL, "changed"));
    rig.callbacks();

    rig.link_out("f", &rig.host("out")).unwrap();
    rig.expect(&[
        "GetPlaceholderInfo f",
        "Notify FileOpened f",
        "Notify PreSetHardlink f -> \"\"",
        "GetFileData f 0+1",
        "Notify HardlinkCreated f -> \"\"",
        "Notify ClosedNoModification f",
    ]);
    assert_eq!(fs::read_to_string(rig.host("out")).unwrap(), "f");
    let writer = rig.handle("f", Open::existing(Access::WRITE));
    rig.write(writer, 0, "x").unwrap();
    assert_eq!(fs::read_to_string(rig.host("out")).unwrap(), "x");
    // The same file by its other name.
    rig.link_in(&rig.host("out"), "again").unwrap();
    assert_eq!(rig.item("again").unwrap().id, rig.item("f").unwrap().id);
}

#[test]
fn k7_links_need_a_free_name_and_a_file() {
    let rig = Rig::new(&["f", "d\\"]);
    let file = rig.host_file("file", "");
    assert_eq!(rig.link_in(&file, "f").unwrap_err(), HResult::ALREADY_EXISTS);
    assert_eq!(rig.link_in(&host_tree(&rig), "new").unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.link_out("f", &file).unwrap_err(), HResult::ALREADY_EXISTS);
    assert_eq!(rig.link_out("d", &rig.host("out")).unwrap_err(), HResult::ACCESS_DENIED);
    rig.refuse("Notify PreSetHardlink", HResult::ACCESS_DENIED);
    assert_eq!(rig.link_in(&file, "new").unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.link_out("f", &rig.host("out")).unwrap_err(), HResult::ACCESS_DENIED);
    assert!(!rig.host("out").exists());
}

#[test]
fn k10_arrivals_are_told_unasked_and_departures_are_not() {
    let rig = Rig::stopped(&["f"]);
    rig.begin(NotifyMask::CLOSED_FILE_DELETED);
    let file = rig.host_file("file", "");
    rig.link_in(&file, "linked").unwrap();
    rig.move_in(&file, "moved", false).unwrap();
    rig.move_out("moved", &rig.host("out")).unwrap();
    let lines = rig.callbacks();
    let told: Vec<_> = lines.iter().filter(|line| line.starts_with("Notify")).collect();
    assert_eq!(
        told,
        [
            "Notify PreSetHardlink \"\" -> linked",
            "Notify HardlinkCreated \"\" -> linked",
            "Notify PreRename \"\" -> moved",
            "Notify FileRenamed \"\" -> moved",
        ]
    );
}

/// A folder on another file system than the root, if this machine has one with attributes.
fn elsewhere() -> Option<tempfile::TempDir> {
    use std::os::unix::fs::MetadataExt;
    let other = tempfile::tempdir_in("/dev/shm").ok()?;
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    (device(other.path()) != device(&std::env::temp_dir())).then_some(other)
}

#[test]
fn between_file_systems_trees_are_copied_and_removed() {
    let Some(other) = elsewhere() else { return };
    let rig = Rig::new(&["f"]);
    let tree = other.path().join("tree");
    fs::create_dir_all(tree.join("inner")).unwrap();
    fs::write(tree.join("inner").join("b"), "b").unwrap();
    std::os::unix::fs::symlink("inner", tree.join("link")).unwrap();
    rig.move_in(&tree, "d", false).unwrap();
    assert!(!tree.exists());
    assert_eq!(rig.content("d\\inner\\b").unwrap(), "b");
    assert_eq!(rig.item("d\\link").unwrap().link, Some("inner".into()));
    rig.delete("d\\link").unwrap();
    rig.move_out("d", &tree).unwrap();
    assert_eq!(fs::read_to_string(tree.join("inner").join("b")).unwrap(), "b");
    assert_eq!(rig.state("d"), None);
    rig.move_out("f", &other.path().join("f")).unwrap();
    assert_eq!(fs::read_to_string(other.path().join("f")).unwrap(), "f");
    assert_eq!(rig.link_in(&other.path().join("f"), "linked").unwrap_err(), HResult::NOT_SUPPORTED);
}

#[test]
fn t23_an_update_meanwhile_leaves_no_hole_in_what_is_moved_out() {
    let stage = Stage::projecting(&["f", "g"]);
    let target = Target { from: ItemId::ROOT, path: "f".into() };
    let opened = stage.run(|root, caller| async move {
        root.open(&caller, &target, Open::existing(Access::DELETE)).await
    });
    let (handle, outside) = (opened.unwrap().handle, tempfile::tempdir().unwrap());
    let (out, asked) = (outside.path().join("out"), Arc::new(parking_lot::Mutex::new(None)));
    let (to, keeps) = (out.clone(), asked.clone());
    stage.provider.does(is_data, move |act| {
        *keeps.lock() = Some(act);
        async {}
    });
    let moving = stage.spawn(|root, _| async move { root.move_out(handle, &to).await });
    stage.scheduler.settle();
    let updating = stage.spawn(|root, _| async move {
        let (session, flags) = (root.session().unwrap(), UpdateFlags::empty());
        root.update_file(&session, &"f".into(), info(Some(1), "g"), flags).await
    });
    stage.scheduler.settle();
    stage.provider.behave();
    let act: Act = asked.lock().take().unwrap();
    stage.scheduler.spawn("provider", act.do_right());
    stage.scheduler.settle();
    assert_eq!((updating.take(), moving.take()), (Some(Ok(())), Some(Ok(()))));
    assert_eq!(std::fs::read_to_string(out).unwrap(), "g");
    stage.run(|root, _| async move { root.close(handle).await }).unwrap();
}
