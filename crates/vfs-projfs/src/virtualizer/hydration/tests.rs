//! Hydration against a volume and a stream that do what a bad day does.

use std::ops::Range;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use rusty_attachments_model::ContentHash;
use rusty_attachments_testkit::volume::{Content, ReadGate, ReferenceVolume, Tree};
use rusty_attachments_vfs::{ExecutorConfig, NodeId, VfsErrorKind, Volume};

use super::*;
use crate::callbacks::{HintSink, Presence, encode_content_id};
use crate::projection::{ManifestProjection, ProjectionOptions};
use crate::virtualizer::fake_sink::FakeSink;

const MIB: u64 = 1 << 20;

#[derive(Default)]
struct Hints(Mutex<Vec<Hint>>);

impl HintSink for Hints {
    fn take(&self, hint: Hint) {
        self.0.lock().push(hint);
    }
}

struct Fixture {
    volume: Arc<ReferenceVolume>,
    hints: Arc<Hints>,
    stats: Arc<ProjFsStats>,
    commands: Arc<Commands>,
    callbacks: Arc<VfsCallbacks>,
    executor: Arc<AsyncExecutor>,
    hydrator: Hydrator,
}

impl Fixture {
    /// A volume with a file `f` of so many bytes, and 40 small ones.
    fn new(size: u64) -> Self {
        let tree = Tree::new().pattern("f", size);
        Self::of((0..40).fold(tree, |tree, number| tree.pattern(&*format!("many/{number}"), 5000)))
    }

    fn of(tree: Tree) -> Self {
        Self::patient(tree, Duration::from_secs(30))
    }

    fn patient(tree: Tree, patience: Duration) -> Self {
        let volume = tree.build();
        let executor = Arc::new(AsyncExecutor::new(ExecutorConfig::default()).unwrap());
        let projection = ManifestProjection::new(
            Arc::clone(&volume) as Arc<dyn Volume>,
            ProjectionOptions::default(),
        );
        let hints = Arc::<Hints>::default();
        let callbacks = Arc::new(VfsCallbacks::new(
            Arc::new(projection.unwrap()),
            Arc::clone(&volume) as Arc<dyn Volume>,
            None,
            Arc::clone(&hints) as Arc<dyn HintSink>,
            Arc::new(Presence::new(Arc::clone(&volume) as Arc<dyn Volume>)),
        ));
        let stats = Arc::<ProjFsStats>::default();
        let commands = Arc::new(Commands::new(Arc::clone(&stats)));
        let hydrator = Hydrator::new(
            Arc::clone(&callbacks),
            Arc::clone(&executor),
            Arc::clone(&stats),
            Arc::clone(&commands),
            patience,
        );
        Self { volume, hints, stats, commands, callbacks, executor, hydrator }
    }

    fn request(&self, path: &str, command: i32, offset: u64, length: u32) -> DataRequest {
        let identity = self.volume.content_identity(self.volume.node(path)).unwrap();
        DataRequest {
            command,
            stream: StreamId(7),
            path: path.replace('/', "\\").encode_utf16().collect(),
            content_id: Some(encode_content_id(identity)),
            offset,
            length,
        }
    }

    /// The answer of a request, whenever it comes.
    fn finish(&self, sink: &Arc<FakeSink>, request: DataRequest) -> i32 {
        let command = request.command;
        match self.begin(sink, request) {
            codes::IO_PENDING => sink.answer_of(command),
            code => code,
        }
    }

    fn begin(&self, sink: &Arc<FakeSink>, request: DataRequest) -> i32 {
        self.hydrator.answer(&(Arc::clone(sink) as Arc<dyn DataSink>), request)
    }

    fn all_of(&self, path: &str) -> DataRequest {
        let node = self.volume.node(path);
        let size = self.volume.attributes(node).unwrap().size;
        self.request(path, 1, 0, u32::try_from(size).unwrap())
    }

    fn hints(&self) -> Vec<Hint> {
        self.hints.0.lock().clone()
    }

    /// Waits until no work is left.
    fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.executor.stats().running > 0 {
            assert!(Instant::now() < deadline, "work does not end");
            std::thread::yield_now();
        }
    }
}

fn repair(path: &str) -> Hint {
    Hint::Repair(path.encode_utf16().collect())
}

fn no_repair(path: &str) -> Hint {
    Hint::NoRepair(path.encode_utf16().collect())
}

