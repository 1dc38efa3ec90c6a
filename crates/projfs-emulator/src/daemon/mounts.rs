//! The roots that are mounted: over the folder that was marked, from its attachment on.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fuser::{BackgroundSession, Config, INodeNo, MountOption, Notifier, Session, SessionACL};
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use tokio::runtime::Handle;

use super::dead_mounts::{self, SOURCE};
use super::error::DaemonError;
use super::fuse::{Adapter, Served};
use crate::contract::{HResult, Result, Wide};
use crate::engine::{Attach, ItemId, Root, Task, host_path};

/// Threads of a mount that read requests. None of them ever waits for a provider.
const THREADS: usize = 2;

/// How long to wait for the kernel to drop pages. It waits for those that are being read, which
/// may be until a provider has answered.
const INVALIDATION: Duration = Duration::from_secs(1);

/// The mounts of a daemon.
#[derive(Clone, Debug)]
pub(super) struct Mounts {
    runtime: Handle,
    mounted: Arc<Mutex<HashMap<Wide, Mounted>>>,
}

#[derive(Debug)]
struct Mounted {
    root: Arc<Root>,
    folder: PathBuf,
    adapter: Arc<Adapter>,
    notifier: Notifier,
    session: BackgroundSession,
}

impl Mounts {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, mounted: Arc::default() }
    }

    /// The roots that are mounted.
    pub(super) fn roots(&self) -> Vec<Arc<Root>> {
        let mounted = self.mounted.lock();
        let mut roots: Vec<_> = mounted.values().map(|mounted| Arc::clone(&mounted.root)).collect();
        roots.sort_by(|one, other| one.path().cmp(other.path()));
        roots
    }

    /// Clears away what a daemon that died has left at a folder that is about to be used.
    ///
    /// # Errors
    /// VIRTUALIZATION_INVALID_OPERATION if another daemon has it, ACCESS_DENIED if it will not go.
    pub(super) async fn clear(&self, root: &Wide) -> Result<()> {
        let (mounts, folder) = (self.clone(), host_path(root)?);
        // On a thread of its own: what is mounted may be slow to answer, or be ours.
        let cleared = tokio::task::spawn_blocking(move || {
            let folder = direct(&folder);
            if mounts.has(&folder) {
                return Ok(());
            }
            let folder = canonical(&folder);
            if mounts.has(&folder) { Ok(()) } else { dead_mounts::clear(&folder) }
        });
        let error = match cleared.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => return Err(HResult::INTERNAL_ERROR),
        };
        tracing::error!("{error}");
        Err(match error {
            DaemonError::MountedElsewhere { .. } => HResult::VIRTUALIZATION_INVALID_OPERATION,
            _ => HResult::ACCESS_DENIED,
        })
    }

    fn has(&self, folder: &Path) -> bool {
        self.mounted.lock().values().any(|mounted| mounted.folder == folder)
    }

    /// The roots whose mounts somebody else has taken away.
    pub(super) fn bare(&self) -> Vec<Arc<Root>> {
        let mounted = self.mounted.lock();
        let bare = mounted.values().filter(|mounted| mounted.session.guard.is_finished());
        bare.map(|mounted| Arc::clone(&mounted.root)).collect()
    }

    /// Makes the kernel forget the bytes of open files with this path: a provider changed them.
    pub(super) async fn changed(&self, root: &Root, path: &Wide) {
        let (items, notifier) = match self.mounted.lock().get(root.path()) {
            Some(mounted) => (mounted.adapter.open_under(path), mounted.notifier.clone()),
            None => return,
        };
        forget_bytes(notifier, items).await;
    }

    /// Makes the kernel forget an item's bytes: somebody else than the kernel changed them.
    pub(super) async fn item_changed(&self, root: &Root, item: ItemId) {
        let notifier = match self.mounted.lock().get(root.path()) {
            Some(mounted) => mounted.notifier.clone(),
            None => return,
        };
        forget_bytes(notifier, vec![item]).await;
    }

    async fn mount(&self, root: Arc<Root>) -> Result<()> {
        let runtime = self.runtime.clone();
        let mounting = tokio::task::spawn_blocking(move || mount(root, &runtime));
        match mounting.await {
            Ok(Ok(mounted)) => {
                tracing::info!("'{}' is mounted", mounted.folder.display());
                self.mounted.lock().insert(mounted.root.path().clone(), mounted);
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::error!("{error}");
                Err(HResult::ACCESS_DENIED)
            }
            Err(_) => Err(HResult::INTERNAL_ERROR),
        }
    }

    async fn unmount(&self, root: &Root) {
        let mounted = self.mounted.lock().remove(root.path());
        if let Some(mounted) = mounted {
            let _ = tokio::task::spawn_blocking(move || mounted.unmount()).await;
        }
    }

    /// Unmounts whatever is left.
    pub(super) async fn unmount_all(&self) {
        for root in self.roots() {
            self.unmount(&root).await;
        }
    }
}

