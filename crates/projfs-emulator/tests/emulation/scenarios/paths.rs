//! Paths that lead nowhere, and names that are asked for before they exist.

use std::fs;
use std::io;

use projfs_emulator::contract::HResult;
use projfs_emulator::contract::operations::Disposition;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::provider::Options;
use crate::support::rig::Rig;
use crate::support::tree::Tree;

#[test]
fn s14_deleting_what_is_missing_finds_nothing() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("a", "x"));
    fs::write(rig.outside("a"), "untouched").unwrap();
    let error = fs::remove_file(rig.path("missing")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(rig.app().delete("missing").unwrap_err(), HResult::FILE_NOT_FOUND);
    fs::remove_file(rig.path("a")).unwrap();
    assert_eq!(fs::read_to_string(rig.outside("a")).unwrap(), "untouched");
}

#[test]
fn s19_a_path_through_an_unknown_folder_asks_once() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().directory("d"));
    fs::metadata(rig.path("d")).unwrap();
    provider.take_seen();
    assert_eq!(rig.app().stat("d/a/b/c/d/e").unwrap_err(), HResult::PATH_NOT_FOUND);
    assert_eq!(provider.take_seen(), [r"GetPlaceholderInfo d\a"]);
    let error = fs::metadata(rig.path("d/a/b/c/d/e")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(provider.take_seen(), [r"GetPlaceholderInfo d\a"]);
}

#[test]
fn s20_a_file_is_no_folder_in_any_state() {
    let rig = Rig::new();
    let tree = Tree::new().text("virtual", "x").text("placeholder", "x").text("hydrated", "x");
    let _provider = rig.provide(tree.text("full", "x"));
    fs::metadata(rig.path("placeholder")).unwrap();
    fs::read(rig.path("hydrated")).unwrap();
    fs::write(rig.path("full"), "y").unwrap();
    let app = rig.app();
    for file in ["virtual", "placeholder", "hydrated", "full"] {
        let below = format!("{file}/below");
        assert_eq!(app.stat(&below).unwrap_err(), HResult::PATH_NOT_FOUND, "{file}");
        for disposition in [Disposition::Create, Disposition::OpenIf, Disposition::OverwriteIf] {
            let error = app.create(&below, disposition).unwrap_err();
            assert_eq!(error, HResult::PATH_NOT_FOUND, "{file} {disposition:?}");
        }
        let error = fs::metadata(rig.path(&below)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{file}");
    }
}

#[test]
fn s34_what_was_missing_can_be_made() {
    let rig = Rig::new();
    let options = Options { negative_path_cache: true, ..Options::default() };
    let provider = rig.provide_with(Tree::new().text("a", "alpha"), options);
    for name in ["new", "renamed"] {
        fs::metadata(rig.path(name)).unwrap_err();
        fs::metadata(rig.path(name)).unwrap_err();
    }
    let asked =
        provider.take_seen().iter().filter(|line| *line == "GetPlaceholderInfo new").count();
    assert_eq!(asked, 1, "the second time is answered by the negative path cache (H10)");
    fs::write(rig.path("new"), "made").unwrap();
    assert_eq!(fs::read_to_string(rig.path("new")).unwrap(), "made");
    let (from, to) = (rig.path("a"), rig.path("renamed"));
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).unwrap();
    assert_eq!(fs::read_to_string(rig.path("renamed")).unwrap(), "alpha");
}

#[test]
fn s44_a_root_behind_a_link_is_the_same_root() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("d/a", "alpha"));
    std::os::unix::fs::symlink(rig.root(), rig.outside("link")).unwrap();
    assert_eq!(fs::read_to_string(rig.outside("link/d/a")).unwrap(), "alpha");
    assert!(provider.take_seen().contains(&r"GetPlaceholderInfo d\a".to_owned()));
}
