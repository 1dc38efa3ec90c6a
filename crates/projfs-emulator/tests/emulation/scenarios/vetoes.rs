//! What a provider can refuse, and what it cannot.

use std::fs;

use projfs_emulator::contract::{FileState, HResult, Notification};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::support::actor::{Actor, Call, Gave};
use crate::support::app::target;
use crate::support::provider::{Kind, Options, Provider};
use crate::support::rig::Rig;
use crate::support::tree::Tree;

fn refusing(notification: Notification) -> Options {
    Options::default().refusing(notification, HResult::ACCESS_DENIED)
}

#[test]
fn s51_a_refused_deletion_leaves_the_file() {
    for code in [HResult::ACCESS_DENIED, HResult::CANNOT_DELETE] {
        let rig = Rig::new();
        let options = Options::default().refusing(Notification::PreDelete, code);
        let provider = rig.provide_with(Tree::new().text("f", "x"), options);
        let mut actor = Actor::start();
        let error = actor.call(Call::Unlink { path: rig.path("f") }).errno();
        assert!(error == Errno::PERM || error == Errno::ACCESS, "{error}");
        assert_eq!(rig.app().delete("f").unwrap_err(), code);
        rig.app().delete_on_close("f").unwrap();
        assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "x");
        provider.await_seen("ClosedNoModification f");
    }
}

#[test]
fn s52_a_refused_rename_changes_nothing() {
    let rig = Rig::new();
    let tree = Tree::new().text("f", "x");
    let _provider = rig.provide_with(tree, refusing(Notification::PreRename));
    let mut actor = Actor::start();
    let (from, to) = (rig.path("f"), rig.path("g"));
    let error = actor.call(Call::Rename { from, to, no_replace: false }).errno();
    assert_eq!(error, Errno::ACCESS);
    assert_eq!(rig.app().names("").unwrap(), ["f"]);
}

#[test]
fn s53_a_refused_link_is_not_made() {
    let rig = Rig::new();
    let tree = Tree::new().text("f", "x");
    let _provider = rig.provide_with(tree, refusing(Notification::PreSetHardlink));
    let mut actor = Actor::start();
    let error = actor.call(Call::Link { from: rig.path("f"), to: rig.path("g") }).errno();
    assert_eq!(error, Errno::ACCESS);
    assert_eq!(rig.app().names("").unwrap(), ["f"]);
}

#[test]
fn s54_a_refused_conversion_leaves_a_placeholder() {
    let rig = Rig::new();
    let tree = Tree::new().text("f", "x");
    let provider = rig.provide_with(tree, refusing(Notification::PreConvertToFull));
    let mut actor = Actor::start();
    let flags = (OFlags::WRONLY | OFlags::APPEND).bits();
    let opened = actor.call(Call::Open { slot: 0, path: rig.path("f"), flags });
    assert_eq!(opened.errno(), Errno::ACCESS);
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER);
    let seen = provider.take_seen();
    assert!(
        !seen.iter().any(|line| line.starts_with("GetFileData")),
        "no download (E18): {seen:#?}"
    );
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "x");
}

/// Refuses everything that would change what is projected.
fn read_only(rig: &Rig, tree: Tree) -> Provider {
    let provider = rig.provide(tree.clone());
    provider.hook(move |command| {
        let projected = |path| tree.find(path).is_some();
        let Kind::Notify { notification, destination, .. } = &command.kind else { return None };
        let source = projected(&command.path);
        let target = destination.as_ref().is_some_and(projected);
        let refused = match notification {
            Notification::PreDelete | Notification::PreConvertToFull => source,
            Notification::PreRename | Notification::PreSetHardlink => source || target,
            _ => false,
        };
        refused.then_some(HResult::ACCESS_DENIED)
    });
    provider
}

#[test]
fn s68_other_processes_are_refused_the_own_is_not() {
    let rig = Rig::new();
    let _provider = read_only(&rig, Tree::new().text("f", "x").text("own", "x"));
    let mut actor = Actor::start();
    let (from, to) = (rig.path("f"), rig.path("g"));
    assert!(matches!(actor.call(Call::Unlink { path: from.clone() }), Gave::Error(_)));
    let renamed = actor.call(Call::Rename { from: from.clone(), to, no_replace: false });
    assert_eq!(renamed.errno(), Errno::ACCESS);
    let flags = OFlags::RDWR.bits();
    assert_eq!(actor.call(Call::Open { slot: 0, path: from, flags }).errno(), Errno::ACCESS);
    assert_eq!(actor.read(&rig.path("f"), 10).bytes(), b"x");
    fs::write(rig.path("own"), "changed").unwrap();
    fs::rename(rig.path("own"), rig.path("own 2")).unwrap();
    fs::remove_file(rig.path("own 2")).unwrap();
}

#[test]
fn s69_a_projected_name_is_guarded_against_what_is_moved_onto_it() {
    let rig = Rig::new();
    let provider = read_only(&rig, Tree::new().text("d/f", "x"));
    let mut actor = Actor::start();
    let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("d/local"), flags }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    let (from, to) = (rig.path("d/local"), rig.path("d/f"));
    let renamed = actor.call(Call::Rename { from, to, no_replace: false });
    assert_eq!(renamed.errno(), Errno::ACCESS);
    let seen = provider.take_seen();
    assert!(
        !seen.contains(&r"PreDelete d\f".to_owned()),
        "the target's deletion is not asked (K6)"
    );
    let app = rig.app();
    let outside = rig.outside("file");
    fs::write(&outside, "came").unwrap();
    let outside = outside.to_str().unwrap();
    let refused = app.raw().move_in(outside, target("d/f"), true).unwrap_err();
    assert_eq!(refused, HResult::ACCESS_DENIED);
    app.raw().move_in(outside, target("d/new"), false).unwrap();
    provider.await_seen(r"FileRenamed  -> d\new");
    assert_eq!(fs::read_to_string(rig.path("d/f")).unwrap(), "x");
}

#[test]
fn s70_local_files_belong_to_everybody() {
    let rig = Rig::new();
    let _provider = read_only(&rig, Tree::new().text("d/f", "x"));
    let mut actor = Actor::start();
    let path = rig.path("d/local");
    let flags = (OFlags::CREATE | OFlags::RDWR).bits();
    actor.call(Call::Open { slot: 0, path: path.clone(), flags }).ok();
    actor.call(Call::Write { slot: 0, offset: 0, data: b"text".to_vec() }).ok();
    assert_eq!(actor.call(Call::Read { slot: 0, offset: 0, length: 9 }).bytes(), b"text");
    actor.call(Call::Close { slot: 0 }).ok();
    actor.call(Call::Unlink { path }).ok();
    let (projected, seconds) = (rig.path("d/f"), 1_000_000_000);
    let set = Call::SetTimes { path: projected.clone(), access: seconds, write: seconds };
    actor.call(set).ok();
    assert_eq!(actor.read(&projected, 9).bytes(), b"x");
    let Gave::Stat { write, .. } = actor.call(Call::Stat { path: projected }) else {
        panic!("a stat gives a stat")
    };
    assert_eq!(write, seconds);
}
