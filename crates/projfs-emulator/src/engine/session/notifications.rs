//! Telling the provider what happens (projfs.md K).

use std::sync::Arc;

use super::closes::Close;
use super::{About, Session};
use crate::contract::{FileState, Notification, Result, Wide};
use crate::engine::ItemId;
use crate::engine::root::{Root, Shared};
use crate::link::{Process, Reply, Request};

/// Something that happened to an item or is about to.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Event {
    pub(in crate::engine) notification: Notification,
    pub(in crate::engine) item: Option<ItemId>,
    pub(in crate::engine) path: Wide,
    pub(in crate::engine) destination: Option<Wide>,
    pub(in crate::engine) directory: bool,
    /// IsFileModified of CLOSED_FILE_DELETED.
    pub(in crate::engine) modified: bool,
    /// Of CLOSED_FILE_MODIFIED: the handle set the size and wrote nothing (K22).
    pub(in crate::engine) truncated_only: bool,
}

impl Event {
    fn request(&self) -> Request {
        Request::Notify {
            notification: self.notification,
            directory: self.directory,
            destination: self.destination.clone(),
            modified: self.modified,
        }
    }
}

impl Root {
    /// Sends what must be known before the application goes on: everything but closes. The
    /// provider's refusal counts where the kind allows it (K4 to K8). Sends nothing if no provider
    /// runs, it does not want it (K2, K10), or it is the caller itself (K12). Renames follow the
    /// routing of K10 for `path` and `destination`.
    pub(in crate::engine) async fn notify(&self, caller: &Process, event: Event) -> Result<()> {
        let Some(session) = self.session() else { return Ok(()) };
        session.notify(&self.shared, caller, self.about(&event), &event).await
    }

    /// Queues a close notification (R14); waits for room if ten thousand are queued, which are
    /// delivered before. Whether it is wanted is decided now, so that [`Session::forget_mask`] can
    /// follow.
    pub(in crate::engine) async fn notify_close(&self, caller: &Process, event: Event) {
        let Some(session) = self.session() else { return };
        session.notify_close(&self.shared, caller, self.about(&event), &event).await;
    }

    /// Lets those close notifications out that are held back by `Knobs::closes` now, and waits
    /// until the provider has answered them.
    pub async fn release_closes(&self) {
        if let Some(session) = self.session() {
            session.closes.release(&self.shared).await;
        }
    }

    fn about(&self, event: &Event) -> About {
        let item = event.item.and_then(|item| self.store.item(item));
        let Some(item) = item else {
            return About { path: event.path.clone(), ..About::default() };
        };
        let version = (item.state != FileState::FULL).then_some(item.version);
        About { path: event.path.clone(), version, file: item.file, ..About::default() }
    }
}

impl Session {
    pub(super) async fn notify(
        &self,
        shared: &Shared,
        caller: &Process,
        about: About,
        event: &Event,
    ) -> Result<()> {
        if !self.hears(caller, event) {
            return Ok(());
        }
        let answer = self.commands.ask_if_running(shared, caller, about, event.request()).await;
        match (answer, event.item) {
            (Some(Ok(Reply::Mask(mask))), Some(item)) if event.notification.takes_mask() => {
                self.mappings.replace(item, mask);
                Ok(())
            }
            (Some(Err(code)), _) if event.notification.can_be_refused() => Err(code),
            // Not sent: as if the provider had stopped before (K13).
            (None | Some(_), _) => Ok(()),
        }
    }

    pub(super) async fn notify_close(
        &self,
        shared: &Arc<Shared>,
        caller: &Process,
        about: About,
        event: &Event,
    ) {
        let knobs = shared.knobs().closes;
        let deleted = event.notification == Notification::ClosedFileDeleted;
        let modified = event.notification == Notification::ClosedFileModified;
        let lost = knobs.drop_modified_after_truncate && modified && event.truncated_only;
        if lost || !self.hears(caller, event) {
            return;
        }
        let modified = event.modified && self.mappings.tells_modified(event);
        let request = Event { modified, ..event.clone() }.request();
        let close = Close { caller: caller.clone(), about, request };
        if knobs.duplicate_deleted && deleted {
            self.closes.push(shared, close.clone()).await;
        }
        self.closes.push(shared, close).await;
    }

    fn hears(&self, caller: &Process, event: &Event) -> bool {
        let own = caller.id != 0 && caller.id == self.process().id;
        !own && self.mappings.want(event)
    }
}
