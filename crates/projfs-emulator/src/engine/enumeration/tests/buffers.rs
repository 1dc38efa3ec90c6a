//! Pages: what fits a buffer, and nothing lost between them.

use super::{ALL, bury, local, matching, restart};
use crate::contract::HResult;
use crate::contract::operations::Query;
use crate::engine::stage::{Stage, is_get};
use crate::link::EntryBudget;

/// A buffer for so many entries with names of one or two units.
fn buffer(entries: usize) -> Query {
    Query { buffer: u32::try_from(entries * EntryBudget::cost(2)).unwrap(), ..Query::default() }
}

fn four() -> Stage {
    Stage::projecting(&["1a", "1b", "2c", "2d"])
}

#[test]
fn one_entry_a_call_on_demand() {
    let stage = four();
    let mut listing = stage.listing("");
    let query = Query { single_entry: true, ..ALL.clone() };
    for name in [".", "..", "1a", "1b", "2c", "2d"] {
        assert_eq!(listing.names(&query).unwrap(), [name]);
    }
    assert_eq!(listing.names(&query), Err(HResult::NO_MORE_FILES));
    drop(listing);
    let trace = stage.trace();
    // More than one is legal, and kept.
    assert_eq!(trace[1], "GetEnumeration \"\" (single entry) -> OK, 4 entries");
}

#[test]
fn a_buffer_for_one_entry_gives_one() {
    let stage = four();
    let mut listing = stage.listing("");
    for name in [".", "..", "1a", "1b", "2c", "2d"] {
        assert_eq!(listing.names(&buffer(1)).unwrap(), [name]);
    }
    assert_eq!(listing.names(&buffer(1)), Err(HResult::NO_MORE_FILES));
}

#[test]
fn a_buffer_for_two_entries_gives_two_and_a_restart_begins_anew() {
    let stage = four();
    let mut listing = stage.listing("");
    assert_eq!(listing.names(&buffer(2)).unwrap(), [".", ".."]);
    assert_eq!(listing.names(&buffer(2)).unwrap(), ["1a", "1b"]);
    let again = Query { restart: true, ..buffer(2) };
    assert_eq!(listing.names(&again).unwrap(), [".", ".."]);
    assert_eq!(listing.names(&buffer(2)).unwrap(), ["1a", "1b"]);
    assert_eq!(listing.names(&buffer(2)).unwrap(), ["2c", "2d"]);
    assert_eq!(listing.names(&buffer(2)), Err(HResult::NO_MORE_FILES));
}

#[test]
fn a_buffer_for_none_is_too_small_and_nothing_is_lost() {
    let stage = four();
    let mut listing = stage.listing("");
    assert_eq!(listing.names(&buffer(0)), Err(HResult::INSUFFICIENT_BUFFER));
    assert_eq!(listing.names(&buffer(3)).unwrap(), [".", "..", "1a"]);
    assert_eq!(listing.names(&buffer(0)), Err(HResult::INSUFFICIENT_BUFFER));
    assert_eq!(listing.names(&ALL).unwrap(), ["1b", "2c", "2d"]);
}

#[test]
fn twenty_six_mixed_names_all_come_through_512_bytes() {
    let names: Vec<_> = ('a'..='z').map(String::from).collect();
    let stage = Stage::projecting(&[]);
    for (index, name) in names.iter().enumerate() {
        match index % 3 {
            0 => local(&stage, name),
            1 => stage.provider.project(name),
            _ => {
                stage.provider.project(name);
                stage.item(name);
            }
        }
    }
    let expected = [vec![".".to_owned(), "..".to_owned()], names].concat();
    let mut listing = stage.listing("");
    let query = Query { buffer: 512, ..Query::default() };
    assert_eq!(listing.all(&query).unwrap(), expected);
    assert_eq!(listing.names(&query), Err(HResult::NO_MORE_FILES));
    assert_eq!(listing.names(&query), Err(HResult::NO_MORE_FILES));
}

