//! T1 to T12: opening, overwriting, making.

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::attributes::{ARCHIVE, HIDDEN, READONLY};
use crate::contract::operations::*;
use crate::knobs::Convert;

const DOCS: [&str; 2] = ["Docs\\", "Docs\\a.txt"];
const A: &str = "Docs\\a.txt";

/// Checks the callbacks that follow GetPlaceholderInfo for both of [`DOCS`].
#[track_caller]
fn expect_after_both(rig: &Rig, more: &[&str]) {
    let both = ["GetPlaceholderInfo Docs", "GetPlaceholderInfo Docs\\a.txt"];
    rig.expect(&[&both, more].concat());
}

/// A rig whose file is a placeholder already.
fn with_placeholder() -> Rig {
    let rig = Rig::new(&DOCS);
    rig.touch(A);
    rig.callbacks();
    rig
}

#[test]
fn t01_a_stat_makes_a_placeholder() {
    let rig = Rig::new(&DOCS);
    let handle = rig.handle(A, Open::existing(Access::empty()));
    rig.close(handle);
    expect_after_both(
        &rig,
        &["Notify FileOpened Docs\\a.txt", "Notify ClosedNoModification Docs\\a.txt"],
    );
    assert_eq!((rig.state("Docs"), rig.state(A)), (PLACEHOLDER, PLACEHOLDER));
}

#[test]
fn t01_a_lookup_makes_a_placeholder_without_notifications() {
    let rig = Rig::new(&DOCS);
    let docs = rig.lookup(ItemId::ROOT, "dOCS").unwrap();
    let file = rig.lookup(docs.item, "A.TXT").unwrap();
    rig.expect(&["GetPlaceholderInfo dOCS", "GetPlaceholderInfo Docs\\A.TXT"]);
    assert_eq!((file.name, file.basic.size), ("a.txt".into(), 10));
    assert_eq!(rig.lookup(docs.item, "b.txt").unwrap_err(), HResult::FILE_NOT_FOUND);
    assert_eq!(rig.lookup(file.item, "b.txt").unwrap_err(), HResult::PATH_NOT_FOUND);
}

#[test]
fn t02_opening_for_reading_asks_for_no_data() {
    let rig = Rig::new(&DOCS);
    let opened = rig.open(A, Open::existing(Access::READ)).unwrap();
    rig.close(opened.handle);
    expect_after_both(
        &rig,
        &["Notify FileOpened Docs\\a.txt", "Notify ClosedNoModification Docs\\a.txt"],
    );
    assert_eq!(rig.state(A), PLACEHOLDER);
    assert_eq!((opened.action, opened.attributes.basic.size), (Action::Opened, 10));
}

#[test]
fn t03_the_first_read_hydrates() {
    let rig = with_placeholder();
    let handle = rig.handle(A, Open::existing(Access::READ));
    rig.expect(&["Notify FileOpened Docs\\a.txt"]);
    assert_eq!(rig.read(handle).unwrap(), A);
    assert_eq!(rig.read(handle).unwrap(), A);
    rig.expect(&["GetFileData Docs\\a.txt 0+10"]);
    assert_eq!(rig.state(A), HYDRATED);
}

#[test]
fn t04_hydrated_and_full_files_are_read_without_callbacks() {
    let rig = with_placeholder();
    rig.content(A).unwrap();
    rig.make("Docs\\local", "here");
    rig.callbacks();
    assert_eq!(rig.content(A).unwrap(), A);
    assert_eq!(rig.content("Docs\\local").unwrap(), "here");
    rig.expect(&[
        "Notify FileOpened Docs\\a.txt",
        "Notify ClosedNoModification Docs\\a.txt",
        "Notify FileOpened Docs\\local",
        "Notify ClosedNoModification Docs\\local",
    ]);
    assert_eq!((rig.state(A), rig.state("Docs\\local")), (HYDRATED, FULL));
}

#[test]
fn t05_opening_for_writing_converts_then_hydrates() {
    for access in [Access::WRITE, Access::APPEND] {
        let rig = Rig::new(&DOCS);
        let handle = rig.handle(A, Open::existing(access));
        expect_after_both(
            &rig,
            &[
                "Notify PreConvertToFull Docs\\a.txt",
                "GetFileData Docs\\a.txt 0+10",
                "Notify FileOpened Docs\\a.txt",
            ],
        );
        assert_eq!(rig.state(A), FULL);
        rig.close(handle);
        rig.expect(&["Notify ClosedNoModification Docs\\a.txt"]);
    }
}

