//! A driver without files: it plays commands into the library and notes what the library calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use projfs_emulator::contract::{
    FailureCauses, FileState, Guid, HResult, PlaceholderInfo, Result, UpdateFlags, Wide,
};
use projfs_emulator::link::{
    Command, Completion, Driver, EntryBudget, Instance, InstanceInfo, LibraryKnobs, MarkRequest,
    Process, Provider, Request, StartRequest,
};
use projfs_emulator::provider::{RootGuard, serve_root};
use projfs_emulator::{Violation, ViolationLog};

/// How long anything here may take that must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The identity that the fake's instances have.
pub(crate) const INSTANCE: Guid = Guid([7; 16]);

pub(crate) const ALIGNMENT: u32 = 4096;

/// What the library called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Mark(MarkRequest),
    Start(StartRequest),
    State(Wide),
    Stop,
    Clear,
    Placeholder(Wide, PlaceholderInfo),
    Update(Wide, PlaceholderInfo, UpdateFlags),
    Delete(Wide, UpdateFlags),
    Data(Guid, u64, Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) root: Wide,
    this: Weak<Self>,
    state: Mutex<State>,
    changed: Condvar,
    violations: ViolationLog,
}

#[derive(Debug)]
struct State {
    knobs: LibraryKnobs,
    calls: Vec<Call>,
    provider: Option<Arc<dyn Provider>>,
    next: i32,
    /// `None` while it is pending.
    commands: BTreeMap<i32, Option<Completion>>,
    cancelled: BTreeSet<i32>,
    /// What functions that can fail answer.
    answer: HResult,
    causes: FailureCauses,
    /// Commands to be played while the instance starts.
    at_start: Vec<Command>,
    /// Calls that write placeholders wait while this is set.
    holds: bool,
    /// A stop waits for no command.
    gives_up: bool,
}

/// A fake that serves a root of its own.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) fake: Arc<Fake>,
    _guard: RootGuard,
}

