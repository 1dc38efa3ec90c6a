//! T13 to T16: deleting, and what comes of handles that are open meanwhile.

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::attributes::READONLY;
use crate::contract::operations::*;

/// Opens to delete when it closes.
fn on_close() -> Open {
    Open { delete_on_close: true, ..Open::existing(Access::READ) }
}

#[test]
fn t13_a_deleted_file_leaves_a_tombstone_if_it_is_projected() {
    for prepare in ["virtual", "placeholder", "hydrated", "full"] {
        let rig = Rig::new(&["d\\", "d\\f"]);
        match prepare {
            "placeholder" => rig.touch("d\\f"),
            "hydrated" => drop(rig.content("d\\f")),
            "full" => drop(rig.handle("d\\f", Open::existing(Access::WRITE))),
            _ => rig.touch("d"),
        }
        rig.callbacks();
        rig.delete("d\\f").unwrap();
        let mut lines = rig.callbacks();
        if prepare == "virtual" {
            assert_eq!(lines.remove(0), "GetPlaceholderInfo d\\f");
        }
        let expected = [
            "Notify FileOpened d\\f",
            "Notify PreDelete d\\f",
            "QueryFileName d\\f",
            "Notify ClosedFileDeleted d\\f",
        ];
        assert_eq!(lines, expected, "{prepare}");
        assert_eq!(rig.state("d\\f"), TOMBSTONE);
        assert_eq!(rig.state("d"), DIRTY);
        assert_eq!(rig.content("d\\f").unwrap_err(), HResult::FILE_NOT_FOUND);
        rig.expect(&[]);
    }
}

#[test]
fn t13_without_query_file_name_the_folder_is_listed() {
    let rig = Rig::stopped(&["f"]);
    rig.start_without_queries();
    rig.delete("f").unwrap();
    rig.expect(&[
        "GetPlaceholderInfo f",
        "Notify FileOpened f",
        "Notify PreDelete f",
        "StartEnumeration \"\"",
        "GetEnumeration \"\" (f) -> OK, 1 entry",
        "EndEnumeration \"\"",
        "Notify ClosedFileDeleted f",
    ]);
    assert_eq!(rig.state("f"), TOMBSTONE);
}

#[test]
fn t13_delete_on_close_asks_at_the_close() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", on_close());
    rig.expect(&["GetPlaceholderInfo f", "Notify FileOpened f"]);
    rig.close(handle);
    rig.expect(&["Notify PreDelete f", "QueryFileName f", "Notify ClosedFileDeleted f"]);
    assert_eq!(rig.state("f"), TOMBSTONE);
}

#[test]
fn t13_the_question_may_come_after_the_notification() {
    // U3.
    let rig = Rig::new(&["f"]);
    rig.knobs(|knobs| knobs.query_before_deleted = false);
    let handle = rig.handle("f", on_close());
    rig.callbacks();
    rig.close(handle);
    let mut lines = rig.callbacks();
    assert_eq!(lines.remove(0), "Notify PreDelete f");
    // The notification is queued first, but may be sent later.
    lines.sort_unstable();
    assert_eq!(lines, ["Notify ClosedFileDeleted f", "QueryFileName f"]);
    assert_eq!(rig.state("f"), TOMBSTONE);
}

#[test]
fn t14_a_local_file_leaves_nothing() {
    let rig = Rig::new(&[]);
    rig.make("local", "here");
    rig.callbacks();
    rig.delete("local").unwrap();
    rig.expect(&[
        "Notify FileOpened local",
        "Notify PreDelete local",
        "QueryFileName local -> FILE_NOT_FOUND",
        "Notify ClosedFileDeleted local",
    ]);
    assert_eq!(rig.state("local"), None);
}

#[test]
fn t14_below_a_local_directory_nothing_is_asked() {
    let rig = Rig::new(&[]);
    rig.make_directory("d");
    rig.make("d\\f", "");
    rig.callbacks();
    rig.delete("d\\f").unwrap();
    rig.expect(&[
        "Notify FileOpened d\\f",
        "Notify PreDelete d\\f",
        "Notify ClosedFileDeleted d\\f",
    ]);
    assert_eq!(rig.state("d\\f"), None);
}

