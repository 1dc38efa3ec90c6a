//! All roots of one machine: marking, starting, finding the root of a path.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::host_path::{host_path, relative};
use super::root::{Root, Shared};
use super::runtime::{Runtime, Task};
use super::session::{Session, validate};
use super::store::{self, FolderLock, Store};
use super::trace::Trace;
use super::{ItemId, Traced};
use crate::contract::{FileState, Guid, HResult, Result, VersionInfo, Wide};
use crate::knobs::Knobs;
use crate::link::{MarkRequest, Process, Provider, StartRequest};
use crate::violation::{Violation, ViolationLog};

/// Told when roots come and go; the daemon mounts them.
pub trait Attach: Send + Sync + Debug {
    /// A root is known now; nobody else has seen it yet. Its folder was opened before, so that it
    /// can be mounted over.
    ///
    /// # Errors
    /// The mark fails with it, and the root is forgotten.
    fn attached(&self, root: Arc<Root>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    /// A root is being forgotten.
    fn detached(&self, root: Arc<Root>) -> Task;
}

/// What `prjflt.sys` is on Windows: knows the roots and outlives their providers.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    attach: Option<Arc<dyn Attach>>,
    roots: Mutex<BTreeMap<PathBuf, Slot>>,
    /// Folders that were marked since the driver started (M3).
    primed: Mutex<BTreeSet<PathBuf>>,
}

/// A folder that is a root.
#[derive(Debug)]
enum Slot {
    /// Being attached or detached.
    Busy,
    Attached(Arc<Root>, FolderLock),
}

impl Driver {
    /// A driver without roots.
    #[must_use]
    pub fn new(
        knobs: Knobs,
        runtime: Arc<dyn Runtime>,
        attach: Option<Arc<dyn Attach>>,
    ) -> Arc<Self> {
        let shared = Shared {
            knobs: RwLock::new(Arc::new(knobs)),
            violations: ViolationLog::default(),
            trace: Trace::default(),
            runtime,
        };
        Arc::new(Self {
            shared: Arc::new(shared),
            attach,
            roots: Mutex::default(),
            primed: Mutex::default(),
        })
    }

    /// Marks a directory (B5). A root that is new to this driver is attached: its folder is opened
    /// and its records are read. `attached` is called with it before anything else can find it; the
    /// daemon mounts it there.
    ///
    /// # Errors
    /// As in `projfs.md M3`, `M4`. REPARSE_POINT_ENCOUNTERED leaves the root attached.
    /// VIRTUALIZATION_BUSY while the same folder is being attached or detached.
    pub async fn mark(&self, request: MarkRequest) -> Result<()> {
        let folder = self.locate(&request.root)?;
        let version = request.version.as_deref().copied().unwrap_or_default();
        if let Some(target) = request.target.as_ref().filter(|target| !target.is_empty()) {
            let root = self.known(&folder, &request.root).await?;
            return root.mark_directory(&request.process, target, version, request.instance).await;
        }
        let root = match self.attached(&folder)? {
            Some(root) => root,
            None => match self.mark_root(&folder, &request, version).await? {
                Marked::New => return Ok(()),
                Marked::Before(root) => root,
            },
        };
        self.primed.lock().insert(folder);
        self.marked_again(&root, request.instance)
    }

    /// Starts a provider on a marked root (B1).
    ///
    /// # Errors
    /// As in `projfs.md M7`.
    pub async fn start(
        &self,
        request: StartRequest,
        provider: Arc<dyn Provider>,
    ) -> Result<(Arc<Root>, Arc<Session>)> {
        let folder = self.locate(&request.root)?;
        let root = self.known(&folder, &request.root).await?;
        if self.shared.knobs().mark_after_boot && !self.primed.lock().contains(&folder) {
            tracing::warn!(root = %request.root, "start without a mark since the driver started");
            return Err(HResult::VIRTUALIZATION_PROVIDER_UNKNOWN);
        }
        // Unwise mappings break no operation by themselves.
        validate(&request, |rule, what| self.report(Violation::new(rule, what)))?;
        let session = Arc::new(Session::new(request, provider));
        let mut running = root.session.lock();
        if running.is_some() {
            return Err(HResult::ALREADY_INITIALIZED);
        }
        *running = Some(session.clone());
        drop(running);
        Ok((root, session))
    }

    /// The state on disk of a full path (B13, M15). Asks no provider for tombstones and local
    /// items, materialises virtual ones.
    ///
    /// # Errors
    /// FILE_NOT_FOUND, PATH_NOT_FOUND; VIRTUALIZATION_UNAVAILABLE for what may be virtual while no
    /// provider runs (M10).
    pub async fn on_disk_state(&self, path: &Wide) -> Result<FileState> {
        let host = self.locate(path)?;
        match self.root_above(&host) {
            Some((folder, root)) => {
                let below = relative(&host, &folder).ok_or(HResult::INVALID_NAME)?;
                root.on_disk_state(&below).await
            }
            None => store::state(&host),
        }
    }

