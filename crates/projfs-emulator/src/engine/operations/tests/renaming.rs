//! T17 to T21 and T24: renaming and linking within the root.

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::attributes::READONLY;
use crate::contract::operations::*;

#[test]
fn t17_a_renamed_file_keeps_its_state_and_leaves_a_tombstone() {
    for prepare in ["virtual", "hydrated", "full"] {
        let rig = Rig::new(&["d\\", "d\\f", "e\\"]);
        match prepare {
            "hydrated" => drop(rig.content("d\\f")),
            "full" => drop(rig.handle("d\\f", Open::existing(Access::WRITE))),
            _ => rig.touch("d"),
        }
        rig.touch("e");
        rig.callbacks();
        rig.rename_path("d\\f", "e\\g", false).unwrap();
        let mut lines = rig.callbacks();
        if prepare == "virtual" {
            assert_eq!(lines.remove(0), "GetPlaceholderInfo d\\f");
        }
        let expected = [
            "Notify FileOpened d\\f",
            "GetPlaceholderInfo e\\g -> FILE_NOT_FOUND",
            "Notify PreRename d\\f -> e\\g",
            "QueryFileName d\\f",
            "Notify FileRenamed d\\f -> e\\g",
            "Notify ClosedNoModification e\\g",
        ];
        assert_eq!(lines, expected, "{prepare}");
        let state = match prepare {
            "hydrated" => HYDRATED,
            "full" => FULL,
            _ => PLACEHOLDER,
        };
        assert_eq!((rig.state("d\\f"), rig.state("e\\g")), (TOMBSTONE, state));
        assert_eq!((rig.state("d"), rig.state("e")), (DIRTY, DIRTY));
        assert_eq!(rig.content("e\\g").unwrap(), "d\\f");
    }
}

#[test]
fn t17_a_renamed_placeholder_asks_for_data_under_its_old_name() {
    // J3.
    let rig = Rig::new(&["f"]);
    rig.rename_path("f", "g", false).unwrap();
    rig.callbacks();
    rig.content("g").unwrap();
    rig.expect(&["Notify FileOpened g", "GetFileData f 0+1", "Notify ClosedNoModification g"]);
    assert!(rig.item("g").unwrap().renamed);
}

#[test]
fn t17_a_local_file_leaves_nothing() {
    let rig = Rig::new(&[]);
    rig.make("f", "x");
    rig.callbacks();
    rig.rename_path("f", "g", false).unwrap();
    rig.expect(&[
        "Notify FileOpened f",
        "GetPlaceholderInfo g -> FILE_NOT_FOUND",
        "Notify PreRename f -> g",
        "QueryFileName f -> FILE_NOT_FOUND",
        "Notify FileRenamed f -> g",
        "Notify ClosedNoModification g",
    ]);
    assert_eq!((rig.state("f"), rig.state("g")), (None, FULL));
}

#[test]
fn t17_a_rename_onto_a_tombstone_replaces_it_unasked() {
    let rig = Rig::new(&["f", "g"]);
    rig.delete("g").unwrap();
    rig.callbacks();
    rig.rename_path("f", "g", false).unwrap();
    assert!(!rig.callbacks().contains(&"GetPlaceholderInfo g".to_owned()));
    assert_eq!((rig.state("f"), rig.state("g")), (TOMBSTONE, PLACEHOLDER));
    // And back again.
    rig.rename_path("g", "f", false).unwrap();
    assert_eq!((rig.state("f"), rig.state("g")), (PLACEHOLDER, TOMBSTONE));
}

#[test]
fn t18_a_projected_target_is_in_the_way() {
    let rig = Rig::new(&["f", "g", "d\\"]);
    rig.make("local", "");
    for from in ["f", "local"] {
        for to in ["g", "d", "F", "G"] {
            if !from.eq_ignore_ascii_case(to) {
                assert_eq!(rig.rename_path(from, to, false).unwrap_err(), HResult::ALREADY_EXISTS);
            }
        }
    }
    let lines = rig.callbacks();
    assert!(lines.contains(&"GetPlaceholderInfo g".to_owned()));
    assert!(!lines.iter().any(|line| line.contains("Rename")));
    assert_eq!((rig.content("f").unwrap(), rig.content("g").unwrap()), ("f".into(), "g".into()));
}