#[test]
fn t15_a_directory_with_visible_children_stays() {
    let rig = Rig::new(&["d\\", "d\\f"]);
    assert_eq!(rig.delete("d").unwrap_err(), HResult::DIR_NOT_EMPTY);
    rig.expect(&[
        "GetPlaceholderInfo d",
        "Notify FileOpened d (directory)",
        "StartEnumeration d",
        "GetEnumeration d -> OK, 1 entry",
        "EndEnumeration d",
        "Notify ClosedNoModification d (directory)",
    ]);
    assert_eq!(rig.state("d"), PLACEHOLDER);
    // What is on disk decides without a question.
    rig.touch("d\\f");
    rig.callbacks();
    assert_eq!(rig.delete("d").unwrap_err(), HResult::DIR_NOT_EMPTY);
    rig.expect(&["Notify FileOpened d (directory)", "Notify ClosedNoModification d (directory)"]);
}

#[test]
fn t16_a_directory_of_tombstones_becomes_one() {
    let rig = Rig::new(&["d\\", "d\\f", "d\\g"]);
    rig.delete("d\\f").unwrap();
    rig.delete("d\\g").unwrap();
    rig.callbacks();
    rig.delete("d").unwrap();
    let mut lines = rig.callbacks();
    lines.retain(|line| !line.contains("Enumeration"));
    assert_eq!(
        lines,
        [
            "Notify FileOpened d (directory)",
            "Notify PreDelete d (directory)",
            "QueryFileName d",
            "Notify ClosedFileDeleted d (directory)",
        ]
    );
    assert_eq!(rig.state("d"), TOMBSTONE);
    // Nothing of it comes back with a new one.
    rig.make_directory("d");
    assert_eq!((rig.state("d"), rig.state("d\\f")), (FULL, None));
}

#[test]
fn t16_an_empty_local_directory_goes() {
    let rig = Rig::new(&[]);
    rig.make_directory("d");
    rig.make("d\\f", "");
    assert_eq!(rig.delete("d").unwrap_err(), HResult::DIR_NOT_EMPTY);
    rig.delete("d\\f").unwrap();
    rig.delete("d").unwrap();
    assert_eq!(rig.state("d"), None);
}

#[test]
fn s15_a_full_directory_survives_delete_on_close() {
    let rig = Rig::new(&["d\\", "d\\f"]);
    let handle = rig.handle("d", on_close());
    rig.close(handle);
    let lines = rig.callbacks();
    assert_eq!(lines.last().unwrap(), "Notify ClosedNoModification d (directory)");
    assert!(!lines.iter().any(|line| line.contains("PreDelete")));
    assert_eq!(rig.content("d\\f").unwrap(), "d\\f");
}

#[test]
fn k5_a_refused_deletion_keeps_the_item() {
    for code in [HResult::ACCESS_DENIED, HResult::CANNOT_DELETE] {
        let rig = Rig::new(&["f"]);
        rig.refuse("Notify PreDelete", code);
        assert_eq!(rig.delete("f").unwrap_err(), code);
        assert_eq!(rig.callbacks().last().unwrap(), "Notify ClosedNoModification f");
        // Of a delete-on-close the close succeeds.
        let handle = rig.handle("f", on_close());
        rig.close(handle);
        assert_eq!(rig.callbacks().last().unwrap(), "Notify ClosedNoModification f");
        assert_eq!(rig.content("f").unwrap(), "f");
    }
}

#[test]
fn a_deletion_can_be_taken_back() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::DELETE));
    rig.dispose(handle, true).unwrap();
    rig.dispose(handle, false).unwrap();
    rig.close(handle);
    assert_eq!(rig.callbacks().last().unwrap(), "Notify ClosedNoModification f");
    assert_eq!(rig.content("f").unwrap(), "f");
}

#[test]
fn what_is_being_deleted_is_not_opened() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::DELETE));
    rig.dispose(handle, true).unwrap();
    for how in
        [Open::existing(Access::READ), create(Kind::File), overwrite(Disposition::OverwriteIf)]
    {
        assert_eq!(rig.open("f", how).unwrap_err(), HResult::DELETE_PENDING);
    }
    rig.close(handle);
    assert_eq!(rig.content("f").unwrap_err(), HResult::FILE_NOT_FOUND);
}

