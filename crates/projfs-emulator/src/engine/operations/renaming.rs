//! Renaming within the root (projfs.md T17 to T21, G13, K6, K18).

use std::sync::Arc;

use super::super::root::Root;
use super::super::session::Event;
use super::super::store::{Found, Item};
use super::handles::Handle;
use super::resolve::{Place, Slot, is_folder, openable};
use super::{Access, HandleId, Target, event};
use crate::contract::{FileState, HResult, Notification, Result, Wide, attributes};
use crate::link::Process;

impl Root {
    /// Renames what the handle opened (T17 to T21).
    ///
    /// # Errors
    /// ALREADY_EXISTS, NOT_SUPPORTED for placeholder directories (T20), a refusal.
    pub async fn rename(
        self: &Arc<Self>,
        handle: HandleId,
        to: &Target,
        replace: bool,
    ) -> Result<()> {
        let handle = self.handles.get(handle)?;
        let (item, _) = self.departing(&handle)?;
        let (folder, name) =
            self.folder_of(&handle.caller, to).await?.ok_or(HResult::INVALID_ARGUMENT)?;
        let mut renaming = event(Notification::PreRename, &item, self.handle_path(&handle));
        if is_placeholder_directory(&item) {
            renaming.destination = Some(self.path_of(folder.id, &name));
            return self.refuse_directory(&handle, renaming).await;
        }
        let (from, slot) = self.rename_slot(&handle, &folder, name).await?;
        if from.parent == slot.place.parent && from.name == slot.place.name {
            return Ok(());
        }
        let only_case = from.is(&slot.place);
        if !only_case && let Some(there) = &slot.there {
            self.replaceable(item.directory, there, replace)?;
        }
        renaming.path = self.handle_path(&handle);
        renaming.destination = Some(slot.path.clone());
        self.notify(&handle.caller, renaming.clone()).await?;
        let hide = !only_case && self.still_projected(&handle.caller, &from).await?;
        // Once more: applications went on while the provider was asked.
        if !only_case && let Some(there) = &slot.there {
            self.replaceable(item.directory, there, replace)?;
        }
        let places = ((from.parent, &from.name), (slot.place.parent, &slot.place.name));
        if hide {
            self.store.rename_hiding(places.0, places.1)?;
        } else {
            self.store.rename(places.0, places.1)?;
        }
        self.handles.moved(item.id, &from, &slot.place, &slot.path);
        self.children_changed(from.parent);
        self.children_changed(slot.place.parent);
        drop(slot.guard);
        renaming.notification = Notification::FileRenamed;
        self.announce(&handle.caller, renaming).await
    }

    /// What a handle may move away, and from where.
    ///
    /// # Errors
    /// ACCESS_DENIED without DELETE or if the name is gone; NOT_SUPPORTED for the root;
    /// SHARING_VIOLATION.
    pub(super) fn departing(&self, handle: &Handle) -> Result<(Item, Place)> {
        handle.may(Access::DELETE)?;
        let place = handle.place().ok_or(HResult::NOT_SUPPORTED)?;
        let item = self.store.item(handle.item).ok_or(HResult::FILE_NOT_FOUND)?;
        if handle.doomed() || !self.has_name(item.id, &place)? {
            return Err(HResult::ACCESS_DENIED);
        }
        if item.state.contains(FileState::TOMBSTONE) {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        if self.handles.others_block_deletion(handle) {
            return Err(HResult::SHARING_VIOLATION);
        }
        self.movable(&item)?;
        Ok((item, place))
    }

    /// Whether a name that something moves away from must be hidden (E9). The name's lock is held.
    ///
    /// # Errors
    /// What the provider failed with: nothing was moved yet.
    pub(super) async fn still_projected(&self, caller: &Process, from: &Place) -> Result<bool> {
        let Some(parent) = self.store.item(from.parent) else { return Ok(false) };
        match self.projects(caller, &parent, &from.name).await {
            // No provider, no tombstone (M12).
            Err(HResult::VIRTUALIZATION_UNAVAILABLE) => Ok(false),
            projected => projected,
        }
    }

    /// The fate of all renames of placeholder directories (T20); `renaming` is what the provider
    /// may hear of it (U4).
    pub(super) async fn refuse_directory(&self, handle: &Handle, renaming: Event) -> Result<()> {
        if self.knobs().pre_rename_of_placeholder_directories {
            self.notify(&handle.caller, renaming).await?;
        }
        Err(HResult::NOT_SUPPORTED)
    }

    /// Locks both names of a rename and finds out who has the new one (T17).
    async fn rename_slot(
        &self,
        handle: &Handle,
        folder: &Item,
        name: Wide,
    ) -> Result<(Place, Slot)> {
        openable(&name)?;
        let from = handle.place().ok_or(HResult::NOT_SUPPORTED)?;
        let names = [(from.parent, &from.name), (folder.id, &name)];
        let guard = self.names.lock(&names).await;
        if !self.has_name(handle.item, &from)? {
            return Err(HResult::ACCESS_DENIED);
        }
        // Without a provider the disk decides alone, if renames are possible at all (M12).
        let asks = self.session().is_some() || !self.knobs().offline_delete;
        let slot = self.slot_within(&handle.caller, folder, name, guard, asks).await?;
        Ok((from, slot))
    }

    /// Whether what is at the target of a rename may go; `directory` is what it goes for.
    ///
    /// # Errors
    /// ALREADY_EXISTS, ACCESS_DENIED, SHARING_VIOLATION.
    pub(super) fn replaceable(&self, directory: bool, there: &Found, replace: bool) -> Result<()> {
        if !replace {
            return Err(HResult::ALREADY_EXISTS);
        }
        let read_only = there.item.basic.attributes & attributes::READONLY != 0;
        if directory || there.item.directory || read_only {
            return Err(HResult::ACCESS_DENIED);
        }
        if self.handles.blocks_deletion(there.item.id) {
            return Err(HResult::SHARING_VIOLATION);
        }
        self.movable(&there.item)
    }
}

/// Whether it can never be renamed (T20).
pub(super) fn is_placeholder_directory(item: &Item) -> bool {
    is_folder(item) && item.state.contains(FileState::PLACEHOLDER)
}
