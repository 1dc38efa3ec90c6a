//! Hard links within the root (projfs.md T24, K7).

use std::sync::Arc;

use super::super::root::Root;
use super::super::store::Item;
use super::handles::Handle;
use super::{HandleId, Target, event};
use crate::contract::{FileState, HResult, Notification, Result};

impl Root {
    /// Gives what the handle opened another name (T24).
    ///
    /// # Errors
    /// ALREADY_EXISTS, a refusal.
    pub async fn link(self: &Arc<Self>, handle: HandleId, to: &Target) -> Result<()> {
        let handle = self.handles.get(handle)?;
        let item = self.linkable(&handle)?;
        let caller = &handle.caller;
        let (folder, name) = self.folder_of(caller, to).await?.ok_or(HResult::INVALID_ARGUMENT)?;
        let slot = self.slot(caller, &folder, name).await?;
        if slot.there.is_some() {
            return Err(HResult::ALREADY_EXISTS);
        }
        let mut linking = event(Notification::PreSetHardlink, &item, self.handle_path(&handle));
        linking.destination = Some(slot.path.clone());
        self.notify(caller, linking.clone()).await?;
        self.hydrate(caller, item.id).await?;
        self.store.link(item.id, slot.place.parent, &slot.place.name)?;
        self.children_changed(slot.place.parent);
        drop(slot.guard);
        linking.notification = Notification::HardlinkCreated;
        self.announce(&handle.caller, linking).await
    }

    /// What a handle may give another name.
    ///
    /// # Errors
    /// ACCESS_DENIED for directories and for what is being deleted.
    pub(super) fn linkable(&self, handle: &Handle) -> Result<Item> {
        let item = self.store.item(handle.item).ok_or(HResult::FILE_NOT_FOUND)?;
        if item.state.contains(FileState::TOMBSTONE) {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        let place = handle.place().ok_or(HResult::ACCESS_DENIED)?;
        if item.directory || self.handles.dooms(item.id) || !self.has_name(item.id, &place)? {
            return Err(HResult::ACCESS_DENIED);
        }
        Ok(item)
    }
}