fn assert_written(sink: &FakeSink, size: u64, range: Range<u64>) {
    sink.assert_has(range, &Content::Pattern(size).read(0, size as usize));
}

#[test]
fn every_size_arrives_whole_with_every_alignment() {
    let sizes = [0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 5 * MIB, 5 * MIB + 13];
    for size in sizes {
        let fixture = Fixture::new(size);
        for (alignment, gated) in [(1, false), (512, true), (4096, false), (4096, true)] {
            let sink = FakeSink::new(size, alignment);
            let gate = gated.then(|| fixture.volume.gate("f"));
            let code = fixture.begin(&sink, fixture.all_of("f"));
            drop(gate);
            let at_hand = size == 0 || !gated && size <= MIB;
            assert_eq!(code, if at_hand { codes::OK } else { codes::IO_PENDING }, "{size}");
            if !at_hand {
                assert_eq!(sink.answer_of(1), codes::OK, "{size} bytes");
            }
            assert_written(&sink, size, 0..size);
            assert_eq!(sink.answers().len(), usize::from(!at_hand), "{size} bytes");
        }
        assert_eq!(fixture.stats.hydrated_bytes.get(), 4 * size);
        assert_eq!(fixture.stats.hydrated_files.get(), 4);
        assert_eq!(fixture.hints(), []);
        let node = fixture.volume.node("f");
        assert_eq!(fixture.callbacks.presence().get(node), OnDisk::Hydrated);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// J1, J4, J5: any range is honoured, with aligned writes.
    #[test]
    fn any_range_is_covered_by_writes_that_are_aligned(
        size in 1..3 * MIB,
        offset in 0..3 * MIB,
        length in 1..3 * MIB,
        alignment in proptest::sample::select(vec![1_u32, 512, 4096]),
    ) {
        let offset = offset % size;
        let length = length.min(size - offset);
        let fixture = Fixture::new(size);
        let sink = FakeSink::new(size, alignment);
        let request = fixture.request("f", 1, offset, length as u32);
        prop_assert_eq!(fixture.finish(&sink, request), codes::OK);
        assert_written(&sink, size, offset..offset + length);
    }

    #[test]
    fn aligned_ranges_are_the_smallest(
        size in 1..u64::from(u32::MAX),
        at in any::<(u64, u64)>(),
        alignment in proptest::sample::select(vec![1_u32, 512, 4096]),
    ) {
        let (a, b) = (at.0 % size, at.1 % size + 1);
        let range = a.min(b)..a.max(b);
        let wide = aligned(range.clone(), size, alignment);
        let step = u64::from(alignment);
        prop_assert!(wide.start.is_multiple_of(step) && (wide.end.is_multiple_of(step) || wide.end == size));
        prop_assert!(wide.start <= range.start && range.start - wide.start < step);
        prop_assert!(wide.end >= range.end && wide.end - range.end < step);
    }
}

#[test]
fn large_files_are_written_as_they_arrive() {
    for size in [2 * MIB, 5 * MIB + 13] {
        let mut fixture = Fixture::new(size);
        fixture.hydrator.copied_from = MIB;
        let sink = FakeSink::new(size, 4096);
        let gate = fixture.volume.gate("f");
        assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
        gate.open();
        assert_eq!(sink.answer_of(1), codes::OK);
        assert_written(&sink, size, 0..size);
        assert_eq!(fixture.volume.counts.reads.load(Ordering::Relaxed), 1, "in one copy");
        // A part of it is verified before it is written.
        let sink = FakeSink::new(size, 4096);
        let part = fixture.request("f", 1, 4096, 1 << 20);
        assert_eq!(fixture.finish(&sink, part), codes::OK);
        assert_written(&sink, size, 4096..MIB + 4096);
        assert_eq!(fixture.volume.counts.reads.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn a_large_file_that_turns_out_wrong_fails_and_is_looked_after() {
    // J10.
    let mut fixture = Fixture::new(5 * MIB);
    fixture.hydrator.copied_from = MIB;
    fixture.volume.fail_from("f", 3 * MIB, VfsErrorKind::Corrupt);
    let sink = FakeSink::new(5 * MIB, 512);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::FILE_CORRUPT);
    assert_eq!(fixture.stats.hydrated_bytes.get(), 3 * MIB);
    assert_eq!(fixture.stats.hydrated_files.get(), 0);
    assert_eq!(fixture.hints(), [repair("f")]);
    assert_eq!(fixture.stats.failed_hydrations.get(), 1);
    fixture.volume.heal("f");
    let sink = FakeSink::new(5 * MIB, 512);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::OK);
    assert_written(&sink, 5 * MIB, 0..5 * MIB);
}

#[test]
fn failures_of_the_volume_reach_the_reader_and_leave_nothing() {
    for (size, gated) in [(1000, false), (1000, true), (3 * MIB, false)] {
        let fixture = Fixture::new(size);
        for (kind, code) in [
            (VfsErrorKind::Corrupt, codes::FILE_CORRUPT),
            (VfsErrorKind::Offline, codes::FILE_NOT_AVAILABLE),
            (VfsErrorKind::ContentMissing, codes::FILE_NOT_AVAILABLE),
        ] {
            let sink = FakeSink::new(size, 512);
            fixture.volume.fail("f", kind);
            let gate = gated.then(|| fixture.volume.gate("f"));
            let begun = fixture.begin(&sink, fixture.all_of("f"));
            drop(gate);
            let ended = if begun == codes::IO_PENDING { sink.answer_of(1) } else { begun };
            assert_eq!(ended, code, "{kind:?}");
            assert!(sink.is_untouched(), "{kind:?}");
        }
        // Without memory of it (projfs.md J8).
        fixture.volume.heal("f");
        let sink = FakeSink::new(size, 512);
        assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::OK);
        assert_eq!(fixture.hints(), []);
        assert_eq!(fixture.stats.failed_hydrations.get(), 3);
    }
}

#[test]
fn short_content_is_an_error_before_it_is_a_file_of_zeros() {
    for (size, copied) in [(1000, false), (2 * MIB + 5, false), (2 * MIB + 5, true)] {
        let mut fixture = Fixture::new(size);
        fixture.hydrator.copied_from = if copied { 0 } else { u64::MAX };
        fixture.volume.answer_short("f", 999);
        let sink = FakeSink::new(size, 512);
        assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::INTERNAL_ERROR);
        assert!(sink.is_untouched());
    }
}