#[test]
fn t05_a_refused_conversion_fails_the_open_before_any_data_comes() {
    let rig = with_placeholder();
    rig.refuse("Notify PreConvertToFull", HResult::ACCESS_DENIED);
    let refused = rig.open(A, Open::existing(Access::WRITE));
    assert_eq!(refused.unwrap_err(), HResult::ACCESS_DENIED);
    rig.expect(&["Notify PreConvertToFull Docs\\a.txt -> ACCESS_DENIED"]);
    assert_eq!(rig.state(A), PLACEHOLDER);
}

#[test]
fn t05_a_refused_open_is_none() {
    let rig = with_placeholder();
    rig.refuse("Notify FileOpened", HResult::ACCESS_DENIED);
    let exclusive = Open { share: Share::empty(), ..Open::existing(Access::READ) };
    assert_eq!(rig.open(A, exclusive.clone()).unwrap_err(), HResult::ACCESS_DENIED);
    rig.expect(&["Notify FileOpened Docs\\a.txt -> ACCESS_DENIED"]);
    assert!(!rig.root.has_open(APPLICATION, rig.item(A).unwrap().id));
    rig.provider.behave();
    rig.open(A, exclusive).unwrap();
}

#[test]
fn t06_a_hydrated_file_is_converted_without_data() {
    let rig = with_placeholder();
    rig.content(A).unwrap();
    rig.callbacks();
    rig.handle(A, Open::existing(Access::READ | Access::WRITE));
    rig.expect(&["Notify PreConvertToFull Docs\\a.txt", "Notify FileOpened Docs\\a.txt"]);
    assert_eq!(rig.state(A), FULL);
}

#[test]
fn t07_a_full_file_is_just_opened() {
    let rig = Rig::new(&[]);
    rig.make("local", "here");
    rig.callbacks();
    rig.handle("local", Open::existing(Access::WRITE));
    rig.expect(&["Notify FileOpened local"]);
}

#[test]
fn t08_what_was_written_is_told_at_the_close() {
    let rig = with_placeholder();
    let handle = rig.handle(A, Open::existing(Access::READ | Access::WRITE));
    rig.write(handle, 0, "abc").unwrap();
    rig.callbacks();
    rig.close(handle);
    rig.expect(&["Notify ClosedFileModified Docs\\a.txt"]);
    // E20: the tail stays.
    assert_eq!(rig.content(A).unwrap(), "abcs\\a.txt");
}

#[test]
fn t09_overwriting_needs_no_data() {
    for disposition in [Disposition::Overwrite, Disposition::OverwriteIf, Disposition::Supersede] {
        let rig = Rig::new(&DOCS);
        let opened = rig.open(A, overwrite(disposition)).unwrap();
        expect_after_both(&rig, &["Notify FileOverwritten Docs\\a.txt"]);
        assert_eq!((opened.action, opened.attributes.basic.size), (Action::Overwritten, 0));
        assert_eq!(rig.state(A), FULL);
        rig.close(opened.handle);
        rig.expect(&["Notify ClosedFileModified Docs\\a.txt"]);
        assert_eq!(rig.content(A).unwrap(), "");
    }
}

#[test]
fn t09_placeholders_hydrated_and_full_files_are_overwritten_alike() {
    let rig = with_placeholder();
    rig.content(A).unwrap();
    rig.callbacks();
    for _ in 0..2 {
        let opened = rig.open(A, overwrite(Disposition::OverwriteIf)).unwrap();
        rig.expect(&["Notify FileOverwritten Docs\\a.txt"]);
        rig.write(opened.handle, 0, "new").unwrap();
        rig.close(opened.handle);
        assert_eq!(rig.content(A).unwrap(), "new");
        rig.callbacks();
    }
}

#[test]
fn t09_an_overwrite_may_be_asked_for_before() {
    let rig = with_placeholder();
    rig.knobs(|knobs| knobs.convert_on_overwrite = true);
    rig.handle(A, overwrite(Disposition::Overwrite));
    rig.expect(&["Notify PreConvertToFull Docs\\a.txt", "Notify FileOverwritten Docs\\a.txt"]);

    let rig = with_placeholder();
    rig.knobs(|knobs| knobs.convert_on_overwrite = true);
    rig.refuse("Notify PreConvertToFull", HResult::ACCESS_DENIED);
    let refused = rig.open(A, overwrite(Disposition::Overwrite));
    assert_eq!(refused.unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.content(A).unwrap(), A);
}

