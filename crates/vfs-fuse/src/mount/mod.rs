//! Makes, watches and ends mounts.
//!
//! Mounting and unmounting are done here and not by fuser, which neither sets the file system
//! type, nor tells a busy mount from a gone one, nor refrains from unmounting what somebody else
//! has mounted in the same place since.

mod attach;
mod detach;
mod holders;
mod invalidation;
mod point;
mod readahead;
mod stale;
mod table;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fuser::{Config, Session, SessionACL};
use parking_lot::Mutex;
use rusty_attachments_vfs::{AsyncExecutor, Volume};
use tokio::sync::watch as signal;

use crate::error::FuseError;
use crate::filesystem::{Frontend, Parts};
use crate::health::{Health, MountStats};
use crate::names;
use crate::options::{MountOptions, UnrepresentableNames};
use detach::How;
pub use stale::{MountEntry, list_mounts};
use watch::Watch;

/// How long the session's threads may take to end once the kernel has let go of them. They do no
/// waiting of their own, so this is never reached on a healthy machine.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

/// Mounts a volume.
///
/// Returns once the kernel and this process have agreed and requests are being answered.
///
/// # Errors
/// What is wrong with the mount point, the volume's names or the machine: see [`FuseError`].
pub fn mount(
    volume: Arc<dyn Volume>,
    executor: Arc<AsyncExecutor>,
    mount_point: &Path,
    options: &MountOptions,
) -> Result<FuseMount, FuseError> {
    let point = point::prepare(mount_point, options.allow_nonempty)?;
    if options.unrepresentable == UnrepresentableNames::Refuse {
        names::check(&*volume)?;
    }
    let device = attach::attach(&point, options)?;
    let mut undo = DetachOnDrop { point: &point, armed: true };
    let identity = table::top_at(&point)?
        .filter(table::Mount::is_ours)
        .ok_or_else(|| FuseError::NotMounted { path: point.clone() })?;

    let (ending, watched) = signal::channel(false);
    let health = Arc::new(Health::default());
    let parts = Parts {
        volume: Arc::clone(&volume),
        executor: Arc::clone(&executor),
        health: Arc::clone(&health),
        ending: watched,
    };
    let failed = |source| FuseError::Session { path: point.clone(), source };
    let spare = device.try_clone().map_err(failed)?;
    let frontend = Frontend::new(parts, options);
    let session = Session::from_fd(frontend, device, acl(options), config(options));
    let session = session.map_err(failed)?;
    readahead::raise(&identity.device, options.readahead_bytes);
    let watch = Arc::new(Watch::of(spare, session.notifier()));
    volume.watch_invalidations(invalidation::forget(&watch, &executor));

    let (watching, of) = (Arc::clone(&watch), identity.clone());
    let thread = std::thread::Builder::new()
        .name("fuse-session".into())
        .spawn(move || watching.over(session, &of))
        .map_err(failed)?;
    undo.armed = false;
    drop(undo);
    Ok(FuseMount { identity, health, watch, ending, thread: Mutex::new(Some(thread)) })
}

fn config(options: &MountOptions) -> Config {
    let mut config = Config::default();
    config.n_threads = Some(options.threads.clamp(1, 64));
    config.clone_fd = attach::can_open_device();
    config
}

const fn acl(options: &MountOptions) -> SessionACL {
    if options.allow_other { SessionACL::All } else { SessionACL::Owner }
}

/// Ends one of our mounts, whichever process made it.
///
/// # Errors
/// `NotMounted`, `NotOurs`; `Busy` with those who use it, unless `lazy`.
pub fn unmount_path(path: &Path, lazy: bool) -> Result<(), FuseError> {
    let point = point::resolve(path).map_err(|_| FuseError::NotMounted { path: path.into() })?;
    let top = table::top_at(&point)?.ok_or_else(|| FuseError::NotMounted { path: path.into() })?;
    if !top.is_ours() {
        return Err(FuseError::NotOurs { path: point, kind: top.kind });
    }
    // Nobody can be answered by a dead mount, so there is nobody to wait for either.
    let how = if lazy || stale::is_dead(&point) { How::Lazy } else { How::Plain };
    detach::detach(&point, how)
}

