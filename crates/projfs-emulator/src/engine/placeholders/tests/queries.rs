//! The negative path cache, and what a provider says of names that go.

use super::found;
use crate::contract::{HResult, Wide};
use crate::engine::stage::{Act, Stage, info, is_query, is_start};
use crate::engine::store::{ItemId, NewFull};

fn cached() -> Stage {
    let stage = Stage::projecting(&[]);
    stage.stop();
    stage.start(|request| request.negative_path_cache = true);
    stage
}

const DENIED: &str = "GetPlaceholderInfo a -> FILE_NOT_FOUND";

#[test]
fn without_the_cache_each_lookup_asks() {
    let stage = Stage::projecting(&[]);
    assert_eq!((found(&stage, "a"), found(&stage, "a")), (Ok(None), Ok(None)));
    assert_eq!(stage.trace(), [DENIED, DENIED]);
    assert_eq!(stage.root.clear_negative_path_cache(), 0);
}

#[test]
fn with_the_cache_a_missing_name_is_asked_for_once_until_it_is_cleared() {
    let stage = cached();
    assert_eq!((found(&stage, "a"), found(&stage, "A")), (Ok(None), Ok(None)));
    assert_eq!(stage.trace(), [DENIED]);
    stage.provider.project("a");
    assert_eq!(found(&stage, "a"), Ok(None));
    assert_eq!(stage.root.clear_negative_path_cache(), 1);
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
    assert_eq!(stage.root.clear_negative_path_cache(), 0);
}

#[test]
fn other_failures_are_not_remembered() {
    let stage = cached();
    stage.provider.fails(super::is_placeholder, HResult::ACCESS_DENIED);
    found(&stage, "a").unwrap_err();
    stage.provider.behave();
    stage.provider.project("a");
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
}

#[test]
fn a_local_item_at_a_name_in_the_cache_is_seen() {
    let stage = cached();
    assert_eq!(found(&stage, "a"), Ok(None));
    let file = NewFull::File { attributes: 0 };
    stage.root.store.add_full(ItemId::ROOT, &"a".into(), file).unwrap();
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
}

#[test]
fn a_cache_that_was_not_cleared_at_start_is_a_broken_rule() {
    let stage = cached();
    assert_eq!(found(&stage, "a"), Ok(None));
    stage.stop();
    stage.provider.project("a");
    stage.start(|request| request.negative_path_cache = true);
    assert_eq!(found(&stage, "a"), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["H10"]);
    stage.lenient();
    assert_eq!(found(&stage, "a"), Ok(None));
    assert_eq!(stage.broken(), ["H10"]);
    assert_eq!(stage.root.clear_negative_path_cache(), 1);
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
}

#[test]
fn a_cache_may_be_cleared_a_moment_after_the_start() {
    let stage = cached();
    assert_eq!(found(&stage, "a"), Ok(None));
    stage.stop();
    stage.provider.project("a");
    stage.start(|request| request.negative_path_cache = true);
    let lookup = stage.spawn(|root, caller| async move {
        let parent = root.store.item(ItemId::ROOT).unwrap();
        root.materialise(&caller, &parent, &"a".into()).await.map(|found| found.is_some())
    });
    stage.scheduler.settle();
    assert_eq!(stage.root.clear_negative_path_cache(), 1);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(lookup.take(), Some(Ok(true)));
}

#[test]
fn what_a_provider_without_the_cache_denied_is_not_in_it() {
    let stage = Stage::projecting(&[]);
    assert_eq!(found(&stage, "a"), Ok(None));
    stage.stop();
    stage.start(|request| request.negative_path_cache = true);
    stage.provider.project("a");
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
}

#[test]
fn a_provider_that_wants_no_cache_is_asked_in_spite_of_an_earlier_ones() {
    let stage = cached();
    assert_eq!(found(&stage, "a"), Ok(None));
    stage.stop();
    stage.start(|_| {});
    stage.provider.project("a");
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
}

fn projects(stage: &Stage, name: &'static str) -> Result<bool, HResult> {
    stage.run(move |root, caller| async move {
        let parent = root.store.item(ItemId::ROOT).unwrap();
        root.projects(&caller, &parent, &Wide::from(name)).await
    })
}