    /// The attached root at this folder.
    pub fn root(&self, folder: &Path) -> Option<Arc<Root>> {
        let attached = |folder: &Path| self.attached(folder).ok().flatten();
        attached(folder).or_else(|| attached(&std::fs::canonicalize(folder).ok()?))
    }

    /// Forgets a root: its provider is stopped, its files stay as they are.
    pub async fn detach(&self, root: &Root) {
        let Some((claim, root)) = self.reclaim(root) else { return };
        if let Some(session) = root.session() {
            session.stop(&root).await;
        }
        if let Some(attach) = &self.attach {
            attach.detached(root).await;
        }
        drop(claim);
    }

    /// The settings.
    pub fn knobs(&self) -> Arc<Knobs> {
        self.shared.knobs()
    }

    /// Replaces the settings, from the next operation on.
    pub fn set_knobs(&self, knobs: Knobs) {
        *self.shared.knobs.write() = Arc::new(knobs);
    }

    /// Broken rules since the last call.
    pub fn take_violations(&self) -> Vec<Violation> {
        self.shared.violations.take()
    }

    /// Notes a rule that was broken in the provider's process.
    pub fn report(&self, violation: Violation) {
        self.shared.violations.report(violation);
    }

    /// Callbacks since the last call.
    pub fn take_trace(&self) -> Vec<Traced> {
        self.shared.trace.take()
    }

    async fn mark_root(
        &self,
        folder: &Path,
        request: &MarkRequest,
        version: VersionInfo,
    ) -> Result<Marked> {
        let claim = self.claim(folder)?;
        let directory = store::open_folder(folder)?;
        let was_marked = store::is_marked(&directory);
        if let Some(other) = store::nested(folder) {
            tracing::warn!(root = %request.root, other = %other.display(), "roots cannot be nested");
            return Err(HResult::VIRTUALIZATION_INVALID_OPERATION);
        }
        let store = Store::open(OwnedFd::from(directory))?;
        if !was_marked {
            store.mark(ItemId::ROOT, request.instance, version, &Wide::default())?;
        }
        let root = Root::new(request.root.clone(), store, self.shared.clone())?;
        if let Err(code) = self.attach(claim, &root).await {
            if !was_marked {
                root.store.set_state(ItemId::ROOT, FileState::FULL)?;
            }
            return Err(code);
        }
        self.primed.lock().insert(folder.to_path_buf());
        Ok(if was_marked { Marked::Before(root) } else { Marked::New })
    }

    /// A root that was marked before is marked again (M3).
    fn marked_again(&self, root: &Root, instance: Guid) -> Result<()> {
        if instance != root.instance {
            let what = format!(
                "'{}' was marked with {} and is marked with {instance} now; keep one identity for \
                 the whole life of a root",
                root.path, root.instance
            );
            if self.shared.broke("M2", what) {
                return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
            }
        }
        Err(HResult::REPARSE_POINT_ENCOUNTERED)
    }

    /// The root at a folder; one that was marked before this driver started is attached.
    async fn known(&self, folder: &Path, spelled: &Wide) -> Result<Arc<Root>> {
        if let Some(root) = self.attached(folder)? {
            return Ok(root);
        }
        let claim = self.claim(folder)?;
        let directory = store::open_folder(folder)?;
        if !store::is_marked(&directory) {
            return Err(HResult::REPARSE_TAG_MISMATCH);
        }
        let store = Store::open(OwnedFd::from(directory))?;
        let root = Root::new(spelled.clone(), store, self.shared.clone())?;
        self.attach(claim, &root).await?;
        Ok(root)
    }

    async fn attach(&self, claim: Claim<'_>, root: &Arc<Root>) -> Result<()> {
        if let Some(attach) = &self.attach {
            attach.attached(root.clone()).await?;
        }
        claim.settle(root);
        Ok(())
    }

    /// Where a path leads, without touching what may be mounted over by us: that would wait for
    /// ourselves.
    fn locate(&self, path: &Wide) -> Result<PathBuf> {
        let host = host_path(path)?;
        let (Some(parent), Some(name)) = (host.parent(), host.file_name()) else {
            return Ok(host);
        };
        if self.is_covered(&host) {
            return Ok(host);
        }
        let Ok(parent) = std::fs::canonicalize(parent) else {
            return Err(HResult::PATH_NOT_FOUND);
        };
        let direct = parent.join(name);
        if self.is_covered(&direct) {
            return Ok(direct);
        }
        Ok(std::fs::canonicalize(&direct).unwrap_or(direct))
    }