impl std::ops::Deref for Served {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

pub(crate) fn serve() -> Served {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let root = format!("/fake/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let root = Wide::from(root.as_str());
    let knobs = LibraryKnobs { strict: true, hide_symlink_functions: false, legacy_compare: false };
    let fake = Arc::new_cyclic(|this| Fake {
        root: root.clone(),
        this: this.clone(),
        state: Mutex::new(State {
            knobs,
            calls: Vec::new(),
            provider: None,
            next: 1,
            commands: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            answer: HResult::OK,
            causes: FailureCauses::empty(),
            at_start: Vec::new(),
            holds: false,
            gives_up: false,
        }),
        changed: Condvar::new(),
        violations: ViolationLog::default(),
    });
    let guard = serve_root(&root, fake.clone());
    Served { fake, _guard: guard }
}

impl Fake {
    pub(crate) fn set_strict(&self, strict: bool) {
        self.state.lock().knobs.strict = strict;
    }

    pub(crate) fn hide_symlink_functions(&self) {
        self.state.lock().knobs.hide_symlink_functions = true;
    }

    pub(crate) fn set_answer(&self, answer: HResult, causes: FailureCauses) {
        let mut state = self.state.lock();
        (state.answer, state.causes) = (answer, causes);
    }

    pub(crate) fn play_at_start(&self, request: Request) -> i32 {
        let command = self.command(request);
        let id = command.id;
        self.state.lock().at_start.push(command);
        id
    }

    /// Lets PrjWritePlaceholderInfo wait, or go on.
    pub(crate) fn hold(&self, holds: bool) {
        self.state.lock().holds = holds;
        self.changed.notify_all();
    }

    /// From now on a stop waits for no command.
    pub(crate) fn give_up_at_stop(&self) {
        self.state.lock().gives_up = true;
    }

    fn command(&self, request: Request) -> Command {
        let mut state = self.state.lock();
        let id = state.next;
        state.next += 1;
        state.commands.insert(id, None);
        Command {
            id,
            path: Wide::from("docs\\a.txt"),
            version: None,
            process: Process { id: 4242, image: Wide::from("\\Device\\app.exe") },
            file: Guid([1; 16]),
            stream: Guid([2; 16]),
            request,
        }
    }

    /// Plays a command; gives its number.
    pub(crate) fn play(&self, request: Request) -> i32 {
        self.play_as(request, |_| {})
    }

    pub(crate) fn play_as(&self, request: Request, change: impl FnOnce(&mut Command)) -> i32 {
        let mut command = self.command(request);
        change(&mut command);
        let id = command.id;
        let provider = self.state.lock().provider.clone().unwrap();
        provider.invoke(command);
        id
    }

    /// Plays a command and waits for its answer.
    pub(crate) fn ask(&self, request: Request) -> Completion {
        let id = self.play(request);
        self.answer_to(id)
    }

    pub(crate) fn cancel(&self, id: i32) {
        let provider = {
            let mut state = self.state.lock();
            state.commands.remove(&id);
            state.cancelled.insert(id);
            state.provider.clone().unwrap()
        };
        provider.cancel(id);
    }

    pub(crate) fn is_answered(&self, id: i32) -> bool {
        self.state.lock().commands.get(&id).is_none_or(Option::is_some)
    }

    pub(crate) fn answer_to(&self, id: i32) -> Completion {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.state.lock();
        loop {
            if let Some(Some(completion)) = state.commands.get(&id) {
                return completion.clone();
            }
            let timed_out = self.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!timed_out, "command {id} was not answered");
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    pub(crate) fn last_call(&self) -> Call {
        self.calls().pop().unwrap()
    }

    /// Waits until the library has made a call.
    pub(crate) fn wait_for_call(&self, wanted: impl Fn(&Call) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.state.lock();
        while !state.calls.iter().any(&wanted) {
            let timed_out = self.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!timed_out, "the call was not made");
        }
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.violations.take()
    }

    /// The rules broken since the last look.
    pub(crate) fn rules(&self) -> Vec<String> {
        self.violations().into_iter().map(|violation| violation.rule).collect()
    }

    fn note(&self, call: Call) -> Result<()> {
        let mut state = self.state.lock();
        state.calls.push(call);
        self.changed.notify_all();
        state.answer.ok()
    }
}

impl Driver for Fake {
    fn mark(&self, request: MarkRequest) -> Result<()> {
        self.note(Call::Mark(request))
    }

    fn start(
        &self,
        request: StartRequest,
        provider: Arc<dyn Provider>,
    ) -> Result<Arc<dyn Instance>> {
        self.note(Call::Start(request))?;
        self.state.lock().provider = Some(provider.clone());
        let at_start = std::mem::take(&mut self.state.lock().at_start);
        at_start.into_iter().for_each(|command| provider.invoke(command));
        Ok(Arc::new(FakeInstance(self.this.upgrade().unwrap())))
    }

    fn on_disk_state(&self, path: &Wide) -> Result<FileState> {
        self.note(Call::State(path.clone()))?;
        Ok(FileState::PLACEHOLDER | FileState::DIRTY)
    }

    fn knobs(&self) -> LibraryKnobs {
        self.state.lock().knobs
    }

    fn report(&self, violation: Violation) {
        self.violations.report(violation);
    }
}

#[derive(Debug)]
struct FakeInstance(Arc<Fake>);

impl Instance for FakeInstance {
    fn stop(&self) {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.0.state.lock();
        state.calls.push(Call::Stop);
        self.0.changed.notify_all();
        while !state.gives_up && state.commands.values().any(Option::is_none) {
            let timed_out = self.0.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!timed_out, "commands were pending for ever");
        }
        state.provider = None;
    }

    fn clear_negative_path_cache(&self) -> Result<u32> {
        self.0.note(Call::Clear).map(|()| 17)
    }

    fn info(&self) -> InstanceInfo {
        InstanceInfo { instance: INSTANCE, write_alignment: ALIGNMENT }
    }

    fn write_placeholder(&self, path: &Wide, info: PlaceholderInfo) -> Result<()> {
        let noted = self.0.note(Call::Placeholder(path.clone(), info));
        let deadline = Instant::now() + LIMIT;
        let mut state = self.0.state.lock();
        while state.holds {
            let timed_out = self.0.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!timed_out, "a call was held for ever");
        }
        noted
    }

    fn update_file(
        &self,
        path: &Wide,
        info: PlaceholderInfo,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses) {
        let result = self.0.note(Call::Update(path.clone(), info, flags)).into();
        (result, self.0.state.lock().causes)
    }

    fn delete_file(&self, path: &Wide, flags: UpdateFlags) -> (HResult, FailureCauses) {
        let result = self.0.note(Call::Delete(path.clone(), flags)).into();
        (result, self.0.state.lock().causes)
    }

    fn write_file_data(&self, stream: Guid, offset: u64, data: &[u8]) -> Result<()> {
        self.0.note(Call::Data(stream, offset, data.to_vec()))
    }

    fn complete(&self, completion: Completion) -> Result<()> {
        let mut state = self.0.state.lock();
        let id = completion.id;
        if let Some(pending @ None) = state.commands.get_mut(&id) {
            *pending = Some(completion);
        } else if !state.cancelled.contains(&id) {
            return Err(HResult::INVALID_ARGUMENT);
        }
        self.0.changed.notify_all();
        Ok(())
    }
}

/// A Get for everything, with room for `entries`.
pub(crate) fn get(listing: u8, entries: u32) -> Request {
    Request::GetEnumeration {
        enumeration: Guid([listing; 16]),
        expression: None,
        restart: false,
        single_entry: false,
        budget: EntryBudget { bytes: 4096, entries },
    }
}