#[test]
fn nothing_is_made_in_a_directory_that_goes() {
    let rig = Rig::new(&[]);
    rig.make_directory("d");
    let handle = rig.handle("d", Open::existing(Access::DELETE));
    rig.dispose(handle, true).unwrap();
    assert_eq!(rig.open("d\\f", create(Kind::File)).unwrap_err(), HResult::DELETE_PENDING);
    rig.close(handle);
    assert_eq!(rig.state("d"), None);
}

#[test]
fn other_handles_go_on_after_the_name_is_gone() {
    let rig = Rig::new(&["f"]);
    let reader = rig.handle("f", Open::existing(Access::READ | Access::WRITE));
    rig.delete("f").unwrap();
    assert_eq!(rig.state("f"), TOMBSTONE);
    rig.callbacks();
    rig.write(reader, 1, "oo").unwrap();
    assert_eq!(rig.read(reader).unwrap(), "foo");
    // The name is free meanwhile.
    rig.make("f", "other");
    rig.callbacks();
    rig.close(reader);
    rig.expect(&["Notify ClosedFileModified f"]);
    assert_eq!(rig.content("f").unwrap(), "other");
}

#[test]
fn k9_a_deleted_file_says_whether_it_was_modified() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::WRITE | Access::DELETE));
    rig.write(handle, 0, "x").unwrap();
    rig.dispose(handle, true).unwrap();
    rig.close(handle);
    assert_eq!(rig.callbacks().last().unwrap(), "Notify ClosedFileDeleted f (modified)");
}

#[test]
fn of_two_who_delete_only_one_reports_it() {
    let rig = Rig::new(&["f"]);
    let handles = [(); 2].map(|()| rig.handle("f", Open::existing(Access::DELETE)));
    for handle in handles {
        rig.dispose(handle, true).unwrap();
    }
    rig.callbacks();
    rig.close(handles[0]);
    rig.expect(&["QueryFileName f", "Notify ClosedFileDeleted f"]);
    rig.close(handles[1]);
    rig.expect(&["Notify ClosedNoModification f"]);
    assert_eq!(rig.state("f"), TOMBSTONE);
}

#[test]
fn m16_the_root_is_not_deleted() {
    let rig = Rig::new(&[]);
    assert_eq!(rig.delete("").unwrap_err(), HResult::NOT_SUPPORTED);
}

#[test]
fn deleting_needs_the_right_and_the_readiness() {
    let rig = Rig::new(&["f", "locked"]);
    let handle = rig.handle("f", Open::existing(Access::READ));
    assert_eq!(rig.dispose(handle, true).unwrap_err(), HResult::ACCESS_DENIED);
    let handle = rig.handle("locked", Open::existing(Access::DELETE | Access::WRITE_ATTRIBUTES));
    let read_only = BasicChange { attributes: Some(READONLY), ..BasicChange::default() };
    rig.set_basic(handle, read_only).unwrap();
    assert_eq!(rig.dispose(handle, true).unwrap_err(), HResult::ACCESS_DENIED);
}

#[test]
fn s18_interleaved_local_and_projected_children_all_go() {
    let rig = Rig::new(&["d\\", "d\\1", "d\\2", "d\\4"]);
    rig.make("d\\3", "");
    rig.content("d\\2").unwrap();
    for name in ["d\\1", "d\\2", "d\\3", "d\\4", "d"] {
        rig.delete(name).unwrap();
    }
    assert_eq!(rig.content("d\\1").unwrap_err(), HResult::PATH_NOT_FOUND);
    assert_eq!(rig.list("").unwrap(), [".", ".."]);
}

#[test]
fn e9_a_provider_that_claims_a_local_name_is_found_out() {
    let rig = Rig::new(&[]);
    rig.make("local", "");
    rig.provider.project("local");
    rig.delete("local").unwrap();
    assert_eq!(rig.broken(), ["E9"]);
    // As on Windows.
    assert_eq!(rig.state("local"), TOMBSTONE);
}
