//! E19, K9 to K12, K22: what is told of a handle from its open to its close, and to whom.

use super::fixture::*;
use crate::contract::operations::*;
use crate::contract::{HResult, NotifyMask};

#[test]
fn k9_each_handle_is_judged_by_what_it_did() {
    let rig = Rig::new(&["f"]);
    let reader = rig.handle("f", Open::existing(Access::READ));
    let writer = rig.handle("f", Open::existing(Access::WRITE));
    let idle = rig.handle("f", Open::existing(Access::WRITE));
    let cutter = rig.handle("f", Open::existing(Access::WRITE));
    rig.write(writer, 0, "x").unwrap();
    rig.write(idle, 0, "").unwrap();
    rig.set_size(cutter, 0).unwrap();
    rig.callbacks();
    for (handle, line) in [
        (reader, "Notify ClosedNoModification f"),
        (writer, "Notify ClosedFileModified f"),
        (idle, "Notify ClosedNoModification f"),
        (cutter, "Notify ClosedFileModified f"),
    ] {
        rig.close(handle);
        rig.expect(&[line]);
    }
}

#[test]
fn a_closed_handle_is_none() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::READ));
    rig.close(handle);
    assert_eq!(rig.read(handle).unwrap_err(), HResult::HANDLE);
    let root = rig.root.clone();
    assert_eq!(rig.do_(async move { root.close(handle).await }).unwrap_err(), HResult::HANDLE);
}

#[test]
fn k22_a_truncation_may_get_lost() {
    let rig = Rig::new(&["f", "g"]);
    rig.knobs(|knobs| knobs.closes.drop_modified_after_truncate = true);
    let cutter = rig.handle("f", Open::existing(Access::WRITE));
    let writer = rig.handle("g", Open::existing(Access::WRITE));
    rig.set_size(cutter, 0).unwrap();
    rig.write(writer, 0, "x").unwrap();
    rig.set_size(writer, 0).unwrap();
    rig.callbacks();
    rig.close(cutter);
    rig.close(writer);
    rig.expect(&["Notify ClosedFileModified g"]);
}

#[test]
fn k11_a_reply_replaces_the_mask_until_the_last_close() {
    let rig = Rig::stopped(&["f"]);
    rig.begin(NotifyMask::FILE_OPENED);
    rig.reply_mask("Notify FileOpened", NotifyMask::CLOSED_NO_MODIFICATION);
    let first = rig.handle("f", Open::existing(Access::READ));
    let second = rig.handle("f", Open::existing(Access::READ));
    rig.callbacks();
    rig.close(first);
    rig.close(second);
    rig.expect(&["Notify ClosedNoModification f", "Notify ClosedNoModification f"]);
    rig.provider.behave();
    let third = rig.handle("f", Open::existing(Access::READ));
    rig.close(third);
    rig.expect(&["Notify FileOpened f"]);
}

#[test]
fn k12_the_providers_own_handles_are_not_told_of() {
    let rig = Rig::new(&["f"]);
    rig.refuse("Notify", HResult::ACCESS_DENIED);
    let handle =
        rig.open_as(PROVIDER, "f", Open::existing(Access::WRITE | Access::DELETE)).unwrap().handle;
    rig.write(handle, 0, "x").unwrap();
    rig.dispose(handle, true).unwrap();
    rig.close(handle);
    let lines = rig.callbacks();
    assert!(!lines.iter().any(|line| line.starts_with("Notify")), "{lines:?}");
    assert_eq!(rig.state("f"), TOMBSTONE);
}

#[test]
fn k2_a_deeper_mapping_replaces_the_shallower() {
    let rig = Rig::stopped(&["a\\", "a\\f", "b\\", "b\\f"]);
    rig.begin_with(&[("", NotifyMask::FILE_OPENED), ("b", NotifyMask::CLOSED_NO_MODIFICATION)]);
    for path in ["a\\f", "b\\f"] {
        rig.touch(path);
    }
    let mut lines = rig.callbacks();
    lines.retain(|line| line.starts_with("Notify"));
    assert_eq!(lines, ["Notify FileOpened a\\f", "Notify ClosedNoModification b\\f"]);
}

#[test]
fn e19_the_next_provider_is_not_told_of_closes_of_what_it_did_not_see_opened() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::WRITE));
    rig.write(handle, 0, "x").unwrap();
    rig.stop();
    rig.begin(EVERYTHING);
    rig.callbacks();
    rig.close(handle);
    rig.expect(&[]);
}

#[test]
fn known_items_are_found_by_id_until_they_are_forgotten() {
    let rig = Rig::new(&["f"]);
    rig.touch("f");
    let item = rig.item("f").unwrap().id;
    rig.root.remember(item);
    rig.root.remember(item);
    rig.delete("f").unwrap();
    assert_eq!(rig.root.attributes(item).unwrap().names, 0);
    rig.root.forget(item, 2);
    assert_eq!(rig.root.attributes(item).unwrap_err(), HResult::FILE_NOT_FOUND);
}
