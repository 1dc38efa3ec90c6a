//! Providers start, stop, fail and are killed.

use std::fs;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use projfs_emulator::contract::operations::{Access, Open};
use projfs_emulator::contract::{FileState, Guid, HResult, UpdateFlags, Wide};
use projfs_emulator::provider::table;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::support::actor::{Actor, Call};
use crate::support::app::without_delete_share;
use crate::support::provider::{Kind, Options};
use crate::support::remote::RemoteProvider;
use crate::support::rig::Rig;
use crate::support::tree::Tree;
use crate::support::wait::{Gate, until};

#[test]
fn s39_open_handles_stand_in_the_way_of_updates() {
    let rig = Rig::new();
    let tree = Tree::new().text("f", "old").text("g", "old");
    let provider = rig.provide(tree);
    let app = rig.app();
    app.read("f").unwrap();
    app.read("g").unwrap();
    let held = app.open_as("f", without_delete_share(Access::READ)).unwrap().handle;
    provider.project(Tree::new().text("f", "newer").text("g", "newer")).unwrap();
    let flags = UpdateFlags::DIRTY_DATA | UpdateFlags::DIRTY_METADATA;
    assert_eq!(provider.update("f", flags).0, HResult::SHARING_VIOLATION);
    assert_eq!(provider.delete("f", flags).0, HResult::SHARING_VIOLATION);
    app.close(held);
    assert_eq!(provider.update("f", flags).0, HResult::OK);
    let shared = app.open_as("g", Open::existing(Access::READ)).unwrap().handle;
    assert_eq!(provider.update("g", flags).0, HResult::OK);
    app.close(shared);
    assert_eq!(app.read("f").unwrap(), b"newer");
    assert_eq!(app.read("g").unwrap(), b"newer");
}

#[test]
fn s42_a_listing_that_could_not_start_is_over() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("d/f", "x"));
    let failing = Arc::new(AtomicBool::new(true));
    let fails = failing.clone();
    provider.hook(move |command| {
        let start = matches!(command.kind, Kind::Start { .. });
        (start && fails.load(Ordering::Relaxed)).then_some(HResult::OUT_OF_MEMORY)
    });
    let listed = crate::support::actor::list(&rig.path("d"));
    assert_eq!(listed.unwrap_err(), Errno::NOMEM);
    let seen = provider.take_seen();
    let listing: Vec<_> =
        seen.iter().filter(|line| line.contains("DirectoryEnumeration")).collect();
    assert!(listing.iter().all(|line| line.starts_with("Start")), "{listing:#?}");
    failing.store(false, Ordering::Relaxed);
    assert_eq!(rig.app().names("d").unwrap(), ["f"]);
}

#[test]
fn s55_stopping_twice_is_told_and_harmless() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let context = provider.stop_keeping_context();
    let library = table();
    let path = Wide::from("f").to_c();
    #[expect(unsafe_code, reason = "the C functions")]
    // SAFETY: the strings live during the calls; the context is one that has ended, which the
    // emulator promises to recognise.
    let deleted = unsafe {
        (library.PrjStopVirtualizing)(context);
        HResult((library.PrjDeleteFile)(context, path.as_ptr(), 0, ptr::null_mut()))
    };
    assert!(!deleted.is_ok());
    let rules: Vec<_> = rig.violations().into_iter().map(|violation| violation.rule).collect();
    assert!(rules.contains(&"M8".to_owned()), "{rules:?}");
}

#[test]
fn s71_a_provider_can_sweep_what_is_its_own() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("a", "x").text("b", "x").text("d/c", "x"));
    let mut actor = Actor::start();
    actor.read(&rig.path("a"), 1).ok();
    actor.read(&rig.path("d/c"), 1).ok();
    actor.call(Call::Unlink { path: rig.path("b") }).ok();
    let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("foreign"), flags }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    let link = Call::Symlink { target: rig.outside("x"), path: rig.path("junction") };
    actor.call(link).ok();
    for _ in 0..2 {
        for path in ["d/c", "d", "a", "b"] {
            let (result, _) = provider.delete(path, UpdateFlags::TOMBSTONE);
            let gone = [HResult::OK, HResult::FILE_NOT_FOUND, HResult::PATH_NOT_FOUND];
            assert!(gone.contains(&result), "{path}: {result}");
        }
    }
    let (refused, _) = provider.delete("junction", UpdateFlags::DIRTY_DATA);
    assert_eq!(refused, HResult::REPARSE_POINT_ENCOUNTERED, "a link of others is not swept (M22)");
    provider.stop();
    assert_eq!(rig.app().names("").unwrap(), ["foreign", "junction"]);
}

#[test]
fn s77_without_a_driver_the_start_fails_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there. The process lives on, and says what it was told.
    let nowhere = "127.0.0.1:1";
    let options = Options::default();
    let started = RemoteProvider::start(nowhere, folder.path(), Tree::new(), options);
    assert_eq!(started.err(), Some(HResult::VIRTUALIZATION_UNAVAILABLE));
}

#[test]
fn s78_a_killed_provider_frees_its_readers_and_can_come_back() {
    let rig = Rig::new();
    let tree = Tree::new().pattern("f", 1 << 20).text("hydrated", "x");
    let options = Options { stuck_data: true, ..Options::default() };
    let remote = rig.provide_elsewhere(tree.clone(), options);
    let mut actor = Actor::start();
    let flags = OFlags::RDONLY.bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    actor.begin(Call::Read { slot: 0, offset: 0, length: 10 });
    until("the provider is asked", || {
        rig.trace().iter().any(|line| line.starts_with("GetFileData f"))
    });
    remote.kill();
    assert_eq!(actor.finish().errno(), Errno::IO);
    until("the provider is gone", || {
        rig.control().roots().unwrap().iter().all(|root| root.provider.is_none())
    });
    assert_eq!(fs::metadata(rig.path("hydrated")).unwrap_err().raw_os_error(), Some(5));
    let _again = rig.provide_elsewhere(tree, Options::default());
    let read = actor.call(Call::Read { slot: 0, offset: 0, length: 1 << 20 }).bytes();
    assert_eq!(read.len(), 1 << 20);
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER | FileState::HYDRATED);
}

#[test]
fn instances_are_told_apart_by_their_identity() {
    let rig = Rig::new();
    let instance = Guid::numbered(1, 2);
    let options = Options { instance, ..Options::default() };
    let _provider = rig.provide_with(Tree::new(), options);
    assert_eq!(rig.control().roots().unwrap()[0].instance, instance);
    let second = rig.try_provide(Tree::new(), Options { instance, ..Options::default() });
    assert_eq!(second.err(), Some(HResult::ALREADY_INITIALIZED));
}

#[test]
fn stopping_waits_for_running_callbacks() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let gate = Gate::closed();
    let passage = gate.passage();
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    provider.hook(move |command| {
        if matches!(command.kind, Kind::Data { .. }) {
            passage.pass();
            end.store(true, Ordering::SeqCst);
        }
        None
    });
    let mut actor = Actor::start();
    let flags = OFlags::RDONLY.bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    actor.begin(Call::Read { slot: 0, offset: 0, length: 1 });
    gate.await_arrivals(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            provider.stop();
            assert!(ended.load(Ordering::SeqCst), "stop returned during a callback (M8)");
        });
        gate.open();
    });
    actor.finish();
}
