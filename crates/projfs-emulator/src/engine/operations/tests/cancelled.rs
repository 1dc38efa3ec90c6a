//! Operations that are given up at any moment leave nothing half done (projfs.md L5).

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::operations::*;
use crate::scheduler::Handle;

/// Lets an operation come to the callback that begins like `command`, and gives it up there.
fn give_up<T: Send + 'static>(rig: &Rig, command: &'static str, begin: impl FnOnce() -> Handle<T>) {
    rig.hold(command);
    let operation = begin();
    rig.settle();
    assert!(operation.take().is_none(), "{command} did not come");
    operation.cancel();
    rig.settle();
    rig.go_on();
    rig.settle();
}

fn opening(rig: &Rig, path: &'static str, how: Open) -> Handle<crate::contract::Result<Opened>> {
    rig.spawn(move |root, caller| async move { root.open(&caller, &at(path), how).await })
}

/// Whether a path can be opened without letting anybody else: nothing is left open.
fn is_free(rig: &Rig, path: &str) -> bool {
    let exclusive = Open { share: Share::empty(), ..Open::existing(Access::READ) };
    match rig.open(path, exclusive) {
        Ok(opened) => {
            rig.close(opened.handle);
            true
        }
        Err(code) => code != HResult::SHARING_VIOLATION,
    }
}

#[test]
fn an_open_that_is_given_up_never_was() {
    for command in ["GetPlaceholderInfo", "Notify PreConvert", "GetFileData", "Notify FileOpened"] {
        let rig = Rig::new(&["f"]);
        give_up(&rig, command, || opening(&rig, "f", Open::existing(Access::WRITE)));
        let lines = rig.callbacks();
        assert!(!lines.iter().any(|line| line.contains("Closed")), "{lines:?}");
        assert!(is_free(&rig, "f"), "{command}");
        assert_eq!(rig.content("f").unwrap(), "f");
    }
}

#[test]
fn what_was_made_for_nobody_is_closed() {
    let rig = Rig::new(&["f"]);
    for (path, how, told) in [
        ("new", create(Kind::File), "Notify NewFileCreated"),
        ("f", overwrite(Disposition::Overwrite), "Notify FileOverwritten"),
    ] {
        give_up(&rig, told, || opening(&rig, path, how));
        let lines = rig.callbacks();
        let closes = lines.iter().filter(|line| line.contains("Closed")).count();
        assert_eq!(closes, 1, "{lines:?}");
        assert_eq!(rig.state(path), FULL);
        assert!(is_free(&rig, path));
        rig.callbacks();
    }
}

#[test]
fn a_creation_that_is_given_up_before_makes_nothing() {
    let rig = Rig::new(&[]);
    give_up(&rig, "GetPlaceholderInfo", || opening(&rig, "new", create(Kind::File)));
    assert_eq!(rig.state("new"), None);
    rig.make("new", "x");
}

#[test]
fn a_rename_happens_wholly_or_not_at_all() {
    for (command, happens) in [
        ("GetPlaceholderInfo g", false),
        ("Notify PreRename", false),
        ("QueryFileName", false),
        ("Notify FileRenamed", true),
    ] {
        let rig = Rig::new(&["f"]);
        let handle = rig.handle("f", Open::existing(Access::DELETE));
        give_up(&rig, command, || {
            rig.spawn(move |root, _| async move { root.rename(handle, &at("g"), false).await })
        });
        let (old, new) = if happens { (TOMBSTONE, PLACEHOLDER) } else { (PLACEHOLDER, None) };
        assert_eq!((rig.state("f"), rig.state("g")), (old, new), "{command}");
        rig.close(handle);
        let told = rig.callbacks().iter().any(|line| line == "Notify FileRenamed f -> g");
        assert_eq!(told, happens, "{command}");
        // Nothing is locked.
        rig.make("h", "");
        rig.rename_path("h", "g", true).unwrap();
    }
}

#[test]
fn a_close_goes_on_whoever_waits_for_it() {
    for command in ["Notify PreDelete", "QueryFileName"] {
        let rig = Rig::new(&["f"]);
        let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
        let handle = rig.handle("f", deleting);
        give_up(&rig, command, || {
            rig.spawn(move |root, _| async move { root.close(handle).await })
        });
        assert_eq!(rig.state("f"), TOMBSTONE);
        assert_eq!(rig.callbacks().last().unwrap(), "Notify ClosedFileDeleted f");
    }
}

#[test]
fn a_link_is_made_wholly_or_not_at_all() {
    for (command, happens) in
        [("Notify PreSetHardlink", false), ("GetFileData", false), ("Notify HardlinkCreated", true)]
    {
        let rig = Rig::new(&["f"]);
        let handle = rig.handle("f", Open::existing(Access::empty()));
        give_up(&rig, command, || {
            rig.spawn(move |root, _| async move { root.link(handle, &at("g")).await })
        });
        assert_eq!(rig.state("g").is_some(), happens, "{command}");
    }
}

#[test]
fn an_open_that_waits_for_a_deletion_finds_what_comes_of_it() {
    let rig = Rig::new(&["f"]);
    let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
    let handle = rig.handle("f", deleting);
    rig.hold("QueryFileName");
    let closing = rig.spawn(move |root, _| async move { root.close(handle).await });
    rig.settle();
    let open = opening(&rig, "f", Open::existing(Access::READ));
    rig.settle();
    assert_eq!(open.take().unwrap().unwrap_err(), HResult::DELETE_PENDING);
    rig.go_on();
    rig.settle();
    closing.take().unwrap().unwrap();
    assert_eq!(rig.content("f").unwrap_err(), HResult::FILE_NOT_FOUND);
}