#[test]
fn a_panic_of_the_volume_fails_its_command_and_no_other() {
    let fixture = Fixture::new(2 * MIB);
    fixture.volume.panic_on_read("f");
    let sink = FakeSink::new(2 * MIB, 512);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::INTERNAL_ERROR);
    fixture.volume.heal("f");
    let sink = FakeSink::new(2 * MIB, 512);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::OK);
}

#[test]
fn a_reader_that_went_away_ends_it_quietly_but_half_a_file_is_looked_after() {
    // J6, J10.
    let fixture = Fixture::new(5 * MIB);
    let sink = FakeSink::new(5 * MIB, 512);
    sink.fail_from(2 * MIB + 1, codes::INVALID_HANDLE);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::INVALID_HANDLE);
    assert_written(&sink, 5 * MIB, 0..2 * MIB);
    assert_eq!(fixture.hints(), [repair("f")]);
    assert!(fixture.hydrator.faults.told.lock().is_empty(), "nobody is told");
    sink.heal();
    assert_eq!(fixture.finish(&sink, DataRequest { command: 2, ..fixture.all_of("f") }), codes::OK);
    // What is right by now is not thrown away.
    assert_eq!(fixture.hints(), [repair("f"), no_repair("f")]);
    assert_eq!(fixture.finish(&sink, DataRequest { command: 3, ..fixture.all_of("f") }), codes::OK);
    assert_eq!(fixture.hints().len(), 2);
}

#[test]
fn wrong_bytes_are_not_forgotten_when_the_next_try_fails_too() {
    let fixture = Fixture::new(5 * MIB);
    let sink = FakeSink::new(5 * MIB, 512);
    fixture.volume.fail_from("f", 3 * MIB, VfsErrorKind::Offline);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::FILE_NOT_AVAILABLE);
    fixture.volume.fail("f", VfsErrorKind::Corrupt);
    let again = DataRequest { command: 2, ..fixture.all_of("f") };
    assert_eq!(fixture.finish(&sink, again), codes::FILE_CORRUPT);
    assert_eq!(fixture.hints(), [repair("f"), no_repair("f"), repair("f")]);
}

/// Waits until so many writes are under way.
fn wait_for_writes(sink: &FakeSink, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while sink.writes_at_once() < count {
        assert!(Instant::now() < deadline, "{} instead of {count}", sink.writes_at_once());
        std::thread::yield_now();
    }
}

