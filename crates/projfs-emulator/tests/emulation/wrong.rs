//! Each rule that is commonly got wrong (`projfs.md T`): a provider that gets it wrong is caught,
//! and one that gets it right, under the same script, is not.

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use projfs_emulator::contract::operations::Query;
use projfs_emulator::contract::{FileState, HResult, UpdateFlags};
use projfs_emulator::knobs::{Compare, Knobs};
use rustix::fs::OFlags;

use crate::support::actor::{Actor, Call, list};
use crate::support::provider::{Change, Fault, Kind, Options, Provider};
use crate::support::rig::Rig;
use crate::support::tree::{Tree, wide};
use crate::support::truth;
use crate::support::wait::{Gate, until};

/// What is done to a provider; nothing in it may fail for what the provider does.
type Script = fn(&Rig, &Provider);

fn broken(rig: &Rig) -> Vec<String> {
    rig.violations().into_iter().map(|violation| violation.rule).collect()
}

/// The correct provider breaks nothing under this script, the wrong one this rule, whether that
/// fails the operation or not.
fn is_caught(rule: &str, fault: Fault, tree: Tree, knobs: fn(&mut Knobs), script: Script) {
    is_caught_with(rule, Options::wrong(fault), tree, knobs, script);
}

fn is_caught_with(rule: &str, wrong: Options, tree: Tree, knobs: fn(&mut Knobs), script: Script) {
    for strict in [true, false] {
        for fault in [None, wrong.fault] {
            let rig = Rig::with(|all| {
                knobs(all);
                all.strict = strict;
            });
            let options = Options { fault, ..wrong.clone() };
            let provider = rig.provide_with(tree.clone(), options);
            script(&rig, &provider);
            provider.stop();
            let broken = broken(&rig);
            match fault {
                None => assert!(broken.is_empty(), "a correct provider broke {broken:?}"),
                Some(fault) => assert!(
                    broken.iter().any(|have| have == rule),
                    "{fault:?} is not caught as {rule}, strict: {strict}, but: {broken:?}"
                ),
            }
        }
    }
}

const fn as_they_are(_: &mut Knobs) {}

const fn one_entry_at_a_time(knobs: &mut Knobs) {
    knobs.entry_limit = Some(1);
}

/// So small that the longest names do not fit.
const fn short_buffers(knobs: &mut Knobs) {
    knobs.entry_bytes = 128;
}

fn letters() -> Tree {
    Tree::new().text("a", "x").text("b", "x").text("c", "x").text("d", "x")
}

fn list_all(rig: &Rig, _: &Provider) {
    let _ = list(rig.root());
}

fn read_f(rig: &Rig, _: &Provider) {
    let _ = fs::read(rig.path("f"));
}

#[test]
fn t01_a_placeholder_info_that_is_too_short_is_caught() {
    let tree = Tree::new().text("f", "x");
    is_caught("C4", Fault::ShortPlaceholderInfo, tree, as_they_are, read_f);
}

#[test]
fn t02_taking_a_first_overflow_for_the_end_is_caught() {
    let long = "n".repeat(100);
    let tree = Tree::new().text("a", "x").text(&long, "x");
    // Non-strict drivers give up on names that never fit, as Windows does.
    is_caught("F10", Fault::OkOnFirstOverflow, tree, short_buffers, list_all);
}

#[test]
fn t03_skipping_the_entry_that_did_not_fit_is_caught() {
    is_caught("F9", Fault::SkipsRejectedEntry, letters(), one_entry_at_a_time, list_all);
}

#[test]
fn t04_a_restart_that_does_not_begin_again_is_caught() {
    let script: Script = |rig, _| {
        let app = rig.app();
        let Ok(listing) = app.listing("") else { return };
        let query = Query { buffer: 4096, ..Query::default() };
        let _ = listing.rest(&query);
        let _ = listing.rest(&Query { restart: true, ..query });
    };
    is_caught("F23", Fault::IgnoresRestart, letters(), as_they_are, script);
}

#[test]
fn t04_a_later_expression_that_is_followed_is_caught() {
    let script: Script = |rig, _| {
        let app = rig.app();
        let Ok(listing) = app.listing("") else { return };
        for expression in ["a*", "*", "*", "*"] {
            let query = Query {
                expression: Some(wide(expression)),
                single_entry: true,
                buffer: 4096,
                ..Query::default()
            };
            let _ = listing.next(&query);
        }
    };
    let tree = Tree::new().text("a1", "x").text("a2", "x").text("b1", "x").text("b2", "x");
    is_caught("F6", Fault::FollowsExpression, tree, one_entry_at_a_time, script);
}

