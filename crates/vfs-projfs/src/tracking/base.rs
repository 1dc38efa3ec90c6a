//! The projection as what changes are told against.

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::NodeKind;
use rusty_attachments_vfs::changes::{Base, BaseEntry};

use super::paths::{narrow, wide};
use crate::projection::{Found, ManifestProjection, ProjectedKind};

/// What Windows is shown, not what the manifest has: a name that Windows cannot have is not
/// missing, and a link that is shown as a file is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projected<'a>(pub(super) &'a ManifestProjection);

impl Projected<'_> {
    fn find(self, path: PathRef<'_>) -> Option<Found> {
        // A volume answers from memory; one that fails here has failed before, loudly.
        self.0.find(&wide(path)).ok().flatten()
    }
}

impl Base for Projected<'_> {
    fn entry(&self, path: PathRef<'_>) -> Option<BaseEntry> {
        if path.as_wtf8().is_empty() {
            return Some(BaseEntry { kind: NodeKind::Directory, content: None, executable: false });
        }
        let found = self.find(path)?;
        let kind = match found.kind {
            ProjectedKind::Directory => NodeKind::Directory,
            ProjectedKind::File => NodeKind::File,
            ProjectedKind::Symlink { .. } => NodeKind::Symlink,
        };
        let attributes = self.0.volume().attributes(found.node);
        let executable = attributes.is_ok_and(|attributes| attributes.executable);
        Some(BaseEntry { kind, content: found.content, executable })
    }

    fn names(&self, folder: PathRef<'_>) -> Vec<PathBuf> {
        let listing = self.0.folder(&wide(folder)).ok().flatten();
        let listing = listing.and_then(|node| self.0.listing(node).ok().flatten());
        listing.iter().flat_map(|listing| listing.iter().map(|entry| narrow(&entry.name))).collect()
    }

    fn link_target(&self, path: PathRef<'_>) -> Option<Vec<u8>> {
        match &self.find(path)?.kind {
            ProjectedKind::Symlink { target, .. } => Some(narrow(target).as_ref().as_wtf8().into()),
            ProjectedKind::Directory | ProjectedKind::File => None,
        }
    }
}
