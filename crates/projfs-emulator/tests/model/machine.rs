//! The engine on a lower directory of its own, with the provider, run one step at a time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use projfs_emulator::Knobs;
use projfs_emulator::contract::operations::{
    Access, Attributes, BasicChange, Entry, HandleId, ItemId, Open, Query, Target,
};
use projfs_emulator::contract::{
    FailureCauses, FileState, Guid, HResult, NotificationMapping, NotifyMask, Result, UpdateFlags,
    Wide, attributes,
};
use projfs_emulator::engine::{Driver, Refused, Root, Session};
use projfs_emulator::link::{MarkRequest, Process, Request, StartRequest, Traced};
use projfs_emulator::scheduler::Scheduler;
use tempfile::TempDir;

use crate::action::{Action, How, OnDisk, Outcome, Provides, Slot, Snapshot};
use crate::projection::{Projection, join};
use crate::provider::{Answering, info};

/// What the tests look with: nobody's process, which no provider is.
const NOBODY: u32 = 0;

/// The identity of the root.
const INSTANCE: Guid = Guid([7; 16]);

/// Everything on one machine. Clones are the same.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) scheduler: Scheduler,
    folder: Arc<TempDir>,
    projection: Arc<Mutex<Projection>>,
    /// `None` only while it is switched off.
    state: Arc<Mutex<Option<Booted>>>,
}

/// What a reboot takes away.
struct Booted {
    driver: Arc<Driver>,
    root: Arc<Root>,
    running: Option<(Arc<Session>, Arc<Answering>)>,
    /// With the process that opened them.
    handles: BTreeMap<Slot, (HandleId, u32)>,
}

impl Drop for Booted {
    fn drop(&mut self) {
        if let Some((_, provider)) = &self.running {
            provider.die();
        }
    }
}

impl Machine {
    /// A root, not yet provided for, in a folder that had these before: paths with contents, or
    /// `None` for directories.
    pub(crate) fn new(
        scheduler: &Scheduler,
        projection: Projection,
        before: &[(&str, Option<&str>)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in before {
            let path = folder.path().join(path.replace('\\', "/"));
            match content {
                None => std::fs::create_dir(path).unwrap(),
                Some(content) => std::fs::write(path, content).unwrap(),
            }
        }
        let booted = boot(scheduler, folder.path());
        Self {
            scheduler: scheduler.clone(),
            folder: Arc::new(folder),
            projection: Arc::new(Mutex::new(projection)),
            state: Arc::new(Mutex::new(Some(booted))),
        }
    }

    /// Does one thing to its end, and all that follows from it.
    pub(crate) fn run(&self, action: &Action) -> Outcome {
        if matches!(action, Action::Reboot) {
            // First off: a folder has one driver at a time.
            drop(self.state.lock().take());
            *self.state.lock() = Some(boot(&self.scheduler, self.folder.path()));
            // How many names an item has is known once all of them were seen.
            self.snapshot();
            return Outcome::Done;
        }
        let (machine, action) = (self.clone(), action.clone());
        run(&self.scheduler, async move { machine.perform(&action).await })
    }

    /// Does each program's actions one after the other, all programs at the same time.
    ///
    /// # Errors
    /// The tasks that wait for ever.
    pub(crate) fn race(
        &self,
        programs: &[Vec<Action>],
    ) -> std::result::Result<Vec<Vec<Outcome>>, String> {
        let started: Vec<_> = programs
            .iter()
            .map(|program| {
                let (machine, program) = (self.clone(), program.clone());
                self.scheduler.spawn("program", async move {
                    let mut outcomes = Vec::new();
                    for action in &program {
                        outcomes.push(machine.perform(action).await);
                    }
                    outcomes
                })
            })
            .collect();
        self.scheduler.run_until_idle().map_err(|deadlock| deadlock.to_string())?;
        Ok(started.iter().map(|program| program.take().unwrap()).collect())
    }

    /// The callbacks since the last call.
    pub(crate) fn calls(&self) -> Vec<Traced> {
        self.driver().take_trace()
    }

    /// The rules that were broken since the last call.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.driver().take_violations().iter().map(ToString::to_string).collect()
    }

    /// Listings that the provider was not told the end of.
    pub(crate) fn listings(&self) -> usize {
        self.booted().running.as_ref().map_or(0, |(_, provider)| provider.listings())
    }