#[test]
fn t10_a_new_name_is_asked_for_before_it_is_made() {
    let rig = Rig::new(&DOCS);
    let opened = rig.open("Docs\\new.txt", create(Kind::File)).unwrap();
    rig.close(opened.handle);
    rig.expect(&[
        "GetPlaceholderInfo Docs",
        "GetPlaceholderInfo Docs\\new.txt -> FILE_NOT_FOUND",
        "Notify NewFileCreated Docs\\new.txt",
        "Notify ClosedNoModification Docs\\new.txt",
    ]);
    assert_eq!((opened.action, rig.state("Docs\\new.txt")), (Action::Created, FULL));
    assert_eq!(rig.state("Docs"), DIRTY);
}

#[test]
fn t10_a_new_directory_is_full_and_asks_for_nothing_below() {
    let rig = Rig::new(&[]);
    rig.make_directory("new");
    rig.expect(&[
        "GetPlaceholderInfo new -> FILE_NOT_FOUND",
        "Notify NewFileCreated new (directory)",
        "Notify ClosedNoModification new (directory)",
    ]);
    assert_eq!(rig.state("new"), FULL);
    rig.make("new\\below", "");
    rig.expect(&["Notify NewFileCreated new\\below", "Notify ClosedNoModification new\\below"]);
    assert_eq!(
        rig.open("new\\other", Open::existing(Access::READ)).unwrap_err(),
        HResult::FILE_NOT_FOUND
    );
    rig.expect(&[]);
}

#[test]
fn t10_creation_cannot_be_refused_afterwards_but_before() {
    // S76, H3.
    let rig = Rig::new(&[]);
    rig.refuse("Notify NewFileCreated", HResult::ACCESS_DENIED);
    rig.make("new", "there");
    assert_eq!(rig.state("new"), FULL);
    assert_eq!(rig.broken(), ["K4"]);

    rig.refuse("GetPlaceholderInfo", HResult::ACCESS_DENIED);
    rig.callbacks();
    let refused = rig.open("other", create(Kind::File));
    assert_eq!(refused.unwrap_err(), HResult::ACCESS_DENIED);
    rig.expect(&["GetPlaceholderInfo other -> ACCESS_DENIED"]);
    assert_eq!(rig.state("other"), None);
}

#[test]
fn t10_a_link_is_made() {
    let rig = Rig::new(&[]);
    let kind = Kind::Link { target: "..\\there".into(), directory: false };
    let how = Open { access: Access::empty(), ..create(kind) };
    let opened = rig.open("link", how).unwrap();
    assert_eq!(opened.attributes.link, Some("..\\there".into()));
    rig.close(opened.handle);
    rig.expect(&[
        "GetPlaceholderInfo link -> FILE_NOT_FOUND",
        "Notify NewFileCreated link",
        "Notify ClosedNoModification link",
    ]);
}

#[test]
fn t11_a_tombstone_gives_way_unasked() {
    let rig = Rig::new(&DOCS);
    rig.delete(A).unwrap();
    assert_eq!(rig.state(A), TOMBSTONE);
    rig.callbacks();
    let missing = rig.open(A, Open::existing(Access::READ));
    assert_eq!(missing.unwrap_err(), HResult::FILE_NOT_FOUND);
    rig.expect(&[]);
    rig.make(A, "mine");
    rig.expect(&["Notify NewFileCreated Docs\\a.txt", "Notify ClosedFileModified Docs\\a.txt"]);
    assert_eq!((rig.state(A), rig.content(A).unwrap().as_str()), (FULL, "mine"));
}

#[test]
fn t12_making_what_is_projected_fails() {
    let rig = Rig::new(&DOCS);
    assert_eq!(rig.open(A, create(Kind::File)).unwrap_err(), HResult::FILE_EXISTS);
    expect_after_both(&rig, &[]);
    assert_eq!(rig.state(A), PLACEHOLDER);
    assert_eq!(rig.open("DOCS", create(Kind::Directory)).unwrap_err(), HResult::FILE_EXISTS);
    assert_eq!(rig.state("Docs"), PLACEHOLDER);
}

#[test]
fn e17_a_file_may_become_full_at_its_first_write_only() {
    let rig = with_placeholder();
    rig.knobs(|knobs| knobs.convert = Convert::AtFirstWrite);
    let handle = rig.handle(A, Open::existing(Access::READ | Access::WRITE));
    rig.expect(&["Notify FileOpened Docs\\a.txt"]);
    assert_eq!(rig.state(A), PLACEHOLDER);
    rig.write(handle, 0, "x").unwrap();
    rig.expect(&["Notify PreConvertToFull Docs\\a.txt", "GetFileData Docs\\a.txt 0+10"]);
    assert_eq!(rig.state(A), FULL);
    rig.write(handle, 1, "y").unwrap();
    rig.close(handle);
    rig.expect(&["Notify ClosedFileModified Docs\\a.txt"]);
}

