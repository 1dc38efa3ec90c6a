//! Single rules at the provider's boundary that no scenario is about.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use parking_lot::Mutex;
use projfs_emulator::contract::operations::{Access, Disposition, Open};
use projfs_emulator::contract::{FileState, HResult, Notification, NotifyMask};
use rustix::fs::OFlags;

use crate::support::actor::{Actor, Call, list, run};
use crate::support::provider::{Command, Kind, Options, Provider};
use crate::support::rig::Rig;
use crate::support::tree::{Tree, pattern_byte};
use crate::support::wait::until;

/// Copies of the callbacks that `wanted` chooses.
fn collect(
    provider: &Provider,
    wanted: impl Fn(&Command) -> bool + Send + Sync + 'static,
) -> Arc<Mutex<Vec<Command>>> {
    let collected = Arc::<Mutex<Vec<Command>>>::default();
    let to = collected.clone();
    provider.hook(move |command| {
        if wanted(command) {
            to.lock().push(command.clone());
        }
        None
    });
    collected
}

fn masked(mappings: &[(&str, Notification)]) -> Options {
    let mappings = mappings.iter().map(|(path, bit)| ((*path).to_owned(), bit.bit()));
    Options { mappings: Some(mappings.collect()), ..Options::default() }
}

#[test]
fn callbacks_tell_whose_operation_it_is() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("f", "x"));
    let collected = collect(&provider, |command| matches!(command.kind, Kind::Placeholder));
    let mut actor = Actor::start();
    actor.call(Call::Stat { path: rig.path("f") }).ok();
    let asked = collected.lock();
    assert_eq!(asked[0].process, actor.id());
    let image = asked[0].image.as_ref().unwrap().to_string();
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    assert_eq!(image.rsplit('\\').next(), Some(program), "the last component counts (K15)");
}

#[test]
fn the_provider_is_not_told_of_its_own_doing() {
    let rig = Rig::new();
    let options = Options::default().refusing(Notification::PreDelete, HResult::ACCESS_DENIED);
    let provider = rig.provide_with(Tree::new().text("f", "x").text("g", "x"), options);
    fs::write(rig.path("f"), "changed").unwrap();
    fs::rename(rig.path("f"), rig.path("f2")).unwrap();
    fs::remove_file(rig.path("g")).unwrap();
    let seen = provider.take_seen();
    assert!(
        seen.iter().all(|line| line.starts_with("Get") || line.starts_with("Query")),
        "{seen:#?}"
    );
}

#[test]
fn a_deleted_file_says_whether_it_was_modified() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("read", "x").text("written", "x"));
    let collected = collect(&provider, |command| {
        matches!(&command.kind, Kind::Notify { notification: Notification::ClosedFileDeleted, .. })
    });
    let app = rig.app();
    for (name, expected) in [("read", false), ("written", true)] {
        let opened = app.create(name, Disposition::Open).unwrap();
        if expected {
            app.raw().write(opened.handle, 0, b"y").unwrap();
        }
        app.close(opened.handle);
        provider.take_seen();
        let how = Open { delete_on_close: true, ..Open::existing(Access::all()) };
        let opened = app.open_as(name, how).unwrap();
        if expected {
            app.raw().write(opened.handle, 0, b"z").unwrap();
        }
        app.close(opened.handle);
        provider.await_seen(&format!("ClosedFileDeleted {name}"));
        until("it is told", || !collected.lock().is_empty());
        let told = collected.lock().pop().unwrap();
        let Kind::Notify { modified, directory, .. } = told.kind else { unreachable!() };
        assert_eq!((modified, directory), (expected, false), "{name}");
    }
}

#[test]
fn notifications_say_what_is_a_directory() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new());
    let collected = collect(&provider, |command| {
        matches!(&command.kind, Kind::Notify { notification: Notification::NewFileCreated, .. })
    });
    let mut actor = Actor::start();
    actor.call(Call::MakeDirectory { path: rig.path("d") }).ok();
    let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    let kinds: Vec<_> = collected
        .lock()
        .iter()
        .map(|command| match command.kind {
            Kind::Notify { directory, .. } => (command.path.to_string(), directory),
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(kinds, [("d".to_owned(), true), ("f".to_owned(), false)]);
}

#[test]
fn placeholders_can_be_written_beforehand() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("d/f", "x"));
    assert_eq!(provider.write_placeholder("d/f"), HResult::PATH_NOT_FOUND);
    assert_eq!(provider.write_placeholder("d"), HResult::OK);
    assert_eq!(provider.write_placeholder("d/f"), HResult::OK);
    assert_eq!(provider.state("d/f").unwrap(), FileState::PLACEHOLDER);
    provider.take_seen();
    fs::metadata(rig.path("d/f")).unwrap();
    assert!(provider.take_seen().is_empty());
}

#[test]
fn the_deepest_mapping_decides() {
    let rig = Rig::new();
    let options = masked(&[("", Notification::FileOpened), ("d", Notification::PreDelete)]);
    let provider = rig.provide_with(Tree::new().text("f", "x").text("d/g", "x"), options);
    let mut actor = Actor::start();
    for name in ["f", "d/g"] {
        actor.read(&rig.path(name), 1).ok();
        actor.call(Call::Unlink { path: rig.path(name) }).ok();
    }
    let mut seen = provider.take_seen();
    seen.retain(|line| line.starts_with("FileOpened") || line.starts_with("PreDelete"));
    seen.dedup();
    assert_eq!(seen, ["FileOpened f", r"PreDelete d\g"]);
}

