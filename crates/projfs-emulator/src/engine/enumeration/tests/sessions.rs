//! Start, Get and End.

use super::{ALL, restart};
use crate::contract::HResult;
use crate::engine::stage::{Stage, is_get, is_start, version};
use crate::knobs::Expression;
use crate::link::Request;

const GUIDS: fn(&Request) -> Option<crate::contract::Guid> = |request| match request {
    Request::StartEnumeration { enumeration }
    | Request::EndEnumeration { enumeration }
    | Request::GetEnumeration { enumeration, .. } => Some(*enumeration),
    _ => None,
};

#[test]
fn the_directory_is_named_with_its_version() {
    let stage = Stage::projecting(&["d\\", "d\\e\\", "d\\e\\a"]);
    let file = stage.item("d\\e").file;
    stage.trace();
    assert_eq!(stage.list("d\\e").unwrap(), [".", "..", "a"]);
    stage.list("").unwrap();
    stage.scheduler.run_until_idle().unwrap();
    let trace = stage.root.shared.trace.take();
    for (path, of) in [("d\\e", "d\\e"), ("", "the root")] {
        let of_path: Vec<_> =
            trace.iter().filter(|traced| traced.command.path == path.into()).collect();
        assert_eq!(of_path.len(), 4);
        for traced in of_path {
            assert_eq!(*traced.command.version.clone().unwrap(), version(of));
            assert_eq!(traced.command.file == file, !path.is_empty());
        }
    }
}

#[test]
fn each_handle_has_a_session_of_its_own() {
    let stage = Stage::projecting(&["a", "b"]);
    stage.knobs(|knobs| knobs.entry_limit = Some(1));
    let (mut one, mut other) = (stage.listing(""), stage.listing(""));
    let single = super::Query { single_entry: true, ..ALL.clone() };
    for name in [".", "..", "a", "b"] {
        assert_eq!(one.names(&single).unwrap(), [name]);
        assert_eq!(other.names(&single).unwrap(), [name]);
    }
    one.close();
    assert_eq!(other.names(&single), Err(HResult::NO_MORE_FILES));
    other.close();
    let trace = stage.root.shared.trace.take();
    let mut guids: Vec<_> =
        trace.iter().filter_map(|traced| GUIDS(&traced.command.request)).collect();
    guids.sort_unstable();
    guids.dedup();
    assert_eq!(guids.len(), 2);
    assert!(trace.iter().all(|traced| traced.result == Some(HResult::OK)));
}

#[test]
fn a_failed_start_fails_the_query_without_get_and_end() {
    let stage = Stage::projecting(&["a"]);
    stage.provider.fails(is_start, HResult::ACCESS_DENIED);
    let mut listing = stage.listing("");
    assert_eq!(listing.names(&ALL), Err(HResult::ACCESS_DENIED));
    listing.close();
    assert_eq!(stage.trace(), ["StartEnumeration \"\" -> ACCESS_DENIED"]);
}

#[test]
fn nothing_is_asked_after_the_end_until_a_restart() {
    let stage = Stage::projecting(&["a"]);
    let mut listing = stage.listing("");
    assert_eq!(listing.all(&ALL).unwrap(), [".", "..", "a"]);
    stage.trace();
    assert_eq!(listing.names(&ALL), Err(HResult::NO_MORE_FILES));
    assert_eq!(stage.trace(), Vec::<String>::new());
    assert_eq!(listing.all(&restart()).unwrap(), [".", "..", "a"]);
    listing.close();
    assert_eq!(
        stage.trace(),
        [
            "GetEnumeration \"\" (restart) -> OK, 1 entry",
            "GetEnumeration \"\" -> OK, 0 entries",
            "EndEnumeration \"\" -> OK"
        ]
    );
}

#[test]
fn end_comes_even_if_the_application_just_goes() {
    let stage = Stage::projecting(&["d\\", "d\\a"]);
    let directory = stage.item("d").id;
    stage.trace();
    stage.provider.hangs(is_get);
    let gone =
        stage.spawn(move |root, caller| async move { root.has_children(&caller, directory).await });
    stage.scheduler.settle();
    gone.cancel();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(
        stage.trace(),
        ["StartEnumeration d -> OK", "GetEnumeration d", "EndEnumeration d -> OK"]
    );
}

#[test]
fn ends_can_get_lost() {
    let stage = Stage::projecting(&["a"]);
    stage.knobs(|knobs| knobs.lose_ends = 3);
    for _ in 0..60 {
        let mut listing = stage.listing("");
        listing.names(&ALL).unwrap();
        listing.close();
    }
    let trace = stage.trace();
    let ends = trace.iter().filter(|line| line.starts_with("End")).count();
    assert!((25..55).contains(&ends), "{ends} of 60");
}

#[test]
fn a_session_ends_with_its_provider() {
    let stage = Stage::projecting(&["a", "b"]);
    stage.knobs(|knobs| knobs.entry_limit = Some(1));
    let mut listing = stage.listing("");
    let three = super::Query { buffer: 360, ..super::Query::default() };
    assert_eq!(listing.names(&three).unwrap(), [".", "..", "a"]);
    let old = stage.root.session().unwrap();
    old.died(&stage.root);
    stage.stop();
    assert_eq!(listing.names(&ALL), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    stage.start(|_| {});
    stage.trace();
    assert_eq!(listing.names(&ALL), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    assert_eq!(listing.all(&restart()).unwrap(), [".", "..", "a", "b"]);
    assert_eq!(stage.trace()[0], "StartEnumeration \"\" -> OK");
}

#[test]
fn everything_is_asked_for_in_two_ways() {
    let stage = Stage::projecting(&[]);
    let seen = |expression| {
        stage.knobs(|knobs| knobs.expression = expression);
        let mut all: Vec<_> = (0..50).map(|_| stage.root.whole_expression()).collect();
        all.sort();
        all.dedup();
        all
    };
    assert_eq!(seen(Expression::Null), [None]);
    assert_eq!(seen(Expression::Star), [Some("*".into())]);
    assert_eq!(seen(Expression::Drawn), [None, Some("*".into())]);
}
