//! Commands are answered exactly once or cancelled, whoever comes first.

use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;

use futures_util::future::Abortable;
use proptest::prelude::*;

use super::*;
use crate::api::{Failure, StreamId};
use crate::virtualizer::fake_sink::FakeSink;
use crate::virtualizer::sink::DataBuffer;

struct Fixture {
    commands: Commands,
    stats: Arc<ProjFsStats>,
    fake: Arc<FakeSink>,
    sink: Arc<dyn DataSink>,
}

impl Fixture {
    fn new() -> Self {
        let stats = Arc::<ProjFsStats>::default();
        let fake = FakeSink::new(0, 1);
        let sink = Arc::clone(&fake) as Arc<dyn DataSink>;
        Self { commands: Commands::new(Arc::clone(&stats)), stats, fake, sink }
    }

    fn register(&self, id: i32) -> (PendingCommand, AbortRegistration) {
        self.commands.register(id, &self.sink).unwrap()
    }

    fn pending(&self) -> usize {
        self.commands.0.state.lock().pending.len()
    }
}

#[test]
fn an_answer_is_given_once() {
    let fixture = Fixture::new();
    let (command, _registration) = fixture.register(3);
    command.complete(codes::OK);
    assert_eq!(fixture.fake.answers(), [(3, codes::OK)]);
    assert_eq!(fixture.pending(), 0);
}

#[test]
fn a_command_whose_work_vanishes_fails() {
    let fixture = Fixture::new();
    drop(fixture.register(3));
    assert_eq!(fixture.fake.answers(), [(3, codes::INTERNAL_ERROR)]);
}

#[test]
fn a_cancelled_command_ends_and_no_other_does() {
    let fixture = Fixture::new();
    let (cancelled, work) = fixture.register(1);
    let (other, other_work) = fixture.register(2);
    let (work, other_work) = (
        Abortable::new(std::future::pending::<()>(), work),
        Abortable::new(std::future::pending::<()>(), other_work),
    );
    fixture.commands.cancel(1);
    assert!(work.is_aborted() && !other_work.is_aborted());
    cancelled.complete(codes::OK);
    other.complete(codes::OK);
    assert_eq!(fixture.fake.answers(), [(2, codes::OK)]);
    assert_eq!(fixture.stats.cancelled_commands.get(), 1);
}

#[test]
fn what_is_not_known_is_not_cancelled() {
    let fixture = Fixture::new();
    // It overtakes the command that it is for (projfs.md L5).
    fixture.commands.cancel(1);
    let (command, _work) = fixture.register(1);
    command.complete(codes::OK);
    fixture.commands.cancel(1);
    assert_eq!(fixture.fake.answers(), [(1, codes::OK)]);
}

#[test]
fn a_late_answer_does_not_hit_the_next_command_with_the_number() {
    let fixture = Fixture::new();
    let (cancelled, _work) = fixture.register(1);
    fixture.commands.cancel(1);
    let (next, _work) = fixture.register(1);
    cancelled.complete(codes::INTERNAL_ERROR);
    assert_eq!(fixture.fake.answers(), []);
    next.complete(codes::OK);
    assert_eq!(fixture.fake.answers(), [(1, codes::OK)]);
}

#[test]
fn a_number_that_comes_again_ends_the_work_of_a_lost_cancellation() {
    let fixture = Fixture::new();
    let (stale, work) = fixture.register(1);
    let work = Abortable::new(std::future::pending::<()>(), work);
    let (next, _work) = fixture.register(1);
    assert!(work.is_aborted());
    drop(stale);
    next.complete(codes::OK);
    assert_eq!(fixture.fake.answers(), [(1, codes::OK)]);
}

#[test]
fn a_drain_waits_for_answers_and_takes_no_more_commands() {
    let fixture = Fixture::new();
    let (command, _work) = fixture.register(1);
    assert!(!fixture.commands.drain(Duration::from_millis(1)));
    assert!(fixture.commands.register(2, &fixture.sink).is_none());
    thread::scope(|scope| {
        let drained = scope.spawn(|| fixture.commands.drain(Duration::from_secs(30)));
        command.complete(codes::OK);
        assert!(drained.join().unwrap());
    });
}