#[test]
fn the_next_write_begins_while_one_is_under_way_and_no_more() {
    let fixture = Fixture::new(5 * MIB);
    let sink = FakeSink::new(5 * MIB, 512);
    sink.block_writes(true);
    assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
    wait_for_writes(&sink, 2);
    sink.block_writes(false);
    assert_eq!(sink.answer_of(1), codes::OK);
    assert_written(&sink, 5 * MIB, 0..5 * MIB);
    assert_eq!(sink.most_writes_at_once(), 2);
    assert_eq!(fixture.stats.hydrated_bytes.get(), 5 * MIB);
}

#[test]
fn a_command_that_fails_is_answered_after_its_writes_have_ended() {
    let fixture = Fixture::new(5 * MIB);
    fixture.volume.fail_from("f", 2 * MIB, VfsErrorKind::Corrupt);
    let sink = FakeSink::new(5 * MIB, 512);
    sink.block_writes(true);
    assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
    wait_for_writes(&sink, 2);
    assert_eq!(sink.answers(), []);
    sink.block_writes(false);
    assert_eq!(sink.answer_of(1), codes::FILE_CORRUPT);
    assert_eq!(sink.writes_at_once(), 0);
    // Both had what they wrote.
    assert_eq!(fixture.stats.hydrated_bytes.get(), 2 * MIB);
}

#[test]
fn codes_of_writes_are_passed_on() {
    for size in [100, 3 * MIB] {
        let fixture = Fixture::new(size);
        let sink = FakeSink::new(size, 512);
        sink.fail_from(0, codes::ACCESS_DENIED);
        assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::ACCESS_DENIED);
        // What a write that failed has left is not known.
        assert_eq!(fixture.hints(), [repair("f")]);
    }
}

#[test]
fn j6_a_reader_that_went_away_before_the_first_write_leaves_nothing_to_repair() {
    for size in [100, 3 * MIB] {
        for code in [codes::INVALID_HANDLE, codes::OUT_OF_MEMORY, codes::VIRTUALIZATION_UNAVAILABLE]
        {
            let fixture = Fixture::new(size);
            let sink = FakeSink::new(size, 512);
            sink.fail_from(0, code);
            assert_eq!(fixture.finish(&sink, fixture.all_of("f")), code);
            assert_eq!(fixture.hints(), []);
        }
    }
}

#[test]
fn l10_more_commands_than_turns_wait_without_time_limit_and_can_be_cancelled() {
    let mut fixture = Fixture::new(0);
    fixture.hydrator.turns = Arc::new(Semaphore::new(1));
    let sink = FakeSink::new(5000, 512);
    let gates = [0, 1, 2].map(|number| fixture.volume.gate(&format!("many/{number}")));
    for command in 0..3 {
        let request = fixture.request(&format!("many/{command}"), command, 0, 5000);
        assert_eq!(fixture.begin(&sink, request), codes::IO_PENDING);
    }
    fixture.commands.cancel(1);
    drop(gates);
    assert_eq!(sink.answer_of(0), codes::OK);
    assert_eq!(sink.answer_of(2), codes::OK);
    fixture.settle();
    assert_eq!(sink.answers().len(), 2);
    assert_eq!(fixture.hydrator.turns.available_permits(), 1);
}

#[test]
fn without_memory_for_a_buffer_it_fails_and_a_buffer_that_is_there_is_used_again() {
    let fixture = Fixture::new(100);
    let sink = FakeSink::new(100, 512);
    sink.run_out_of_memory();
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::OUT_OF_MEMORY);
    let rich = FakeSink::new(100, 512);
    assert_eq!(fixture.finish(&rich, fixture.all_of("f")), codes::OK);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::OK);
}

