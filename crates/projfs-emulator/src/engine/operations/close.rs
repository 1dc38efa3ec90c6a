//! The end of a handle: its listing, its pending deletion, its one close notification
//! (projfs.md E19, K9, K23).

use std::sync::Arc;

use super::super::root::Root;
use super::super::session::Event;
use super::handles::{Change, Handle};
use super::{HandleId, closing};
use crate::contract::{Notification, Result};

impl Root {
    /// Closes: pending deletions happen (T13), exactly one close notification is queued (E19, K9).
    ///
    /// # Errors
    /// HANDLE.
    pub async fn close(self: &Arc<Self>, handle: HandleId) -> Result<()> {
        let handle = self.handles.take(handle)?;
        let root = self.clone();
        self.to_the_end(async move { root.wind_up(&handle).await }).await
    }

    async fn wind_up(&self, handle: &Handle) {
        let listing = handle.listing.lock().await.take();
        if let Some(listing) = listing {
            self.end_listing(listing).await;
        }
        if !self.delete_at_close(handle).await {
            let kind = match handle.change() {
                Change::None => Notification::ClosedNoModification,
                Change::Size | Change::Data => Notification::ClosedFileModified,
            };
            let closed = closing(kind, handle, self.handle_path(handle));
            self.announce_close(handle, closed).await;
        }
        self.dismiss(handle);
    }

    /// Queues a handle's one close notification (K9), for the provider that was told of the open.
    pub(super) async fn announce_close(&self, handle: &Handle, closed: Event) {
        if handle.was_told(self.session().as_ref()) {
            self.notify_close(&handle.caller, closed).await;
        }
    }

    /// Forgets a handle.
    pub(super) fn dismiss(&self, handle: &Handle) {
        if self.handles.leave(handle)
            && let Some(session) = self.session()
        {
            session.forget_mask(handle.item);
        }
        self.store.release(handle.item);
    }
}
