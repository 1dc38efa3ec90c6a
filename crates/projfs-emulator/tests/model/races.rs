//! Several programs at the same time, in many orders of their steps: what each action came to and
//! what is on disk afterwards must be what some order of the actions, one after the other, comes to.

use std::collections::BTreeSet;
use std::fmt::Write;

use projfs_emulator::contract::HResult;
use projfs_emulator::contract::operations::{Access, Disposition};
use projfs_emulator::scheduler::{Scheduler, explore};

use crate::action::{Action, How, Outcome, Provides, Slot, Snapshot};
use crate::machine::{ALL_FLAGS, Machine};
use crate::projection::{Projection, split};
use crate::reference::Reference;

/// Orders gone through one after the other, and orders drawn by lot.
const EXPLORED: usize = 40;
const DRAWN: u64 = 60;

/// What all actions came to, by program, and what is on disk afterwards.
type End = (Vec<Vec<Outcome>>, Snapshot);

/// Programs that run at the same time, on a machine where something was done before.
struct Race {
    before: Vec<Action>,
    programs: Vec<Vec<Action>>,
    /// Of these callbacks there may be one at most, however many want it (H1, J7, K8).
    once: &'static [&'static str],
}

impl Race {
    fn between<const N: usize>(programs: [&[Action]; N]) -> Self {
        let programs = programs.into_iter().map(<[Action]>::to_vec).collect();
        Self { before: Vec::new(), programs, once: &[] }
    }

    fn after(mut self, before: &[Action]) -> Self {
        self.before = before.to_vec();
        self
    }

    const fn asking_once(mut self, once: &'static [&'static str]) -> Self {
        self.once = once;
        self
    }

    /// Runs it in many orders.
    fn check(&self) {
        let ends = self.ends();
        explore(EXPLORED, |scheduler| self.run(scheduler, &ends)).unwrap();
        for seed in 0..DRAWN {
            self.run(&Scheduler::seeded(seed), &ends);
        }
    }

    /// Also with the provider's end, at any moment.
    fn check_with_death(mut self) {
        self.check();
        self.programs.push(vec![Action::Die]);
        self.check();
    }

    fn run(&self, scheduler: &Scheduler, ends: &BTreeSet<End>) {
        let machine = Machine::new(scheduler, projected(), &[]);
        for action in self.start() {
            machine.run(&action);
        }
        machine.calls();
        let outcomes = timeless(machine.race(&self.programs).unwrap());
        let calls = machine.calls();
        let end = (outcomes, machine.snapshot());
        assert!(ends.contains(&end), "{}", told(&end, ends, scheduler));
        assert_eq!(machine.broken(), Vec::<String>::new());
        assert_eq!(machine.listings(), 0, "listings whose end was not told");
        for once in self.once {
            let count = calls.iter().filter(|call| call.command.to_string() == **once).count();
            assert!(count <= 1, "{count} times {once}; {:?}", scheduler.choices());
        }
    }

    fn start(&self) -> Vec<Action> {
        let provides = Provides { process: 300, queries_names: true, negative_path_cache: false };
        [Action::Start(provides)].into_iter().chain(self.before.iter().cloned()).collect()
    }

    /// All ends that an order can have.
    fn ends(&self) -> BTreeSet<End> {
        let mut reference = Reference::new(projected(), &[]);
        for action in self.start() {
            reference.run(&action);
        }
        reference.take_calls();
        let programs: Vec<_> = self.programs.iter().map(|program| steps(program)).collect();
        let mut ends = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![Course::new(reference, programs.len())];
        while let Some(course) = open.pop() {
            if !seen.insert(course.key()) {
                continue;
            }
            let mut is_over = true;
            for (index, program) in programs.iter().enumerate() {
                if let Some(step) = program.get(course.done[index]) {
                    is_over = false;
                    open.extend(course.after(index, step));
                }
            }
            if is_over {
                ends.insert((timeless(course.outcomes), course.reference.snapshot()));
            }
        }
        ends
    }
}

/// Without what an open tells of the item: it is of a moment after the open itself.
fn timeless(mut outcomes: Vec<Vec<Outcome>>) -> Vec<Vec<Outcome>> {
    for outcome in outcomes.iter_mut().flatten() {
        if let Outcome::Opened { name, state, size, .. } = outcome {
            (*name, *state, *size) = (String::new(), 0, 0);
        }
    }
    outcomes
}

/// A part of an action that happens at once.
enum Step {
    /// The action has begun.
    Begin,
    /// A name on its way becomes a placeholder.
    Touch(String),
    /// A file becomes full, before the open that wants it so is over (T5).
    Convert(Action),
    Act(Action),
}