#[test]
fn cancelling_one_of_many_ends_exactly_that_one() {
    let fixture = Fixture::new(0);
    let sink = FakeSink::new(5000, 512);
    let paths: Vec<_> = (0..40).map(|number| format!("many/{number}")).collect();
    let gates: Vec<ReadGate> = paths.iter().map(|path| fixture.volume.gate(path)).collect();
    for (command, path) in paths.iter().enumerate() {
        let request = fixture.request(path, command as i32, 0, 5000);
        assert_eq!(fixture.begin(&sink, request), codes::IO_PENDING);
    }
    gates.iter().for_each(|gate| gate.wait_for(1));
    fixture.commands.cancel(17);
    // The fetch for it is given up, the others are not.
    gates[17].wait_for_none();
    assert_eq!(gates.iter().map(ReadGate::waiting).sum::<usize>(), 39);
    drop(gates);
    for command in (0..40).filter(|command| *command != 17) {
        assert_eq!(sink.answer_of(command), codes::OK);
    }
    fixture.settle();
    assert_eq!(sink.answers().len(), 39);
    assert_eq!(fixture.stats.cancelled_commands.get(), 1);
    assert_eq!(fixture.stats.hydrated_files.get(), 39);
}

#[test]
fn a_cancellation_between_two_writes_has_half_a_file_repaired() {
    let fixture = Fixture::new(5 * MIB);
    let sink = FakeSink::new(5 * MIB, 512);
    sink.block_writes(true);
    assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
    wait_for_writes(&sink, 1);
    fixture.commands.cancel(1);
    sink.block_writes(false);
    fixture.settle();
    assert_eq!(sink.answers(), []);
    assert_eq!(fixture.hints(), [repair("f")]);
}

#[test]
fn placeholders_without_an_identity_fail_and_are_made_again() {
    // H9, Q18.
    let fixture = Fixture::new(1000);
    let sink = FakeSink::new(1000, 512);
    let good = fixture.all_of("f");
    let mut torn = good.content_id;
    torn.as_mut().unwrap()[20] ^= 1;
    for content_id in [None, Some([0; CONTENT_ID_BYTES]), torn] {
        let request = DataRequest { content_id, ..good.clone() };
        assert_eq!(fixture.begin(&sink, request), codes::FILE_NOT_AVAILABLE);
    }
    assert_eq!(fixture.stats.bad_content_ids.get(), 3);
    assert_eq!(fixture.hints(), [repair("f"), repair("f"), repair("f")]);
    assert_eq!(fixture.hydrator.faults.told.lock().len(), 1, "told once");
    assert!(sink.is_untouched());
}

#[test]
fn a_placeholder_that_is_larger_than_its_content_fails() {
    let fixture = Fixture::new(1000);
    let sink = FakeSink::new(2000, 512);
    let request = DataRequest { length: 1001, ..fixture.all_of("f") };
    assert_eq!(fixture.begin(&sink, request), codes::FILE_NOT_AVAILABLE);
    assert_eq!(fixture.hints(), [repair("f")]);
}

#[test]
fn content_is_found_by_its_identity_not_by_the_path() {
    // J3: the path is the one at which the placeholder was made.
    let fixture = Fixture::of(Tree::new().pattern("f", 700).file("other", "x".repeat(700)));
    let sink = FakeSink::new(700, 512);
    let path = "other".encode_utf16().collect();
    let request = DataRequest { path, ..fixture.all_of("f") };
    assert_eq!(fixture.begin(&sink, request), codes::OK);
    assert_written(&sink, 700, 0..700);
    for path in ["f", "other"] {
        let node = fixture.volume.node(path);
        assert_ne!(fixture.callbacks.presence().get(node), OnDisk::Hydrated, "{path}");
    }
}

#[test]
fn content_that_the_volume_does_not_have_is_not_available() {
    let fixture = Fixture::new(10);
    let identity =
        ContentIdentity { size: 10, chunk_size: None, hash: ContentHash::of(b"of yesterday") };
    let sink = FakeSink::new(10, 512);
    let content_id = Some(encode_content_id(identity));
    let request = DataRequest { content_id, ..fixture.all_of("f") };
    assert_eq!(fixture.begin(&sink, request), codes::FILE_NOT_AVAILABLE);
}

#[test]
fn a_command_without_progress_fails_in_time() {
    // L10.
    let fixture = Fixture::patient(Tree::new().pattern("f", 9), Duration::from_millis(20));
    let gate = fixture.volume.gate("f");
    let sink = FakeSink::new(9, 512);
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::FILE_NOT_AVAILABLE);
    gate.wait_for_none();
}

