//! PrjWritePlaceholderInfo.

use super::found;
use crate::contract::attributes::{DIRECTORY, HIDDEN, OFFLINE};
use crate::contract::{FileState, HResult, PlaceholderInfo, Wide};
use crate::engine::stage::{Stage, info};
use crate::engine::store::{ItemId, NewFull};
use crate::scheduler::Handle;

fn writing(
    stage: &Stage,
    path: &'static str,
    info: PlaceholderInfo,
) -> Handle<Result<(), HResult>> {
    stage.spawn(move |root, _| async move {
        let session = root.session().unwrap();
        root.write_placeholder(&session, &Wide::from(path), info).await
    })
}

fn write(stage: &Stage, path: &'static str, info: PlaceholderInfo) -> Result<(), HResult> {
    let handle = writing(stage, path, info);
    stage.scheduler.run_until_idle().unwrap();
    handle.take().unwrap()
}

fn file() -> PlaceholderInfo {
    info(Some(1), "file")
}

#[test]
fn placeholders_can_be_written_beforehand() {
    let stage = Stage::projecting(&["D\\"]);
    stage.item("D");
    stage.trace();
    write(&stage, "d\\A.txt", file()).unwrap();
    assert_eq!(found(&stage, "d\\a.TXT"), Ok(Some("A.txt".into())));
    assert_eq!(stage.item("d\\a.txt").origin, Wide::from("D\\A.txt"));
    assert_eq!(stage.trace(), Vec::<String>::new());
}

#[test]
fn the_folders_of_a_placeholder_must_be_on_disk() {
    let stage = Stage::projecting(&["virtual\\", "file"]);
    stage.item("file");
    stage.root.store.add_tombstone(ItemId::ROOT, &"gone".into()).unwrap();
    for path in ["virtual\\a", "gone\\a", "file\\a", "missing\\a"] {
        assert_eq!(write(&stage, path, file()), Err(HResult::PATH_NOT_FOUND), "{path}");
    }
    assert_eq!(write(&stage, "", file()), Err(HResult::INVALID_ARGUMENT));
    assert_eq!(write(&stage, "\\", file()), Err(HResult::INVALID_ARGUMENT));
    assert_eq!(stage.trace(), ["GetPlaceholderInfo file -> OK"]);
}

#[test]
fn nothing_is_replaced() {
    let stage = Stage::projecting(&["placeholder"]);
    stage.item("placeholder");
    let store = &stage.root.store;
    store.add_full(ItemId::ROOT, &"local".into(), NewFull::File { attributes: 0 }).unwrap();
    store.add_tombstone(ItemId::ROOT, &"gone".into()).unwrap();
    assert_eq!(write(&stage, "PLACEHOLDER", file()), Err(HResult::ALREADY_EXISTS));
    assert_eq!(write(&stage, "Local", file()), Err(HResult::ALREADY_EXISTS));
    assert_eq!(write(&stage, "gone", file()), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(stage.item("local").state, FileState::FULL);
    assert_eq!(found(&stage, "gone"), Ok(None));
}

#[test]
fn a_directory_has_no_size() {
    let stage = Stage::projecting(&[]);
    let mut directory = info(None, "d");
    directory.basic.size = 4096;
    assert_eq!(write(&stage, "d", directory), Err(HResult::INVALID_ARGUMENT));
    assert_eq!(stage.broken(), ["H7"]);
}

#[test]
fn a_name_that_windows_cannot_open_is_a_broken_rule() {
    for name in ["a:b", "con.txt", "dot."] {
        let stage = Stage::projecting(&[]);
        assert_eq!(write(&stage, name, file()), Err(HResult::INVALID_ARGUMENT));
        assert_eq!(stage.broken(), ["G8"]);
        stage.lenient();
        assert_eq!(write(&stage, name, file()), Ok(()));
        assert_eq!(stage.broken(), ["G8"]);
    }
}

#[test]
fn derived_attributes_are_not_taken_over() {
    let stage = Stage::projecting(&[]);
    let mut placeholder = file();
    placeholder.basic.attributes = HIDDEN | OFFLINE | DIRECTORY;
    write(&stage, "a", placeholder).unwrap();
    assert_eq!(stage.item("a").basic.attributes, HIDDEN);
}

#[test]
fn a_name_that_an_operation_holds_is_waited_for_but_not_for_ever() {
    let stage = Stage::projecting(&[]);
    let name = Wide::from("a");
    let guard = stage.run(|root, _| async move {
        let names = [(ItemId::ROOT, &name)];
        root.names.lock(&names).await
    });
    assert_eq!(write(&stage, "A", file()), Err(HResult::SHARING_VIOLATION));
    assert_eq!(stage.scheduler.now(), std::time::Duration::from_secs(10));
    let waiting = writing(&stage, "a", file());
    stage.scheduler.step();
    drop(guard);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(waiting.take(), Some(Ok(())));
}