#[test]
fn without_mappings_three_kinds_are_told() {
    let rig = Rig::new();
    let options = Options { mappings: Some(Vec::new()), ..Options::default() };
    let provider = rig.provide_with(Tree::new().text("f", "x"), options);
    let mut actor = Actor::start();
    actor.read(&rig.path("f"), 1).ok();
    let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("new"), flags }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    let flags = (OFlags::TRUNC | OFlags::WRONLY).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    actor.call(Call::Unlink { path: rig.path("new") }).ok();
    let mut seen = provider.take_seen();
    let questions = ["Get", "Query"];
    seen.retain(|line| !questions.iter().any(|question| line.starts_with(question)));
    let mut expected = vec!["FileOpened f", "NewFileCreated new", "FileOverwritten f"];
    if seen.len() > expected.len() {
        expected.push("FileOpened new");
    }
    assert_eq!(seen, expected);
}

#[test]
fn without_a_notification_callback_nothing_is_told() {
    let rig = Rig::new();
    let options = Options { mappings: None, ..Options::default() };
    let provider = rig.provide_with(Tree::new().text("f", "x"), options);
    let mut actor = Actor::start();
    actor.read(&rig.path("f"), 1).ok();
    actor.call(Call::Unlink { path: rig.path("f") }).ok();
    let seen = provider.take_seen();
    assert!(
        seen.iter().all(|line| line.starts_with("Get") || line.starts_with("Query")),
        "{seen:#?}"
    );
}

#[test]
fn without_query_file_name_the_folder_is_listed_instead() {
    let rig = Rig::new();
    let options = Options { queries_names: false, ..Options::default() };
    let provider = rig.provide_with(Tree::new().text("d/f", "x").text("d/g", "x"), options);
    fs::read(rig.path("d/f")).unwrap();
    provider.take_seen();
    let mut actor = Actor::start();
    actor.call(Call::Unlink { path: rig.path("d/f") }).ok();
    provider.await_seen(r"ClosedFileDeleted d\f");
    let seen = provider.take_seen();
    assert!(seen.contains(&"GetDirectoryEnumeration d f".to_owned()), "{seen:#?}");
    assert_eq!(list(&rig.path("d")).unwrap(), [".", "..", "g"]);
}

#[test]
fn answers_may_come_from_other_threads() {
    let rig = Rig::new();
    let options = Options { asynchronous: true, ..Options::default() };
    let provider =
        rig.provide_with(Tree::new().text("d/f", "text").pattern("big", 3 << 20), options);
    assert_eq!(list(&rig.path("d")).unwrap(), [".", "..", "f"]);
    assert_eq!(fs::read_to_string(rig.path("d/f")).unwrap(), "text");
    let expected: Vec<_> = (0..3 << 20).map(pattern_byte).collect();
    assert_eq!(fs::read(rig.path("big")).unwrap(), expected);
    let mut actor = Actor::start();
    let (from, to) = (rig.path("d/f"), rig.path("moved"));
    actor.call(Call::Rename { from, to, no_replace: true }).ok();
    provider.await_seen(r"FileRenamed d\f -> moved");
    actor.call(Call::Unlink { path: rig.path("moved") }).ok();
    provider.stop();
    assert_eq!(list(rig.root()).unwrap(), [".", "..", "big", "d"]);
}

#[test]
fn pieces_of_any_aligned_size_and_range_make_the_file() {
    for (range, piece) in [(4096, 512), (64 << 10, 4096), (1 << 20, 1 << 20)] {
        let rig = Rig::with(|knobs| knobs.data_range = range);
        let options = Options { piece, ..Options::default() };
        let provider = rig.provide_with(Tree::new().pattern("f", 200_003), options);
        let expected: Vec<_> = (0..200_003).map(pattern_byte).collect();
        assert_eq!(fs::read(rig.path("f")).unwrap(), expected, "{range} {piece}");
        let asked = provider.take_seen();
        let asked = asked.iter().filter(|line| line.starts_with("GetFileData")).count();
        assert_eq!(asked, usize::try_from(200_003_u64.div_ceil(range)).unwrap());
    }
}

#[test]
fn space_is_taken_when_data_comes() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().pattern("f", 1 << 20));
    assert_eq!(fs::metadata(rig.path("f")).unwrap().blocks(), 0);
    fs::read(rig.path("f")).unwrap();
    assert!(fs::metadata(rig.path("f")).unwrap().blocks() >= 2048);
}

#[test]
fn a_mask_that_a_reply_asks_for_holds_until_the_last_close() {
    let rig = Rig::new();
    let options = masked(&[("", Notification::FileOpened)]);
    let provider = rig.provide_with(Tree::new().text("f", "x"), options);
    provider.reply_mask(NotifyMask::CLOSED_NO_MODIFICATION);
    let mut actor = Actor::start();
    actor.read(&rig.path("f"), 1).ok();
    provider.await_seen("ClosedNoModification f");
    provider.reply_mask(NotifyMask::USE_EXISTING);
    provider.take_seen();
    actor.read(&rig.path("f"), 1).ok();
    let seen = provider.stop_and_see();
    assert!(!seen.iter().any(|line| line.starts_with("Closed")), "{seen:#?}");
}

#[test]
fn names_that_windows_cannot_have_do_not_get_in() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new());
    for name in ["a:b", "a*", "a?", "trailing.", "trailing ", "CON", "nul.txt", "a\\b"] {
        let ran = run("touch", &[rig.path(name).to_str().unwrap()]);
        assert!(!ran.success, "{name}");
    }
    until("nothing is there", || rig.app().names("").unwrap().is_empty());
}
