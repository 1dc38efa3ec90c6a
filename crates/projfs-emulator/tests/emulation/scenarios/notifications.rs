//! What the provider is told of what programs do.

use std::fs;

use projfs_emulator::contract::{HResult, Notification};
use rustix::fs::OFlags;

use crate::support::actor::{Actor, Call};
use crate::support::provider::{Change, Options, Provider};
use crate::support::rig::Rig;
use crate::support::tree::Tree;
use crate::support::truth;
use crate::support::wait::until;

/// Notifications since the last call, once the last of them has come: closes trail (K16).
fn told(provider: &Provider, last: &str) -> Vec<String> {
    provider.await_seen(last);
    let is_question = |line: &String| line.starts_with("Get") || line.starts_with("Query");
    let mut seen = provider.take_seen();
    seen.retain(|line| !is_question(line) && !line.contains("DirectoryEnumeration"));
    seen
}

fn open(actor: &mut Actor, rig: &Rig, path: &str, flags: OFlags) {
    actor.call(Call::Open { slot: 0, path: rig.path(path), flags: flags.bits() }).ok();
}

fn close(actor: &mut Actor) {
    actor.call(Call::Close { slot: 0 }).ok();
}

#[test]
fn s48_opening_tells_open_and_close() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let mut actor = Actor::start();
    open(&mut actor, &rig, "f", OFlags::RDONLY);
    close(&mut actor);
    assert_eq!(
        told(&provider, "ClosedNoModification f"),
        ["FileOpened f", "ClosedNoModification f"]
    );
}

#[test]
fn s49_creating_tells_of_a_new_file() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new());
    let mut actor = Actor::start();
    open(&mut actor, &rig, "new", OFlags::CREATE | OFlags::WRONLY);
    close(&mut actor);
    assert_eq!(
        told(&provider, "ClosedNoModification new"),
        ["NewFileCreated new", "ClosedNoModification new"]
    );
    actor.call(Call::MakeDirectory { path: rig.path("folder") }).ok();
    assert_eq!(
        told(&provider, "ClosedNoModification folder"),
        ["NewFileCreated folder", "ClosedNoModification folder"]
    );
}

#[test]
fn s50_emptying_tells_of_an_overwrite() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let mut actor = Actor::start();
    open(&mut actor, &rig, "f", OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY);
    close(&mut actor);
    assert_eq!(
        told(&provider, "ClosedFileModified f"),
        ["FileOverwritten f", "ClosedFileModified f"]
    );
}

#[test]
fn s51_deleting_tells_before_and_after() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let mut actor = Actor::start();
    actor.call(Call::Unlink { path: rig.path("f") }).ok();
    let told = told(&provider, "ClosedFileDeleted f");
    assert_eq!(told, ["FileOpened f", "PreDelete f", "ClosedFileDeleted f"]);
}

#[test]
fn s52_renaming_tells_both_names() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let mut actor = Actor::start();
    let (from, to) = (rig.path("f"), rig.path("g"));
    actor.call(Call::Rename { from, to, no_replace: false }).ok();
    let told = told(&provider, "ClosedNoModification g");
    let renames: Vec<_> = told.iter().filter(|line| line.contains("->")).collect();
    assert_eq!(renames, ["PreRename f -> g", "FileRenamed f -> g"], "{told:#?}");
}

#[test]
fn s53_linking_tells_both_names() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let mut actor = Actor::start();
    actor.call(Call::Link { from: rig.path("f"), to: rig.path("g") }).ok();
    provider.await_seen("HardlinkCreated f -> g");
    let told = provider.take_seen();
    let links: Vec<_> = told.iter().filter(|line| line.contains("->")).collect();
    assert_eq!(links, ["PreSetHardlink f -> g", "HardlinkCreated f -> g"], "{told:#?}");
}

