//! Placeholders become full.

use crate::contract::operations::ItemId;
use crate::contract::{FileState, HResult, Notification, NotificationMapping, NotifyMask, Wide};
use crate::engine::stage::{HYDRATED, Stage, is_data};
use crate::link::{Command, Request};
use crate::scheduler::Handle;

/// A root whose provider hears of conversions.
fn stage(seed: u64) -> Stage {
    let stage = Stage::empty(crate::Knobs { seed, ..crate::Knobs::default() });
    stage.provider.project("a");
    stage.start(|request| {
        let mask = NotifyMask::PRE_CONVERT_TO_FULL;
        request.notifications = Some(vec![NotificationMapping { root: Wide::default(), mask }]);
    });
    stage.item("a");
    stage.trace();
    stage
}

fn converting(stage: &Stage, item: ItemId, keep_data: bool) -> Handle<Result<(), HResult>> {
    stage.spawn(|root, caller| async move { root.convert_to_full(&caller, item, keep_data).await })
}

fn convert(stage: &Stage, keep_data: bool) -> Result<(), HResult> {
    let handle = converting(stage, stage.item("a").id, keep_data);
    stage.scheduler.run_until_idle().unwrap();
    handle.take().unwrap()
}

const fn is_pre_convert(command: &Command) -> bool {
    let Request::Notify { notification, .. } = command.request else { return false };
    matches!(notification, Notification::PreConvertToFull)
}

const ASKED: &str = "Notify PreConvertToFull a -> OK";
const FETCHED: &str = "GetFileData a 0+1 -> OK";

#[test]
fn a_placeholder_is_hydrated_before_it_is_full() {
    let stage = stage(0);
    convert(&stage, true).unwrap();
    assert_eq!(stage.trace(), [ASKED, FETCHED]);
    assert_eq!(stage.item("a").state, FileState::FULL);
    assert_eq!(stage.read("a").unwrap(), "a");
    convert(&stage, true).unwrap();
    assert_eq!(stage.trace(), Vec::<String>::new());
}

#[test]
fn a_hydrated_file_becomes_full_without_being_asked_for_again() {
    let stage = stage(0);
    stage.read("a").unwrap();
    let before = stage.item("a").basic;
    stage.trace();
    convert(&stage, true).unwrap();
    assert_eq!(stage.trace(), [ASKED]);
    let after = stage.item("a").basic;
    assert_eq!((after.creation, after.write), (before.creation, before.write));
}

#[test]
fn a_refusal_leaves_a_placeholder_that_was_not_even_fetched() {
    let stage = stage(0);
    stage.provider.fails(is_pre_convert, HResult::ACCESS_DENIED);
    assert_eq!(convert(&stage, true), Err(HResult::ACCESS_DENIED));
    assert_eq!(stage.trace(), ["Notify PreConvertToFull a -> ACCESS_DENIED"]);
    assert_eq!(stage.item("a").state, FileState::PLACEHOLDER);
}

#[test]
fn a_failed_hydration_leaves_a_placeholder() {
    let stage = stage(0);
    stage.provider.fails(is_data, HResult::ACCESS_DENIED);
    assert_eq!(convert(&stage, true), Err(HResult::ACCESS_DENIED));
    assert_eq!(stage.item("a").state, FileState::PLACEHOLDER);
}

#[test]
fn data_about_to_be_dropped_is_not_fetched() {
    let stage = stage(0);
    convert(&stage, false).unwrap();
    assert_eq!(stage.trace(), Vec::<String>::new());
    let item = stage.item("a");
    assert_eq!((item.state, item.basic.size), (FileState::FULL, 0));
}

#[test]
fn overwriting_asks_on_demand_only() {
    let stage = stage(0);
    stage.knobs(|knobs| knobs.convert_on_overwrite = true);
    stage.read("a").unwrap();
    stage.trace();
    convert(&stage, false).unwrap();
    assert_eq!(stage.trace(), [ASKED]);
    let item = stage.item("a");
    assert_eq!((item.state, item.basic.size), (FileState::FULL, 0));
}

#[test]
fn writers_at_the_same_time_ask_once() {
    for seed in 0..20 {
        let stage = stage(seed);
        let item = stage.item("a").id;
        let writers: Vec<_> = (0..10).map(|_| converting(&stage, item, true)).collect();
        stage.scheduler.run_until_idle().unwrap();
        assert!(writers.iter().all(|writer| writer.take() == Some(Ok(()))));
        assert_eq!(stage.trace(), [ASKED, FETCHED]);
    }
}

#[test]
fn readers_and_one_who_overwrites_all_succeed_in_any_order() {
    for seed in 0..100 {
        let stage = stage(seed);
        let item = stage.item("a").id;
        let mut handles: Vec<_> = (0..2)
            .map(|_| stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await }))
            .collect();
        handles.push(converting(&stage, item, false));
        stage.scheduler.run_until_idle().unwrap();
        assert!(handles.iter().all(|handle| handle.take() == Some(Ok(()))), "seed {seed}");
        let item = stage.item("a");
        assert_eq!((item.state, item.basic.size), (FileState::FULL, 0), "seed {seed}");
    }
}

#[test]
fn another_writer_takes_over_from_one_who_is_gone() {
    let stage = stage(0);
    let item = stage.item("a").id;
    stage.provider.hangs(is_pre_convert);
    let first = converting(&stage, item, true);
    stage.scheduler.settle();
    let second = converting(&stage, item, true);
    stage.scheduler.settle();
    stage.provider.behave();
    first.cancel();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(second.take(), Some(Ok(())));
    assert_eq!(stage.trace(), ["Notify PreConvertToFull a", ASKED, FETCHED]);
}

#[test]
fn directories_and_links_stay_what_they_are() {
    let stage = stage(0);
    stage.provider.project("d\\");
    let item = stage.item("d").id;
    let directory = converting(&stage, item, true);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(directory.take(), Some(Ok(())));
    assert_eq!(stage.item("d").state, FileState::PLACEHOLDER);
    assert_eq!(stage.trace(), ["GetPlaceholderInfo d -> OK"]);
}

#[test]
fn a_hydrated_file_becomes_full_without_a_provider() {
    let stage = stage(0);
    stage.read("a").unwrap();
    assert_eq!(stage.item("a").state, HYDRATED);
    stage.stop();
    convert(&stage, true).unwrap();
    assert_eq!(stage.item("a").state, FileState::FULL);
}
