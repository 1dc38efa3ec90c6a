//! A provider of a tree in memory that does everything right, but for what a test makes it do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::info;
use crate::contract::{DirEntry, Guid, HResult, PlaceholderInfo, Result, Wide};
use crate::engine::Task;
use crate::engine::root::Root;
use crate::engine::session::Session;
use crate::link::{Command, Completion, EntryBudget, Provider, Reply, Request};
use crate::scheduler::Scheduler;
use ntfs_names::{compare, fold, matches};

/// What a test makes a provider do in place of the right thing; `None` leaves it to that.
type Hook = Arc<dyn Fn(&Act) -> Option<Task> + Send + Sync>;

/// The provider.
pub(in crate::engine) struct Scripted {
    scheduler: Scheduler,
    root: Weak<Root>,
    session: Mutex<Option<Arc<Session>>>,
    /// By folded path.
    tree: Mutex<BTreeMap<Vec<u16>, Node>>,
    cursors: Mutex<HashMap<Guid, Cursor>>,
    hook: Mutex<Option<Hook>>,
    cancelled: Mutex<Vec<i32>>,
    this: Weak<Self>,
}

/// A projected item.
#[derive(Clone)]
struct Node {
    path: Wide,
    info: PlaceholderInfo,
    content: Vec<u8>,
}

/// A session of a listing: what is left of it.
struct Cursor {
    directory: Wide,
    left: Option<Vec<DirEntry>>,
}

/// One command being answered.
#[derive(Clone)]
pub(in crate::engine) struct Act {
    pub(in crate::engine) root: Arc<Root>,
    pub(in crate::engine) session: Arc<Session>,
    pub(in crate::engine) provider: Arc<Scripted>,
    pub(in crate::engine) command: Command,
}

impl Scripted {
    pub(super) fn new(root: &Arc<Root>, scheduler: &Scheduler) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            scheduler: scheduler.clone(),
            root: Arc::downgrade(root),
            session: Mutex::default(),
            tree: Mutex::default(),
            cursors: Mutex::default(),
            hook: Mutex::default(),
            cancelled: Mutex::default(),
            this: this.clone(),
        })
    }

    pub(super) fn started(&self, session: &Arc<Session>) {
        *self.session.lock() = Some(session.clone());
    }

    /// Projects a path; one with a backslash at the end is a directory. Folders must be projected
    /// too. A file's content and version are its path.
    pub(in crate::engine) fn project(&self, path: &str) {
        match path.strip_suffix('\\') {
            Some(directory) => self.add(directory, info(None, directory), Vec::new()),
            None => self.project_file(path, path.as_bytes()),
        }
    }

    /// Projects a file with this content.
    pub(in crate::engine) fn project_file(&self, path: &str, content: &[u8]) {
        let size = u64::try_from(content.len()).unwrap();
        self.add(path, info(Some(size), path), content.to_vec());
    }

    fn add(&self, path: &str, info: PlaceholderInfo, content: Vec<u8>) {
        let path = Wide::from(path);
        self.tree.lock().insert(fold(path.units()), Node { path, info, content });
    }

    /// Projects a path no more.
    pub(in crate::engine) fn unproject(&self, path: &str) {
        self.tree.lock().remove(&fold(Wide::from(path).units()));
    }

    /// Does this for the commands that `takes`, from now on. It has to complete them.
    pub(in crate::engine) fn does<F: Future<Output = ()> + Send + 'static>(
        &self,
        takes: impl Fn(&Command) -> bool + Send + Sync + 'static,
        action: impl Fn(Act) -> F + Send + Sync + 'static,
    ) {
        let hook: Hook =
            Arc::new(move |act| takes(&act.command).then(|| Box::pin(action(act.clone())) as Task));
        *self.hook.lock() = Some(hook);
    }

    /// Answers the commands that `takes` with this code.
    pub(in crate::engine) fn fails(
        &self,
        takes: impl Fn(&Command) -> bool + Send + Sync + 'static,
        code: HResult,
    ) {
        self.does(takes, move |act| async move { act.complete(code, Reply::None) });
    }

    /// Never answers the commands that `takes`.
    pub(in crate::engine) fn hangs(
        &self,
        takes: impl Fn(&Command) -> bool + Send + Sync + 'static,
    ) {
        self.does(takes, |_| async {});
    }

    /// Gives these entries, whatever is asked, one list for each Get; then nothing.
    pub(in crate::engine) fn lists(&self, answers: &[&[DirEntry]]) {
        let answers: Vec<_> = answers.iter().rev().map(|entries| entries.to_vec()).collect();
        let answers = Arc::new(Mutex::new(answers));
        self.does(is_get, move |act| {
            let entries = answers.lock().pop().unwrap_or_default();
            async move { act.complete(HResult::OK, Reply::Entries(entries)) }
        });
    }

    /// Does everything right again.
    pub(in crate::engine) fn behave(&self) {
        *self.hook.lock() = None;
    }

    /// The commands that were given up.
    pub(in crate::engine) fn cancelled(&self) -> Vec<i32> {
        self.cancelled.lock().clone()
    }

    fn node(&self, path: &Wide) -> Option<Node> {
        self.tree.lock().get(&fold(path.units())).cloned()
    }

    fn children(&self, directory: &Wide) -> Vec<DirEntry> {
        let tree = self.tree.lock();
        let inside = |node: &Node| {
            let (folder, name) = node.path.split_leaf()?;
            (fold(folder.units()) == fold(directory.units())).then_some(DirEntry {
                name,
                basic: node.info.basic,
                link: node.info.link.clone(),
            })
        };
        let mut children: Vec<_> = tree.values().filter_map(inside).collect();
        children.sort_by(|a, b| compare(a.name.units(), b.name.units()));
        children
    }
}