#[test]
fn a_thousand_entries_come_in_order_whatever_the_provider_can_fill() {
    let names: Vec<_> = (0..1000).map(|number| format!("file{number:04}")).collect();
    let stage = Stage::projecting(&[]);
    names.iter().for_each(|name| stage.provider.project(name));
    let expected = [vec![".".to_owned(), "..".to_owned()], names].concat();
    for (bytes, limit) in [(4096, None), (130, None), (1 << 20, Some(1)), (16384, Some(7))] {
        stage.knobs(|knobs| (knobs.entry_bytes, knobs.entry_limit) = (bytes, limit));
        let query = Query { buffer: 16384, ..Query::default() };
        assert_eq!(stage.listing("").all(&query).unwrap(), expected);
    }
}

#[test]
fn a_provider_that_cannot_fill_even_one_entry_fails_the_query() {
    let stage = four();
    stage.knobs(|knobs| knobs.entry_bytes = 0);
    let mut listing = stage.listing("");
    assert_eq!(listing.names(&ALL), Err(HResult::INSUFFICIENT_BUFFER));
    stage.knobs(|knobs| knobs.entry_bytes = 4096);
    assert_eq!(listing.names(&ALL).unwrap(), [".", "..", "1a", "1b", "2c", "2d"]);
}

#[test]
fn a_failed_get_fails_the_query_and_loses_nothing() {
    let stage = four();
    stage.knobs(|knobs| knobs.entry_limit = Some(2));
    let mut listing = stage.listing("");
    assert_eq!(listing.names(&buffer(3)).unwrap(), [".", "..", "1a"]);
    stage.provider.fails(is_get, HResult::ACCESS_DENIED);
    assert_eq!(listing.names(&ALL), Err(HResult::ACCESS_DENIED));
    stage.provider.behave();
    assert_eq!(listing.names(&ALL).unwrap(), ["1b", "2c", "2d"]);
}

#[test]
fn an_application_that_gives_up_a_query_loses_nothing() {
    let stage = four();
    stage.knobs(|knobs| knobs.entry_limit = Some(1));
    let root = crate::engine::ItemId::ROOT;
    let listing = std::sync::Arc::new(tokio::sync::Mutex::new(None));
    let query = |query: Query| {
        let listing = listing.clone();
        stage.spawn(move |of, caller| async move {
            let mut listing = listing.lock().await;
            let entries = of.query_listing(&caller, root, &mut listing, &query).await?;
            Ok::<_, HResult>(entries.iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>())
        })
    };
    let first = query(buffer(3));
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(first.take().unwrap().unwrap(), [".", "..", "1a"]);
    // The provider goes on, but nobody sees what it gives.
    stage.provider.does(is_get, |act| async move { drop(act.answer().await) });
    let lost = query(ALL.clone());
    stage.scheduler.settle();
    lost.cancel();
    stage.provider.behave();
    let rest = query(ALL.clone());
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(rest.take().unwrap().unwrap(), ["1b", "2c", "2d"]);
}

#[test]
fn the_first_query_without_a_match_finds_no_file_and_later_ones_no_more() {
    let stage = Stage::projecting(&["a.txt", "b.txt", "c.txt"]);
    ["a.txt", "b.txt", "c.txt"].iter().for_each(|name| bury(&stage, name));
    let mut listing = stage.listing("");
    for query in [matching("*.txt"), Query { restart: true, ..matching("*.txt") }] {
        assert_eq!(listing.names(&query), Err(HResult::FILE_NOT_FOUND));
        assert_eq!(listing.names(&matching("*.txt")), Err(HResult::NO_MORE_FILES));
        assert_eq!(listing.names(&matching("*.txt")), Err(HResult::NO_MORE_FILES));
    }
    assert_eq!(listing.names(&restart()).unwrap(), [".", ".."]);
}
