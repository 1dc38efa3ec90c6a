//! Rules that a provider's entries can break.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{ALL, local, matching, restart};
use crate::contract::operations::Query;
use crate::contract::{DirEntry, HResult, UpdateFlags};
use crate::engine::stage::{Stage, entry, info, is_get};
use crate::engine::store::ItemId;
use crate::link::{Reply, Request};

fn file(name: &str) -> DirEntry {
    entry(name, Some(1))
}

/// A provider that gives these entries to one query; what a strict and a lenient driver make of it.
fn listed(query: &Query, answers: &[&[DirEntry]]) -> (Vec<String>, Vec<String>) {
    let stage = Stage::projecting(&[]);
    stage.provider.lists(answers);
    assert_eq!(stage.listing("").names(query), Err(HResult::INTERNAL_ERROR));
    let broken = stage.broken();
    stage.lenient();
    stage.provider.lists(answers);
    let names = stage.listing("").all(query).unwrap();
    assert_eq!(stage.broken(), broken);
    (broken, names)
}

#[test]
fn a_wrong_order_is_a_broken_rule_within_a_get_and_across_gets() {
    let (b, a) = (file("b"), file("a"));
    let (broken, names) = listed(&ALL, &[&[b.clone(), a.clone()]]);
    assert_eq!(
        (broken, names),
        (vec!["F13".to_owned()], [".", "..", "b", "a"].map(str::to_owned).to_vec())
    );
    assert_eq!(listed(&ALL, &[&[b], &[a]]).0, ["F13"]);
    assert_eq!(listed(&ALL, &[&[file("_"), file("a")]]).0, ["F13"]);
}

#[test]
fn a_wrong_order_shows_once_something_is_on_disk() {
    let stage = Stage::projecting(&["a", "b"]);
    stage.item("b");
    stage.lenient();
    stage.provider.lists(&[&[file("b"), file("a")]]);
    assert_eq!(stage.list("").unwrap(), [".", "..", "b", "a"]);
    stage.item("a");
    stage.provider.lists(&[&[file("b"), file("a")]]);
    // As on Windows: the pass is past `a` on disk when the provider's comes.
    assert_eq!(stage.list("").unwrap(), [".", "..", "a", "b", "a"]);
    let broken = stage.broken();
    assert_eq!(broken, ["F13", "F13", "E4"]);
}

#[test]
fn a_name_twice_is_a_broken_rule() {
    let (broken, names) = listed(&ALL, &[&[file("a"), file("A")]]);
    assert_eq!(broken, ["F13"]);
    assert_eq!(names, [".", "..", "a", "A"]);
}

#[test]
fn names_that_no_program_can_open_are_a_broken_rule() {
    assert_eq!(listed(&ALL, &[&[file("bad:name")]]).0, ["G8"]);
    assert_eq!(listed(&ALL, &[&[file("trailing.")]]).0, ["G8"]);
    assert_eq!(listed(&ALL, &[&[file(".")]]).0, ["F14"]);
    assert_eq!(listed(&ALL, &[&[file("..")]]).0, ["F14"]);
}

#[test]
fn a_directory_with_a_size_is_a_broken_rule() {
    let mut directory = entry("d", None);
    directory.basic.size = 4096;
    assert_eq!(listed(&ALL, &[&[directory]]).0, ["F16"]);
}

#[test]
fn an_entry_that_does_not_match_is_a_broken_rule_and_can_be_filtered() {
    let (broken, names) = listed(&matching("2*"), &[&[file("1"), file("2")]]);
    assert_eq!((broken, names), (vec!["F7".to_owned()], vec!["1".to_owned(), "2".to_owned()]));
    let stage = Stage::projecting(&[]);
    stage.lenient();
    stage.knobs(|knobs| knobs.filter_again = true);
    stage.provider.lists(&[&[file("1"), file("2")]]);
    assert_eq!(stage.listing("").all(&matching("2*")).unwrap(), ["2"]);
    assert_eq!(stage.broken(), ["F7"]);
}

/// Answers each Get with what its expression says now, from its beginning or from a later part:
/// captures nothing.
fn captures_nothing(stage: &Stage) {
    stage.provider.does(is_get, |act| async move {
        let Request::GetEnumeration { expression, .. } = &act.command.request else { return };
        let expression = expression.as_ref().map(ToString::to_string).unwrap_or_default();
        let entries = match expression.as_str() {
            "1*" => vec![file("1a")],
            "2*" => vec![file("2c")],
            _ => Vec::new(),
        };
        act.complete(HResult::OK, Reply::Entries(entries));
    });
}

#[test]
fn following_a_later_expression_is_a_broken_rule() {
    let stage = Stage::projecting(&[]);
    captures_nothing(&stage);
    let mut listing = stage.listing("");
    let single = |expression| Query { single_entry: true, ..matching(expression) };
    assert_eq!(listing.names(&single("1*")).unwrap(), ["1a"]);
    assert_eq!(listing.names(&single("2*")), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["F6"]);
    // Until the next restart.
    assert_eq!(listing.names(&single("")), Err(HResult::INTERNAL_ERROR));
    let again = Query { restart: true, ..single("1*") };
    assert_eq!(listing.names(&again).unwrap(), ["1a"]);
}

