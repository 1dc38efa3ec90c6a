//! A provider that does everything right, from a projection that the test changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use projfs_emulator::contract::{
    BasicInfo, DirEntry, Guid, HResult, PlaceholderInfo, Result, VersionInfo, Wide,
};
use projfs_emulator::engine::{Root, Session};
use projfs_emulator::link::{Command, Completion, EntryBudget, Provider, Reply, Request};
use projfs_emulator::names::matches;
use projfs_emulator::scheduler::Scheduler;

use crate::projection::{Node, Projection, split};

/// One run of the provider's process.
pub(crate) struct Answering {
    scheduler: Scheduler,
    state: Arc<State>,
}

/// What its callbacks share.
struct State {
    projection: Arc<Mutex<Projection>>,
    session: Mutex<Option<(Arc<Root>, Arc<Session>)>>,
    cursors: Mutex<HashMap<Guid, Cursor>>,
    dead: AtomicBool,
}

/// A listing: what is left of it.
struct Cursor {
    directory: String,
    left: Option<Vec<DirEntry>>,
}

impl Answering {
    pub(crate) fn new(scheduler: &Scheduler, projection: &Arc<Mutex<Projection>>) -> Arc<Self> {
        let state = Arc::new(State {
            projection: projection.clone(),
            session: Mutex::default(),
            cursors: Mutex::default(),
            dead: AtomicBool::new(false),
        });
        Arc::new(Self { scheduler: scheduler.clone(), state })
    }

    pub(crate) fn started(&self, root: &Arc<Root>, session: &Arc<Session>) {
        *self.state.session.lock() = Some((root.clone(), session.clone()));
    }

    /// Its process does nothing any more, and lets go of what it has.
    pub(crate) fn die(&self) {
        self.state.dead.store(true, Ordering::Relaxed);
        *self.state.session.lock() = None;
    }

    /// Listings that were begun and not ended.
    pub(crate) fn listings(&self) -> usize {
        self.state.cursors.lock().len()
    }
}

impl Provider for Answering {
    fn invoke(&self, command: Command) {
        let state = self.state.clone();
        self.scheduler.spawn("provider", async move { state.answer(command).await });
    }

    fn cancel(&self, _id: i32) {}
}

impl fmt::Debug for Answering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answering").finish_non_exhaustive()
    }
}

impl State {
    async fn answer(&self, command: Command) {
        if self.dead.load(Ordering::Relaxed) {
            return;
        }
        let (root, session) = self.session.lock().clone().unwrap();
        let (result, reply) = self.reply(&root, &session, &command).await;
        if !self.dead.load(Ordering::Relaxed) {
            session.complete(&root, Completion { id: command.id, result, reply }).unwrap();
        }
    }

    async fn reply(&self, root: &Root, session: &Session, command: &Command) -> (HResult, Reply) {
        let result = match &command.request {
            Request::StartEnumeration { enumeration } => {
                let cursor = Cursor { directory: command.path.to_string(), left: None };
                self.cursors.lock().insert(*enumeration, cursor);
                HResult::OK
            }
            Request::GetEnumeration { enumeration, expression, restart, budget, .. } => {
                return self.get(*enumeration, expression.as_ref(), *restart, *budget);
            }
            Request::EndEnumeration { enumeration } => {
                self.cursors.lock().remove(enumeration).unwrap();
                HResult::OK
            }
            Request::GetPlaceholderInfo => self.placeholder(root, session, command).await.into(),
            Request::GetFileData { offset, length } => {
                self.data(root, session, command, (*offset, *length)).into()
            }
            Request::QueryFileName => match self.projected(&command.path) {
                Some(_) => HResult::OK,
                None => HResult::FILE_NOT_FOUND,
            },
            Request::Notify { .. } => HResult::OK,
        };
        (result, Reply::None)
    }

    fn projected(&self, path: &Wide) -> Option<Node> {
        self.projection.lock().find(&path.to_string()).cloned()
    }

    async fn placeholder(&self, root: &Root, session: &Session, command: &Command) -> Result<()> {
        let node = self.projected(&command.path).ok_or(HResult::FILE_NOT_FOUND)?;
        let info = info(&node, &self.projection.lock());
        root.write_placeholder(session, &node.path.as_str().into(), info).await
    }

    /// By the identity of the content, not by the name (H9).
    fn data(
        &self,
        root: &Root,
        session: &Session,
        command: &Command,
        (offset, length): (u64, u32),
    ) -> Result<()> {
        let version = command.version.as_ref().map(|version| number(version)).unwrap();
        let content = self.projection.lock().content(version).to_vec();
        let start = usize::try_from(offset).unwrap();
        let range = start..start + usize::try_from(length).unwrap();
        root.write_file_data(session, command.stream, offset, &content[range])
    }

    fn get(
        &self,
        enumeration: Guid,
        expression: Option<&Wide>,
        restart: bool,
        budget: EntryBudget,
    ) -> (HResult, Reply) {
        let mut cursors = self.cursors.lock();
        let cursor = cursors.get_mut(&enumeration).unwrap();
        if restart || cursor.left.is_none() {
            cursor.left = Some(self.entries(&cursor.directory, expression));
        }
        let left = cursor.left.as_mut().unwrap();
        let mut bytes = usize::try_from(budget.bytes).unwrap();
        let mut count = 0;
        for entry in left.iter().take(usize::try_from(budget.entries).unwrap()) {
            let cost = EntryBudget::cost(entry.name.units().len());
            let Some(rest) = bytes.checked_sub(cost) else { break };
            bytes = rest;
            count += 1;
        }
        if count == 0 && !left.is_empty() {
            return (HResult::INSUFFICIENT_BUFFER, Reply::None);
        }
        (HResult::OK, Reply::Entries(left.drain(..count).collect()))
    }

    fn entries(&self, directory: &str, expression: Option<&Wide>) -> Vec<DirEntry> {
        let projection = self.projection.lock();
        let pattern = expression.cloned().unwrap_or_default();
        let entry = |node: &Node| DirEntry {
            name: split(&node.path).unwrap().1.into(),
            basic: info(node, &projection).basic,
            link: None,
        };
        let entries = projection.children(directory).into_iter().map(entry);
        entries.filter(|entry| matches(entry.name.units(), pattern.units())).collect()
    }
}

/// The placeholder of a projected item.
pub(crate) fn info(node: &Node, projection: &Projection) -> PlaceholderInfo {
    let mut version = VersionInfo::default();
    version.content[..4].copy_from_slice(&node.version.to_le_bytes());
    // So that no version is all zeros.
    version.content[4] = 1;
    let basic = BasicInfo {
        directory: node.directory,
        size: projection.size(node),
        creation: 130_000_000_000_000_001,
        access: 130_000_000_000_000_002,
        write: 130_000_000_000_000_003,
        change: 130_000_000_000_000_004,
        attributes: 0,
    };
    PlaceholderInfo { basic, version, ..PlaceholderInfo::default() }
}

fn number(version: &VersionInfo) -> u32 {
    u32::from_le_bytes(version.content[..4].try_into().unwrap())
}
