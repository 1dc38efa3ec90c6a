//! Handles of the engine that FUSE requests have: for one request, or between open and release.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Adapter, Failure};
use crate::contract::Wide;
use crate::engine::{Access, HandleId, ItemId, Open, Opened, Target};
use crate::link::Process;

/// An item itself.
pub(super) fn itself(item: ItemId) -> Target {
    Target { from: item, path: Wide::default() }
}

/// A name in a directory.
pub(super) const fn named(parent: ItemId, name: Wide) -> Target {
    Target { from: parent, path: name }
}

/// A handle for as long as one request takes; closed when dropped.
pub(super) struct Brief {
    adapter: Arc<Adapter>,
    opened: Option<Opened>,
    pub(super) handle: HandleId,
}

impl Brief {
    pub(super) async fn open(
        adapter: &Arc<Adapter>,
        process: &Process,
        target: &Target,
        how: Open,
    ) -> Result<Self, Failure> {
        let opened = adapter.root.open(process, target, how).await?;
        let handle = opened.handle;
        Ok(Self { adapter: Arc::clone(adapter), opened: Some(opened), handle })
    }

    /// For what needs no right but to be there.
    pub(super) async fn attributes_only(
        adapter: &Arc<Adapter>,
        process: &Process,
        item: ItemId,
    ) -> Result<Self, Failure> {
        Self::open(adapter, process, &itself(item), Open::existing(Access::empty())).await
    }

    /// Closes; whatever that brings about has happened then. Gives what the open said.
    pub(super) async fn close(mut self) -> Result<Opened, Failure> {
        let opened = self.opened.take().ok_or(fuser::Errno::EBADF)?;
        self.adapter.root.close(opened.handle).await?;
        Ok(opened)
    }

    /// Keeps the handle open: it is the kernel's now.
    pub(super) fn keep(mut self) -> Option<Opened> {
        self.opened.take()
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if let Some(opened) = self.opened.take() {
            let root = Arc::clone(&self.adapter.root);
            self.adapter.runtime.spawn(async move {
                if let Err(error) = root.close(opened.handle).await {
                    tracing::debug!("a handle that nobody wants: {error}");
                }
            });
        }
    }
}

/// The files between open and release.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(Mutex<BTreeSet<OpenFile>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpenFile {
    pub(super) item: ItemId,
    pub(super) process: u32,
    /// Whether times and attributes can be set by it.
    pub(super) writable: bool,
    pub(super) handle: HandleId,
}

impl OpenFiles {
    pub(super) fn add(&self, file: OpenFile) {
        self.0.lock().insert(file);
    }

    pub(super) fn remove(&self, handle: HandleId) {
        self.0.lock().retain(|file| file.handle != handle);
    }

    /// A handle by which a process can set times and attributes of a file, as Windows programs do
    /// that have it open anyway.
    pub(super) fn writable(&self, process: u32, item: ItemId) -> Option<HandleId> {
        let first = OpenFile { item, process, writable: true, handle: HandleId(0) };
        let last = OpenFile { handle: HandleId(u64::MAX), ..first };
        self.0.lock().range(first..=last).next().map(|file| file.handle)
    }

    /// All that are open, each once.
    pub(super) fn items(&self) -> Vec<ItemId> {
        let mut items: Vec<_> = self.0.lock().iter().map(|file| file.item).collect();
        items.dedup();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_processs_own_writable_handle_is_used() {
        let files = OpenFiles::default();
        let file = |process, writable, handle| OpenFile {
            item: ItemId(7),
            process,
            writable,
            handle: HandleId(handle),
        };
        files.add(file(10, false, 1));
        files.add(file(11, true, 2));
        files.add(file(11, true, 3));
        assert_eq!(files.writable(10, ItemId(7)), None);
        assert_eq!(files.writable(11, ItemId(8)), None);
        assert_eq!(files.writable(11, ItemId(7)), Some(HandleId(2)));
        assert_eq!(files.items(), [ItemId(7)]);
        files.remove(HandleId(2));
        assert_eq!(files.writable(11, ItemId(7)), Some(HandleId(3)));
        files.remove(HandleId(3));
        assert_eq!(files.writable(11, ItemId(7)), None);
    }
}