#[test]
fn keeping_an_expression_over_a_restart_is_a_broken_rule() {
    let stage = Stage::projecting(&[]);
    stage.provider.lists(&[&[file("1a")], &[], &[file("1b")]]);
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&matching("1*")).unwrap(), ["1a"]);
    let again = Query { restart: true, ..matching("2*") };
    assert_eq!(listing.names(&again), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["F6"]);
}

/// Lists a directory, and again after a restart that the provider does not understand: it is done
/// with a session once it gave `a`.
fn listed_again(stage: &Stage, between: impl Fn(&Stage)) -> Result<Vec<String>, HResult> {
    let done = Arc::new(Mutex::new(Vec::new()));
    stage.provider.does(is_get, move |act| {
        let done = done.clone();
        async move {
            let Request::GetEnumeration { enumeration, .. } = act.command.request else { return };
            let is_done = done.lock().contains(&enumeration);
            done.lock().push(enumeration);
            let entries = if is_done { Vec::new() } else { vec![file("a")] };
            act.complete(HResult::OK, Reply::Entries(entries));
        }
    });
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&ALL).unwrap(), [".", "..", "a"]);
    between(stage);
    listing.all(&restart())
}

#[test]
fn a_provider_that_ignores_expressions_is_told_so_after_a_restart_too() {
    let stage = Stage::projecting(&[]);
    stage.provider.lists(&[&[file("1a"), file("2c")], &[], &[file("1a"), file("2c")]]);
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&ALL).unwrap(), [".", "..", "1a", "2c"]);
    let again = Query { restart: true, ..matching("2*") };
    assert_eq!(listing.names(&again), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["F7"]);
}

#[test]
fn nothing_after_a_restart_is_a_broken_rule_unless_the_projection_changed() {
    let stage = Stage::projecting(&[]);
    assert_eq!(listed_again(&stage, |_| {}), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["F23"]);
    let changed = listed_again(&stage, |stage| {
        stage.root.clear_negative_path_cache();
    });
    assert_eq!(changed.unwrap(), [".", ".."]);
    stage.lenient();
    assert_eq!(listed_again(&stage, |_| {}).unwrap(), [".", ".."]);
    assert_eq!(stage.broken(), ["F23"]);
}

#[test]
fn what_is_virtual_may_vanish_before_a_restart_without_a_word() {
    let stage = Stage::projecting(&["a"]);
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&ALL).unwrap(), [".", "..", "a"]);
    stage.provider.unproject("a");
    assert_eq!(listing.all(&restart()).unwrap(), [".", ".."]);
}

#[test]
fn a_provider_may_know_the_projection_of_the_start_of_a_session_only() {
    let stage = Stage::projecting(&["a"]);
    let a = [entry("a", Some(1))];
    stage.provider.lists(&[&a, &[], &a]);
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&ALL).unwrap(), [".", "..", "a"]);
    stage.provider.project("b");
    stage.item("b");
    assert_eq!(listing.all(&restart()).unwrap(), [".", "..", "a", "b"]);
}

#[test]
fn another_expression_may_have_nothing_after_a_restart() {
    let stage = Stage::projecting(&["1a"]);
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&matching("1*")).unwrap(), ["1a"]);
    let again = Query { restart: true, ..matching("2*") };
    assert_eq!(listing.names(&again), Err(HResult::FILE_NOT_FOUND));
}

#[test]
fn a_placeholder_that_is_not_listed_is_a_broken_rule() {
    let stage = Stage::projecting(&["a", "b", "c"]);
    stage.item("b");
    local(&stage, "local");
    stage.provider.unproject("b");
    assert_eq!(stage.list(""), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["E4"]);
    stage.lenient();
    assert_eq!(stage.list("").unwrap(), [".", "..", "a", "b", "c", "local"]);
    assert_eq!(stage.broken(), ["E4"]);
    assert_eq!(stage.listing("").all(&matching("b")).unwrap(), ["b"]);
}

/// Lists the root while the provider changes its projection, and says so a moment later.
fn listed_during_a_change(stage: &Stage, say: fn(&Stage)) -> Vec<String> {
    let query = ALL.clone();
    let listing = stage.spawn(move |root, caller| async move {
        let mut listing = None;
        let entries = root.query_listing(&caller, ItemId::ROOT, &mut listing, &query).await;
        entries.map(|entries| entries.iter().map(|entry| entry.name.to_string()).collect())
    });
    stage.scheduler.settle();
    say(stage);
    stage.scheduler.run_until_idle().unwrap();
    listing.take().unwrap().unwrap()
}

