//! Moving and linking across the root's border; the outside is "" to the provider (projfs.md T22,
//! T23, K6, K7, K10). Outside are paths of the host, which nothing of ours is mounted over.

use std::path::Path;
use std::sync::Arc;

use super::super::root::Root;
use super::super::session::Event;
use super::super::store::{Item, inspect};
use super::renaming::is_placeholder_directory;
use super::resolve::{Slot, is_folder};
use super::{HandleId, ItemId, Target, event};
use crate::contract::{FileState, HResult, Notification, Result, Wide};
use crate::link::Process;

impl Root {
    /// Moves a tree of the host into the root (T22): all of it becomes full. Blocks while it is
    /// copied, if it comes from another file system.
    ///
    /// # Errors
    /// As [`Self::rename`]; NOT_SUPPORTED, INVALID_NAME for what Windows could not have.
    pub async fn move_in(
        self: &Arc<Self>,
        caller: &Process,
        from: &Path,
        to: &Target,
        replace: bool,
    ) -> Result<()> {
        let directory = inspect(from)?;
        let slot = self.target_slot(caller, to).await?;
        if let Some(there) = &slot.there {
            self.replaceable(directory, there, replace)?;
        }
        let mut moving = arrival(Notification::PreRename, &slot, directory);
        self.notify(caller, moving.clone()).await?;
        let item = self.store.move_in(from, slot.place.parent, &slot.place.name)?;
        moving.notification = Notification::FileRenamed;
        self.arrived(caller, slot, &item, moving).await
    }

    /// Moves a file, or a full directory, out of the root to a path of the host (T23). Blocks while
    /// it is copied, if it goes to another file system.
    ///
    /// # Errors
    /// As [`Self::rename`]; NOT_SUPPORTED for links.
    pub async fn move_out(self: &Arc<Self>, handle: HandleId, to: &Path) -> Result<()> {
        let handle = self.handles.get(handle)?;
        let (item, _) = self.departing(&handle)?;
        let path = self.handle_path(&handle);
        let moving = departure(Notification::PreRename, &item, path);
        if is_placeholder_directory(&item) {
            return self.refuse_directory(&handle, moving).await;
        }
        vacant(to)?;
        // What goes out must have its content there.
        let files = self.projected_inside(&item)?;
        for file in &files {
            self.hydrate(&handle.caller, *file).await?;
        }
        let (place, guard) = self.own_name(&handle).await?;
        if !self.has_name(item.id, &place)? {
            return Err(HResult::ACCESS_DENIED);
        }
        self.notify(&handle.caller, moving.clone()).await?;
        let hide = self.still_projected(&handle.caller, &place).await?;
        for file in files {
            self.cut_loose(&handle.caller, file).await?;
        }
        self.store.move_out(place.parent, &place.name, to).map_err(as_rename)?;
        if hide {
            self.hide(&place);
        }
        self.children_changed(place.parent);
        drop(guard);
        let moved = Event { notification: Notification::FileRenamed, ..moving };
        self.announce(&handle.caller, moved).await
    }

    /// Links a file of the host into the root (K7). It must be on the file system of the root.
    ///
    /// # Errors
    /// As [`Self::link`].
    pub async fn link_in(
        self: &Arc<Self>,
        caller: &Process,
        from: &Path,
        to: &Target,
    ) -> Result<()> {
        if from.is_dir() {
            return Err(HResult::ACCESS_DENIED);
        }
        let slot = self.target_slot(caller, to).await?;
        if slot.there.is_some() {
            return Err(HResult::ALREADY_EXISTS);
        }
        let mut linking = arrival(Notification::PreSetHardlink, &slot, false);
        self.notify(caller, linking.clone()).await?;
        let item = self.store.link_in(from, slot.place.parent, &slot.place.name)?;
        linking.notification = Notification::HardlinkCreated;
        self.arrived(caller, slot, &item, linking).await
    }

    /// Links a file of the root to a path of the host (K7), on the file system of the root.
    ///
    /// # Errors
    /// As [`Self::link`].
    pub async fn link_out(self: &Arc<Self>, handle: HandleId, to: &Path) -> Result<()> {
        let handle = self.handles.get(handle)?;
        let item = self.linkable(&handle)?;
        vacant(to)?;
        let linking = departure(Notification::PreSetHardlink, &item, self.handle_path(&handle));
        self.notify(&handle.caller, linking.clone()).await?;
        self.hydrate(&handle.caller, item.id).await?;
        self.store.link_out(item.id, to).map_err(as_rename)?;
        let linked = Event { notification: Notification::HardlinkCreated, ..linking };
        self.announce(&handle.caller, linked).await
    }

    async fn target_slot(&self, caller: &Process, to: &Target) -> Result<Slot> {
        let (folder, name) = self.folder_of(caller, to).await?.ok_or(HResult::INVALID_ARGUMENT)?;
        self.slot(caller, &folder, name).await
    }

    async fn arrived(
        self: &Arc<Self>,
        caller: &Process,
        slot: Slot,
        item: &Item,
        event: Event,
    ) -> Result<()> {
        self.children_changed(slot.place.parent);
        drop(slot.guard);
        self.announce(caller, Event { item: Some(item.id), ..event }).await
    }

    /// The files in a tree, or the one file, that are not full.
    ///
    /// # Errors
    /// NOT_SUPPORTED if a placeholder directory is below (T20), or a link: what it leads to is
    /// spelled as Windows does.
    fn projected_inside(&self, item: &Item) -> Result<Vec<ItemId>> {
        let (mut files, mut rest) = (Vec::new(), vec![item.clone()]);
        while let Some(at) = rest.pop() {
            if is_placeholder_directory(&at) || at.link.is_some() {
                return Err(HResult::NOT_SUPPORTED);
            }
            if is_folder(&at) {
                let children = self.store.children(at.id)?.into_iter().map(|found| found.item);
                rest.extend(children.filter(|child| child.state != FileState::TOMBSTONE));
            } else if at.state != FileState::FULL {
                files.push(at.id);
            }
        }
        Ok(files)
    }
}

/// From outside to a slot.
fn arrival(notification: Notification, slot: &Slot, directory: bool) -> Event {
    Event {
        notification,
        item: None,
        path: Wide::default(),
        destination: Some(slot.path.clone()),
        directory,
        modified: false,
        truncated_only: false,
    }
}

/// From a path of the root to the outside.
fn departure(notification: Notification, item: &Item, path: Wide) -> Event {
    Event { destination: Some(Wide::default()), ..event(notification, item, path) }
}

/// `Ok` if something can go to a path of the host.
fn vacant(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(HResult::ALREADY_EXISTS);
    }
    let folder = path.parent().ok_or(HResult::INVALID_ARGUMENT)?;
    if folder.is_dir() { Ok(()) } else { Err(HResult::PATH_NOT_FOUND) }
}

const fn as_rename(code: HResult) -> HResult {
    match code {
        HResult::FILE_EXISTS => HResult::ALREADY_EXISTS,
        code => code,
    }
}
