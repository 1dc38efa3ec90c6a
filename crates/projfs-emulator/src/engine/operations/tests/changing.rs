//! T25, T28 and what lies between: metadata, sizes, writes.

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::attributes::{ARCHIVE, HIDDEN, SYSTEM};
use crate::contract::operations::*;

const TIMES: BasicChange = BasicChange {
    creation: Some(1_000_000_000),
    access: None,
    write: Some(2_000_000_000),
    attributes: None,
};

#[test]
fn t25_metadata_makes_a_placeholder_dirty() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::WRITE_ATTRIBUTES));
    rig.set_basic(handle, BasicChange { attributes: Some(HIDDEN), ..TIMES }).unwrap();
    rig.close(handle);
    rig.expect(&["GetPlaceholderInfo f", "Notify FileOpened f", "Notify ClosedNoModification f"]);
    assert_eq!(rig.state("f"), DIRTY);
}

#[test]
fn e15_changed_metadata_survives_hydration() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::WRITE_ATTRIBUTES));
    rig.set_basic(handle, BasicChange { attributes: Some(HIDDEN | ARCHIVE), ..TIMES }).unwrap();
    assert_eq!(rig.content("f").unwrap(), "f");
    let basic = rig.item("f").unwrap().basic;
    assert_eq!((basic.creation, basic.write), (1_000_000_000, 2_000_000_000));
    assert_eq!(basic.attributes, HIDDEN | ARCHIVE);
    assert_eq!(rig.state("f"), HYDRATED.map(|state| state | DIRTY.unwrap()));
    // And conversion.
    rig.handle("f", Open::existing(Access::WRITE));
    let basic = rig.item("f").unwrap().basic;
    assert_eq!((basic.creation, basic.attributes), (1_000_000_000, HIDDEN | ARCHIVE));
}

#[test]
fn t25_nothing_asked_for_is_nothing_changed() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::WRITE_ATTRIBUTES));
    rig.set_basic(handle, BasicChange::default()).unwrap();
    assert_eq!(rig.state("f"), PLACEHOLDER);
    let reader = rig.handle("f", Open::existing(Access::READ));
    assert_eq!(rig.set_basic(reader, TIMES).unwrap_err(), HResult::ACCESS_DENIED);
}

#[test]
fn t25_directories_become_dirty_too() {
    let rig = Rig::new(&["d\\"]);
    let handle = rig.handle("d", Open::existing(Access::WRITE_ATTRIBUTES));
    rig.set_basic(handle, BasicChange { attributes: Some(SYSTEM), ..TIMES }).unwrap();
    assert_eq!(rig.state("d"), DIRTY);
}

#[test]
fn e24_extended_attributes_are_kept() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::WRITE_ATTRIBUTES));
    let reader = rig.handle("f", Open::existing(Access::READ));
    let set = |handle, value: Option<&'static [u8]>| {
        rig.run(|root, _| async move { root.set_extended(handle, b"ea", value).await })
    };
    assert_eq!(set(reader, Some(b"1")).unwrap_err(), HResult::ACCESS_DENIED);
    set(handle, Some(b"1")).unwrap();
    assert_eq!(rig.state("f"), DIRTY);
    let all = rig.run(|root, _| async move { root.extended(reader).await }).unwrap();
    assert_eq!(all, [(b"ea".to_vec(), b"1".to_vec())]);
    assert_eq!(rig.content("f").unwrap(), "f");
    set(handle, None).unwrap();
    assert_eq!(set(handle, None).unwrap_err(), HResult::FILE_NOT_FOUND);
}

#[test]
fn t28_setting_the_size_modifies() {
    let rig = Rig::new(&["file"]);
    let handle = rig.handle("file", Open::existing(Access::READ | Access::WRITE));
    assert_eq!(rig.state("file"), FULL);
    rig.set_size(handle, 2).unwrap();
    rig.set_size(handle, 4).unwrap();
    assert_eq!(rig.read(handle).unwrap(), "fi\0\0");
    rig.callbacks();
    rig.close(handle);
    rig.expect(&["Notify ClosedFileModified file"]);
}

#[test]
fn an_appending_handle_writes_at_the_end_wherever_it_is() {
    let rig = Rig::new(&["f"]);
    let appending = rig.handle("f", Open::existing(Access::READ | Access::APPEND));
    let writing = rig.handle("f", Open::existing(Access::WRITE));
    rig.write(appending, 0, "1").unwrap();
    rig.write(writing, 4, "2").unwrap();
    rig.write(appending, 0, "3").unwrap();
    assert_eq!(rig.read(appending).unwrap(), "f1\0\x0023");
}

#[test]
fn reads_and_writes_need_the_right() {
    let rig = Rig::new(&["f", "d\\"]);
    let attributes = rig.handle("f", Open::existing(Access::WRITE_ATTRIBUTES));
    assert_eq!(rig.read(attributes).unwrap_err(), HResult::ACCESS_DENIED);
    let reader = rig.handle("f", Open::existing(Access::READ));
    assert_eq!(rig.write(reader, 0, "x").unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.set_size(reader, 0).unwrap_err(), HResult::ACCESS_DENIED);
    let directory = rig.handle("d", Open::existing(Access::READ));
    assert_eq!(rig.read(directory).unwrap_err(), HResult::INVALID_ARGUMENT);
    assert_eq!(rig.state("f"), PLACEHOLDER);
}

#[test]
fn a_read_gives_less_at_the_end_only() {
    let rig = Rig::new(&["file"]);
    let handle = rig.handle("file", Open::existing(Access::READ));
    rig.callbacks();
    let read = |offset, length| {
        rig.run(|root, _| async move { root.read(handle, offset, length).await }).unwrap()
    };
    // Nothing of it: no data is asked for.
    assert_eq!((read(4, 10), read(0, 0), read(u64::MAX, 1)), (vec![], vec![], vec![]));
    rig.expect(&[]);
    assert_eq!((read(1, 2), read(2, u32::MAX)), (b"il".to_vec(), b"le".to_vec()));
}

#[test]
fn j8_a_failed_hydration_fails_this_read_only() {
    let rig = Rig::new(&["f"]);
    rig.refuse("GetFileData", HResult::FILE_NOT_AVAILABLE);
    let handle = rig.handle("f", Open::existing(Access::READ));
    assert_eq!(rig.read(handle).unwrap_err(), HResult::FILE_NOT_AVAILABLE);
    assert_eq!(
        rig.open("f", Open::existing(Access::WRITE)).unwrap_err(),
        HResult::FILE_NOT_AVAILABLE
    );
    assert_eq!(rig.state("f"), PLACEHOLDER);
    rig.provider.behave();
    assert_eq!(rig.read(handle).unwrap(), "f");
}

#[test]
fn flushing_is_possible_whatever_was_done() {
    let rig = Rig::new(&["f", "g"]);
    let reader = rig.handle("f", Open::existing(Access::READ));
    let writer = rig.handle("g", Open::existing(Access::WRITE));
    rig.write(writer, 0, "x").unwrap();
    for handle in [reader, writer] {
        rig.run(|root, _| async move { root.flush(handle).await }).unwrap();
    }
}