#[test]
fn e17_a_conversion_refused_at_the_first_write_fails_the_write() {
    let rig = with_placeholder();
    rig.knobs(|knobs| knobs.convert = Convert::AtFirstWrite);
    rig.refuse("Notify PreConvertToFull", HResult::ACCESS_DENIED);
    let handle = rig.handle(A, Open::existing(Access::READ | Access::WRITE));
    assert_eq!(rig.write(handle, 0, "x").unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.set_size(handle, 0).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.read(handle).unwrap(), A);
    rig.callbacks();
    rig.close(handle);
    rig.expect(&["Notify ClosedNoModification Docs\\a.txt"]);
    assert_eq!(rig.state(A), HYDRATED);
}

#[test]
fn e25_read_only_items_are_not_opened_for_writing() {
    let rig = with_placeholder();
    let handle = rig.handle(A, Open::existing(Access::WRITE_ATTRIBUTES));
    let read_only = |set| BasicChange { attributes: Some(set), ..BasicChange::default() };
    rig.set_basic(handle, read_only(READONLY)).unwrap();
    let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
    for how in [
        Open::existing(Access::WRITE),
        Open::existing(Access::APPEND),
        overwrite(Disposition::OverwriteIf),
        deleting.clone(),
    ] {
        assert_eq!(rig.open(A, how).unwrap_err(), HResult::ACCESS_DENIED);
    }
    assert_eq!(rig.delete(A).unwrap_err(), HResult::ACCESS_DENIED);
    assert_eq!(rig.content(A).unwrap(), A);
    // S73: one call clears it.
    rig.set_basic(handle, read_only(0)).unwrap();
    assert_eq!(
        rig.root.attributes(rig.item(A).unwrap().id).unwrap().basic.attributes & READONLY,
        0
    );
    rig.open(A, deleting).unwrap();
}

#[test]
fn overwriting_keeps_attributes_and_adds_those_asked_for() {
    let rig = Rig::new(&[]);
    let how = Open { attributes: HIDDEN, ..create(Kind::File) };
    let handle = rig.handle("new", how);
    rig.close(handle);
    let opened = rig.open("new", overwrite(Disposition::OverwriteIf)).unwrap();
    assert_eq!(opened.attributes.basic.attributes, HIDDEN | ARCHIVE);
}

#[test]
fn directories_are_not_written_and_kinds_are_checked() {
    let rig = Rig::new(&DOCS);
    for (path, how, code) in [
        ("Docs", Open::existing(Access::WRITE), HResult::ACCESS_DENIED),
        ("Docs", Open::existing(Access::APPEND), HResult::ACCESS_DENIED),
        ("Docs", overwrite(Disposition::OverwriteIf), HResult::ACCESS_DENIED),
        ("Docs", Open { kind: Kind::File, ..Open::existing(Access::READ) }, HResult::ACCESS_DENIED),
        (A, Open { kind: Kind::Directory, ..Open::existing(Access::READ) }, HResult::DIRECTORY),
        ("new", create(Kind::Directory), HResult::ACCESS_DENIED),
    ] {
        assert_eq!(rig.open(path, how.clone()).unwrap_err(), code, "{path} {how:?}");
    }
    assert_eq!(rig.state("new"), None);
    rig.open("Docs", Open { kind: Kind::Directory, ..Open::existing(Access::READ) }).unwrap();
    rig.open(A, Open { kind: Kind::File, ..Open::existing(Access::READ) }).unwrap();
}

#[test]
fn h5_of_a_deep_path_only_the_first_missing_component_is_asked_for() {
    let rig = Rig::new(&DOCS);
    let missing = rig.open("Docs\\b\\c\\d\\e", Open::existing(Access::READ));
    assert_eq!(missing.unwrap_err(), HResult::PATH_NOT_FOUND);
    rig.expect(&["GetPlaceholderInfo Docs", "GetPlaceholderInfo Docs\\b -> FILE_NOT_FOUND"]);
    let missing = rig.open("Docs\\b", Open::existing(Access::READ));
    assert_eq!(missing.unwrap_err(), HResult::FILE_NOT_FOUND);
    let missing = rig.open("Docs\\b\\c", create(Kind::File));
    assert_eq!(missing.unwrap_err(), HResult::PATH_NOT_FOUND);
}

#[test]
fn h6_a_file_is_no_folder_whatever_its_state() {
    let rig = Rig::new(&["virtual", "partial", "full"]);
    rig.content("partial").unwrap();
    rig.handle("full", Open::existing(Access::WRITE));
    for path in ["virtual\\x", "partial\\x", "full\\x", "full\\x\\y"] {
        for how in [Open::existing(Access::READ), create(Kind::File), create(Kind::Directory)] {
            assert_eq!(rig.open(path, how).unwrap_err(), HResult::PATH_NOT_FOUND, "{path}");
        }
    }
}

