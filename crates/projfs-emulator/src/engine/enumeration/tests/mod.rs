//! Listings, with a scripted provider, one step at a time.

mod broken;
mod buffers;
mod patterns;
mod properties;
mod sessions;

use std::sync::LazyLock;

use crate::contract::attributes::{
    ARCHIVE, DIRECTORY, HIDDEN, RECALL_ON_DATA_ACCESS, RECALL_ON_OPEN, REPARSE_POINT, SPARSE,
    SYSTEM,
};
use crate::contract::operations::{Entry, Query};
use crate::contract::{BasicInfo, DirEntry, FileState, HResult, Wide};
use crate::engine::nt_time;
use crate::engine::stage::{Stage, entry, info};
use crate::engine::store::{ItemId, NewFull};

/// Everything, with a large buffer.
static ALL: LazyLock<Query> = LazyLock::new(|| Query { buffer: 65536, ..Query::default() });

/// From the beginning.
fn restart() -> Query {
    Query { restart: true, ..ALL.clone() }
}

/// What matches, with a large buffer.
fn matching(expression: &str) -> Query {
    Query { expression: Some(expression.into()), ..ALL.clone() }
}

fn local(stage: &Stage, name: &str) {
    let file = NewFull::File { attributes: 0 };
    stage.root.store.add_full(ItemId::ROOT, &name.into(), file).unwrap();
}

fn bury(stage: &Stage, name: &str) {
    stage.root.store.add_tombstone(ItemId::ROOT, &name.into()).unwrap();
}

fn named<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries.iter().find(|entry| entry.name == Wide::from(name)).unwrap()
}

#[test]
fn an_empty_directory_has_dots_only() {
    let stage = Stage::projecting(&["d\\"]);
    assert_eq!(stage.list("").unwrap(), [".", "..", "d"]);
    assert_eq!(stage.list("d").unwrap(), [".", ".."]);
}

#[test]
fn what_is_local_and_what_is_projected_come_in_the_order_of_ntfs() {
    let stage = Stage::projecting(&["m", "File_", "FileA", "Fileb"]);
    local(&stage, "a");
    local(&stage, "Z");
    let expected = [".", "..", "a", "FileA", "Fileb", "File_", "m", "Z"];
    assert_eq!(stage.list("").unwrap(), expected);
    // Once some are on disk a wrong order would show.
    stage.read("File_").unwrap();
    stage.read("m").unwrap();
    assert_eq!(stage.list("").unwrap(), expected);
}

#[test]
fn listing_makes_no_placeholders() {
    let stage = Stage::projecting(&["a", "d\\"]);
    stage.list("").unwrap();
    assert!(stage.root.store.children(ItemId::ROOT).unwrap().is_empty());
}

#[test]
fn tombstones_hide_names() {
    let stage = Stage::projecting(&["a", "b", "c"]);
    bury(&stage, "B");
    bury(&stage, "z");
    assert_eq!(stage.list("").unwrap(), [".", "..", "a", "c"]);
    assert_eq!(stage.listing("").names(&matching("b")), Err(HResult::FILE_NOT_FOUND));
}

#[test]
fn a_placeholder_directory_is_asked_for_each_time_and_a_full_one_never() {
    let stage = Stage::projecting(&["d\\", "d\\a"]);
    let directory = NewFull::Directory { attributes: 0 };
    stage.root.store.add_full(ItemId::ROOT, &"full".into(), directory).unwrap();
    stage.item("d");
    stage.trace();
    assert_eq!(stage.list("full").unwrap(), [".", ".."]);
    assert_eq!(stage.trace(), Vec::<String>::new());
    stage.list("d").unwrap();
    stage.list("d").unwrap();
    let session = [
        "StartEnumeration d -> OK",
        "GetEnumeration d -> OK, 1 entry",
        "GetEnumeration d -> OK, 0 entries",
        "EndEnumeration d -> OK",
    ];
    // End is sent by the end of the handle.
    let _ = stage.list("full");
    assert_eq!(stage.trace(), [session, session].concat());
}

#[test]
fn the_disk_wins_with_its_metadata() {
    let stage = Stage::projecting(&["a", "b"]);
    let a = stage.item("a").id;
    let written =
        stage.run(|root, caller| async move { root.convert_to_full(&caller, a, true).await });
    written.unwrap();
    stage.root.store.data(a).unwrap().set_len(35).unwrap();
    stage.item("b");
    let entries = stage.listing("").query(&ALL).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, [".", "..", "a", "b"]);
    // The new size at once.
    assert_eq!((named(&entries, "a").basic.size, named(&entries, "a").item), (35, Some(a)));
    assert_eq!(named(&entries, "b").basic.attributes, SPARSE | RECALL_ON_DATA_ACCESS);
}

