//! The life of a command.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::scheduler::{Explored, explore};

#[test]
fn an_answer_reaches_who_asked() {
    for seed in 0..50 {
        let stage = Stage::new(&Scheduler::seeded(seed), request(), |command| {
            let refused = command.path == Wide::from("b");
            Some((if refused { HResult::ACCESS_DENIED } else { HResult::OK }, Reply::None))
        });
        let [a, b] = ["a", "b"].map(|path| stage.ask(path, Request::QueryFileName));
        stage.scheduler.run_until_idle().unwrap();
        assert_eq!(a.take(), Some(Ok(Reply::None)));
        assert_eq!(b.take(), Some(Err(HResult::ACCESS_DENIED)));
        let mut traced = stage.traced();
        traced.sort();
        assert_eq!(traced, ["QueryFileName a -> OK", "QueryFileName b -> ACCESS_DENIED"]);
        assert_eq!(stage.broken(), [""; 0]);
    }
}

#[test]
fn an_answer_may_come_before_invoke_returns() {
    #[derive(Debug, Default)]
    struct AtOnce(OnceLock<(Weak<Session>, Arc<Shared>)>);
    impl Provider for AtOnce {
        fn invoke(&self, command: Command) {
            let (session, shared) = self.0.get().unwrap();
            let completion = Completion { id: command.id, result: HResult::OK, reply: Reply::None };
            let session = session.upgrade().unwrap();
            session.commands.complete(shared, completion).unwrap();
        }
        fn cancel(&self, _id: i32) {}
    }
    let mut stage = Stage::silent(&Scheduler::seeded(0));
    let provider = Arc::new(AtOnce::default());
    stage.session = Arc::new(Session::new(request(), provider.clone()));
    provider.0.set((Arc::downgrade(&stage.session), stage.shared.clone())).unwrap();
    let asked = stage.ask("a", Request::QueryFileName);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(asked.take(), Some(Ok(Reply::None)));
}

#[test]
fn ids_are_unique_among_the_pending_and_never_0() {
    let stage = Stage::silent(&Scheduler::seeded(3));
    stage.session.commands.start_ids_at(i32::MAX - 3);
    for _ in 0..10 {
        stage.ask("a", Request::QueryFileName);
    }
    assert!(stage.scheduler.run_until_idle().is_err());
    let ids: BTreeSet<_> = stage.asked().into_iter().collect();
    assert_eq!(ids.len(), 10);
    assert!(ids.iter().all(|id| *id > 0), "{ids:?}");
    stage.session.commands.start_ids_at(0);
    stage.ask("a", Request::QueryFileName);
    assert!(stage.scheduler.run_until_idle().is_err());
    assert!(!ids.contains(stage.asked().last().unwrap()));
}

#[test]
fn a_command_carries_who_asked_for_what() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    stage.ask("docs\\a.txt", Request::GetFileData { offset: 0, length: 9 });
    assert!(stage.scheduler.run_until_idle().is_err());
    let asked = stage.provider.asked.lock();
    let [command] = asked.as_slice() else { unreachable!("{asked:?}") };
    assert_eq!(command.process, application());
    assert_eq!(command.path, "docs\\a.txt".into());
    assert_eq!(command.request, Request::GetFileData { offset: 0, length: 9 });
}

#[test]
fn however_cancellation_and_answer_meet_the_command_ends_once() {
    let (mut cancelled, mut answered) = (0, 0);
    let explored = explore(10_000, |scheduler| {
        let stage = Stage::willing(scheduler);
        let asked = Arc::new(stage.ask("a", Request::QueryFileName));
        let of_task = asked.clone();
        scheduler.spawn("cancel", async move { of_task.cancel() });
        scheduler.run_until_idle().unwrap();
        match (asked.take(), stage.asked().len()) {
            (Some(Ok(_)), 1) => {
                answered += 1;
                assert_eq!(stage.traced(), ["QueryFileName a -> OK"]);
                assert_eq!(stage.cancelled(), [0; 0]);
            }
            (None, 1) => {
                // The answer may have been there, unseen.
                assert!(stage.cancelled().len() <= 1);
                cancelled += stage.cancelled().len();
                assert_eq!(stage.traced(), ["QueryFileName a"]);
            }
            (None, 0) => assert_eq!(stage.cancelled(), [0; 0]),
            other => unreachable!("{other:?}"),
        }
        assert_eq!(stage.session.commands.pending(), 0);
        assert_eq!(stage.broken(), [""; 0]);
    });
    assert!(explored.unwrap().complete);
    assert!(cancelled > 0 && answered > 0, "{cancelled} {answered}");
}

#[test]
fn a_command_that_was_cancelled_may_be_completed_late_but_once() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    let asked = stage.ask("a", Request::GetPlaceholderInfo);
    assert!(stage.scheduler.run_until_idle().is_err());
    asked.cancel();
    let id = stage.asked()[0];
    assert_eq!(stage.cancelled(), [id]);
    assert_eq!(stage.complete(id, HResult::OK), Ok(()));
    assert_eq!(stage.broken(), [""; 0]);
    assert_eq!(stage.complete(id, HResult::OK), Err(HResult::INVALID_ARGUMENT));
    assert_eq!(stage.broken(), ["L2"]);
}