#[test]
fn the_callback_says_what_is_projected() {
    let stage = Stage::projecting(&["a"]);
    assert_eq!((projects(&stage, "A"), projects(&stage, "b")), (Ok(true), Ok(false)));
    assert_eq!(stage.trace(), ["QueryFileName A -> OK", "QueryFileName b -> FILE_NOT_FOUND"]);
    stage.provider.fails(is_query, HResult::ACCESS_DENIED);
    assert_eq!(projects(&stage, "a"), Err(HResult::ACCESS_DENIED));
}

#[test]
fn a_listing_of_the_one_name_stands_in_for_the_callback() {
    let stage = Stage::projecting(&["a", "ab"]);
    stage.stop();
    stage.start(|request| request.queries_names = false);
    assert_eq!((projects(&stage, "A"), projects(&stage, "b")), (Ok(true), Ok(false)));
    assert_eq!(
        stage.trace(),
        [
            "StartEnumeration \"\" -> OK",
            "GetEnumeration \"\" (A) -> OK, 1 entry",
            "EndEnumeration \"\" -> OK",
            "StartEnumeration \"\" -> OK",
            "GetEnumeration \"\" (b) -> OK, 0 entries",
            "EndEnumeration \"\" -> OK"
        ]
    );
}

#[test]
fn a_folder_that_the_provider_cannot_list_projects_nothing() {
    let stage = Stage::projecting(&[]);
    stage.stop();
    stage.start(|request| request.queries_names = false);
    stage.provider.fails(is_start, HResult::FILE_NOT_FOUND);
    assert_eq!(projects(&stage, "a"), Ok(false));
    stage.provider.fails(is_start, HResult::ACCESS_DENIED);
    assert_eq!(projects(&stage, "a"), Err(HResult::ACCESS_DENIED));
}

#[test]
fn nothing_is_projected_without_a_provider_and_below_full_directories() {
    let stage = Stage::projecting(&["a"]);
    let directory = NewFull::Directory { attributes: 0 };
    stage.root.store.add_full(ItemId::ROOT, &"full".into(), directory).unwrap();
    let full = stage.item("full");
    let below =
        stage.run(|root, caller| async move { root.projects(&caller, &full, &"a".into()).await });
    stage.stop();
    assert_eq!((below, projects(&stage, "a")), (Ok(false), Ok(false)));
    assert_eq!(stage.trace(), Vec::<String>::new());
}

#[test]
fn a_name_that_was_denied_must_not_be_projected_all_of_a_sudden() {
    let stage = Stage::projecting(&[]);
    assert_eq!(found(&stage, "a"), Ok(None));
    stage.provider.fails(is_query, HResult::OK);
    assert_eq!(projects(&stage, "a"), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["E9"]);
    stage.lenient();
    assert_eq!(projects(&stage, "a"), Ok(true));
    assert_eq!(stage.broken(), ["E9"]);
}

#[test]
fn a_projection_that_changed_may_have_new_names() {
    let changes: [fn(&Stage); 4] = [
        |stage| stage.root.projection_changed(&"other".into()),
        |stage| assert_eq!(stage.root.clear_negative_path_cache(), 0),
        |stage| {
            stage.stop();
            stage.start(|_| {});
        },
        |stage| {
            let written = stage.run(|root, _| async move {
                let session = root.session().unwrap();
                root.write_placeholder(&session, &"a".into(), info(Some(1), "a")).await
            });
            written.unwrap();
        },
    ];
    for change in changes {
        let stage = Stage::projecting(&[]);
        assert_eq!(found(&stage, "a"), Ok(None));
        change(&stage);
        stage.provider.project("a");
        assert_eq!(projects(&stage, "a"), Ok(true));
    }
}

#[test]
fn the_version_of_a_query_is_the_folders() {
    let stage = Stage::projecting(&["a"]);
    stage.provider.does(is_query, |act: Act| async move {
        let version = act.command.version.clone().unwrap();
        assert_eq!(*version, crate::engine::stage::version("the root"));
        act.do_right().await;
    });
    assert_eq!(projects(&stage, "a"), Ok(true));
}
