//! A mounted root: the kernel's requests as operations of the engine (projfs.md R2 to R8).
//!
//! * Every request runs as a task; the threads that read them never wait for a provider. A task
//!   whose caller gave up is dropped, which cancels its command (L5), and answers `EINTR`.
//! * Names and attributes are never remembered by the kernel (timeouts 0), so that each user
//!   operation is seen (R2). Bytes are, since mapped files need that; but not from one open to the
//!   next, and not when size or write time turn out to have changed (`FUSE_AUTO_INVAL_DATA`). What
//!   a provider or a control connection changes in a file that is open is dropped explicitly.
//! * One FUSE file handle is one handle of the engine. Requests by path, such as unlink or chmod,
//!   open one for as long as they take, as a Windows program would (R5 to R7).

mod attributes;
mod changes;
mod directories;
mod errno;
mod extended;
mod files;
mod handles;
mod init;
mod names;
mod requests;

use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fuser::{Errno, Request};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::callers::Caller;
use crate::contract::Wide;
use crate::engine::{ItemId, Root};
use directories::Directories;
pub(super) use errno::{Failure, Purpose, Refuse};
use handles::OpenFiles;

/// What answers the kernel for one root.
#[derive(Debug)]
pub(super) struct Adapter {
    root: Arc<Root>,
    runtime: Handle,
    /// The folder below the mount.
    lower: OwnedFd,
    /// Whose files they are.
    owner: (u32, u32),
    files: OpenFiles,
    directories: Directories,
    /// Draws what listings ask for (R9).
    lots: Mutex<fastrand::Rng>,
}

impl Adapter {
    pub(super) fn new(root: Arc<Root>, runtime: Handle, lower: OwnedFd) -> Arc<Self> {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let lots = Mutex::new(fastrand::Rng::with_seed(root.knobs().seed));
        let (files, directories) = (OpenFiles::default(), Directories::default());
        Arc::new(Self { root, runtime, lower, owner, files, directories, lots })
    }

    /// The files that somebody has open whose name ends like this path's, spelled in any case.
    pub(super) fn open_under(&self, path: &Wide) -> Vec<ItemId> {
        let Some((_, leaf)) = path.split_leaf() else { return Vec::new() };
        let mut items = self.files.items();
        items.retain(|item| {
            let attributes = self.root.attributes(*item);
            attributes.is_ok_and(|known| ntfs_names::equal(known.name.units(), leaf.units()))
        });
        items
    }
}

/// The adapter as fuser has it.
#[derive(Debug)]
pub(super) struct Served(pub(super) Arc<Adapter>);

impl Served {
    /// Runs an operation as a task and answers with what it gives, unless the caller gives up.
    fn answer<R, T, F>(
        &self,
        request: &Request,
        reply: R,
        purpose: Purpose,
        operation: impl FnOnce(Arc<Adapter>, Caller) -> F,
        done: impl FnOnce(R, T) + Send + 'static,
    ) where
        R: Refuse,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let adapter = Arc::clone(&self.0);
        let caller = Caller(request.pid());
        let operation = operation(Arc::clone(&adapter), caller);
        self.0.runtime.spawn(async move {
            let result = tokio::select! {
                biased;
                result = operation => result,
                () = caller.gave_up() => Err(Failure::Errno(Errno::EINTR)),
            };
            match result {
                Ok(value) => done(reply, value),
                Err(failure) => reply.refuse(failure.errno(purpose, &adapter.root.knobs())),
            }
        });
    }

    /// Runs an operation that nobody can give up, such as a close.
    fn finish<R, F>(&self, reply: R, operation: F, done: impl FnOnce(R) + Send + 'static)
    where
        R: Refuse,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let adapter = Arc::clone(&self.0);
        self.0.runtime.spawn(async move {
            match operation.await {
                Ok(()) => done(reply),
                Err(failure) => reply.refuse(failure.errno(Purpose::Other, &adapter.root.knobs())),
            }
        });
    }
}