    /// Everything on disk. Asks the provider nothing.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        self.look(ItemId::ROOT, "", &mut snapshot);
        let root = self.root().attributes(ItemId::ROOT).unwrap();
        snapshot.insert(String::new(), on_disk(&root, None));
        snapshot
    }

    fn look(&self, directory: ItemId, path: &str, snapshot: &mut Snapshot) {
        let lower = self.folder.path().join(path.replace('\\', "/"));
        for entry in std::fs::read_dir(lower).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name == ".projfs" {
                continue;
            }
            let below = join(path, &name);
            let shown = self.looked_up(directory, &name);
            assert_eq!(self.told_state(&below), shown.as_ref().map(|it| it.state).ok(), "{below}");
            let Ok(found) = shown else {
                assert_eq!(shown, Err(HResult::FILE_NOT_FOUND), "{below}");
                snapshot.insert(below, OnDisk::TOMBSTONE);
                continue;
            };
            assert_eq!(found.name.to_string(), name, "the name on disk of {below}");
            let has_data = found.state.intersects(FileState::FULL | FileState::HYDRATED);
            let data = (has_data && !found.basic.directory)
                .then(|| std::fs::read(entry.path()).unwrap().escape_ascii().to_string());
            snapshot.insert(below.clone(), on_disk(&found, data));
            if found.basic.directory {
                self.look(found.item, &below, snapshot);
            }
        }
    }

    fn looked_up(&self, directory: ItemId, name: &str) -> Result<Attributes> {
        let (root, name) = (self.root(), Wide::from(name));
        run(&self.scheduler, async move { root.lookup(&process(NOBODY), directory, &name).await })
    }

    /// PrjGetOnDiskFileState; `None` for what is not found.
    fn told_state(&self, path: &str) -> Option<FileState> {
        let full = format!("{}/{}", self.folder.path().display(), path.replace('\\', "/"));
        let (driver, full) = (self.driver(), Wide::from(full.as_str()));
        let told = run(&self.scheduler, async move { driver.on_disk_state(&full).await });
        told.map_err(|code| assert_eq!(code, HResult::FILE_NOT_FOUND)).ok()
    }

    fn booted(&self) -> MappedMutexGuard<'_, Booted> {
        MutexGuard::map(self.state.lock(), |state| state.as_mut().unwrap())
    }

    fn driver(&self) -> Arc<Driver> {
        self.booted().driver.clone()
    }

    fn root(&self) -> Arc<Root> {
        self.booted().root.clone()
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.booted().running.as_ref().map(|(session, _)| session.clone())
    }

    fn handle(&self, slot: Slot) -> Option<(HandleId, u32)> {
        self.booted().handles.get(&slot).copied()
    }

    async fn perform(&self, action: &Action) -> Outcome {
        match action {
            Action::Open { slot, by, path, how } => self.open(*slot, *by, path, how).await,
            Action::List { by, path, pattern, buffer, passes } => {
                self.list(*by, path, pattern.as_deref(), (*buffer, *passes)).await
            }
            Action::Touch { path } => self.touch(path).await.into(),
            Action::Read { slot, .. }
            | Action::Write { slot, .. }
            | Action::SetSize { slot, .. }
            | Action::SetReadOnly { slot, .. }
            | Action::Dispose { slot, .. }
            | Action::Rename { slot, .. }
            | Action::Link { slot, .. } => match self.handle(*slot) {
                Some((handle, _)) => self.by_handle(handle, action).await,
                None => Outcome::Skipped,
            },
            Action::Close { slot } => {
                let handle = self.booted().handles.remove(slot);
                match handle {
                    Some((handle, _)) => self.root().close(handle).await.into(),
                    None => Outcome::Skipped,
                }
            }
            Action::Start(how) => self.start(*how).await,
            Action::Stop => {
                let running = self.booted().running.take();
                let Some((session, provider)) = running else { return Outcome::Skipped };
                session.stop(&self.root()).await;
                provider.die();
                Outcome::Done
            }
            Action::Die => {
                let running = self.booted().running.take();
                let Some((session, provider)) = running else { return Outcome::Skipped };
                provider.die();
                session.died(&self.root());
                Outcome::Done
            }
            Action::Reboot => Outcome::Skipped,
            Action::Project { .. }
            | Action::Announce { .. }
            | Action::Update { .. }
            | Action::Unproject { .. }
            | Action::Evict { .. }
            | Action::Prepare { .. } => match self.session() {
                Some(session) => self.by_provider(&session, action).await,
                None => Outcome::Skipped,
            },
        }
    }

    async fn open(&self, slot: Slot, by: u32, path: &str, how: &How) -> Outcome {
        let opened = self.root().open(&process(by), &target(path), how.open()).await;
        match opened {
            Err(code) => Outcome::failed(code),
            Ok(opened) => {
                self.booted().handles.insert(slot, (opened.handle, by));
                let shown = opened.attributes;
                let name = shown.name.to_string();
                Outcome::opened(opened.action, name, shown.state, shown.basic.size)
            }
        }
    }

    async fn by_handle(&self, handle: HandleId, action: &Action) -> Outcome {
        let root = self.root();
        match action {
            Action::Read { offset, length, .. } => {
                match root.read(handle, *offset, *length).await {
                    Ok(data) => Outcome::data(&data),
                    Err(code) => Outcome::failed(code),
                }
            }
            Action::Write { offset, data, .. } => root.write(handle, *offset, data).await.into(),
            Action::SetSize { size, .. } => root.set_size(handle, *size).await.into(),
            Action::SetReadOnly { read_only, .. } => {
                let attributes = if *read_only { attributes::READONLY } else { 0 };
                let change = BasicChange { attributes: Some(attributes), ..BasicChange::default() };
                root.set_basic(handle, change).await.into()
            }
            Action::Dispose { delete, .. } => root.set_disposition(handle, *delete).await.into(),
            Action::Rename { to, replace, .. } => {
                root.rename(handle, &target(to), *replace).await.into()
            }
            Action::Link { to, .. } => root.link(handle, &target(to)).await.into(),
            _ => Outcome::Skipped,
        }
    }

    async fn list(
        &self,
        by: u32,
        path: &str,
        pattern: Option<&str>,
        (buffer, passes): (u32, u8),
    ) -> Outcome {
        let (root, by) = (self.root(), process(by));
        let handle = match root.open(&by, &target(path), Open::existing(Access::READ)).await {
            Ok(opened) => opened.handle,
            Err(code) => return Outcome::failed(code),
        };
        let mut query = Query { expression: pattern.map(Wide::from), buffer, ..Query::default() };
        let first = pass(&root, &by, handle, &query).await;
        query.restart = true;
        for _ in 1..passes {
            let again = pass(&root, &by, handle, &query).await;
            assert_eq!(first, again, "a restart of the listing of {path:?}");
        }
        root.close(handle).await.unwrap();
        match first {
            Ok(entries) => Outcome::Entries(entries),
            Err(code) => Outcome::failed(code),
        }
    }

    async fn touch(&self, path: &str) -> Result<()> {
        let mut at = ItemId::ROOT;
        for name in Wide::from(path).components() {
            at = self.root().lookup(&process(NOBODY), at, &name).await?.item;
        }
        Ok(())
    }

    async fn start(&self, how: Provides) -> Outcome {
        let answering = Answering::new(&self.scheduler, &self.projection);
        let all = NotificationMapping { root: Wide::default(), mask: everything() };
        let request = StartRequest {
            process: process(how.process),
            root: path_of(self.folder.path()),
            negative_path_cache: how.negative_path_cache,
            queries_names: how.queries_names,
            notifications: Some(vec![all]),
            cancels: true,
        };
        match self.driver().start(request, answering.clone()).await {
            Err(code) => Outcome::failed(code),
            Ok((root, session)) => {
                answering.started(&root, &session);
                self.booted().running = Some((session, answering));
                // It outlives providers (H10).
                Outcome::Cleared(root.clear_negative_path_cache())
            }
        }
    }

    async fn by_provider(&self, session: &Session, action: &Action) -> Outcome {
        let root = self.root();
        match action {
            Action::Project { path, content, flags } => {
                if !self.announce(path, content.as_deref()) {
                    return Outcome::Skipped;
                }
                self.update(session, path, *flags).await
            }
            Action::Announce { path, content } => {
                if self.announce(path, content.as_deref()) {
                    Outcome::Done
                } else {
                    Outcome::Skipped
                }
            }
            Action::Update { path, flags } => self.update(session, path, *flags).await,
            Action::Unproject { path, flags } => {
                let Some(node) = self.unprojectable(path) else { return Outcome::Skipped };
                let deleted = root.delete_file(session, &node.path.as_str().into(), *flags).await;
                if deleted.is_err_and(|(code, _)| !is_gone(code)) {
                    // What it cannot take away goes on being projected.
                    self.projection.lock().restore(node);
                }
                root.clear_negative_path_cache();
                refused(deleted)
            }
            Action::Evict { path, flags } => {
                refused(root.delete_file(session, &path.as_str().into(), *flags).await)
            }
            Action::Prepare { path } => {
                let prepared = {
                    let projection = self.projection.lock();
                    projection.find(path).map(|node| (node.path.clone(), info(node, &projection)))
                };
                let Some((path, info)) = prepared else { return Outcome::Skipped };
                root.write_placeholder(session, &path.as_str().into(), info).await.into()
            }
            _ => Outcome::Skipped,
        }
    }

    /// Changes the projection, if it can have this.
    fn announce(&self, path: &str, content: Option<&[u8]>) -> bool {
        let mut projection = self.projection.lock();
        let takes = projection.takes(path, content.is_none());
        if takes {
            projection.project(path, content);
        }
        takes
    }

    async fn update(&self, session: &Session, path: &str, flags: UpdateFlags) -> Outcome {
        let (path, info) = {
            let projection = self.projection.lock();
            let Some(node) = projection.find(path) else { return Outcome::Skipped };
            (Wide::from(node.path.as_str()), info(node, &projection))
        };
        let root = self.root();
        let updated = refused(root.update_file(session, &path, info, flags).await);
        root.clear_negative_path_cache();
        updated
    }

    /// Takes a projected item without children out of the projection.
    fn unprojectable(&self, path: &str) -> Option<crate::projection::Node> {
        let mut projection = self.projection.lock();
        if path.is_empty() || !projection.children(path).is_empty() {
            return None;
        }
        projection.remove(path)
    }
}

