//! Search expressions: captured by the first query and by each restart.

use super::{ALL, local, matching, restart};
use crate::contract::HResult;
use crate::contract::operations::Query;
use crate::engine::stage::Stage;

fn restarted(expression: &str) -> Query {
    Query { restart: true, ..matching(expression) }
}

fn four() -> Stage {
    Stage::projecting(&["1a", "1b", "2c", "2d"])
}

#[test]
fn an_expression_is_for_both_sides_and_for_dots() {
    let stage = four();
    local(&stage, "2b");
    local(&stage, "3");
    assert_eq!(stage.listing("").all(&matching("2*")).unwrap(), ["2b", "2c", "2d"]);
    assert_eq!(stage.listing("").all(&matching("2C")).unwrap(), ["2c"]);
    assert_eq!(stage.listing("").all(&matching("?")).unwrap(), [".", "3"]);
    assert_eq!(stage.listing("").all(&matching("*")).unwrap().len(), 8);
    assert_eq!(stage.listing("").all(&matching("")).unwrap().len(), 8);
    assert_eq!(stage.listing("").names(&matching("zz*")), Err(HResult::FILE_NOT_FOUND));
}

#[test]
fn an_expression_makes_no_placeholder() {
    let stage = four();
    assert_eq!(stage.listing("").all(&matching("1a")).unwrap(), ["1a"]);
    assert!(stage.root.store.children(crate::engine::ItemId::ROOT).unwrap().is_empty());
}

#[test]
fn later_expressions_are_ignored_but_reach_the_provider() {
    let stage = four();
    stage.knobs(|knobs| knobs.entry_limit = Some(1));
    let mut listing = stage.listing("");
    let single = |query: Query| Query { single_entry: true, ..query };
    assert_eq!(listing.names(&single(matching("2*"))).unwrap(), ["2c"]);
    assert_eq!(listing.names(&single(matching("1*"))).unwrap(), ["2d"]);
    assert_eq!(listing.names(&ALL), Err(HResult::NO_MORE_FILES));
    drop(listing);
    let trace = stage.trace();
    assert_eq!(
        trace[1..],
        [
            "GetEnumeration \"\" (2*, single entry) -> OK, 1 entry",
            "GetEnumeration \"\" (1*, single entry) -> OK, 1 entry",
            "GetEnumeration \"\" -> OK, 0 entries"
        ]
    );
}

#[test]
fn an_expression_after_an_empty_one_is_ignored() {
    let stage = four();
    let mut listing = stage.listing("");
    let query = Query { single_entry: true, ..ALL.clone() };
    assert_eq!(listing.names(&query).unwrap(), ["."]);
    assert_eq!(listing.names(&matching("zz*")).unwrap(), ["..", "1a", "1b", "2c", "2d"]);
}

#[test]
fn the_first_get_says_what_the_pass_began_with() {
    let stage = four();
    let mut listing = stage.listing("");
    let single = Query { single_entry: true, ..restarted("*") };
    assert_eq!(listing.names(&single).unwrap(), ["."]);
    assert_eq!(listing.names(&ALL).unwrap().len(), 5);
    listing.close();
    assert_eq!(
        stage.trace()[1..3],
        [
            "GetEnumeration \"\" (*, restart) -> OK, 4 entries",
            "GetEnumeration \"\" -> OK, 0 entries"
        ]
    );
}

#[test]
fn a_restart_honours_a_new_expression() {
    let stage = four();
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&matching("1*")).unwrap(), ["1a", "1b"]);
    assert_eq!(listing.all(&restarted("2*")).unwrap(), ["2c", "2d"]);
    assert_eq!(listing.names(&restarted("zz*")), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(listing.all(&restart()).unwrap().len(), 6);
    listing.close();
    let trace = stage.trace();
    assert_eq!(trace.iter().filter(|line| line.starts_with("Start")).count(), 1);
    assert!(trace.contains(&"GetEnumeration \"\" (2*, restart) -> OK, 2 entries".to_owned()));
}

#[test]
fn a_restart_sees_what_is_new_on_disk() {
    let stage = four();
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&ALL).unwrap().len(), 6);
    local(&stage, "1");
    super::bury(&stage, "2c");
    assert_eq!(listing.all(&restart()).unwrap(), [".", "..", "1", "1a", "1b", "2d"]);
}