/// A mount that this process serves. Dropping it ends it, busy or not.
#[derive(Debug)]
pub struct FuseMount {
    identity: table::Mount,
    health: Arc<Health>,
    watch: Arc<Watch>,
    ending: signal::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FuseMount {
    /// Where it is mounted, as an absolute path without links.
    #[must_use]
    pub fn mount_point(&self) -> &Path {
        &self.identity.point
    }

    /// Counters since the mount was made.
    #[must_use]
    pub fn stats(&self) -> MountStats {
        self.health.stats()
    }

    /// Whether requests are still being answered.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.watch.has_ended()
    }

    /// Waits until the mount has ended: by `unmount`, by `umount(8)`, or because it broke.
    ///
    /// # Errors
    /// `Session` if it broke.
    pub fn wait(&self) -> Result<(), FuseError> {
        self.watch.wait(None);
        self.verdict()
    }

    /// Waits like [`wait`](Self::wait), for so long at most; says whether the mount has ended.
    #[must_use]
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.watch.wait(Some(limit))
    }

    /// Ends the mount if nobody uses it, and its threads.
    ///
    /// # Errors
    /// `Busy`, naming those who use it: the mount then goes on as if nothing had been asked.
    /// `UnmountRefused`; `Session` if it broke before.
    pub fn unmount(&self) -> Result<(), FuseError> {
        if self.is_attached() {
            detach::detach(&self.identity.point, How::Plain)?;
        }
        self.join()?;
        self.verdict()
    }

    /// Takes the mount out of the tree at once. Who has something open in it keeps it, and is
    /// answered until the last has closed; [`wait`](Self::wait) returns then.
    ///
    /// # Errors
    /// `UnmountRefused`.
    pub fn unmount_lazy(&self) -> Result<(), FuseError> {
        if self.is_attached() { detach::detach(&self.identity.point, How::Lazy) } else { Ok(()) }
    }

    /// Whether the kernel still shows this mount, and not another in its place.
    fn is_attached(&self) -> bool {
        let top = table::top_at(&self.identity.point).ok().flatten();
        // In this order: ids are used again, but not before the connection was cut.
        top.is_some_and(|top| top.id == self.identity.id) && self.watch.is_connected()
    }

    fn join(&self) -> Result<(), FuseError> {
        let _ = self.ending.send(true);
        if !self.watch.wait(Some(JOIN_LIMIT)) {
            let source = io::Error::new(io::ErrorKind::TimedOut, "its threads do not end");
            return Err(FuseError::Session { path: self.identity.point.clone(), source });
        }
        if let Some(thread) = self.thread.lock().take() {
            // The watch has ended, so there is nothing left to wait for.
            let _ = thread.join();
        }
        Ok(())
    }

    fn verdict(&self) -> Result<(), FuseError> {
        self.watch.broken().map_or(Ok(()), |reason| {
            let path = self.identity.point.clone();
            Err(FuseError::Session { path, source: io::Error::other(reason) })
        })
    }
}

impl Drop for FuseMount {
    fn drop(&mut self) {
        let point = &self.identity.point;
        if self.is_attached() && detach::detach(point, How::Plain).is_err() {
            tracing::warn!(mount_point = %point.display(), "ended while in use");
            if let Err(error) = detach::detach(point, How::Abort) {
                tracing::error!("{error}");
            }
        }
        if self.is_running() {
            detach::abort_connection(&self.identity.device);
        }
        if let Err(error) = self.join() {
            tracing::error!("{error}");
        }
    }
}

/// Takes back a mount whose session does not come about.
struct DetachOnDrop<'a> {
    point: &'a PathBuf,
    armed: bool,
}

impl Drop for DetachOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            let _ = detach::detach(self.point, How::Lazy);
        }
    }
}