/// What a deletion by the provider may find: there is nothing to delete (M17).
pub(crate) fn is_gone(code: HResult) -> bool {
    matches!(code, HResult::FILE_NOT_FOUND | HResult::PATH_NOT_FOUND)
}

fn boot(scheduler: &Scheduler, folder: &Path) -> Booted {
    let driver = Driver::new(Knobs::default(), Arc::new(scheduler.clone()), None);
    let request = MarkRequest {
        process: process(NOBODY),
        root: path_of(folder),
        target: None,
        version: None,
        instance: INSTANCE,
    };
    let marking = driver.clone();
    let marked = run(scheduler, async move { marking.mark(request).await });
    assert!(matches!(marked, Ok(()) | Err(HResult::REPARSE_POINT_ENCOUNTERED)), "{marked:?}");
    let root = driver.root(folder).unwrap();
    Booted { driver, root, running: None, handles: BTreeMap::new() }
}

fn run<T: Send + 'static>(
    scheduler: &Scheduler,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let task = scheduler.spawn("test", future);
    scheduler.run_until_idle().unwrap();
    task.take().unwrap()
}

/// All entries from the beginning to the end.
async fn pass(
    root: &Root,
    by: &Process,
    handle: HandleId,
    query: &Query,
) -> Result<Vec<(String, u64, bool)>> {
    let (mut query, mut entries) = (query.clone(), Vec::new());
    loop {
        let more: Vec<Entry> = match root.query_directory(by, handle, query.clone()).await {
            Err(HResult::NO_MORE_FILES) => return Ok(entries),
            more => more?,
        };
        assert!(!more.is_empty(), "a query that succeeds has entries (F19)");
        entries.extend(
            more.into_iter()
                .map(|entry| (entry.name.to_string(), entry.basic.size, entry.basic.directory)),
        );
        query.restart = false;
    }
}