#[test]
fn t05_the_wrong_order_is_caught() {
    let tree = Tree::new().text("FileA", "x").text("File_", "x").text("Fileb", "x");
    is_caught("F13", Fault::SortsByCase, tree, as_they_are, list_all);
}

#[test]
fn t05_sorting_with_the_comparison_of_early_builds_is_caught() {
    let tree = Tree::new().text("FileA", "x").text("File_", "x").text("Fileb", "x");
    let legacy: fn(&mut Knobs) = |knobs| knobs.compare = Compare::LegacyLower;
    is_caught("F13", Fault::SortsByLibrary, tree, legacy, list_all);
}

#[test]
fn t06_finding_names_in_one_case_only_is_caught() {
    let script: Script = |rig, _| {
        let _ = fs::read(rig.path("DOCS/A.TXT"));
        let _ = list(rig.root());
        let _ = fs::read(rig.path("docs/a.txt"));
    };
    let tree = Tree::new().text("docs/a.txt", "alpha");
    is_caught("G9", Fault::FindsByCase, tree, as_they_are, script);
}

#[test]
fn t06_placeholders_in_the_callers_case_are_caught() {
    let script: Script = |rig, _| {
        let _ = fs::read(rig.path("DOCS/A.TXT"));
        let _ = list(rig.root());
        let _ = list(&rig.path("docs"));
    };
    let tree = Tree::new().text("docs/a.txt", "alpha");
    is_caught("G9", Fault::EchoesCase, tree, as_they_are, script);
}

#[test]
fn t07_fetching_by_the_current_path_is_caught() {
    let script: Script = |rig, provider| {
        let mut actor = Actor::start();
        let (from, to) = (rig.path("f"), rig.path("g"));
        actor.call(Call::Rename { from, to, no_replace: true });
        provider.await_seen("FileRenamed f -> g");
        let _ = fs::read(rig.path("g"));
    };
    let tree = Tree::new().text("f", "content");
    is_caught("J3", Fault::FetchesByPath, tree, as_they_are, script);
}

#[test]
fn t08_too_little_data_is_caught() {
    let tree = Tree::new().pattern("f", 1 << 20);
    is_caught("J9", Fault::ShortData, tree, as_they_are, read_f);
}

#[test]
fn t09_unaligned_pieces_are_caught() {
    let tree = Tree::new().pattern("f", 100_000);
    is_caught("J5", Fault::WritesUnaligned, tree, as_they_are, read_f);
}

#[test]
fn t09_writing_to_the_file_instead_of_the_stream_is_caught() {
    let tree = Tree::new().pattern("f", 100_000);
    is_caught("J3", Fault::WritesToFile, tree, as_they_are, read_f);
}

#[test]
fn t10_insisting_on_a_closed_stream_is_caught() {
    let script: Script = |rig, provider| {
        let gate = Gate::closed();
        let passage = gate.passage();
        provider.hook(move |command| {
            if matches!(command.kind, Kind::Data { .. }) {
                passage.pass();
            }
            None
        });
        let mut actor = Actor::start();
        let flags = OFlags::RDONLY.bits();
        actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
        actor.begin(Call::Read { slot: 0, offset: 0, length: 1 });
        gate.await_arrivals(1);
        actor.kill();
        provider.await_seen("CancelCommand");
        let refused = Arc::new(AtomicBool::new(false));
        let told = refused.clone();
        provider.on_write(move |result| told.store(!result.is_ok(), Ordering::SeqCst));
        gate.open();
        until("the late write is refused", || refused.load(Ordering::SeqCst));
    };
    let tree = Tree::new().pattern("f", 100_000);
    is_caught("J6", Fault::RetriesClosedStream, tree, as_they_are, script);
}

#[test]
fn t11_writing_to_memory_of_a_callback_that_is_over_is_caught() {
    let script: Script = |rig, _| {
        let mut actor = Actor::start();
        actor.read(&rig.path("f"), 1);
        actor.read(&rig.path("f"), 1);
    };
    let tree = Tree::new().text("f", "x");
    is_caught("L2", Fault::KeepsCallbackData, tree, as_they_are, script);
}

#[test]
fn t11_completing_a_get_without_its_buffer_is_caught() {
    let wrong = Options { asynchronous: true, ..Options::wrong(Fault::CompletesGetBare) };
    is_caught_with("L3", wrong, letters(), as_they_are, list_all);
}

