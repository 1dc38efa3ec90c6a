//! Which notifications are asked for, and what each means (projfs.md K).

use windows_sys::Win32::Storage::ProjectedFileSystem as prj;

use crate::api::Notifications;
use crate::callbacks::{Hint, Operation, VfsCallbacks};

/// What is always asked for: all that changes what is on disk. FILE_OPENED and
/// FILE_HANDLE_CLOSED_NO_MODIFICATION would cost a round trip for every open file (projfs.md K20).
const CHANGES: prj::PRJ_NOTIFY_TYPES = prj::PRJ_NOTIFY_NEW_FILE_CREATED
    | prj::PRJ_NOTIFY_FILE_OVERWRITTEN
    | prj::PRJ_NOTIFY_FILE_RENAMED
    | prj::PRJ_NOTIFY_HARDLINK_CREATED
    | prj::PRJ_NOTIFY_FILE_HANDLE_CLOSED_FILE_MODIFIED
    | prj::PRJ_NOTIFY_FILE_HANDLE_CLOSED_FILE_DELETED
    | prj::PRJ_NOTIFY_PRE_DELETE
    | prj::PRJ_NOTIFY_FILE_PRE_CONVERT_TO_FULL;

/// What only a policy has a use for.
const QUESTIONS: prj::PRJ_NOTIFY_TYPES =
    prj::PRJ_NOTIFY_PRE_RENAME | prj::PRJ_NOTIFY_PRE_SET_HARDLINK;

static OF_CHANGES: Notifications = Notifications::new(CHANGES);
static OF_CHANGES_AND_QUESTIONS: Notifications = Notifications::new(CHANGES | QUESTIONS);

/// What the whole root sends.
pub(super) const fn wanted(has_policy: bool) -> &'static Notifications {
    if has_policy { &OF_CHANGES_AND_QUESTIONS } else { &OF_CHANGES }
}

/// A notification, decoded. An empty path of a rename or link is outside of the root (projfs.md K6,
/// K7).
#[derive(Clone, Copy, Debug)]
pub(super) struct Notification<'a> {
    pub(super) kind: prj::PRJ_NOTIFICATION,
    pub(super) path: &'a [u16],
    /// Empty where there is none.
    pub(super) destination: &'a [u16],
    pub(super) directory: bool,
}

impl<'a> Notification<'a> {
    /// Takes note of it, or answers it; whether it may go on. Only questions can be refused
    /// (projfs.md K4, K5, K8).
    pub(super) fn tell(&self, callbacks: &VfsCallbacks) -> bool {
        let allowed = self.question().is_none_or(|operation| callbacks.allows(&operation));
        if allowed && let Some(hint) = self.hint() {
            callbacks.note(hint);
        }
        allowed
    }

    fn question(&self) -> Option<Operation<'a>> {
        let Self { path, destination, directory, .. } = *self;
        match self.kind {
            prj::PRJ_NOTIFICATION_PRE_DELETE => Some(Operation::Delete { path, directory }),
            prj::PRJ_NOTIFICATION_PRE_RENAME => {
                Some(Operation::Rename { from: path, to: destination, directory })
            }
            prj::PRJ_NOTIFICATION_PRE_SET_HARDLINK => {
                Some(Operation::Link { path, link: destination })
            }
            prj::PRJ_NOTIFICATION_FILE_PRE_CONVERT_TO_FULL => Some(Operation::Write { path }),
            _ => None,
        }
    }

    /// Where to look, now that it has happened (projfs.md K16). A conversion or deletion is about
    /// to: but word of a conversion may not come again (projfs.md K22), and of a deletion only some
    /// time after the program goes on.
    fn hint(&self) -> Option<Hint> {
        let path = || self.path.to_vec();
        let destination = || self.destination.to_vec();
        match self.kind {
            prj::PRJ_NOTIFICATION_NEW_FILE_CREATED
            | prj::PRJ_NOTIFICATION_FILE_OVERWRITTEN
            | prj::PRJ_NOTIFICATION_FILE_HANDLE_CLOSED_FILE_MODIFIED
            | prj::PRJ_NOTIFICATION_FILE_HANDLE_CLOSED_FILE_DELETED
            | prj::PRJ_NOTIFICATION_PRE_DELETE
            | prj::PRJ_NOTIFICATION_FILE_PRE_CONVERT_TO_FULL => Some(Hint::Look(path())),
            prj::PRJ_NOTIFICATION_HARDLINK_CREATED => {
                Some(Hint::Linked { path: path(), link: destination() })
            }
            prj::PRJ_NOTIFICATION_FILE_RENAMED => {
                let directory = self.directory;
                Some(Hint::Renamed { from: path(), to: destination(), directory })
            }
            _ => None,
        }
    }
}