#[test]
fn g8_names_that_windows_has_not_are_neither_opened_nor_made() {
    let rig = Rig::new(&[]);
    for name in ["a:b", "trailing.", "con", "a*"] {
        for how in [Open::existing(Access::READ), create(Kind::File)] {
            assert_eq!(rig.open(name, how).unwrap_err(), HResult::INVALID_NAME, "{name}");
        }
    }
    rig.expect(&[]);
}

#[test]
fn g9_names_get_the_spelling_of_the_projection() {
    let rig = Rig::new(&DOCS);
    let opened = rig.open("DOCS\\A.TXT", Open::existing(Access::READ)).unwrap();
    assert_eq!(opened.attributes.name, "a.txt".into());
    assert_eq!((rig.spelling("docs"), rig.spelling(A)), ("Docs".to_owned(), "a.txt".to_owned()));
}

#[test]
fn an_item_opens_by_itself_and_by_a_path_from_it() {
    let rig = Rig::new(&DOCS);
    let docs = rig.lookup(ItemId::ROOT, "Docs").unwrap().item;
    let below = Target { from: docs, path: "a.txt".into() };
    let file = rig.open_at(&below, Open::existing(Access::READ)).unwrap().attributes.item;
    rig.callbacks();
    let itself = Target { from: file, path: "".into() };
    let opened = rig.open_at(&itself, Open::existing(Access::READ)).unwrap();
    rig.expect(&["Notify FileOpened Docs\\a.txt"]);
    assert_eq!(opened.attributes.item, file);
    let root = Target { from: ItemId::ROOT, path: "".into() };
    let opened = rig.open_at(&root, Open::existing(Access::READ)).unwrap();
    rig.expect(&["Notify FileOpened \"\" (directory)"]);
    rig.close(opened.handle);
    rig.expect(&["Notify ClosedNoModification \"\" (directory)"]);
}

#[test]
fn one_file_is_made_by_many_who_want_to_make_it() {
    let rig = Rig::new(&["Docs\\"]);
    let always = Open { disposition: Disposition::OpenIf, ..create(Kind::File) };
    let made: Vec<_> = [always.clone(), always, create(Kind::File)]
        .into_iter()
        .map(|how| {
            rig.spawn(move |root, caller| async move {
                root.open(&caller, &at("Docs\\new"), how).await.map(|opened| opened.action)
            })
        })
        .collect();
    rig.scheduler.run_until_idle().unwrap();
    let mut outcomes: Vec<_> = made.iter().map(|task| task.take().unwrap()).collect();
    outcomes.retain(|outcome| *outcome == Ok(Action::Created));
    assert_eq!(outcomes.len(), 1);
    let created = rig.callbacks().iter().filter(|line| line.contains("NewFileCreated")).count();
    assert_eq!(created, 1);
}

#[test]
fn s22_many_writers_convert_a_file_once() {
    let rig = Rig::new(&["f"]);
    let opens: Vec<_> = (0..10)
        .map(|_| {
            rig.spawn(|root, caller| async move {
                root.open(&caller, &at("f"), Open::existing(Access::WRITE)).await
            })
        })
        .collect();
    rig.scheduler.run_until_idle().unwrap();
    assert!(opens.iter().all(|open| open.take().unwrap().is_ok()));
    let lines = rig.callbacks();
    let times = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(times("GetPlaceholderInfo"), 1);
    assert_eq!(times("Notify PreConvertToFull"), 1);
    assert_eq!(times("GetFileData"), 1);
    assert_eq!(times("Notify FileOpened"), 10);
}

#[test]
fn s21_readers_and_one_who_truncates_all_succeed() {
    let rig = Rig::new(&["f"]);
    let readers = [(); 2].map(|()| {
        rig.spawn(|root, caller| async move {
            let open = Open::existing(Access::READ);
            let handle = root.open(&caller, &at("f"), open).await?.handle;
            root.read(handle, 0, 100).await
        })
    });
    let writer = rig.spawn(|root, caller| async move {
        root.open(&caller, &at("f"), overwrite(Disposition::Overwrite)).await
    });
    rig.scheduler.run_until_idle().unwrap();
    for reader in &readers {
        let content = reader.take().unwrap().unwrap();
        assert!(content == b"f" || content.is_empty(), "{content:?}");
    }
    writer.take().unwrap().unwrap();
    assert_eq!(rig.state("f"), FULL);
}
