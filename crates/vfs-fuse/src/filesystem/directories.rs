//! Listings: `opendir`, `readdir`, `readdirplus`, `releasedir`.
//!
//! An open folder holds one snapshot, so its pages never shift. The cookie of a position is how
//! many entries lie before it, `.` and `..` first; names that Linux cannot have keep their number
//! and are left out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::{
    Errno, FileHandle, FopenFlags, INodeNo, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyOpen,
};
use parking_lot::Mutex;
use rusty_attachments_vfs::{Attributes, DirectoryListing, NodeId, VfsError};

use super::attributes::file_type;
use super::lookup::GENERATION;
use super::{Frontend, refusal};
use crate::names;

/// The snapshots of the folders that are open now.
#[derive(Default)]
pub(super) struct OpenDirectories {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Arc<dyn DirectoryListing>>>,
}

impl OpenDirectories {
    fn insert(&self, listing: Arc<dyn DirectoryListing>) -> FileHandle {
        let handle = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.lock().insert(handle, listing);
        FileHandle(handle)
    }

    fn get(&self, handle: FileHandle) -> Option<Arc<dyn DirectoryListing>> {
        self.open.lock().get(&handle.0).map(Arc::clone)
    }

    fn remove(&self, handle: FileHandle) {
        // Dropped after the lock: the last holder of a snapshot may free much.
        let _last = self.open.lock().remove(&handle.0);
    }
}

/// One line of a page.
struct Line<'a> {
    /// The position behind this line.
    cookie: u64,
    name: Cow<'a, [u8]>,
    attributes: Attributes,
    /// `.` and `..`, which the kernel does not count as references.
    dot: bool,
}

impl Frontend {
    pub(super) fn answer_opendir(&self, node: NodeId, reply: ReplyOpen) {
        match self.volume.children(node) {
            Ok(listing) => {
                // The second listing of a folder comes from the kernel.
                let flags = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
                reply.opened(self.directories.insert(listing), flags);
            }
            Err(error) => reply.error(refusal(&error)),
        }
    }

    pub(super) fn answer_releasedir(&self, handle: FileHandle, reply: ReplyEmpty) {
        self.directories.remove(handle);
        reply.ok();
    }

    pub(super) fn answer_readdir(
        &self,
        node: NodeId,
        handle: FileHandle,
        cookie: u64,
        mut reply: ReplyDirectory,
    ) {
        let filled = self.fill(node, handle, cookie, |line| {
            let Attributes { node, kind, .. } = line.attributes;
            let name = OsStr::from_bytes(&line.name);
            reply.add(INodeNo(node.0), line.cookie, file_type(kind), name)
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    pub(super) fn answer_readdirplus(
        &self,
        node: NodeId,
        handle: FileHandle,
        cookie: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let filled = self.fill(node, handle, cookie, |line| {
            let attributes = self.presentation.attributes(&line.attributes);
            let name = OsStr::from_bytes(&line.name);
            let (ttl, ino) = (&self.presentation.ttl, attributes.ino);
            let full = reply.add(ino, line.cookie, name, ttl, &attributes, GENERATION);
            if !full && !line.dot {
                self.volume.retain(line.attributes.node);
            }
            full
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    /// Hands lines from `cookie` on to `add` until it is full or none are left.
    fn fill(
        &self,
        node: NodeId,
        handle: FileHandle,
        cookie: u64,
        mut add: impl FnMut(&Line<'_>) -> bool,
    ) -> Result<(), Errno> {
        let listing = self.directories.get(handle).ok_or(Errno::EBADF)?;
        let end = 2 + listing.len() as u64;
        for position in cookie..end {
            let line = self.line(node, &*listing, position).map_err(|error| refusal(&error))?;
            if line.is_some_and(|line| add(&line)) {
                break;
            }
        }
        Ok(())
    }

    fn line<'a>(
        &self,
        node: NodeId,
        listing: &'a dyn DirectoryListing,
        position: u64,
    ) -> Result<Option<Line<'a>>, VfsError> {
        let cookie = position + 1;
        let dot = |name: &'static [u8], attributes| Line {
            cookie,
            name: Cow::Borrowed(name),
            attributes,
            dot: true,
        };
        match position {
            0 => Ok(Some(dot(b".", self.volume.attributes(node)?))),
            1 => Ok(Some(dot(b"..", self.volume.attributes(listing.parent())?))),
            _ => {
                let index = usize::try_from(position - 2).unwrap_or(usize::MAX);
                Ok(listing.entry(index).and_then(|entry| {
                    let name = names::to_linux(entry.name).ok()?;
                    Some(Line { cookie, name, attributes: entry.attributes, dot: false })
                }))
            }
        }
    }
}
