//! Random operations, with hints that come late, shuffled, twice, or not at all.

use proptest::prelude::*;

use super::disk::{Hints, ModelDisk};
use super::rig::{Base, CONTENTS, Rig, planted};
use crate::callbacks::{Hint, HintSink};

/// What a program does.
#[derive(Clone, Debug)]
enum Act {
    Stat(String),
    Read(String),
    Write(String, &'static str),
    MakeFolder(String),
    MakeLink(String),
    Delete(String),
    DeleteTree(String),
    Rename(String, String),
    /// Write to a temporary file and rename it over the target (projfs.md K19).
    Save(String, &'static str),
    Link(String, String),
    MoveIn(String, &'static str),
    MoveOut(String),
}

/// A step of a test.
#[derive(Clone, Debug)]
enum Step {
    Act(Act),
    /// Gives some of the hints that wait, shuffled, some twice.
    Deliver(u64),
    /// Lets the tracker do so many jobs.
    Work(usize),
    /// A stop that drains, and things that happen while the root is stopped.
    Restart(Vec<Act>),
    /// kill -9: what was not looked at is forgotten.
    Kill,
    Tell,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-c]", 1 => "[A-C]", 1 => Just("new".to_owned())]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join("\\"))
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&CONTENTS[..])
}

fn tree() -> impl Strategy<Value = Base> {
    let path = path().prop_map(|path| path.to_lowercase());
    prop::collection::vec((path, prop::option::weighted(0.85, text())), 0..10).prop_map(planted)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => path().prop_map(Act::Stat),
        3 => path().prop_map(Act::Read),
        6 => (path(), text()).prop_map(|(path, text)| Act::Write(path, text)),
        4 => path().prop_map(Act::MakeFolder),
        1 => path().prop_map(Act::MakeLink),
        5 => path().prop_map(Act::Delete),
        3 => path().prop_map(Act::DeleteTree),
        9 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
        3 => (path(), text()).prop_map(|(path, text)| Act::Save(path, text)),
        2 => (path(), path()).prop_map(|(path, link)| Act::Link(path, link)),
        1 => (path(), text()).prop_map(|(path, text)| Act::MoveIn(path, text)),
        1 => path().prop_map(Act::MoveOut),
    ]
}

fn step(kills: bool) -> impl Strategy<Value = Step> {
    // While nobody provides, only times and sizes tell that something was renamed over something.
    let offline = act()
        .prop_filter("times tell nothing", move |act| kills || !matches!(act, Act::Rename(..)));
    let kill = if kills { Step::Kill } else { Step::Tell };
    prop_oneof![
        20 => act().prop_map(Step::Act),
        5 => any::<u64>().prop_map(Step::Deliver),
        3 => (0..6_usize).prop_map(Step::Work),
        1 => prop::collection::vec(offline, 0..4).prop_map(Step::Restart),
        1 => Just(kill),
        1 => Just(Step::Tell),
    ]
}

/// All hints of an operation, or of none if it failed.
fn perform(disk: &ModelDisk, act: &Act) -> Vec<Hints> {
    let one = |hints: Option<Hints>| hints.into_iter().collect();
    match act {
        Act::Stat(path) => {
            disk.stat(path);
            Vec::new()
        }
        Act::Read(path) => {
            let _ = disk.read(path);
            Vec::new()
        }
        Act::Write(path, text) => one(disk.write(path, text.as_bytes())),
        Act::MakeFolder(path) => one(disk.make_folder(path)),
        Act::MakeLink(path) => one(disk.make_link(path, "somewhere\\else")),
        Act::Delete(path) => one(disk.delete(path)),
        Act::DeleteTree(path) => {
            let below = format!("{}\\", super::disk::fold(path));
            let seen = disk.seen();
            let inside = seen.range(below.clone()..).take_while(|(key, _)| key.starts_with(&below));
            let inside: Vec<_> = inside.map(|(_, (path, _))| path.clone()).collect();
            let all = inside.iter().rev().chain([path]);
            all.filter_map(|path| disk.delete(path)).collect()
        }
        Act::Rename(from, to) => one(disk.rename(from, to)),
        Act::Save(path, text) => {
            let temporary = format!("{path}~");
            let written = disk.write(&temporary, text.as_bytes());
            let renamed = disk.rename(&temporary, path);
            written.into_iter().chain(renamed).collect()
        }
        Act::Link(path, link) => one(disk.link(path, link)),
        Act::MoveIn(path, text) => one(disk.move_in(path, text.as_bytes())),
        Act::MoveOut(path) => one(disk.move_out(path)),
    }
}

