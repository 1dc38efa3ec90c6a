//! What applications do: open, read, write, list, rename, link, delete, close; each as NTFS and
//! the ProjFS filter answer it together (projfs.md E').
//!
//! * `handles`: what is open, and who excludes whom. `resolve`: from paths to items.
//! * `open`, `close`: the life of a handle, with its one opening and one closing notification.
//! * `data`, `metadata`: what is done to the item itself.
//! * `deletion`, `renaming`, `links`, `across`: what is done to names; all take the names' locks.
//!
//! An operation's future may be dropped at each await. What it did until then stands or is undone
//! by guards; what must follow a change that is done runs in a task of its own ([`Root::to_the_end`]).

mod across;
mod close;
mod data;
mod deletion;
mod handles;
mod links;
mod metadata;
mod open;
mod renaming;
mod resolve;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

pub(super) use handles::Handles;

use super::root::Root;
use super::session::Event;
use super::store::{Item, ItemId};
pub use crate::contract::operations::{
    Access, Action, Attributes, BasicChange, Disposition, HandleId, Kind, Open, Opened, Share,
    Target,
};
use crate::contract::{FileState, HResult, Notification, Result, Wide};
use crate::link::Process;
use handles::{Change, Handle};
use resolve::Place;

/// Something that happened to an item, or is about to, by the name that has this path.
fn event(notification: Notification, item: &Item, path: Wide) -> Event {
    Event {
        notification,
        item: Some(item.id),
        path,
        destination: None,
        directory: item.directory,
        modified: false,
        truncated_only: false,
    }
}

/// The end of a handle whose name has, or had, this path.
fn closing(notification: Notification, handle: &Handle, path: Wide) -> Event {
    Event {
        notification,
        item: Some(handle.item),
        path,
        destination: None,
        directory: handle.directory,
        modified: handle.change() > Change::None && !handle.directory,
        truncated_only: handle.change() == Change::Size,
    }
}

impl Root {
    /// Whether this process has this item open.
    #[must_use]
    pub fn has_open(&self, process: u32, item: ItemId) -> bool {
        self.handles.has(process, item)
    }

    /// Keeps an item known by id until [`Self::forget`]: the kernel remembers it.
    pub fn remember(&self, item: ItemId) {
        self.store.hold(item);
    }

    /// The end of `count` times [`Self::remember`].
    pub fn forget(&self, item: ItemId, count: u64) {
        for _ in 0..count {
            self.store.release(item);
        }
    }

    /// Runs what follows a change that is done to its end, even if nobody waits for it any more.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.shared.runtime.spawn(Box::pin(async move {
            let _ = sender.send(work.await);
        }));
        // The task is gone without an end only when the runtime is.
        receiver.await.map_err(|_| HResult::OPERATION_ABORTED)
    }

    /// Tells the provider what happened; it cannot be refused (K4, K24).
    async fn announce(self: &Arc<Self>, caller: &Process, event: Event) -> Result<()> {
        let (root, caller) = (self.clone(), caller.clone());
        let told = self.to_the_end(async move { root.notify(&caller, event).await });
        told.await.map(|_| ())
    }

    /// Makes a file full, unless it is.
    async fn make_full(&self, caller: &Process, item: ItemId, keep_data: bool) -> Result<()> {
        let now = self.store.item(item).ok_or(HResult::FILE_NOT_FOUND)?;
        if now.state.contains(FileState::FULL) {
            return Ok(());
        }
        self.convert_to_full(caller, item, keep_data).await
    }

    /// Notes that a directory got a child, lost one, or has it under another name (E5).
    fn children_changed(&self, directory: ItemId) {
        // The names themselves are changed; that this is not noted is no reason to say otherwise.
        if let Err(error) = self.store.add_state(directory, FileState::DIRTY) {
            tracing::warn!(%error, "a directory cannot be recorded as dirty");
        }
    }

    /// Hides a name that went.
    fn hide(&self, place: &Place) {
        if let Err(error) = self.store.add_tombstone(place.parent, &place.name) {
            tracing::error!(%error, name = %place.name, "no tombstone can be left: the name is back");
        }
    }

    /// Whether an item still has this name.
    fn has_name(&self, item: ItemId, place: &Place) -> Result<bool> {
        let found = self.store.find(place.parent, &place.name)?;
        Ok(found.is_some_and(|found| found.item.id == item))
    }

    /// The path of a handle's name; the last one it had if it is gone.
    fn handle_path(&self, handle: &Handle) -> Wide {
        let Some(place) = handle.place() else { return Wide::default() };
        match self.store.path(place.parent) {
            Some(parent) => parent.join(&place.name),
            None => handle.last_path(),
        }
    }
}