#[test]
fn l10_content_may_take_long_while_bytes_arrive_and_fails_when_they_stop() {
    let fixture = Fixture::patient(Tree::new().pattern("f", 9), Duration::from_millis(5));
    fixture.volume.flowing.store(true, Ordering::Relaxed);
    let gate = fixture.volume.gate("f");
    let sink = FakeSink::new(9, 512);
    assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
    let deadline = Instant::now() + Duration::from_secs(30);
    while fixture.volume.counts.progress.load(Ordering::Relaxed) < 20 {
        assert!(Instant::now() < deadline && sink.answers().is_empty(), "{:?}", sink.answers());
        std::thread::yield_now();
    }
    fixture.volume.flowing.store(false, Ordering::Relaxed);
    assert_eq!(sink.answer_of(1), codes::FILE_NOT_AVAILABLE);
    gate.wait_for_none();
}

#[test]
fn memory_for_writes_is_bounded() {
    let fixture = Fixture::new(0);
    let sink = FakeSink::new(5000, 512);
    let gates: Vec<_> =
        (0..40).map(|number| fixture.volume.gate(&format!("many/{number}"))).collect();
    for command in 0..40 {
        let request = fixture.request(&format!("many/{command}"), command, 0, 5000);
        assert_eq!(fixture.begin(&sink, request), codes::IO_PENDING);
    }
    drop(gates);
    (0..40).for_each(|command| assert_eq!(sink.answer_of(command), codes::OK));
    assert!(sink.allocations() <= 8, "{} buffers", sink.allocations());
    assert!(sink.most_writes_at_once() <= 8);
}

#[test]
fn small_content_waits_for_its_turn_elsewhere_when_all_buffers_are_busy() {
    let fixture = Fixture::new(0);
    let sink = FakeSink::new(5000, 512);
    sink.block_writes(true);
    let gates: Vec<_> =
        (0..8).map(|number| fixture.volume.gate(&format!("many/{number}"))).collect();
    for command in 0..8 {
        let request = fixture.request(&format!("many/{command}"), command, 0, 5000);
        assert_eq!(fixture.begin(&sink, request), codes::IO_PENDING);
    }
    drop(gates);
    wait_for_writes(&sink, 8);
    let request = fixture.request("many/9", 9, 0, 5000);
    assert_eq!(fixture.begin(&sink, request), codes::IO_PENDING);
    sink.block_writes(false);
    assert_eq!(sink.answer_of(9), codes::OK);
}

#[test]
fn after_a_stop_nothing_begins() {
    let fixture = Fixture::new(2 * MIB);
    let sink = FakeSink::new(2 * MIB, 512);
    assert!(fixture.commands.drain(Duration::ZERO));
    let code = fixture.begin(&sink, fixture.all_of("f"));
    assert_eq!(code, codes::VIRTUALIZATION_UNAVAILABLE);
    assert_eq!((sink.answers(), fixture.hints()), (vec![], vec![]));
}

#[test]
fn a_stopped_executor_fails_the_command() {
    let fixture = Fixture::new(2 * MIB);
    let sink = FakeSink::new(2 * MIB, 512);
    fixture.executor.shutdown(Duration::from_secs(30)).unwrap();
    assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
    assert_eq!(sink.answer_of(1), codes::INTERNAL_ERROR);
}

#[test]
fn answers_that_come_later_are_counted_then() {
    let fixture = Fixture::new(100);
    let gate = fixture.volume.gate("f");
    let sink = FakeSink::new(100, 512);
    assert_eq!(fixture.begin(&sink, fixture.all_of("f")), codes::IO_PENDING);
    let calls = || {
        let snapshot = fixture.stats.snapshot(0, &rusty_attachments_vfs::Stats::default());
        let (_, data) =
            snapshot.callbacks.iter().find(|(name, _)| *name == "get_file_data").unwrap();
        (data.calls, snapshot.pending_commands)
    };
    assert_eq!(calls(), (0, 1));
    gate.open();
    assert_eq!(sink.answer_of(1), codes::OK);
    assert_eq!(calls(), (1, 0));
}

#[test]
fn nodes_of_the_volume_are_what_presence_counts() {
    let fixture = Fixture::new(100);
    let sink = FakeSink::new(100, 512);
    let request = fixture.request("f", 1, 0, 50);
    assert_eq!(fixture.finish(&sink, request), codes::OK);
    let node: NodeId = fixture.volume.node("f");
    assert_ne!(fixture.callbacks.presence().get(node), OnDisk::Hydrated, "half of it is");
    assert_eq!(fixture.finish(&sink, fixture.all_of("f")), codes::OK);
    assert_eq!(fixture.callbacks.presence().get(node), OnDisk::Hydrated);
}
