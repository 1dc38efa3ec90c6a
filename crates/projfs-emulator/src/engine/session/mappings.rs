//! Who is told what: the provider's notification mappings, the masks of single files, and the
//! routing of renames and links (projfs.md K1, K2, K10, K11).

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Event;
use crate::contract::{HResult, NotificationMapping, NotifyMask, Result, Wide};
use crate::engine::ItemId;
use crate::link::StartRequest;
use ntfs_names::fold;

/// What a provider wants to be told.
#[derive(Debug)]
pub(super) struct Mappings {
    /// `None` if it has no notification callback.
    mappings: Option<Vec<Mapping>>,
    /// Masks that replies asked for, of files that are open (K11).
    files: Mutex<HashMap<ItemId, NotifyMask>>,
}

/// A mapping, by the folded components of its root.
#[derive(Debug)]
struct Mapping {
    root: Vec<Vec<u16>>,
    mask: NotifyMask,
}

impl Mappings {
    /// `None` if there is no notification callback; empty for the default mask.
    pub(super) fn new(mappings: Option<&[NotificationMapping]>) -> Self {
        let mapping = |root: &Wide, mask| Mapping { root: folded(root), mask };
        let mappings = mappings.map(|given| match given {
            [] => vec![mapping(&Wide::default(), NotifyMask::DEFAULT)],
            given => given.iter().map(|one| mapping(&one.root, one.mask)).collect(),
        });
        Self { mappings, files: Mutex::default() }
    }

    /// Whether the provider is told of an event.
    pub(super) fn want(&self, event: &Event) -> bool {
        let bit = event.notification.bit();
        let source = || sends(self.mask(event), bit);
        let Some(destination) = &event.destination else { return source() };
        if event.path.is_empty() {
            // Into the root: always, unless suppressed.
            self.mappings.is_some() && !self.mapped(destination).contains(NotifyMask::SUPPRESS)
        } else if destination.is_empty() {
            source()
        } else {
            source() || sends(self.mapped(destination), bit)
        }
    }

    /// Whether IsFileModified of a CLOSED_FILE_DELETED has a meaning: only for files, and only if
    /// the provider is told of modifications as well (K9).
    pub(super) fn tells_modified(&self, deleted: &Event) -> bool {
        !deleted.directory && sends(self.mask(deleted), NotifyMask::CLOSED_FILE_MODIFIED)
    }

    /// The reply to a notification asked for this mask for a file, until its last handle closes.
    pub(super) fn replace(&self, item: ItemId, mask: NotifyMask) {
        if !mask.is_empty() && mask != NotifyMask::USE_EXISTING {
            // Has no effect in a reply (K11).
            self.files.lock().insert(item, mask - NotifyMask::NEW_FILE_CREATED);
        }
    }

    /// The mapping counts again.
    pub(super) fn forget(&self, item: ItemId) {
        self.files.lock().remove(&item);
    }

    /// The mask of the item that an event is about.
    fn mask(&self, event: &Event) -> NotifyMask {
        let of_file = event.item.and_then(|item| self.files.lock().get(&item).copied());
        of_file.unwrap_or_else(|| self.mapped(&event.path))
    }

    /// The mask of the deepest mapping that has this path.
    fn mapped(&self, path: &Wide) -> NotifyMask {
        let path = folded(path);
        let mappings = self.mappings.iter().flatten();
        let matching = mappings.filter(|mapping| path.starts_with(&mapping.root));
        matching
            .max_by_key(|mapping| mapping.root.len())
            .map_or_else(NotifyMask::empty, |deepest| deepest.mask)
    }
}

fn sends(mask: NotifyMask, bit: NotifyMask) -> bool {
    mask.contains(bit) && !mask.contains(NotifyMask::SUPPRESS)
}

fn folded(path: &Wide) -> Vec<Vec<u16>> {
    path.components().map(|name| fold(name.units())).collect()
}

fn is_below(path: &Wide, folder: &Wide) -> bool {
    let (path, folder) = (folded(path), folded(folder));
    path.len() > folder.len() && path.starts_with(&folder)
}

/// Checks the notification mappings of a provider that is about to start; what is unwise but
/// possible is reported as a broken rule and its text.
///
/// # Errors
/// INVALID_ARGUMENT for a mapping's root that is `.` or begins with `.\` (K2).
pub(in crate::engine) fn validate(
    request: &StartRequest,
    report: impl Fn(&str, String),
) -> Result<()> {
    let mappings = request.notifications.as_deref().unwrap_or_default();
    let dot = Wide::from(".");
    if let Some(bad) = mappings.iter().find(|one| one.root.components().next() == Some(dot.clone()))
    {
        tracing::warn!(root = %bad.root, "a notification root may not begin with a dot; the root is \"\"");
        return Err(HResult::INVALID_ARGUMENT);
    }
    let mut later = mappings.iter();
    while let Some(deep) = later.next() {
        // Only within one another: production providers mix the depths of others (K20).
        if let Some(shallow) = later.clone().find(|shallow| is_below(&deep.root, &shallow.root)) {
            report(
                "K2",
                format!(
                    "the mapping of {:?} is listed before that of {:?}; list shallow before deep",
                    deep.root, shallow.root
                ),
            );
        }
    }
    for mapping in mappings {
        let modified = NotifyMask::CLOSED_FILE_MODIFIED;
        // Who can refuse renames need not hear that they happened.
        let renames = NotifyMask::FILE_RENAMED | NotifyMask::PRE_RENAME;
        if sends(mapping.mask, modified) && !mapping.mask.intersects(renames) {
            report(
                "K19",
                format!(
                    "the mapping of {:?} has FILE_HANDLE_CLOSED_FILE_MODIFIED without \
                     FILE_RENAMED: files that are saved by renaming a new one over them will be \
                     missed",
                    mapping.root
                ),
            );
        }
    }
    Ok(())
}
