//! Deleting: marking, the veto, and the moment when the name goes (projfs.md T13 to T16, E9, K5,
//! K23). As with FILE_DISPOSITION_POSIX_SEMANTICS, the name goes when the handle that deletes it
//! closes; others that are open go on.

use super::super::locks::NameGuard;
use super::super::root::Root;
use super::super::store::Item;
use super::handles::Handle;
use super::resolve::{Place, is_folder};
use super::{Access, HandleId, closing, event};
use crate::contract::{FileState, HResult, Notification, Result, attributes};
use crate::link::Process;

impl Root {
    /// Marks for deletion, or takes that back (T13 to T16, K5). It goes when the handle closes.
    ///
    /// # Errors
    /// DIR_NOT_EMPTY, ACCESS_DENIED for read-only items, NOT_SUPPORTED for the root, a refusal.
    pub async fn set_disposition(&self, handle: HandleId, delete: bool) -> Result<()> {
        let handle = self.handles.get(handle)?;
        handle.may(Access::DELETE)?;
        if delete && !handle.doomed() {
            self.permit_deletion(&handle).await?;
        }
        handle.doom(delete);
        Ok(())
    }

    /// What must be so before an item is deleted; the provider is asked last (K5).
    async fn permit_deletion(&self, handle: &Handle) -> Result<()> {
        // Windows refuses to delete a root (M16).
        let place = handle.place().ok_or(HResult::NOT_SUPPORTED)?;
        let item = self.store.item(handle.item).ok_or(HResult::FILE_NOT_FOUND)?;
        if item.basic.attributes & attributes::READONLY != 0 || !self.has_name(item.id, &place)? {
            return Err(HResult::ACCESS_DENIED);
        }
        self.movable(&item)?;
        if is_folder(&item) && self.has_children(&handle.caller, item.id).await? {
            return Err(HResult::DIR_NOT_EMPTY);
        }
        let deleting = event(Notification::PreDelete, &item, self.handle_path(handle));
        self.notify(&handle.caller, deleting).await?;
        // The provider took its time: something may have been made in the directory.
        if is_folder(&item) && self.has_children_on_disk(item.id)? {
            return Err(HResult::DIR_NOT_EMPTY);
        }
        Ok(())
    }

    /// `Ok` if an item's name may be taken away now: without a provider this is an open question
    /// for what it projected (U6, M12).
    pub(super) fn movable(&self, item: &Item) -> Result<()> {
        let local = item.state.intersects(FileState::FULL | FileState::TOMBSTONE);
        if local || self.session().is_some() || self.knobs().offline_delete {
            return Ok(());
        }
        Err(HResult::VIRTUALIZATION_UNAVAILABLE)
    }

    /// Removes the name of a handle that closes, if that is what it was for, and says so. False if
    /// the name stays.
    pub(super) async fn delete_at_close(&self, handle: &Handle) -> bool {
        if !handle.doomed() {
            // Of a refusal, delete-on-close tells nobody (K5).
            if !handle.delete_on_close || self.permit_deletion(handle).await.is_err() {
                return false;
            }
            handle.doom(true);
        }
        match self.remove_name(handle).await {
            Ok(gone) => gone,
            Err(error) => {
                tracing::warn!(%error, path = %handle.last_path(), "not deleted at its close");
                false
            }
        }
    }

    async fn remove_name(&self, handle: &Handle) -> Result<bool> {
        let (place, _guard) = self.own_name(handle).await?;
        if !self.has_name(handle.item, &place)? {
            return Ok(false);
        }
        let path = self.handle_path(handle);
        let ask_first = self.knobs().query_before_deleted;
        // Both take the tombstones in a directory along, and fail if there is more.
        if ask_first && self.leaves_tombstone(&handle.caller, &place).await {
            self.store.bury(place.parent, &place.name)?;
        } else {
            self.store.remove(place.parent, &place.name)?;
        }
        self.children_changed(place.parent);
        let closed = closing(Notification::ClosedFileDeleted, handle, path);
        self.announce_close(handle, closed).await;
        if !ask_first && self.leaves_tombstone(&handle.caller, &place).await {
            self.hide(&place);
        }
        Ok(true)
    }

    /// The name that a handle was opened by, wherever it is by now, locked.
    pub(super) async fn own_name(&self, handle: &Handle) -> Result<(Place, NameGuard)> {
        loop {
            let place = handle.place().ok_or(HResult::NOT_SUPPORTED)?;
            let guard = self.names.lock(&[(place.parent, &place.name)]).await;
            if handle.place().is_some_and(|now| now.is(&place)) {
                return Ok((place, guard));
            }
        }
    }

    /// Whether a name that goes must be hidden, since the provider still projects it (E9).
    async fn leaves_tombstone(&self, caller: &Process, place: &Place) -> bool {
        // What cannot be told is better hidden than back again: a close cannot fail.
        self.still_projected(caller, place).await.unwrap_or(true)
    }
}