    /// Whether a folder is a root or below one.
    fn is_covered(&self, folder: &Path) -> bool {
        self.roots.lock().keys().any(|root| folder.starts_with(root))
    }

    fn root_above(&self, path: &Path) -> Option<(PathBuf, Arc<Root>)> {
        let roots = self.roots.lock();
        path.ancestors().find_map(|folder| match roots.get(folder) {
            Some(Slot::Attached(root, _)) => Some((folder.to_path_buf(), root.clone())),
            _ => None,
        })
    }

    fn attached(&self, folder: &Path) -> Result<Option<Arc<Root>>> {
        match self.roots.lock().get(folder) {
            None => Ok(None),
            Some(Slot::Busy) => Err(HResult::VIRTUALIZATION_BUSY),
            Some(Slot::Attached(root, _)) => Ok(Some(root.clone())),
        }
    }

    /// Takes a folder that no root has, nor has it one above or below (M4), nor another driver.
    fn claim(&self, folder: &Path) -> Result<Claim<'_>> {
        let mut claim = self.reserve(folder)?;
        claim.lock = Some(FolderLock::take(folder)?);
        Ok(claim)
    }

    fn reserve(&self, folder: &Path) -> Result<Claim<'_>> {
        let mut roots = self.roots.lock();
        if roots.contains_key(folder) {
            return Err(HResult::VIRTUALIZATION_BUSY);
        }
        if roots.keys().any(|root| folder.starts_with(root) || root.starts_with(folder)) {
            tracing::warn!(folder = %folder.display(), "roots cannot be nested");
            return Err(HResult::VIRTUALIZATION_INVALID_OPERATION);
        }
        roots.insert(folder.to_path_buf(), Slot::Busy);
        Ok(Claim { driver: self, folder: Some(folder.to_path_buf()), lock: None })
    }

    /// Takes the folder of an attached root back.
    fn reclaim(&self, root: &Root) -> Option<(Claim<'_>, Arc<Root>)> {
        let mut roots = self.roots.lock();
        let (folder, slot) = roots.iter_mut().find(|(_, slot)| {
            matches!(slot, Slot::Attached(known, _) if std::ptr::eq(Arc::as_ptr(known), root))
        })?;
        let Slot::Attached(root, lock) = std::mem::replace(slot, Slot::Busy) else { return None };
        Some((Claim { driver: self, folder: Some(folder.clone()), lock: Some(lock) }, root))
    }
}

/// What a mark of a folder that was not attached came upon.
enum Marked {
    New,
    /// Marked already, by this driver's predecessors.
    Before(Arc<Root>),
}

/// A folder that is being attached or detached; free again when this is dropped.
struct Claim<'a> {
    driver: &'a Driver,
    folder: Option<PathBuf>,
    lock: Option<FolderLock>,
}

impl Claim<'_> {
    /// From now on everybody can find the root.
    fn settle(mut self, root: &Arc<Root>) {
        if let (Some(folder), Some(lock)) = (self.folder.take(), self.lock.take()) {
            self.driver.roots.lock().insert(folder, Slot::Attached(root.clone(), lock));
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            self.driver.roots.lock().remove(&folder);
        }
    }
}

impl Root {
    /// The state on disk of a path in this root (M15, R16).
    async fn on_disk_state(&self, path: &Wide) -> Result<FileState> {
        let caller = Process::default();
        let names: Vec<_> = path.components().collect();
        let mut at = (ItemId::ROOT, FileState::PLACEHOLDER);
        for (depth, name) in names.iter().enumerate() {
            let is_last = depth + 1 == names.len();
            let missing = |code| match code {
                HResult::FILE_NOT_FOUND if !is_last => HResult::PATH_NOT_FOUND,
                code => code,
            };
            // Without a provider what is on disk is told as it is, tombstones too.
            let on_disk =
                if self.session().is_some() { None } else { self.store.find(at.0, name)? };
            at = match on_disk {
                Some(found) => (found.item.id, found.item.state),
                None => {
                    let found = self.lookup(&caller, at.0, name).await.map_err(missing)?;
                    (found.item, found.state)
                }
            };
            if at.1 == FileState::TOMBSTONE && !is_last {
                return Err(HResult::PATH_NOT_FOUND);
            }
        }
        if names.is_empty() {
            return self
                .store
                .item(ItemId::ROOT)
                .map(|root| root.state)
                .ok_or(HResult::FILE_NOT_FOUND);
        }
        Ok(at.1)
    }
}

#[cfg(test)]
mod tests;