#[test]
fn cancelled_ids_are_forgotten_after_many_more() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    for _ in 0..=super::super::commands::GIVEN_UP_KEPT {
        let asked = stage.ask("a", Request::QueryFileName);
        assert!(stage.scheduler.step());
        asked.cancel();
    }
    let ids = stage.asked();
    assert_eq!(stage.complete(ids[0], HResult::OK), Err(HResult::INVALID_ARGUMENT));
    assert_eq!(stage.complete(ids[1], HResult::OK), Ok(()));
}

#[test]
fn a_second_completion_is_refused_and_a_broken_rule() {
    let explored = explore(1000, |scheduler| {
        let stage = Stage::silent(scheduler);
        let asked = stage.ask("a", Request::QueryFileName);
        assert!(scheduler.run_until_idle().is_err());
        let id = stage.asked()[0];
        let attempts = [1, 2].map(|_| {
            let stage = stage.clone();
            scheduler.spawn("complete", async move { stage.complete(id, HResult::OK) })
        });
        scheduler.run_until_idle().unwrap();
        let mut outcomes = attempts.map(|attempt| attempt.take().unwrap());
        outcomes.sort_by_key(Result::is_err);
        assert_eq!(outcomes, [Ok(()), Err(HResult::INVALID_ARGUMENT)]);
        assert_eq!(asked.take(), Some(Ok(Reply::None)));
        assert_eq!(stage.broken(), ["L2"]);
    });
    assert!(matches!(explored, Ok(Explored { complete: true, runs: 2.. })));
}

#[test]
fn an_id_that_never_was_is_refused_and_a_broken_rule() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    for id in [0, 1, -1] {
        assert_eq!(stage.complete(id, HResult::OK), Err(HResult::INVALID_ARGUMENT));
        assert_eq!(stage.broken(), ["L2"]);
    }
}

#[test]
fn without_a_cancel_callback_commands_run_to_their_end() {
    let request = StartRequest { cancels: false, ..request() };
    let stage = Stage::new(&Scheduler::seeded(0), request, |_| None);
    let asked = stage.ask("a", Request::GetPlaceholderInfo);
    assert!(stage.scheduler.run_until_idle().is_err());
    asked.cancel();
    assert_eq!(stage.cancelled(), [0; 0]);
    assert_eq!(stage.session.commands.pending(), 1);
    assert_eq!(stage.complete(stage.asked()[0], HResult::OK), Ok(()));
    assert_eq!(stage.session.commands.pending(), 0);
    assert_eq!(stage.broken(), [""; 0]);
}

#[test]
fn a_limit_ends_the_wait_and_cancels() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    stage.set_knobs(|knobs| knobs.command_limit_ms = Some(1500));
    let asked = stage.ask("a", Request::GetPlaceholderInfo);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(asked.take(), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE)));
    assert_eq!(stage.scheduler.now(), Duration::from_millis(1500));
    assert_eq!(stage.cancelled(), stage.asked());
    assert_eq!(stage.traced(), ["GetPlaceholderInfo a"]);
    assert_eq!(stage.complete(stage.asked()[0], HResult::OK), Ok(()));
}

#[test]
fn a_limit_does_not_hurt_who_answers_in_time() {
    for seed in 0..20 {
        let stage = Stage::willing(&Scheduler::seeded(seed));
        stage.set_knobs(|knobs| knobs.command_limit_ms = Some(1500));
        let asked = stage.ask("a", Request::GetPlaceholderInfo);
        stage.scheduler.run_until_idle().unwrap();
        assert_eq!(asked.take(), Some(Ok(Reply::None)));
        assert_eq!(stage.scheduler.now(), Duration::ZERO);
    }
}

#[test]
fn beyond_a_bound_commands_are_refused() {
    let request = StartRequest { cancels: false, ..request() };
    let stage = Stage::new(&Scheduler::seeded(0), request, |_| None);
    for _ in 0..super::super::commands::MOST_PENDING {
        let asked = stage.ask("a", Request::QueryFileName);
        assert!(stage.scheduler.step());
        asked.cancel();
    }
    let asked = stage.ask("a", Request::QueryFileName);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(asked.take(), Some(Err(HResult::VIRTUALIZATION_BUSY)));
}

/// Many at once: applications that give up, a provider that answers some, and an end by death or
/// stop. Nothing hangs, nothing stays behind, and no rule is seen broken where none was.
#[test]
fn whatever_happens_everything_ends() {
    for seed in 0..300 {
        let scheduler = Scheduler::seeded(seed);
        let cancels = seed % 2 == 0;
        let request = StartRequest { cancels, ..request() };
        let answering = scheduler.clone();
        let stage = Stage::new(&scheduler, request, move |_| {
            (answering.choose(4) > 0).then_some((HResult::OK, Reply::None))
        });
        let asked = ["a", "b", "c", "d"].map(|path| {
            let asked = Arc::new(stage.ask(path, Request::QueryFileName));
            if scheduler.choose(3) == 0 {
                let asked = asked.clone();
                scheduler.spawn("cancel", async move { asked.cancel() });
            }
            asked
        });
        for _ in 0..scheduler.choose(10) {
            scheduler.step();
        }
        let ends_by_death = scheduler.choose(2) == 0;
        if ends_by_death {
            stage.session.end();
        } else {
            stage.stop();
        }
        scheduler.run_until_idle().unwrap();
        assert_eq!(stage.session.commands.pending(), 0, "seed {seed}");
        for asked in asked {
            let answers =
                [None, Some(Ok(Reply::None)), Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE))];
            assert!(answers.contains(&asked.take()), "seed {seed}");
        }
        assert_eq!(stage.broken(), [""; 0], "seed {seed}");
    }
}