impl Provider for Scripted {
    fn invoke(&self, command: Command) {
        let (Some(root), Some(provider)) = (self.root.upgrade(), self.this.upgrade()) else {
            return;
        };
        let session = self.session.lock().clone().unwrap();
        let act = Act { root, session, provider, command };
        let hook = self.hook.lock().clone();
        let task = hook.and_then(|hook| hook(&act));
        let task = task.unwrap_or_else(|| Box::pin(act.do_right()) as Task);
        self.scheduler.spawn("provider", task);
    }

    fn cancel(&self, id: i32) {
        self.cancelled.lock().push(id);
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scripted").finish_non_exhaustive()
    }
}

impl Act {
    /// Completes the command.
    pub(in crate::engine) fn complete(&self, result: HResult, reply: Reply) {
        let completion = Completion { id: self.command.id, result, reply };
        self.session.complete(&self.root, completion).unwrap();
    }

    /// PrjWritePlaceholderInfo.
    pub(in crate::engine) async fn placeholder(
        &self,
        path: &Wide,
        info: PlaceholderInfo,
    ) -> Result<()> {
        self.root.write_placeholder(&self.session, path, info).await
    }

    /// PrjWriteFileData to the command's stream.
    pub(in crate::engine) fn data(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.root.write_file_data(&self.session, self.command.stream, offset, data)
    }

    /// Answers as a provider should.
    pub(in crate::engine) async fn do_right(self) {
        let (result, reply) = self.answer().await;
        self.complete(result, reply);
    }

    /// Does what a provider should, and gives what it should complete with.
    pub(in crate::engine) async fn answer(&self) -> (HResult, Reply) {
        match &self.command.request {
            Request::StartEnumeration { enumeration } => self.start(*enumeration),
            Request::GetEnumeration { enumeration, expression, restart, budget, .. } => {
                self.get(*enumeration, expression.as_ref(), *restart, *budget)
            }
            Request::EndEnumeration { enumeration } => {
                let known = self.provider.cursors.lock().remove(enumeration).is_some();
                (if known { HResult::OK } else { HResult::INVALID_ARGUMENT }, Reply::None)
            }
            Request::GetPlaceholderInfo => (self.placeholder_info().await, Reply::None),
            Request::GetFileData { offset, length } => {
                (self.file_data(*offset, *length).into(), Reply::None)
            }
            Request::QueryFileName => match self.provider.node(&self.command.path) {
                Some(_) => (HResult::OK, Reply::None),
                None => (HResult::FILE_NOT_FOUND, Reply::None),
            },
            Request::Notify { .. } => (HResult::OK, Reply::None),
        }
    }

    async fn placeholder_info(&self) -> HResult {
        match self.provider.node(&self.command.path) {
            Some(node) => self.placeholder(&node.path, node.info).await.into(),
            None => HResult::FILE_NOT_FOUND,
        }
    }

    /// By the identity of the content (H9).
    fn file_data(&self, offset: u64, length: u32) -> Result<()> {
        let wanted = self.command.version.clone().unwrap();
        let nodes = self.provider.tree.lock().clone();
        let node = nodes.values().find(|node| node.info.version == *wanted).unwrap();
        let start = usize::try_from(offset).unwrap();
        let data = &node.content[start..start + usize::try_from(length).unwrap()];
        if data.is_empty() { Ok(()) } else { self.data(offset, data) }
    }

    fn start(&self, enumeration: Guid) -> (HResult, Reply) {
        let cursor = Cursor { directory: self.command.path.clone(), left: None };
        self.provider.cursors.lock().insert(enumeration, cursor);
        (HResult::OK, Reply::None)
    }

    fn get(
        &self,
        enumeration: Guid,
        expression: Option<&Wide>,
        restart: bool,
        budget: EntryBudget,
    ) -> (HResult, Reply) {
        let mut cursors = self.provider.cursors.lock();
        let Some(cursor) = cursors.get_mut(&enumeration) else {
            return (HResult::INVALID_ARGUMENT, Reply::None);
        };
        if restart || cursor.left.is_none() {
            let mut entries = self.provider.children(&cursor.directory);
            let pattern = expression.cloned().unwrap_or_default();
            entries.retain(|entry| matches(entry.name.units(), pattern.units()));
            cursor.left = Some(entries);
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
}

/// Whether it is a GetFileData.
pub(in crate::engine) const fn is_data(command: &Command) -> bool {
    matches!(command.request, Request::GetFileData { .. })
}

/// Whether it is a GetDirectoryEnumeration.
pub(in crate::engine) const fn is_get(command: &Command) -> bool {
    matches!(command.request, Request::GetEnumeration { .. })
}

/// Whether it is a StartDirectoryEnumeration.
pub(in crate::engine) const fn is_start(command: &Command) -> bool {
    matches!(command.request, Request::StartEnumeration { .. })
}

/// Whether it is a GetPlaceholderInfo.
pub(in crate::engine) const fn is_placeholder(command: &Command) -> bool {
    matches!(command.request, Request::GetPlaceholderInfo)
}

/// Whether it is a QueryFileName.
pub(in crate::engine) const fn is_query(command: &Command) -> bool {
    matches!(command.request, Request::QueryFileName)
}
