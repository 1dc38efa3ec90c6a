//! The draining stop, and death.

use std::time::Duration;

use super::*;
use crate::scheduler::explore;

#[test]
fn a_stop_waits_for_what_runs_and_takes_nothing_new() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    let before = stage.ask("a", Request::GetPlaceholderInfo);
    assert!(stage.scheduler.run_until_idle().is_err());
    let id = stage.asked()[0];
    let stopped = stage.stop();
    stage.scheduler.settle();
    let after = stage.ask("b", Request::GetPlaceholderInfo);
    stage.close(event(Notification::ClosedNoModification, "c"));
    stage.scheduler.settle();
    assert_eq!(after.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!((before.take(), stopped.take()), (None, None));
    stage.complete(id, HResult::OK).unwrap();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!((before.take(), stopped.take()), (Some(Ok(Reply::None)), Some(())));
    assert_eq!(stage.scheduler.now(), Duration::ZERO);
    assert_eq!(stage.traced(), ["GetPlaceholderInfo a -> OK"]);
    assert_eq!(stage.broken(), [""; 0]);
}

#[test]
fn a_stop_gives_up_after_ten_seconds_what_the_provider_left_pending() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    let asked = stage.ask("a", Request::GetPlaceholderInfo);
    let refused = stage.notify(application(), event(Notification::PreDelete, "b"));
    assert!(stage.scheduler.run_until_idle().is_err());
    let stopped = stage.stop();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stopped.take(), Some(()));
    assert_eq!(stage.scheduler.now(), Duration::from_secs(10));
    assert_eq!(asked.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!(refused.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!(stage.complete(stage.asked()[0], HResult::OK), Ok(()), "a late answer is harmless");
    assert_eq!(stage.broken(), [""; 0], "callbacks may take that long");
}

#[test]
fn a_cancelled_command_does_not_hold_up_a_stop() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    let asked = stage.ask("a", Request::GetPlaceholderInfo);
    assert!(stage.scheduler.run_until_idle().is_err());
    asked.cancel();
    stage.stop();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.scheduler.now(), Duration::ZERO);
    assert_eq!(stage.broken(), [""; 0]);
}

#[test]
fn a_stop_delivers_the_queued_closes_even_if_they_are_held() {
    for seed in 0..50 {
        let stage = Stage::willing(&Scheduler::seeded(seed));
        stage.set_knobs(|knobs| knobs.closes.held = true);
        for path in ["a", "b"] {
            stage.close(event(Notification::ClosedNoModification, path));
        }
        stage.scheduler.run_until_idle().unwrap();
        let stopping = stage.clone();
        let delivered = stage.scheduler.spawn("stop", async move {
            stopping.session.drain(&stopping.shared).await;
            stopping.traced()
        });
        stage.scheduler.run_until_idle().unwrap();
        let mut delivered = delivered.take().unwrap();
        delivered.sort();
        let line = |path| format!("Notify ClosedNoModification {path} -> OK");
        assert_eq!(delivered, [line("a"), line("b")], "before the stop is over");
        stage.close(event(Notification::ClosedNoModification, "c"));
        stage.scheduler.run_until_idle().unwrap();
        assert_eq!(stage.traced(), [""; 0]);
    }
}

#[test]
fn after_a_stop_nothing_is_told_and_nothing_refused() {
    let stage = Stage::new(&Scheduler::seeded(0), request(), |_| {
        Some((HResult::ACCESS_DENIED, Reply::None))
    });
    stage.stop();
    stage.scheduler.run_until_idle().unwrap();
    let told = stage.notify(application(), event(Notification::PreDelete, "a"));
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(told.take(), Some(Ok(())));
    assert_eq!(stage.asked(), [0; 0]);
}

#[test]
fn at_death_all_who_wait_get_an_error_at_once() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    let asked = stage.ask("a", Request::GetPlaceholderInfo);
    let refused = stage.notify(application(), event(Notification::PreDelete, "b"));
    let told = stage.notify(application(), event(Notification::NewFileCreated, "c"));
    for path in ["d", "e"] {
        stage.close(event(Notification::ClosedNoModification, path));
    }
    assert!(stage.scheduler.run_until_idle().is_err());
    let before = stage.asked().len();
    stage.session.end();
    let late = stage.ask("f", Request::GetPlaceholderInfo);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(asked.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!(refused.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!(told.take(), Some(Ok(())));
    assert_eq!(late.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!(stage.asked().len(), before, "the second close is not delivered");
    assert_eq!(stage.cancelled(), [0; 0]);
    assert_eq!(stage.broken(), [""; 0]);
    stage.stop();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.scheduler.now(), Duration::ZERO);
}

/// A stop, a close and a question in every order: the stop ends, and nothing is asked after it.
#[test]
fn nothing_is_asked_after_a_stop_whatever_the_order() {
    let (mut with_close, mut without) = (0, 0);
    let explored = explore(50_000, |scheduler| {
        let stage = Stage::willing(scheduler);
        let asked = stage.ask("a", Request::QueryFileName);
        stage.close(event(Notification::ClosedNoModification, "b"));
        let stopping = stage.clone();
        let stopped = scheduler.spawn("stop", async move {
            stopping.session.drain(&stopping.shared).await;
            stopping.asked().len()
        });
        scheduler.run_until_idle().unwrap();
        assert_eq!(stopped.take(), Some(stage.asked().len()));
        let answer = asked.take().unwrap();
        assert!(matches!(answer, Ok(_) | Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
        let told = stage.traced().iter().any(|line| line == "Notify ClosedNoModification b -> OK");
        if told {
            with_close += 1
        } else {
            without += 1
        }
        assert_eq!(stage.broken(), [""; 0]);
    });
    assert!(explored.unwrap().complete);
    assert!(with_close > 0 && without > 0, "{with_close} {without}");
}