#[test]
fn t19_a_replaced_target_is_not_asked_for() {
    let rig = Rig::new(&["f"]);
    rig.make("temporary", "new");
    rig.callbacks();
    rig.rename_path("temporary", "f", true).unwrap();
    // K6, K19: no PRE_DELETE for the target, and no MODIFIED.
    rig.expect(&[
        "Notify FileOpened temporary",
        "GetPlaceholderInfo f",
        "Notify PreRename temporary -> f",
        "QueryFileName temporary -> FILE_NOT_FOUND",
        "Notify FileRenamed temporary -> f",
        "Notify ClosedNoModification f",
    ]);
    assert_eq!((rig.state("f"), rig.state("temporary")), (FULL, None));
    assert_eq!(rig.content("f").unwrap(), "new");
    // Its projected name is shadowed: deleted, it leaves a tombstone.
    rig.delete("f").unwrap();
    assert_eq!(rig.state("f"), TOMBSTONE);
}

#[test]
fn t19_readers_of_a_replaced_file_go_on() {
    let rig = Rig::new(&["f"]);
    rig.content("f").unwrap();
    let reader = rig.handle("f", Open::existing(Access::READ));
    rig.make("temporary", "new");
    rig.rename_path("temporary", "f", true).unwrap();
    assert_eq!(rig.read(reader).unwrap(), "f");
    rig.callbacks();
    rig.close(reader);
    rig.expect(&["Notify ClosedNoModification f"]);
}

#[test]
fn t19_what_cannot_be_replaced_stays() {
    let rig = Rig::new(&["f", "locked", "opened", "d\\"]);
    let locked = rig.handle("locked", Open::existing(Access::WRITE_ATTRIBUTES));
    let read_only = BasicChange { attributes: Some(READONLY), ..BasicChange::default() };
    rig.set_basic(locked, read_only).unwrap();
    let share = Share::READ | Share::WRITE;
    rig.handle("opened", Open { share, ..Open::existing(Access::READ) });
    rig.make_directory("local");
    for (from, to, code) in [
        ("f", "locked", HResult::ACCESS_DENIED),
        ("f", "d", HResult::ACCESS_DENIED),
        ("local", "f", HResult::ACCESS_DENIED),
        ("f", "opened", HResult::SHARING_VIOLATION),
        ("f", "missing\\x", HResult::PATH_NOT_FOUND),
        ("f", "locked\\x", HResult::PATH_NOT_FOUND),
        ("f", "a:b", HResult::INVALID_NAME),
        ("f", "", HResult::INVALID_ARGUMENT),
    ] {
        assert_eq!(rig.rename_path(from, to, true).unwrap_err(), code, "{from} to {to}");
    }
    assert_eq!(rig.content("f").unwrap(), "f");
}

#[test]
fn t20_projected_directories_are_not_renamed() {
    let rig = Rig::new(&["d\\", "d\\f", "e\\"]);
    for to in ["new", "e", "e\\new", "D"] {
        assert_eq!(rig.rename_path("d", to, false).unwrap_err(), HResult::NOT_SUPPORTED, "{to}");
    }
    let lines = rig.callbacks();
    assert!(!lines.iter().any(|line| line.contains("Rename")), "{lines:?}");
    assert_eq!(rig.content("d\\f").unwrap(), "d\\f");
}

#[test]
fn t20_the_refusal_may_be_announced() {
    // U4.
    let rig = Rig::new(&["d\\"]);
    rig.knobs(|knobs| knobs.pre_rename_of_placeholder_directories = true);
    assert_eq!(rig.rename_path("d", "new", false).unwrap_err(), HResult::NOT_SUPPORTED);
    assert!(rig.callbacks().contains(&"Notify PreRename d -> new (directory)".to_owned()));
    rig.refuse("Notify PreRename", HResult::ACCESS_DENIED);
    assert_eq!(rig.rename_path("d", "new", false).unwrap_err(), HResult::ACCESS_DENIED);
}

#[test]
fn t21_a_local_directory_moves_with_one_notification() {
    // K18.
    let rig = Rig::new(&[]);
    rig.make_directory("d");
    rig.make("d\\f", "x");
    rig.make_directory("e");
    rig.callbacks();
    rig.rename_path("d", "e\\d2", false).unwrap();
    rig.expect(&[
        "Notify FileOpened d (directory)",
        "Notify PreRename d -> e\\d2 (directory)",
        "QueryFileName d -> FILE_NOT_FOUND",
        "Notify FileRenamed d -> e\\d2 (directory)",
        "Notify ClosedNoModification e\\d2 (directory)",
    ]);
    assert_eq!(rig.content("e\\d2\\f").unwrap(), "x");
    assert_eq!(rig.state("d"), None);
    rig.callbacks();
    assert_eq!(rig.rename_path("e", "e\\d2\\e", false).unwrap_err(), HResult::INVALID_ARGUMENT);
    assert_eq!(rig.content("e\\d2\\f").unwrap(), "x");
}