#[test]
fn t12_refusing_what_has_happened_is_caught() {
    let script: Script = |rig, provider| {
        let mut actor = Actor::start();
        let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
        actor.call(Call::Open { slot: 0, path: rig.path("new"), flags });
        actor.call(Call::Close { slot: 0 });
        provider.await_seen("NewFileCreated new");
    };
    is_caught("K4", Fault::RefusesCreation, Tree::new(), as_they_are, script);
}

/// Does something, and says whether the provider's picture is right in the end. Close notifications
/// come late.
fn picture_is_right(fault: Option<Fault>, script: impl Fn(&Rig, &mut Actor)) -> bool {
    let rig = Rig::with(|knobs| {
        knobs.closes.held = true;
        knobs.closes.shuffled = true;
        knobs.closes.duplicate_deleted = true;
    });
    let tree = Tree::new().text("d/f", "x").text("d/g", "x");
    let provider = rig.provide_with(tree.clone(), Options { fault, ..Options::default() });
    script(&rig, &mut Actor::start());
    rig.set(|knobs| knobs.closes.held = false);
    rig.release_closes();
    let truth = truth::of(&rig, &tree);
    if fault.is_none() {
        until("the picture is right", || provider.believes() == truth);
    }
    // Stopping waits for what is under way (M8); then all has been told.
    let believed = provider.stop_and_tell();
    believed == truth
}