fn on_disk(found: &Attributes, data: Option<String>) -> OnDisk {
    if found.state == FileState::TOMBSTONE {
        return OnDisk::TOMBSTONE;
    }
    OnDisk {
        state: found.state.bits(),
        directory: found.basic.directory,
        size: if found.basic.directory { 0 } else { found.basic.size },
        read_only: found.basic.attributes & attributes::READONLY != 0,
        names: found.names,
        data,
    }
}

fn refused(result: std::result::Result<(), Refused>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err((code, causes)) => Outcome::refused(code, causes),
    }
}

fn process(id: u32) -> Process {
    Process { id, image: Wide::default() }
}

fn target(path: &str) -> Target {
    Target { from: ItemId::ROOT, path: path.into() }
}

fn path_of(folder: &Path) -> Wide {
    Wide::from(folder.to_str().unwrap())
}

fn everything() -> NotifyMask {
    let every = projfs_emulator::contract::Notification::ALL;
    every.iter().fold(NotifyMask::empty(), |mask, one| mask | one.bit())
}

/// Whether a callback is one of a listing.
pub(crate) const fn is_listing(call: &Traced) -> bool {
    matches!(
        call.command.request,
        Request::StartEnumeration { .. }
            | Request::GetEnumeration { .. }
            | Request::EndEnumeration { .. }
    )
}

/// Everything that an update or deletion may discard.
pub(crate) const ALL_FLAGS: UpdateFlags = UpdateFlags::DIRTY_METADATA
    .union(UpdateFlags::DIRTY_DATA)
    .union(UpdateFlags::TOMBSTONE)
    .union(UpdateFlags::READ_ONLY);

/// No causes.
pub(crate) const UNCAUSED: FailureCauses = FailureCauses::empty();