impl Attach for Mounts {
    fn attached(&self, root: Arc<Root>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        let mounts = self.clone();
        Box::pin(async move { mounts.mount(root).await })
    }

    fn detached(&self, root: Arc<Root>) -> Task {
        let mounts = self.clone();
        Box::pin(async move { mounts.unmount(&root).await })
    }
}

fn mount(root: Arc<Root>, runtime: &Handle) -> std::result::Result<Mounted, DaemonError> {
    let folder = host_path(root.path()).unwrap_or_default();
    let refused = |source| DaemonError::MountRefused { path: folder.clone(), source };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let lower = rustix::fs::open(&folder, flags, Mode::empty());
    let lower = lower.map_err(|error| refused(error.into()))?;
    let adapter = Adapter::new(Arc::clone(&root), runtime.clone(), lower);
    let (notifier, session) = start_session(&adapter, &folder).map_err(refused)?;
    Ok(Mounted { root, folder: canonical(&folder), adapter, notifier, session })
}

fn start_session(
    adapter: &Arc<Adapter>,
    folder: &Path,
) -> io::Result<(Notifier, BackgroundSession)> {
    let mut config = Config::default();
    config.mount_options =
        vec![MountOption::FSName(SOURCE.into()), MountOption::Subtype(SOURCE.into())];
    config.n_threads = Some(THREADS);
    config.acl = SessionACL::All;
    let mount = |config: &Config| Session::new(Served(Arc::clone(adapter)), folder, config);
    let session = mount(&config).or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        // Without privileges, letting others in takes `user_allow_other` in /etc/fuse.conf.
        config.acl = SessionACL::Owner;
        mount(&config)
    })?;
    let notifier = session.notifier();
    Ok((notifier, session.spawn()?))
}

impl Mounted {
    /// Whoever still uses it does not keep it in the tree.
    fn unmount(self) {
        if self.session.guard.is_finished() {
            // Not mounted any more. Dropped, it would unmount what somebody else has there now.
            return std::mem::forget(self.session);
        }
        if let Err(error) = self.session.umount_and_join() {
            tracing::info!("'{}' is busy and unmounts lazily: {error}", self.folder.display());
            if let Err(error) = dead_mounts::unmount_lazily(&self.folder) {
                tracing::warn!("'{}' cannot be unmounted: {error}", self.folder.display());
            }
        }
    }
}

async fn forget_bytes(notifier: Notifier, items: Vec<ItemId>) {
    if items.is_empty() {
        return;
    }
    let forget = tokio::task::spawn_blocking(move || {
        for item in items {
            if let Err(error) = notifier.inval_inode(INodeNo(item.0), 0, 0) {
                tracing::debug!("the kernel keeps bytes of item {}: {error}", item.0);
            }
        }
    });
    let _ = tokio::time::timeout(INVALIDATION, forget).await;
}

/// The path that the mount table has for a folder, unless it is a link.
fn direct(folder: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return folder.into();
    };
    parent.canonicalize().map_or_else(|_| folder.into(), |parent| parent.join(name))
}

/// The path that the mount table has for a folder. One that cannot be asked, being a dead mount,
/// is no link.
fn canonical(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| direct(folder))
}
