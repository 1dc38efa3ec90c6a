//! A root with a provider that plays a script, run one step at a time: for tests of the engine's
//! questions to providers.

mod provider;

use std::sync::Arc;

use parking_lot::RwLock;
use tempfile::TempDir;

pub(super) use self::provider::{
    Act, Scripted, is_data, is_get, is_placeholder, is_query, is_start,
};
use super::enumeration::Listing;
use super::root::{Root, Shared};
use super::session::Session;
use super::store::{Item, ItemId, Store};
use super::trace::Trace;
use crate::contract::operations::{Entry, Query};
use crate::contract::{
    BasicInfo, DirEntry, FileState, Guid, PlaceholderInfo, Result, VersionInfo, Wide,
};
use crate::knobs::{Expression, Knobs};
use crate::link::{Process, StartRequest};
use crate::scheduler::{Handle, Scheduler};
use crate::violation::ViolationLog;

/// The application.
pub(super) const APPLICATION: u32 = 100;

/// The identity of the root.
const INSTANCE: Guid = Guid([7; 16]);

/// Everything that a test needs.
pub(super) struct Stage {
    pub(super) root: Arc<Root>,
    pub(super) provider: Arc<Scripted>,
    pub(super) scheduler: Scheduler,
    folder: TempDir,
}

impl Stage {
    /// A root of which these paths are projected: a path with a backslash at the end is a
    /// directory, a file's content is its path unless it is given.
    pub(super) fn projecting(paths: &[&str]) -> Self {
        let stage = Self::empty(Knobs { expression: Expression::Null, ..Knobs::default() });
        paths.iter().for_each(|path| stage.provider.project(path));
        stage.start(|_| {});
        stage
    }

    /// A root without a provider.
    pub(super) fn empty(knobs: Knobs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = std::fs::File::open(folder.path()).unwrap();
        let scheduler = Scheduler::seeded(knobs.seed);
        let store = Store::open(directory.into()).unwrap();
        store.mark(ItemId::ROOT, INSTANCE, version("the root"), &Wide::default()).unwrap();
        let shared = Arc::new(Shared {
            knobs: RwLock::new(Arc::new(knobs)),
            violations: ViolationLog::default(),
            trace: Trace::default(),
            runtime: Arc::new(scheduler.clone()),
        });
        let root = Root::new("C:\\root".into(), store, shared).unwrap();
        let provider = Scripted::new(&root, &scheduler);
        Self { root, provider, scheduler, folder }
    }

    /// Starts the provider.
    pub(super) fn start(&self, change: impl FnOnce(&mut StartRequest)) {
        let mut request = StartRequest {
            process: Process { id: 1, image: Wide::default() },
            root: self.root.path.clone(),
            negative_path_cache: false,
            queries_names: true,
            notifications: None,
            cancels: true,
        };
        change(&mut request);
        let session = Arc::new(Session::new(request, self.provider.clone()));
        self.provider.started(&session);
        *self.root.session.lock() = Some(session);
    }

    /// Stops it, once what is under way has got as far as it can.
    pub(super) fn stop(&self) {
        self.scheduler.settle();
        *self.root.session.lock() = None;
    }

    /// Changes the settings.
    pub(super) fn knobs(&self, change: impl FnOnce(&mut Knobs)) {
        let mut knobs = Knobs::clone(&self.root.knobs());
        change(&mut knobs);
        *self.root.shared.knobs.write() = Arc::new(knobs);
    }

    /// Lets broken rules pass, as Windows does.
    pub(super) fn lenient(&self) {
        self.knobs(|knobs| knobs.strict = false);
    }