#[test]
fn s54_appending_tells_once_before_it_becomes_full() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "old "));
    let mut actor = Actor::start();
    for text in ["new ", "newer"] {
        open(&mut actor, &rig, "f", OFlags::WRONLY | OFlags::APPEND);
        actor.call(Call::Write { slot: 0, offset: 0, data: text.into() }).ok();
        close(&mut actor);
        provider.await_seen("ClosedFileModified f");
        let told = provider.take_seen();
        let converted = told.iter().filter(|line| *line == "PreConvertToFull f").count();
        assert_eq!(converted, usize::from(text == "new "), "{told:#?}");
    }
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "old new newer");
}

#[test]
fn s76_a_creation_is_refused_by_the_placeholder_question_only() {
    let rig = Rig::with(|knobs| knobs.strict = false);
    let refusing = Notification::NewFileCreated;
    let options = Options::default().refusing(refusing, HResult::ACCESS_DENIED);
    let provider = rig.provide_with(Tree::new(), options);
    let mut actor = Actor::start();
    open(&mut actor, &rig, "new", OFlags::CREATE | OFlags::WRONLY);
    close(&mut actor);
    assert!(rig.path("new").exists());
    assert!(rig.violations().iter().all(|violation| violation.rule == "K4"));
    provider.hook(|command| {
        let asked = command.line() == "GetPlaceholderInfo other";
        asked.then_some(HResult::ACCESS_DENIED)
    });
    let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
    let error = actor.call(Call::Open { slot: 0, path: rig.path("other"), flags }).errno();
    assert_eq!(error, rustix::io::Errno::ACCESS);
    provider.hook(|_| None);
    assert!(!rig.path("other").exists());
}

#[test]
fn s60_late_notifications_leave_the_right_picture() {
    let rig = Rig::new();
    rig.set(|knobs| {
        knobs.closes.held = true;
        knobs.closes.shuffled = true;
        knobs.closes.duplicate_deleted = true;
    });
    let tree = Tree::new().text("d/a", "x").text("d/b", "x").text("e/c", "x");
    let provider = rig.provide(tree.clone());
    let mut actor = Actor::start();
    let path = |name: &str| rig.path(name);
    let create = |actor: &mut Actor, name| {
        open(actor, &rig, name, OFlags::CREATE | OFlags::WRONLY);
        actor.call(Call::Write { slot: 0, offset: 0, data: b"new".to_vec() }).ok();
        close(actor);
    };
    // Created and removed; a directory of the same name; a directory that becomes a file.
    create(&mut actor, "one");
    actor.call(Call::Unlink { path: path("one") }).ok();
    create(&mut actor, "two");
    actor.call(Call::Unlink { path: path("two") }).ok();
    actor.call(Call::MakeDirectory { path: path("two") }).ok();
    actor.call(Call::MakeDirectory { path: path("three") }).ok();
    actor.call(Call::RemoveDirectory { path: path("three") }).ok();
    create(&mut actor, "three");
    // A tree moves.
    actor.call(Call::MakeDirectory { path: path("tree") }).ok();
    create(&mut actor, "tree/leaf");
    actor.call(Call::Rename { from: path("tree"), to: path("moved"), no_replace: false }).ok();
    // A rename, and its target replaced.
    actor.call(Call::Rename { from: path("d/a"), to: path("d/z"), no_replace: false }).ok();
    create(&mut actor, "d/a");
    // Saved by rename.
    create(&mut actor, "d/tmp");
    actor.call(Call::Rename { from: path("d/tmp"), to: path("d/b"), no_replace: false }).ok();
    actor.call(Call::Unlink { path: path("e/c") }).ok();
    rig.set(|knobs| knobs.closes.held = false);
    rig.release_closes();
    let expected = truth::of(&rig, &tree);
    until("the provider's picture is right", || provider.believes() == expected);
    let gone = Some(&Change::Gone);
    assert_eq!(expected.get(r"e\c"), gone);
    assert_eq!(expected.get(r"moved\leaf"), Some(&Change::Local));
}