/// What may happen while nobody provides: what is on disk as full file changes (projfs.md M10).
fn perform_offline(disk: &ModelDisk, act: &Act) {
    if let Act::Write(..) | Act::Delete(_) | Act::Rename(..) | Act::MakeFolder(_) = act {
        drop(perform(disk, act));
    }
}

struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Hints on their way.
#[derive(Default)]
struct Wire(Vec<Hint>);

impl Wire {
    fn deliver(&mut self, rig: &Rig, lots: &mut Lots, most: usize) {
        for _ in 0..most.min(self.0.len()) {
            let index = lots.below(self.0.len());
            let hint =
                if lots.below(5) == 0 { self.0[index].clone() } else { self.0.swap_remove(index) };
            rig.tracker.take(hint);
        }
    }

    fn deliver_all(&mut self, rig: &Rig, lots: &mut Lots) {
        while !self.0.is_empty() {
            self.deliver(rig, lots, usize::MAX);
        }
    }
}

/// Runs steps, and checks whenever everything has arrived.
fn run(rig: &mut Rig, steps: &[Step], loses_closes: bool) {
    let (mut wire, mut lots) = (Wire::default(), Lots(7));
    for step in steps {
        match step {
            Step::Act(act) => {
                for hints in perform(&rig.disk, act) {
                    wire.0.extend(hints.sure);
                    if !loses_closes || lots.below(3) > 0 {
                        wire.0.extend(hints.of_closes);
                    }
                }
            }
            Step::Deliver(seed) => {
                lots.0 ^= seed;
                let most = lots.below(6) + 1;
                wire.deliver(rig, &mut lots, most);
            }
            Step::Work(most) => rig.work(*most),
            Step::Restart(acts) => {
                wire.deliver_all(rig, &mut lots);
                rig.work(usize::MAX);
                rig.restart(|disk| acts.iter().for_each(|act| perform_offline(disk, act)));
                rig.check();
            }
            Step::Kill => {
                wire.0.clear();
                rig.restart(|_| ());
                rig.check();
            }
            Step::Tell => {
                wire.deliver_all(rig, &mut lots);
                if loses_closes {
                    rig.work(usize::MAX);
                    rig.restart(|_| ());
                }
                rig.check();
            }
        }
    }
    wire.deliver_all(rig, &mut lots);
    if loses_closes {
        rig.work(usize::MAX);
        rig.restart(|_| ());
    }
    rig.check();
    rig.restart(|_| ());
    rig.check();
}

pub(super) fn cases(count: u32) -> ProptestConfig {
    // More by PROPTEST_CASES.
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = count;
    }
    config
}

proptest! {
    #![proptest_config(cases(300))]

    /// K16, K18, K19, T13, T14: all files have one time of writing and few sizes, so that nothing
    /// tells placeholders apart but what renames say.
    #[test]
    fn k16_what_is_told_is_the_difference_in_whatever_order_hints_come(
        base in tree(),
        steps in prop::collection::vec(step(false), 1..40),
    ) {
        let mut rig = Rig::with(base, true, 100_000);
        run(&mut rig, &steps, false);
    }

    /// K22, N1, N3: hints of closed handles are lost, processes die with hints in their queues.
    #[test]
    fn n1_what_nobody_was_told_of_is_found_at_the_start(
        base in tree(),
        steps in prop::collection::vec(step(true), 1..40),
    ) {
        let mut rig = Rig::with(base, false, 100_000);
        run(&mut rig, &steps, true);
    }

    /// The queue merges hints all the time.
    #[test]
    fn nothing_is_lost_when_too_many_hints_wait(
        base in tree(),
        steps in prop::collection::vec(step(false), 1..40),
    ) {
        let mut rig = Rig::with(base, false, 5);
        run(&mut rig, &steps, false);
    }
}