#[test]
fn a_placeholder_may_be_deleted_a_moment_after_it_is_listed_no_more() {
    let stage = Stage::projecting(&["a", "b"]);
    stage.item("b");
    stage.provider.unproject("b");
    let names = listed_during_a_change(&stage, |stage| {
        let deleted = stage.spawn(|root, _| async move {
            let session = root.session().unwrap();
            root.delete_file(&session, &"b".into(), UpdateFlags::empty()).await
        });
        stage.scheduler.settle();
        assert_eq!(deleted.take(), Some(Ok(())));
    });
    assert_eq!(names, [".", "..", "a", "b"]);
    assert_eq!(stage.list("").unwrap(), [".", "..", "a"]);
}

#[test]
fn the_negative_path_cache_may_be_cleared_a_moment_after_a_name_is_listed() {
    let stage = Stage::projecting(&["b"]);
    stage.stop();
    stage.start(|request| request.negative_path_cache = true);
    assert!(stage.open("a").unwrap().is_none());
    stage.provider.project("a");
    let names = listed_during_a_change(&stage, |stage| {
        assert_eq!(stage.root.clear_negative_path_cache(), 1);
    });
    assert_eq!(names, [".", "..", "a", "b"]);
}

#[test]
fn a_placeholder_that_the_provider_could_not_delete_need_not_be_listed() {
    let stage = Stage::projecting(&["a", "b"]);
    let b = stage.item("b").id;
    stage.provider.unproject("b");
    stage.root.store.add_state(b, crate::contract::FileState::DIRTY).unwrap();
    let refused = stage.run(|root, _| async move {
        let session = root.session().unwrap();
        let flags = crate::contract::UpdateFlags::empty();
        root.delete_file(&session, &"B".into(), flags).await
    });
    refused.unwrap_err();
    assert_eq!(stage.list("").unwrap(), [".", "..", "a", "b"]);
}

#[test]
fn a_renamed_placeholder_and_a_second_name_need_not_be_listed() {
    let stage = Stage::projecting(&["a", "b"]);
    let root = crate::engine::ItemId::ROOT;
    let (a, b) = (stage.item("a").id, stage.item("b").id);
    stage.root.store.rename((root, &"a".into()), (root, &"renamed".into())).unwrap();
    stage.root.store.add_tombstone(root, &"a".into()).unwrap();
    stage.root.store.link(b, root, &"linked".into()).unwrap();
    assert_ne!(a, b);
    assert_eq!(stage.list("").unwrap(), [".", "..", "b", "linked", "renamed"]);
}

#[test]
fn a_placeholder_can_be_renamed_to_another_spelling() {
    let stage = Stage::projecting(&["a"]);
    let root = crate::engine::ItemId::ROOT;
    stage.item("a");
    stage.root.store.rename((root, &"a".into()), (root, &"A".into())).unwrap();
    assert_eq!(stage.list("").unwrap(), [".", "..", "A"]);
}

#[test]
fn a_placeholder_in_another_spelling_is_a_broken_rule() {
    let stage = Stage::projecting(&["ReadMe"]);
    let written = stage.run(|root, _| async move {
        let session = root.session().unwrap();
        root.write_placeholder(&session, &"readme".into(), info(Some(6), "ReadMe")).await
    });
    written.unwrap();
    assert_eq!(stage.list(""), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["G9"]);
    stage.lenient();
    assert_eq!(stage.list("").unwrap(), [".", "..", "readme"]);
    assert_eq!(stage.broken(), ["G9"]);
}

#[test]
fn what_was_denied_in_another_case_is_a_broken_rule_when_it_is_listed() {
    let stage = Stage::projecting(&[]);
    stage.lenient();
    for denied in ["SAME", "other"] {
        assert!(stage.open(denied).unwrap().is_none());
    }
    stage.provider.project("SAME");
    stage.provider.project("Other");
    assert_eq!(stage.list("").unwrap(), [".", "..", "Other", "SAME"]);
    assert_eq!(stage.broken(), ["G9"]);
    // The projection may change: whoever says so is believed.
    stage.root.clear_negative_path_cache();
    stage.list("").unwrap();
    assert_eq!(stage.broken(), Vec::<String>::new());
}

#[test]
fn what_the_negative_path_cache_hides_is_a_broken_rule_when_it_is_listed() {
    let stage = Stage::projecting(&[]);
    stage.stop();
    stage.start(|request| request.negative_path_cache = true);
    assert!(stage.open("a").unwrap().is_none());
    stage.provider.project("a");
    assert_eq!(stage.list(""), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["H10"]);
    // Whoever does not use the cache hides nothing by it.
    stage.stop();
    stage.start(|_| {});
    assert_eq!(stage.list("").unwrap(), [".", "..", "a"]);
    stage.stop();
    stage.start(|request| request.negative_path_cache = true);
    stage.root.clear_negative_path_cache();
    assert_eq!(stage.list("").unwrap(), [".", "..", "a"]);
}
