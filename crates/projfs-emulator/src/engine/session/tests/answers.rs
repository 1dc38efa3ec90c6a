//! What answers are worth, and which rules they break.

use super::*;
use crate::contract::{BasicInfo, DirEntry, Guid};
use crate::link::EntryBudget;

fn get() -> Request {
    Request::GetEnumeration {
        enumeration: Guid::numbered(1, 1),
        expression: None,
        restart: true,
        single_entry: false,
        budget: EntryBudget { bytes: 4096, entries: 10 },
    }
}

fn entries() -> Reply {
    Reply::Entries(vec![DirEntry { name: "a".into(), basic: BasicInfo::default(), link: None }])
}

/// What an application gets, and the rules that were broken.
fn answered(
    change: fn(&mut Knobs),
    request: Request,
    answer: (HResult, Reply),
) -> (Result<Reply>, Vec<String>) {
    let stage = Stage::new(&Scheduler::seeded(0), super::request(), move |_| Some(answer.clone()));
    stage.set_knobs(change);
    let asked = stage.ask("a", request);
    stage.scheduler.run_until_idle().unwrap();
    (asked.take().unwrap(), stage.broken())
}

#[test]
fn listed_codes_and_those_of_nt_reach_the_application_others_do_not() {
    let code = |code: u32| HResult(code as i32);
    for (given, seen) in [
        (HResult::FILE_NOT_FOUND, HResult::FILE_NOT_FOUND),
        (HResult::ACCESS_DENIED, HResult::ACCESS_DENIED),
        (HResult::OUT_OF_MEMORY, HResult::OUT_OF_MEMORY),
        (HResult::INSUFFICIENT_BUFFER, HResult::INSUFFICIENT_BUFFER),
        (HResult::INVALID_ARGUMENT, HResult::INVALID_ARGUMENT),
        (HResult::VIRTUALIZATION_UNAVAILABLE, HResult::VIRTUALIZATION_UNAVAILABLE),
        (HResult::INTERNAL_ERROR, HResult::INTERNAL_ERROR),
        // PrjWriteFileData's, handed on (J6).
        (HResult::HANDLE, HResult::HANDLE),
        (HResult::CANNOT_DELETE, HResult::CANNOT_DELETE),
        (code(0xD000_00A3), code(0xD000_00A3)),
        (HResult::WRITE_PROTECT, HResult::INTERNAL_ERROR),
        (code(0x8000_4005), HResult::INTERNAL_ERROR),
    ] {
        let (result, broken) = answered(|_| {}, Request::QueryFileName, (given, Reply::None));
        assert_eq!((result, broken), (Err(seen), Vec::new()), "{given}");
    }
}

#[test]
fn a_knob_lets_unlisted_codes_through() {
    let change = |knobs: &mut Knobs| knobs.pass_unlisted_codes = true;
    let (result, _) =
        answered(change, Request::QueryFileName, (HResult::WRITE_PROTECT, Reply::None));
    assert_eq!(result, Err(HResult::WRITE_PROTECT));
}

#[test]
fn any_success_is_one() {
    let (result, broken) = answered(|_| {}, Request::QueryFileName, (HResult(1), Reply::None));
    assert_eq!((result, broken), (Ok(Reply::None), Vec::new()));
}

#[test]
fn io_pending_is_no_completion() {
    for change in [(|_| {}) as fn(&mut Knobs), |knobs| {
        knobs.strict = false;
        knobs.pass_unlisted_codes = true;
    }] {
        let (result, broken) =
            answered(change, Request::QueryFileName, (HResult::IO_PENDING, Reply::None));
        assert_eq!(result, Err(HResult::INTERNAL_ERROR));
        assert_eq!(broken, ["L2"]);
    }
}

#[test]
fn entries_belong_to_a_get() {
    let answer = (HResult::OK, entries());
    assert_eq!(answered(|_| {}, get(), answer.clone()), (Ok(entries()), Vec::new()));
    let (result, broken) = answered(|_| {}, Request::QueryFileName, answer.clone());
    assert_eq!(result, Err(HResult::INTERNAL_ERROR));
    assert_eq!(broken, ["L3"]);
    let (result, broken) = answered(|knobs| knobs.strict = false, Request::QueryFileName, answer);
    assert_eq!(result, Ok(Reply::None));
    assert_eq!(broken, ["L3"]);
}

#[test]
fn a_mask_belongs_to_a_notification() {
    let answer = (HResult::OK, Reply::Mask(NotifyMask::SUPPRESS));
    let (result, broken) = answered(|_| {}, get(), answer.clone());
    assert_eq!(result, Err(HResult::INTERNAL_ERROR));
    assert_eq!(broken, ["L3"]);
    let opened = event(Notification::FileOpened, "a");
    let stage = Stage::new(&Scheduler::seeded(0), request(), move |_| Some(answer.clone()));
    let told = stage.notify(application(), opened);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(told.take(), Some(Ok(())));
    assert_eq!(stage.broken(), [""; 0]);
}

#[test]
fn entries_of_a_get_are_counted_in_the_trace() {
    let stage = Stage::new(&Scheduler::seeded(0), request(), |_| Some((HResult::OK, entries())));
    stage.ask("", get());
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.traced(), ["GetEnumeration \"\" (restart) -> OK, 1 entry"]);
}

#[test]
fn the_end_of_an_enumeration_has_to_succeed() {
    let end = Request::EndEnumeration { enumeration: Guid::numbered(1, 1) };
    let (_, broken) = answered(|_| {}, end.clone(), (HResult::INVALID_ARGUMENT, Reply::None));
    assert_eq!(broken, ["F3"]);
    assert_eq!(answered(|_| {}, end, (HResult::OK, Reply::None)), (Ok(Reply::None), Vec::new()));
}

#[test]
fn refusals_count_only_where_there_is_something_to_refuse() {
    for notification in Notification::ALL {
        let stage = Stage::new(&Scheduler::seeded(0), request(), |_| {
            Some((HResult::ACCESS_DENIED, Reply::None))
        });
        let told = stage.notify(application(), event(notification, "a"));
        stage.scheduler.run_until_idle().unwrap();
        let refused = notification.can_be_refused();
        let expected = if refused { Err(HResult::ACCESS_DENIED) } else { Ok(()) };
        assert_eq!(told.take(), Some(expected), "{notification:?}");
        let broken: &[&str] = if refused { &[] } else { &["K4"] };
        assert_eq!(stage.broken(), broken, "{notification:?}");
    }
}
