//! Attributes and times of what is projected.

use std::fs;

use projfs_emulator::contract::operations::{Access, BasicChange};
use projfs_emulator::contract::{FileState, HResult, attributes};
use rustix::fs::{XattrFlags, getxattr, setxattr};

use crate::support::rig::Rig;
use crate::support::tree::Tree;

#[test]
fn s28_attributes_can_be_set_and_read_back() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("f", "x"));
    let app = rig.app();
    for attribute in [
        attributes::ARCHIVE,
        attributes::HIDDEN,
        attributes::NOT_CONTENT_INDEXED,
        attributes::READONLY,
        attributes::SYSTEM,
        attributes::TEMPORARY,
    ] {
        app.set_attributes("f", attribute).unwrap();
        let now = app.stat("f").unwrap().basic.attributes;
        assert_eq!(now & attributes::SETTABLE, attribute, "{attribute:#x}");
    }
    assert_eq!(app.state("f").unwrap(), FileState::PLACEHOLDER | FileState::DIRTY);
}

#[test]
fn s29_read_only_files_are_not_written_until_it_is_cleared() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("f", "x"));
    let app = rig.app();
    app.set_attributes("f", attributes::READONLY).unwrap();
    assert_eq!(app.write("f", "y").unwrap_err(), HResult::ACCESS_DENIED);
    let handle = app.open("f", Access::WRITE_ATTRIBUTES).unwrap();
    let change = BasicChange { attributes: Some(attributes::NORMAL), ..BasicChange::default() };
    app.raw().set_basic(handle, change).unwrap();
    app.close(handle);
    assert_eq!(app.stat("f").unwrap().basic.attributes & attributes::READONLY, 0);
    assert_eq!(app.entries("").unwrap()[0].basic.attributes & attributes::READONLY, 0);
    app.delete("f").unwrap();
    assert_eq!(app.stat("f").unwrap_err(), HResult::FILE_NOT_FOUND);
}

#[test]
fn s30_an_extended_attribute_can_be_set_and_read() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("f", "x"));
    setxattr(rig.path("f"), "user.colour", b"green", XattrFlags::empty()).unwrap();
    let mut value = [0; 16];
    let length = getxattr(rig.path("f"), "user.colour", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"green");
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER | FileState::DIRTY);
}

#[test]
fn s36_metadata_set_before_hydration_survives_it() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "content"));
    let app = rig.app();
    let created = 130_000_000_000_000_000;
    let change = BasicChange {
        creation: Some(created),
        attributes: Some(attributes::HIDDEN),
        ..BasicChange::default()
    };
    app.set_basic("f", change).unwrap();
    assert!(!provider.take_seen().iter().any(|line| line.starts_with("GetFileData")));
    assert_eq!(app.read("f").unwrap(), b"content");
    let now = app.stat("f").unwrap();
    assert_eq!(now.basic.creation, created);
    assert_ne!(now.basic.attributes & attributes::HIDDEN, 0);
    let all = FileState::PLACEHOLDER | FileState::DIRTY | FileState::HYDRATED;
    assert_eq!(now.state, all);
    let recalled = attributes::RECALL_ON_DATA_ACCESS | attributes::RECALL_ON_OPEN;
    assert_eq!(now.basic.attributes & recalled, 0);
    app.write("f", "more").unwrap();
    let full = app.stat("f").unwrap().basic.attributes;
    assert_eq!(full & (recalled | attributes::REPARSE_POINT | attributes::SPARSE), 0);
}

#[test]
fn s36_placeholders_show_what_they_are_while_stopped() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "content").directory("d"));
    fs::metadata(rig.path("f")).unwrap();
    fs::metadata(rig.path("d")).unwrap();
    provider.stop();
    let app = rig.app();
    let attributes_of = |path| app.stat(path).unwrap().basic.attributes;
    let file = attributes::REPARSE_POINT | attributes::SPARSE | attributes::RECALL_ON_DATA_ACCESS;
    assert_eq!(attributes_of("f") & file, file);
    let directory = attributes::REPARSE_POINT | attributes::RECALL_ON_DATA_ACCESS;
    assert_eq!(attributes_of("d") & directory, directory);
}

#[test]
fn s73_a_read_only_projected_file_can_be_made_writable() {
    let rig = Rig::new();
    let tree = Tree::new().special("f", "x", attributes::READONLY | attributes::ARCHIVE);
    let _provider = rig.provide(tree);
    let app = rig.app();
    assert_eq!(app.write("f", "y").unwrap_err(), HResult::ACCESS_DENIED);
    // Early builds needed it twice (E26).
    for _ in 0..2 {
        app.set_attributes("f", attributes::NORMAL).unwrap();
    }
    app.write("f", "y").unwrap();
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "y");
}