    /// The lower folder.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Begins something that an application does.
    pub(super) fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        action: impl FnOnce(Arc<Root>, Process) -> F,
    ) -> Handle<T> {
        let caller = Process { id: APPLICATION, image: Wide::default() };
        self.scheduler.spawn("application", action(self.root.clone(), caller))
    }

    /// Runs something that an application does to its end.
    pub(super) fn run<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        action: impl FnOnce(Arc<Root>, Process) -> F,
    ) -> T {
        let handle = self.spawn(action);
        self.scheduler.run_until_idle().unwrap();
        handle.take().unwrap()
    }

    /// Opens a path as far as its name: every component becomes a placeholder.
    pub(super) fn open(&self, path: &str) -> Result<Option<(Wide, Item)>> {
        let path = Wide::from(path);
        self.run(|root, caller| async move { walk(&root, &caller, &path).await })
    }

    /// The item of a path that is there.
    pub(super) fn item(&self, path: &str) -> Item {
        self.open(path).unwrap().unwrap().1
    }

    /// Reads a whole file.
    pub(super) fn read(&self, path: &str) -> Result<String> {
        let item = self.item(path).id;
        self.run(|root, caller| async move { root.hydrate(&caller, item).await })?;
        let mut content = Vec::new();
        let size = self.root.store.item(item).unwrap().basic.size;
        content.resize(usize::try_from(size).unwrap(), 0);
        let file = self.root.store.data(item).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&*file, &mut content, 0).unwrap();
        Ok(String::from_utf8(content).unwrap())
    }

    /// A listing of a directory by one handle, which is open until this is dropped.
    pub(super) fn listing(&self, path: &str) -> Browser<'_> {
        let directory = if path.is_empty() { ItemId::ROOT } else { self.item(path).id };
        Browser { stage: self, directory, listing: Some(None) }
    }

    /// All names in a directory.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>> {
        self.listing(path).all(&Query::default())
    }

    /// The rules that were broken since the last call.
    pub(super) fn broken(&self) -> Vec<String> {
        self.root.shared.violations.take().into_iter().map(|broken| broken.rule).collect()
    }

    /// The callbacks since the last call.
    pub(super) fn trace(&self) -> Vec<String> {
        self.root.shared.trace.take().iter().map(crate::link::Traced::line).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.scheduler.abandon();
        if !std::thread::panicking() {
            assert_eq!(self.broken(), Vec::<String>::new(), "rules that no test expects");
        }
    }
}

/// An open directory.
pub(super) struct Browser<'a> {
    stage: &'a Stage,
    directory: ItemId,
    listing: Option<Option<Listing>>,
}

impl Browser<'_> {
    /// One query.
    pub(super) fn query(&mut self, query: &Query) -> Result<Vec<Entry>> {
        let (mut listing, directory) = (self.listing.take().unwrap(), self.directory);
        let query = query.clone();
        let (listing, entries) = self.stage.run(|root, caller| async move {
            let entries = root.query_listing(&caller, directory, &mut listing, &query).await;
            (listing, entries)
        });
        self.listing = Some(listing);
        entries
    }

    /// The names that one query gives.
    pub(super) fn names(&mut self, query: &Query) -> Result<Vec<String>> {
        let entries = self.query(query)?;
        Ok(entries.iter().map(|entry| entry.name.to_string()).collect())
    }

    /// The names that queries give until there are no more: with a large buffer, unless it says
    /// how large.
    pub(super) fn all(&mut self, query: &Query) -> Result<Vec<String>> {
        let mut query = query.clone();
        if query.buffer == 0 {
            query.buffer = 65536;
        }
        let mut names = Vec::new();
        loop {
            match self.names(&query) {
                Ok(more) => names.extend(more),
                Err(crate::contract::HResult::NO_MORE_FILES) => return Ok(names),
                Err(code) => return Err(code),
            }
            query.restart = false;
        }
    }

    /// Closes it.
    pub(super) fn close(mut self) {
        let listing = self.listing.take().flatten();
        self.stage.run(|root, _| async move {
            if let Some(listing) = listing {
                root.end_listing(listing).await;
            }
        });
    }
}

async fn walk(root: &Root, caller: &Process, path: &Wide) -> Result<Option<(Wide, Item)>> {
    let mut at = (Wide::default(), root.store.item(ItemId::ROOT).unwrap());
    for name in path.components() {
        let _name = root.names.lock(&[(at.1.id, &name)]).await;
        match root.materialise(caller, &at.1, &name).await? {
            Some(found) => at = found,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// A version of a text.
pub(super) fn version(text: &str) -> VersionInfo {
    let mut version = VersionInfo::default();
    version.content.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    version
}

/// A placeholder for a file of this size, or for a directory.
pub(super) fn info(size: Option<u64>, of: &str) -> PlaceholderInfo {
    let basic = BasicInfo {
        directory: size.is_none(),
        size: size.unwrap_or(0),
        creation: 130_000_000_000_000_001,
        access: 130_000_000_000_000_002,
        write: 130_000_000_000_000_003,
        change: 130_000_000_000_000_004,
        attributes: 0,
    };
    PlaceholderInfo { basic, version: version(of), ..PlaceholderInfo::default() }
}

/// An entry for a file of this size, or for a directory.
pub(super) fn entry(name: &str, size: Option<u64>) -> DirEntry {
    DirEntry { name: name.into(), basic: info(size, name).basic, link: None }
}

/// The state that a file has while it is hydrated and unchanged.
pub(super) const HYDRATED: FileState = FileState::PLACEHOLDER.union(FileState::HYDRATED);