#[test]
fn a_stop_answers_what_is_left() {
    let fixture = Fixture::new();
    let (command, work) = fixture.register(1);
    let work = Abortable::new(std::future::pending::<()>(), work);
    let patience = Duration::from_secs(30);
    assert!(fixture.commands.cancel_all(codes::VIRTUALIZATION_UNAVAILABLE, patience));
    assert!(work.is_aborted());
    drop(command);
    assert_eq!(fixture.fake.answers(), [(1, codes::VIRTUALIZATION_UNAVAILABLE)]);
    assert!(fixture.commands.drain(Duration::ZERO));
}

/// What happens to one command at the same time.
#[derive(Clone, Copy, Debug)]
enum Event {
    Complete,
    Drop,
    Cancel,
    Stop,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The invariant of the table: every command is answered once, or counted as cancelled.
    #[test]
    fn races_end_with_one_answer_or_none(
        rounds in proptest::collection::vec(
            proptest::sample::select(vec![Event::Complete, Event::Drop, Event::Cancel, Event::Stop]),
            1..24,
        ),
    ) {
        let fixture = Fixture::new();
        let mut registered = 0;
        for (id, event) in rounds.into_iter().enumerate() {
            let id = id as i32;
            let Some((command, _work)) = fixture.commands.register(id, &fixture.sink) else { break };
            registered += 1;
            let start = Barrier::new(2);
            thread::scope(|scope| {
                let (fixture, start) = (&fixture, &start);
                scope.spawn(move || {
                    start.wait();
                    match event {
                        Event::Complete | Event::Cancel | Event::Stop => command.complete(codes::OK),
                        Event::Drop => drop(command),
                    }
                });
                start.wait();
                match event {
                    Event::Stop => {
                        let patience = Duration::from_secs(30);
                        assert!(fixture.commands.cancel_all(codes::INTERNAL_ERROR, patience));
                    }
                    Event::Complete | Event::Drop | Event::Cancel => fixture.commands.cancel(id),
                }
            });
        }
        prop_assert_eq!(fixture.pending(), 0);
        let mut answers = HashMap::<i32, u32>::new();
        fixture.fake.answers().iter().for_each(|(id, _)| *answers.entry(*id).or_default() += 1);
        prop_assert!(answers.values().all(|count| *count == 1), "{:?}", answers);
        let cancelled = fixture.stats.cancelled_commands.get() as usize;
        prop_assert_eq!(answers.len() + cancelled, registered);
    }
}

/// Takes answers when it is told to.
struct SlowSink {
    begins: Barrier,
    ends: Barrier,
}

impl DataSink for SlowSink {
    fn write_alignment(&self) -> u32 {
        1
    }

    fn allocate(&self, _: usize) -> Option<DataBuffer> {
        None
    }

    fn write(&self, _: StreamId, _: &[u8], _: u64) -> Result<(), Failure> {
        Ok(())
    }

    fn complete(&self, _: i32, _: i32) -> Result<(), Failure> {
        self.begins.wait();
        self.ends.wait();
        Ok(())
    }
}

#[test]
fn m8_a_drain_waits_until_answers_have_arrived() {
    let fixture = Fixture::new();
    let slow = Arc::new(SlowSink { begins: Barrier::new(2), ends: Barrier::new(2) });
    let sink = Arc::clone(&slow) as Arc<dyn DataSink>;
    let (command, _work) = fixture.commands.register(1, &sink).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| command.complete(codes::OK));
        slow.begins.wait();
        // A stop now would leave the command without its answer.
        assert!(!fixture.commands.drain(Duration::from_millis(1)));
        assert!(!fixture.commands.cancel_all(codes::INTERNAL_ERROR, Duration::from_millis(1)));
        slow.ends.wait();
        assert!(fixture.commands.cancel_all(codes::INTERNAL_ERROR, Duration::from_secs(30)));
    });
    assert!(fixture.commands.drain(Duration::ZERO));
}
