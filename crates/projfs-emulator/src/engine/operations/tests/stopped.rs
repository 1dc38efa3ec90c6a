//! M10 to M13: what is possible while no provider runs.

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::operations::*;

const UNAVAILABLE: HResult = HResult::VIRTUALIZATION_UNAVAILABLE;

/// Files of each state, and then no provider.
fn stopped() -> Rig {
    let rig = Rig::new(&["virtual", "placeholder", "hydrated", "full", "gone", "d\\", "d\\f"]);
    rig.touch("placeholder");
    rig.content("hydrated").unwrap();
    rig.handle("full", Open::existing(Access::WRITE));
    rig.delete("gone").unwrap();
    rig.make_directory("local");
    rig.touch("d");
    rig.stop();
    rig.callbacks();
    rig
}

#[test]
fn m10_only_what_is_there_is_read() {
    let rig = stopped();
    for (path, content) in [
        ("virtual", Err(UNAVAILABLE)),
        ("placeholder", Err(UNAVAILABLE)),
        ("hydrated", Ok("hydrated".to_owned())),
        ("full", Ok("full".to_owned())),
        ("d\\f", Err(UNAVAILABLE)),
        ("local\\none", Err(HResult::FILE_NOT_FOUND)),
    ] {
        assert_eq!(rig.content(path), content, "{path}");
    }
    rig.expect(&[]);
}

#[test]
fn m10_only_full_files_are_written() {
    let rig = stopped();
    for how in [Open::existing(Access::WRITE), overwrite(Disposition::OverwriteIf)] {
        for path in ["virtual", "placeholder", "hydrated"] {
            assert_eq!(rig.open(path, how.clone()).unwrap_err(), UNAVAILABLE, "{path}");
        }
        let handle = rig.handle("full", how);
        rig.write(handle, 0, "x").unwrap();
        rig.close(handle);
    }
    assert_eq!((rig.state("placeholder"), rig.state("hydrated")), (PLACEHOLDER, HYDRATED));
}

#[test]
fn m10_new_items_are_made_below_local_directories_only() {
    let rig = stopped();
    for kind in [Kind::File, Kind::Directory] {
        let how = Open { access: Access::empty(), ..create(kind) };
        assert_eq!(rig.open("new", how.clone()).unwrap_err(), UNAVAILABLE);
        assert_eq!(rig.open("d\\new", how.clone()).unwrap_err(), UNAVAILABLE);
        let handle = rig.handle("local\\new", how);
        rig.close(handle);
        rig.delete("local\\new").unwrap();
    }
}

#[test]
fn m11_tombstones_are_seen_and_can_be_removed() {
    let rig = stopped();
    let opened = rig.open("gone", Open::existing(Access::empty())).unwrap();
    assert_eq!(opened.attributes.state, TOMBSTONE.unwrap());
    rig.close(opened.handle);
    assert_eq!(rig.content("gone").unwrap_err(), UNAVAILABLE);
    assert_eq!(rig.open("gone", overwrite(Disposition::OverwriteIf)).unwrap_err(), UNAVAILABLE);
    assert_eq!(rig.open("gone", create(Kind::File)).unwrap_err(), HResult::FILE_EXISTS);
    assert_eq!(rig.rename_path("gone", "local\\x", false).unwrap_err(), UNAVAILABLE);
    rig.delete("gone").unwrap();
    assert_eq!(rig.state("gone"), None);
    rig.begin(EVERYTHING);
    assert_eq!(rig.content("gone").unwrap(), "gone");
}

#[test]
fn m12_deletions_and_renames_leave_no_tombstones() {
    let rig = stopped();
    rig.delete("hydrated").unwrap();
    rig.rename_path("placeholder", "renamed", false).unwrap();
    rig.expect(&[]);
    assert_eq!((rig.state("hydrated"), rig.state("placeholder")), (None, None));
    rig.begin(EVERYTHING);
    assert_eq!(rig.content("hydrated").unwrap(), "hydrated");
    assert_eq!(rig.content("placeholder").unwrap(), "placeholder");
    assert_eq!(rig.content("renamed").unwrap(), "placeholder");
}

#[test]
fn m12_deletions_and_renames_may_be_blocked() {
    // U6.
    let rig = stopped();
    rig.knobs(|knobs| knobs.offline_delete = false);
    for path in ["placeholder", "hydrated"] {
        assert_eq!(rig.delete(path).unwrap_err(), UNAVAILABLE);
        assert_eq!(rig.rename_path(path, "local\\x", false).unwrap_err(), UNAVAILABLE);
        let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
        let handle = rig.handle(path, deleting);
        rig.close(handle);
    }
    assert_eq!((rig.state("placeholder"), rig.state("hydrated")), (PLACEHOLDER, HYDRATED));
    rig.rename_path("full", "local\\full", false).unwrap();
    rig.delete("local\\full").unwrap();
}

#[test]
fn s37_a_hydrated_file_is_appended_to_after_a_restart() {
    let rig = stopped();
    rig.begin(EVERYTHING);
    let handle = rig.handle("hydrated", Open::existing(Access::READ | Access::APPEND));
    rig.expect(&["Notify PreConvertToFull hydrated", "Notify FileOpened hydrated"]);
    rig.write(handle, 0, "+").unwrap();
    assert_eq!(rig.read(handle).unwrap(), "hydrated+");
}

#[test]
fn s40_tombstones_outlive_a_restart() {
    let rig = stopped();
    rig.begin(EVERYTHING);
    assert_eq!(rig.content("gone").unwrap_err(), HResult::FILE_NOT_FOUND);
    rig.expect(&[]);
}

#[test]
fn m9_a_dead_provider_fails_what_waits_for_it() {
    let rig = Rig::new(&["f"]);
    rig.hold("GetFileData");
    let reading = rig.spawn(|root, caller| async move {
        let handle = root.open(&caller, &at("f"), Open::existing(Access::READ)).await?.handle;
        root.read(handle, 0, 10).await
    });
    rig.settle();
    let session = rig.root.session().unwrap();
    session.died(&rig.root);
    rig.settle();
    assert_eq!(reading.take().unwrap(), Err(UNAVAILABLE));
    assert_eq!(rig.state("f"), PLACEHOLDER);
}