#[test]
fn virtual_entries_are_what_the_provider_says_but_for_derived_attributes() {
    let stage = Stage::projecting(&[]);
    let mut directory = entry("d", None);
    directory.basic.attributes = HIDDEN | REPARSE_POINT;
    let mut file = entry("f", Some(7));
    file.basic.attributes = DIRECTORY;
    let link = DirEntry { link: Some("f".into()), ..entry("l", Some(0)) };
    let bare = BasicInfo { size: 1, ..BasicInfo::default() };
    let timeless = DirEntry { name: "t".into(), basic: bare, link: None };
    stage.provider.lists(&[&[directory, file, link, timeless]]);
    let before = nt_time::now();
    let entries = stage.listing("").query(&ALL).unwrap();
    let directory = &named(&entries, "d").basic;
    assert_eq!(directory.attributes, HIDDEN | DIRECTORY | RECALL_ON_OPEN);
    let given = BasicInfo { attributes: RECALL_ON_OPEN, ..info(Some(7), "f").basic };
    assert_eq!(named(&entries, "f").basic, given);
    let link = named(&entries, "l");
    assert_eq!(link.link, Some("f".into()));
    assert_eq!(link.basic.attributes, REPARSE_POINT | RECALL_ON_OPEN);
    let timeless = named(&entries, "t").basic;
    for time in [timeless.creation, timeless.access, timeless.write, timeless.change] {
        assert!(time >= before);
    }
}

#[test]
fn without_a_provider_only_the_disk_is_listed_tombstones_too() {
    let stage = Stage::projecting(&["a", "b", "virtual"]);
    stage.item("a");
    bury(&stage, "b");
    stage.stop();
    let entries = stage.listing("").query(&ALL).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, [".", "..", "a", "b"]);
    assert_eq!(named(&entries, "b").basic.attributes, REPARSE_POINT | ARCHIVE | HIDDEN | SYSTEM);
    assert_eq!(
        named(&entries, "a").basic.attributes,
        REPARSE_POINT | SPARSE | RECALL_ON_DATA_ACCESS
    );
}

#[test]
fn a_clean_directory_without_anything_on_disk_can_be_refused_without_a_provider() {
    let stage = Stage::projecting(&["d\\", "d\\a", "e\\", "e\\a"]);
    stage.item("d");
    stage.item("e\\a");
    stage.stop();
    assert_eq!(stage.list("d").unwrap(), [".", ".."]);
    stage.knobs(|knobs| knobs.refuse_offline_listing = true);
    assert_eq!(stage.list("d"), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    assert_eq!(stage.list("e").unwrap(), [".", "..", "a"]);
    let d = stage.item("d").id;
    stage.root.store.add_state(d, FileState::DIRTY).unwrap();
    assert_eq!(stage.list("d").unwrap(), [".", ".."]);
    // Those of the root stay visible.
    let root = Stage::projecting(&["a"]);
    root.knobs(|knobs| knobs.refuse_offline_listing = true);
    root.stop();
    assert_eq!(root.list("").unwrap(), [".", ".."]);
}

#[test]
fn what_is_on_disk_can_be_listed_without_callbacks() {
    let stage = Stage::projecting(&["a", "b", "virtual"]);
    stage.item("a");
    bury(&stage, "b");
    stage.trace();
    let query = Query { on_disk_only: true, ..ALL.clone() };
    assert_eq!(stage.listing("").all(&query).unwrap(), [".", "..", "a", "b"]);
    assert_eq!(stage.trace(), Vec::<String>::new());
}

#[test]
fn only_directories_are_listed() {
    let stage = Stage::projecting(&["a"]);
    assert_eq!(stage.list("a"), Err(HResult::INVALID_ARGUMENT));
}

fn has_children(stage: &Stage, path: &str) -> Result<bool, HResult> {
    let directory = stage.item(path).id;
    stage.run(move |root, caller| async move { root.has_children(&caller, directory).await })
}

#[test]
fn a_directory_has_children_if_any_is_seen() {
    let stage = Stage::projecting(&["empty\\", "d\\", "d\\a", "d\\b"]);
    assert_eq!((has_children(&stage, "d"), has_children(&stage, "empty")), (Ok(true), Ok(false)));
    let d = stage.item("d").id;
    stage.root.store.add_tombstone(d, &"a".into()).unwrap();
    assert_eq!(has_children(&stage, "d"), Ok(true));
    stage.root.store.add_tombstone(d, &"b".into()).unwrap();
    stage.trace();
    assert_eq!(has_children(&stage, "d"), Ok(false));
    assert_eq!(
        stage.trace(),
        [
            "StartEnumeration d -> OK",
            "GetEnumeration d -> OK, 2 entries",
            "GetEnumeration d -> OK, 0 entries",
            "EndEnumeration d -> OK"
        ]
    );
}

#[test]
fn the_provider_is_not_asked_for_children_that_are_on_disk() {
    let stage = Stage::projecting(&["d\\", "d\\a"]);
    stage.item("d\\a");
    stage.trace();
    assert_eq!(has_children(&stage, "d"), Ok(true));
    stage.stop();
    assert_eq!(has_children(&stage, "d"), Ok(true));
    assert_eq!(stage.trace(), Vec::<String>::new());
}
