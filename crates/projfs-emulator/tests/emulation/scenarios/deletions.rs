//! Files and directories are deleted, by disposition and by a handle's close.

use std::fs;
use std::io;

use projfs_emulator::contract::operations::Access;
use projfs_emulator::contract::{FileState, HResult};

use crate::support::actor::run;
use crate::support::app::App;
use crate::support::provider::Provider;
use crate::support::rig::Rig;
use crate::support::tree::Tree;

type Delete = fn(&App, &str) -> Result<(), HResult>;

const WAYS: [Delete; 2] = [App::delete, App::delete_on_close];

/// A file in each state, below `d`.
fn in_each_state(rig: &Rig, provider_tree: Tree) -> Provider {
    let tree = ["virtual", "placeholder", "hydrated", "full"]
        .iter()
        .fold(provider_tree, |tree, name| tree.text(&format!("d/{name}"), "content"));
    let provider = rig.provide(tree);
    fs::metadata(rig.path("d/placeholder")).unwrap();
    fs::read(rig.path("d/hydrated")).unwrap();
    fs::write(rig.path("d/full"), "full").unwrap();
    fs::write(rig.path("d/local"), "local").unwrap();
    provider
}

#[test]
fn s13_files_in_every_state_can_be_deleted_both_ways() {
    for delete in WAYS {
        let rig = Rig::new();
        let _provider = in_each_state(&rig, Tree::new());
        let app = rig.app();
        for name in ["virtual", "placeholder", "hydrated", "full", "local"] {
            let path = format!("d/{name}");
            delete(&app, &path).unwrap();
            assert_eq!(app.stat(&path).unwrap_err(), HResult::FILE_NOT_FOUND, "{name}");
        }
        assert_eq!(app.names("d").unwrap(), Vec::<String>::new());
        assert!(!app.state("d").unwrap().contains(FileState::FULL));
    }
}

#[test]
fn s15_a_directory_with_children_stays() {
    let rig = Rig::new();
    let tree = Tree::new().text("virtual/a", "x").text("placeholder/a", "x");
    let _provider = rig.provide(tree);
    let app = rig.app();
    app.stat("placeholder").unwrap();
    for folder in ["virtual", "placeholder"] {
        assert_eq!(app.delete(folder).unwrap_err(), HResult::DIR_NOT_EMPTY, "{folder}");
        let error = fs::remove_dir(rig.path(folder)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        app.delete_on_close(folder).unwrap();
        assert_eq!(app.read(&format!("{folder}/a")).unwrap(), b"x");
    }
}

#[test]
fn s16_an_empty_local_directory_can_be_deleted_both_ways() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("d/a", "x"));
    let app = rig.app();
    for delete in WAYS {
        app.make_directory("d/new").unwrap();
        app.make_directory("d/sibling").unwrap();
        delete(&app, "d/new").unwrap();
        assert_eq!(app.names("d").unwrap(), ["a", "sibling"]);
        delete(&app, "d/sibling").unwrap();
    }
}

#[test]
fn s17_a_directory_can_go_after_its_last_file() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("top/d/a", "x"));
    fs::remove_file(rig.path("top/d/a")).unwrap();
    fs::remove_dir(rig.path("top/d")).unwrap();
    let app = rig.app();
    assert_eq!(app.stat("top/d").unwrap_err(), HResult::FILE_NOT_FOUND);
    assert_eq!(app.stat("top/d/a").unwrap_err(), HResult::PATH_NOT_FOUND);
    assert!(!app.state("top").unwrap().contains(FileState::FULL));
}

#[test]
fn s18_trees_of_projected_and_local_files_can_be_removed() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["1", "2"], &["3"]),
        (&["1"], &["2", "3"]),
        (&["1", "3"], &["2"]),
        (&["2"], &["1", "3"]),
        (&["1", "2", "4"], &["3"]),
    ];
    let rig = Rig::new();
    let path = |case: usize, name: &str| format!("case{case}/{name}");
    let mut tree = Tree::new();
    for (case, (projected, _)) in cases.iter().enumerate() {
        tree = projected.iter().fold(tree, |tree, name| tree.text(&path(case, name), "x"));
    }
    let _provider = rig.provide(tree);
    for (case, (_, local)) in cases.iter().enumerate() {
        for name in *local {
            fs::write(rig.path(&path(case, name)), "local").unwrap();
        }
        if case == 4 {
            fs::read(rig.path(&path(case, "2"))).unwrap();
        }
        let folder = rig.path(&format!("case{case}"));
        let ran = run("rm", &["-r", folder.to_str().unwrap()]);
        assert!(ran.success, "case {case}: {}", ran.complaint);
        let error = fs::File::open(&folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "case {case}");
    }
    assert_eq!(rig.app().names("").unwrap(), Vec::<String>::new());
}

#[test]
fn a_deletion_can_be_taken_back_before_the_close() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("a", "x"));
    let app = rig.app();
    let handle = app.open("a", Access::DELETE).unwrap();
    app.raw().set_disposition(handle, true).unwrap();
    app.raw().set_disposition(handle, false).unwrap();
    app.close(handle);
    assert_eq!(app.read("a").unwrap(), b"x");
}