/// The parts of a program.
fn steps(program: &[Action]) -> Vec<Step> {
    let mut steps = Vec::new();
    for action in program {
        steps.push(Step::Begin);
        let (path, whole) = match action {
            Action::Open { path, .. } | Action::List { path, .. } => (path.as_str(), true),
            Action::Rename { to, .. } | Action::Link { to, .. } => (to.as_str(), true),
            _ => ("", false),
        };
        let mut touched: Vec<_> =
            std::iter::successors(Some(path), |path| split(path).map(|(folder, _)| folder))
                .filter(|path| whole && !path.is_empty())
                .map(str::to_owned)
                .collect();
        touched.reverse();
        steps.extend(touched.into_iter().map(Step::Touch));
        if let Action::Open { how, .. } = action
            && how.access.contains(Access::WRITE)
            && how.disposition == Disposition::Open
        {
            steps.push(Step::Convert(action.clone()));
        }
        steps.push(Step::Act(action.clone()));
    }
    steps
}

/// One order, as far as it went.
#[derive(Clone)]
struct Course {
    reference: Reference,
    /// Steps done, by program.
    done: Vec<usize>,
    outcomes: Vec<Vec<Outcome>>,
    /// Programs whose action was under way when the provider died.
    struck: BTreeSet<usize>,
    /// Programs whose action has begun and is not over.
    busy: BTreeSet<usize>,
}

impl Course {
    fn new(reference: Reference, programs: usize) -> Self {
        let (struck, busy) = Default::default();
        Self {
            reference,
            done: vec![0; programs],
            outcomes: vec![Vec::new(); programs],
            struck,
            busy,
        }
    }

    fn key(&self) -> String {
        let mut key = format!("{:?} {:?} {:?} ", self.done, self.outcomes, self.struck);
        write!(key, "{:?}", self.reference).unwrap();
        key
    }

    /// What can follow when a program does its next step.
    fn after(&self, index: usize, step: &Step) -> Vec<Self> {
        let mut next = self.clone();
        next.done[index] += 1;
        let mut all = Vec::new();
        match step {
            Step::Begin => drop(next.busy.insert(index)),
            Step::Touch(path) => drop(next.reference.run(&Action::Touch { path: path.clone() })),
            Step::Convert(open) => next.reference.run_halfway(open),
            Step::Act(action) => {
                next.busy.remove(&index);
                if next.struck.remove(&index) {
                    // Who waits for a provider that dies gets an error (M9).
                    let mut failed = next.clone();
                    let code = HResult::VIRTUALIZATION_UNAVAILABLE;
                    failed.outcomes[index].push(Outcome::failed(code));
                    all.push(failed);
                }
                let was_running = next.reference.is_running();
                let outcome = next.reference.run(action);
                next.outcomes[index].push(outcome);
                if was_running && !next.reference.is_running() {
                    next.struck.extend(next.busy.iter().copied());
                }
            }
        }
        next.reference.take_calls();
        all.push(next);
        all
    }
}

fn told(end: &End, ends: &BTreeSet<End>, scheduler: &Scheduler) -> String {
    let same = ends.iter().filter(|(outcomes, _)| *outcomes == end.0);
    let mut possible: BTreeSet<_> = same.map(|end| format!("{end:?}")).collect();
    if possible.is_empty() {
        possible = ends.iter().map(|(outcomes, _)| format!("{outcomes:?}")).collect();
    }
    format!("no order ends like {end:?}; possible {possible:#?}; {:?}", scheduler.choices())
}

fn projected() -> Projection {
    let mut projection = Projection::default();
    for (path, content) in [
        ("a", Some("what is in a")),
        ("b", Some("what is in b")),
        ("d", None),
        ("d\\c", Some("what is in c")),
    ] {
        projection.project(path, content.map(str::as_bytes));
    }
    projection
}

const ALL: Access = Access::READ.union(Access::DELETE).union(Access::WRITE_ATTRIBUTES);

fn open(slot: Slot, path: &str, access: Access) -> Action {
    opens(slot, path, How::existing(access))
}

fn opens(slot: Slot, path: &str, how: How) -> Action {
    let by = 100 + u32::try_from(slot).unwrap();
    Action::Open { slot, by, path: path.to_owned(), how }
}

fn create(slot: Slot, path: &str) -> Action {
    let how = How { disposition: Disposition::Create, ..How::existing(Access::WRITE) };
    opens(slot, path, how)
}

const fn read(slot: Slot) -> Action {
    Action::Read { slot, offset: 0, length: 100 }
}

fn write(slot: Slot, data: &str) -> Action {
    Action::Write { slot, offset: 0, data: data.as_bytes().to_vec() }
}

const fn delete(slot: Slot) -> Action {
    Action::Dispose { slot, delete: true }
}

fn rename(slot: Slot, to: &str, replace: bool) -> Action {
    Action::Rename { slot, to: to.to_owned(), replace }
}

const fn close(slot: Slot) -> Action {
    Action::Close { slot }
}

fn list(path: &str) -> Action {
    Action::List { by: 100, path: path.to_owned(), pattern: None, buffer: 65536, passes: 1 }
}

fn announce(path: &str, content: &str) -> Action {
    Action::Announce { path: path.to_owned(), content: Some(content.as_bytes().to_vec()) }
}

fn update(path: &str) -> Action {
    Action::Update { path: path.to_owned(), flags: ALL_FLAGS }
}

fn evict(path: &str) -> Action {
    Action::Evict { path: path.to_owned(), flags: ALL_FLAGS }
}