fn create(actor: &mut Actor, rig: &Rig, name: &str) {
    let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
    actor.call(Call::Open { slot: 0, path: rig.path(name), flags }).ok();
    actor.call(Call::Write { slot: 0, offset: 0, data: b"new".to_vec() }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
}

#[test]
fn t13_a_save_by_rename_that_is_overlooked_shows() {
    let save = |rig: &Rig, actor: &mut Actor| {
        create(actor, rig, "d/f.tmp");
        let (from, to) = (rig.path("d/f.tmp"), rig.path("d/f"));
        actor.call(Call::Rename { from, to, no_replace: false }).ok();
    };
    assert!(picture_is_right(None, save));
    assert!(!picture_is_right(Some(Fault::OverlooksRenames), save));
}

#[test]
fn t14_believing_notifications_as_they_come_shows() {
    let replace = |rig: &Rig, actor: &mut Actor| {
        actor.call(Call::Unlink { path: rig.path("d/f") }).ok();
        // Made again before the provider hears that it went.
        let flags = (OFlags::CREATE | OFlags::WRONLY).bits();
        actor.call(Call::Open { slot: 0, path: rig.path("d/f"), flags }).ok();
        actor.call(Call::Close { slot: 0 }).ok();
        actor.call(Call::Unlink { path: rig.path("d/g") }).ok();
    };
    assert!(picture_is_right(None, replace));
    assert!(!picture_is_right(Some(Fault::TrustsNotifications), replace));
}

#[test]
fn t14_not_looking_at_the_start_shows() {
    for fault in [None, Some(Fault::TrustsNotifications)] {
        let rig = Rig::new();
        let tree = Tree::new().text("d/f", "x");
        let options = Options { fault, ..Options::default() };
        let provider = rig.provide_with(tree.clone(), options.clone());
        Actor::start().call(Call::MakeDirectory { path: rig.path("local") }).ok();
        provider.stop();
        fs::write(rig.path("local/offline"), "made meanwhile").unwrap();
        let provider = rig.provide_with(tree.clone(), options);
        let believed = provider.believes();
        assert_eq!(believed == truth::of(&rig, &tree), fault.is_none());
        let found = fault.is_none().then_some(&Change::Local);
        assert_eq!(believed.get(r"local\offline"), found);
    }
}

#[test]
fn t15_projecting_local_files_is_caught() {
    let script: Script = |rig, provider| {
        let mut actor = Actor::start();
        create(&mut actor, rig, "new");
        provider.await_seen("ClosedFileModified new");
        actor.call(Call::Unlink { path: rig.path("new") });
    };
    is_caught("E9", Fault::QueriesLocalFiles, Tree::new(), as_they_are, script);
}

#[test]
fn t16_a_negative_path_cache_that_is_never_cleared_is_caught() {
    let script: Script = |rig, provider| {
        let _ = fs::metadata(rig.path("new"));
        provider.project(Tree::new().text("new", "x")).unwrap();
        let _ = list(rig.root());
        let _ = fs::metadata(rig.path("new"));
    };
    let wrong = Options { negative_path_cache: true, ..Options::wrong(Fault::KeepsNegativePaths) };
    is_caught_with("H10", wrong, Tree::new(), as_they_are, script);
}

#[test]
fn t16_a_negative_path_cache_that_outlives_its_provider_is_caught() {
    for fault in [None, Some(Fault::KeepsNegativePaths)] {
        let rig = Rig::new();
        let options = Options { negative_path_cache: true, fault, ..Options::default() };
        let provider = rig.provide_with(Tree::new(), options.clone());
        let _ = fs::metadata(rig.path("new"));
        provider.stop();
        let _provider = rig.provide_with(Tree::new().text("new", "x"), options);
        let found = fs::metadata(rig.path("new")).is_ok();
        let broken = broken(&rig);
        assert_eq!((found, broken.contains(&"H10".to_owned())), (fault.is_none(), fault.is_some()));
    }
}

#[test]
fn t17_listing_a_directory_once_only_is_caught() {
    let script: Script = |rig, _| {
        let _ = list(&rig.path("d"));
        let _ = list(&rig.path("d"));
        let _ = fs::metadata(rig.path("d/f"));
        let _ = list(&rig.path("d"));
    };
    let tree = Tree::new().text("d/f", "x").text("d/g", "x");
    is_caught("E4", Fault::ListsOnce, tree, as_they_are, script);
}

#[test]
fn t18_another_identity_at_each_start_is_caught() {
    for fault in [None, Some(Fault::ForgetsIdentity)] {
        let rig = Rig::new();
        let tree = Tree::new().text("d/f", "x");
        let options = Options { fault, ..Options::default() };
        for _ in 0..2 {
            let Ok(provider) = rig.try_provide(tree.clone(), options.clone()) else {
                continue;
            };
            let _ = fs::read(rig.path("d/f"));
            provider.stop();
        }
        let broken = broken(&rig);
        assert_eq!(broken.contains(&"M2".to_owned()), fault.is_some(), "{broken:?}");
    }
}

#[test]
fn t18_taking_a_marked_root_for_a_failure_never_starts_again() {
    let rig = Rig::new();
    let wrong = Options::wrong(Fault::FailsOnMarkedRoot);
    rig.provide_with(Tree::new(), wrong.clone()).stop();
    let again = rig.try_provide(Tree::new(), wrong);
    assert_eq!(again.err(), Some(HResult::REPARSE_POINT_ENCOUNTERED));
    rig.provide(Tree::new()).stop();
}

#[test]
fn t19_deleting_items_from_a_callback_is_caught() {
    let tree = Tree::new().text("f", "x");
    is_caught("L8", Fault::DeletesInCallback, tree, as_they_are, read_f);
}

#[test]
fn t19_stopping_from_a_callback_is_caught() {
    let script: Script = |rig, _| {
        let mut actor = Actor::start();
        actor.read(&rig.path("f"), 1);
    };
    let tree = Tree::new().text("f", "x");
    is_caught("M8", Fault::StopsInCallback, tree, as_they_are, script);
}

#[test]
fn t20_a_failure_cause_passed_as_a_flag_is_caught() {
    let script: Script = |rig, provider| {
        let _ = fs::read(rig.path("f"));
        provider.delete("f", UpdateFlags::READ_ONLY);
    };
    let tree = Tree::new().text("f", "x");
    is_caught("D4", Fault::PassesCauseAsFlag, tree, as_they_are, script);
}

#[test]
fn t20_updates_go_depth_first_and_meet_what_is_not_there() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("d/f", "x").text("virtual/f", "x"));
    let _ = fs::read(rig.path("d/f"));
    let mut file = fs::OpenOptions::new().append(true).open(rig.path("d/f")).unwrap();
    file.write_all(b"more").unwrap();
    drop(file);
    let all = UpdateFlags::DIRTY_DATA | UpdateFlags::DIRTY_METADATA | UpdateFlags::TOMBSTONE;
    assert_eq!(provider.delete("d", all).0, HResult::DIR_NOT_EMPTY);
    assert_eq!(provider.delete("virtual", all).0, HResult::FILE_NOT_FOUND);
    assert_eq!(provider.delete("d/f", all).0, HResult::OK);
    assert_eq!(provider.delete("d", all).0, HResult::OK);
    assert_eq!(provider.delete("d/f", all).0, HResult::PATH_NOT_FOUND);
    assert_eq!(rig.state("virtual/f").unwrap(), FileState::PLACEHOLDER);
}