#[test]
fn g13_case_alone_can_be_changed() {
    let rig = Rig::new(&["Placeholder"]);
    rig.make("Local", "");
    rig.make_directory("Directory");
    rig.touch("Placeholder");
    for (name, to) in
        [("Local", "LOCAL"), ("Directory", "dIRECTORY"), ("Placeholder", "placeHolder")]
    {
        let state = rig.state(name);
        rig.rename_path(name, to, false).unwrap();
        assert_eq!((rig.spelling(name), rig.state(name)), (to.to_owned(), state));
    }
    let lines = rig.callbacks();
    assert!(lines.contains(&"Notify FileRenamed Local -> LOCAL".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("Query")), "{lines:?}");
    // Itself: nothing happens.
    rig.rename_path("LOCAL", "LOCAL", false).unwrap();
    rig.expect(&["Notify FileOpened LOCAL", "Notify ClosedNoModification LOCAL"]);
}

#[test]
fn k6_a_refused_rename_changes_nothing() {
    let rig = Rig::new(&["f"]);
    rig.refuse("Notify PreRename", HResult::ACCESS_DENIED);
    assert_eq!(rig.rename_path("f", "g", false).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!((rig.state("f"), rig.state("g")), (PLACEHOLDER, None));
    assert_eq!(rig.callbacks().last().unwrap(), "Notify ClosedNoModification f");
}

#[test]
fn h3_the_new_name_can_be_refused_too() {
    let rig = Rig::new(&["f"]);
    rig.refuse("GetPlaceholderInfo g", HResult::ACCESS_DENIED);
    assert_eq!(rig.rename_path("f", "g", false).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.state("f"), PLACEHOLDER);
}

#[test]
fn renaming_needs_the_right_and_no_one_in_the_way() {
    let rig = Rig::new(&["f", "g"]);
    let handle = rig.handle("f", Open::existing(Access::READ));
    assert_eq!(rig.rename(handle, "x", false).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.link(handle, "g").unwrap_err(), HResult::ALREADY_EXISTS);
    let handle = rig.handle("", Open::existing(Access::DELETE));
    assert_eq!(rig.rename(handle, "x", false).unwrap_err(), HResult::NOT_SUPPORTED);
    let handle = rig.handle("g", Open::existing(Access::DELETE));
    rig.dispose(handle, true).unwrap();
    assert_eq!(rig.rename(handle, "x", false).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.link(handle, "x").unwrap_err(), HResult::ACCESS_DENIED);
}

#[test]
fn who_comes_while_the_provider_is_asked_is_in_the_way_too() {
    for (path, opened, renamed) in [
        // It is open to be renamed, which the newcomer does not let.
        ("f", Err(HResult::SHARING_VIOLATION), Ok(())),
        ("g", Ok(Action::Opened), Err(HResult::SHARING_VIOLATION)),
    ] {
        let rig = Rig::new(&["f", "g"]);
        let handle = rig.handle("f", Open::existing(Access::DELETE));
        rig.hold("Notify PreRename");
        let renaming = rig.spawn(async move |root, _| root.rename(handle, &at("g"), true).await);
        rig.settle();
        let opening = rig.spawn(async move |root, caller| {
            let exclusive = Open { share: Share::READ, ..Open::existing(Access::READ) };
            root.open(&caller, &at(path), exclusive).await.map(|opened| opened.action)
        });
        rig.settle();
        rig.go_on();
        rig.settle();
        assert_eq!((opening.take().unwrap(), renaming.take().unwrap()), (opened, renamed));
    }
}

#[test]
fn a_deletion_finds_the_name_that_moves_meanwhile() {
    let rig = Rig::new(&["f"]);
    let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
    let doomed = rig.handle("f", deleting);
    let handle = rig.handle("f", Open::existing(Access::DELETE));
    rig.hold("Notify PreRename");
    let renaming = rig.spawn(async move |root, _| root.rename(handle, &at("g"), false).await);
    rig.settle();
    let closing = rig.spawn(async move |root, _| root.close(doomed).await);
    rig.settle();
    assert!(closing.take().is_none());
    rig.go_on();
    rig.settle();
    assert_eq!((renaming.take(), closing.take()), (Some(Ok(())), Some(Ok(()))));
    assert_eq!((rig.state("f"), rig.state("g")), (TOMBSTONE, None));
    assert!(rig.callbacks().contains(&"Notify ClosedFileDeleted g".to_owned()));
}

#[test]
fn a_name_is_free_while_the_provider_hears_what_became_of_it() {
    let rig = Rig::new(&["f"]);
    rig.hold("Notify FileRenamed");
    let handle = rig.handle("f", Open::existing(Access::DELETE));
    let renaming = rig.spawn(async move |root, _| root.rename(handle, &at("g"), false).await);
    rig.settle();
    rig.hold("Notify NewFileCreated");
    let making = rig.spawn(async |root, caller| {
        root.open(&caller, &at("new"), create(Kind::File)).await.map(|opened| opened.action)
    });
    rig.settle();
    for name in ["g", "new"] {
        let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
        let deleted = rig.spawn(async move |root, caller| {
            let handle = root.open(&caller, &at(name), deleting).await?.handle;
            root.close(handle).await
        });
        rig.settle();
        assert_eq!((deleted.take(), rig.state(name)), (Some(Ok(())), None));
    }
    assert!(renaming.take().is_none() && making.take().is_none());
    rig.go_on();
    rig.settle();
    assert_eq!((renaming.take(), making.take()), (Some(Ok(())), Some(Ok(Action::Created))));
}

#[test]
fn handles_follow_their_file() {
    let rig = Rig::new(&["f"]);
    rig.make_directory("d");
    let reader = rig.handle("f", Open::existing(Access::READ));
    rig.rename_path("f", "d\\g", false).unwrap();
    rig.rename_path("d", "e", false).unwrap();
    assert_eq!(rig.read(reader).unwrap(), "f");
    rig.callbacks();
    rig.close(reader);
    rig.expect(&["Notify ClosedNoModification e\\g"]);
}

#[test]
fn t24_a_link_hydrates_and_gives_a_second_name() {
    for prepare in ["virtual", "hydrated", "full"] {
        let rig = Rig::new(&["f"]);
        match prepare {
            "hydrated" => drop(rig.content("f")),
            "full" => drop(rig.handle("f", Open::existing(Access::WRITE))),
            _ => rig.touch("f"),
        }
        let handle = rig.handle("f", Open::existing(Access::empty()));
        rig.callbacks();
        rig.link(handle, "g").unwrap();
        let mut expected = vec![
            "GetPlaceholderInfo g -> FILE_NOT_FOUND",
            "Notify PreSetHardlink f -> g",
            "Notify HardlinkCreated f -> g",
        ];
        if prepare == "virtual" {
            expected.insert(2, "GetFileData f 0+1");
        }
        rig.expect(&expected);
        assert_eq!(
            (rig.content("f").unwrap(), rig.content("g").unwrap()),
            ("f".into(), "f".into())
        );
        assert_eq!(rig.root.attributes(rig.item("g").unwrap().id).unwrap().names, 2);
        let writer = rig.handle("g", Open::existing(Access::WRITE));
        rig.write(writer, 1, "oo").unwrap();
        assert_eq!(rig.content("f").unwrap(), "foo");
    }
}

#[test]
fn t24_deleting_one_name_keeps_the_other() {
    let rig = Rig::new(&["f"]);
    let handle = rig.handle("f", Open::existing(Access::empty()));
    rig.link(handle, "g").unwrap();
    rig.callbacks();
    rig.delete("g").unwrap();
    rig.expect(&[
        "Notify FileOpened g",
        "Notify PreDelete g",
        "QueryFileName g -> FILE_NOT_FOUND",
        "Notify ClosedFileDeleted g",
    ]);
    assert_eq!((rig.state("g"), rig.content("f").unwrap().as_str()), (None, "f"));
}

#[test]
fn t24_links_can_be_refused_and_are_not_for_directories() {
    let rig = Rig::new(&["f", "d\\", "g"]);
    let directory = rig.handle("d", Open::existing(Access::empty()));
    assert_eq!(rig.link(directory, "new").unwrap_err(), HResult::ACCESS_DENIED);
    let file = rig.handle("f", Open::existing(Access::empty()));
    assert_eq!(rig.link(file, "g").unwrap_err(), HResult::ALREADY_EXISTS);
    assert_eq!(rig.link(file, "missing\\new").unwrap_err(), HResult::PATH_NOT_FOUND);
    rig.refuse("Notify PreSetHardlink", HResult::ACCESS_DENIED);
    assert_eq!(rig.link(file, "new").unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!((rig.state("f"), rig.state("new")), (PLACEHOLDER, None));
}