const WRITES: Access = Access::READ.union(Access::WRITE);

#[test]
fn two_who_open_a_virtual_file_get_one_placeholder() {
    let (one, two) = (open(1, "d\\c", Access::READ), open(2, "D\\C", Access::READ));
    Race::between([&[one, read(1), close(1)], &[two, read(2), close(2)]])
        .asking_once(&["GetPlaceholderInfo d", "GetFileData d\\c 0+12"])
        .check_with_death();
}

#[test]
fn two_who_write_convert_a_file_once() {
    let (one, two) = (open(1, "a", WRITES), open(2, "a", WRITES));
    Race::between([&[one, write(1, "ONE"), close(1)], &[two, write(2, "two"), read(2), close(2)]])
        .asking_once(&["Notify PreConvertToFull a", "GetFileData a 0+12", "GetPlaceholderInfo a"])
        .check_with_death();
}

#[test]
fn a_file_is_read_while_it_is_deleted() {
    Race::between([
        &[open(1, "a", Access::READ), read(1), close(1)],
        &[open(2, "a", ALL), delete(2), close(2)],
    ])
    .check_with_death();
}

#[test]
fn a_file_is_deleted_twice() {
    Race::between([
        &[open(1, "a", ALL), delete(1), close(1)],
        &[open(2, "a", ALL), delete(2), close(2)],
    ])
    .check_with_death();
}

#[test]
fn a_file_is_opened_while_it_is_renamed() {
    Race::between([
        &[open(1, "a", ALL), rename(1, "x", false), close(1)],
        &[open(2, "a", Access::READ), open(3, "x", Access::READ), read(3), close(3), close(2)],
    ])
    .check_with_death();
}

#[test]
fn two_files_are_renamed_over_each_other() {
    Race::between([
        &[open(1, "a", ALL), rename(1, "b", true), close(1)],
        &[open(2, "b", ALL), rename(2, "a", true), close(2)],
    ])
    .check_with_death();
}

#[test]
fn two_files_are_renamed_to_one_name() {
    Race::between([
        &[open(1, "a", ALL), rename(1, "d\\x", false), close(1)],
        &[open(2, "b", ALL), rename(2, "d\\X", false), close(2)],
    ])
    .check_with_death();
}

#[test]
fn a_name_is_made_by_two_and_listed() {
    Race::between([
        &[create(1, "d\\x"), write(1, "one"), close(1)],
        &[create(2, "d\\X"), close(2)],
        &[list("d")],
    ])
    .check();
}

#[test]
fn a_directory_is_listed_while_its_files_come_and_go() {
    Race::between([
        &[list("")],
        &[open(1, "a", ALL), delete(1), close(1)],
        &[create(2, "x"), close(2)],
    ])
    .check();
}

#[test]
fn a_directory_is_listed_while_a_file_in_it_is_renamed() {
    Race::between([&[list("")], &[open(1, "a", ALL), rename(1, "b", true), close(1)]])
        .check_with_death();
}

#[test]
fn a_directory_is_deleted_while_something_is_made_in_it() {
    Race::between([&[open(1, "d", ALL), delete(1), close(1)], &[create(2, "d\\x"), close(2)]])
        .after(&[open(3, "d\\c", ALL), delete(3), close(3)])
        .check();
}

#[test]
fn a_file_is_updated_while_it_is_read() {
    Race::between([
        &[open(1, "a", Access::READ), read(1), close(1)],
        &[open(2, "a", Access::READ), read(2), close(2)],
        &[announce("a", "what is new"), update("a")],
    ])
    .check();
}

#[test]
fn an_open_placeholder_is_updated_while_two_read_it() {
    Race::between([&[read(1)], &[read(2)], &[announce("a", "what is new"), update("a")]])
        .after(&[open(1, "a", Access::READ), open(2, "a", Access::READ)])
        .check();
}

#[test]
fn a_file_is_updated_while_it_is_written() {
    Race::between([
        &[open(1, "a", WRITES), write(1, "ONE"), close(1)],
        &[announce("a", "what is new"), update("a")],
    ])
    .check_with_death();
}

#[test]
fn an_open_file_is_updated_while_two_write_it() {
    Race::between([
        &[write(1, "ONE")],
        &[write(2, "TWO")],
        &[announce("a", "what is new"), update("a")],
    ])
    .after(&[open(1, "a", WRITES), open(2, "a", WRITES), announce("a", "between"), update("a")])
    .check();
}

#[test]
fn a_file_is_evicted_while_it_is_read_and_renamed() {
    Race::between([&[open(1, "a", ALL), read(1), rename(1, "x", false), close(1)], &[evict("a")]])
        .check_with_death();
}

#[test]
fn a_file_is_linked_while_it_is_opened_for_writing() {
    let link = Action::Link { slot: 1, to: "d\\x".to_owned() };
    Race::between([
        &[open(1, "a", Access::READ), link, close(1)],
        &[open(2, "a", WRITES), write(2, "TWO"), close(2)],
    ])
    .check_with_death();
}
