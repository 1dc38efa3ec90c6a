//! The tree that changes are told against.

use rusty_attachments_model::{PathBuf, PathRef};

use crate::volume::{Attributes, ContentIdentity, NodeId, NodeKind, Volume};

/// What the base has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseEntry {
    /// What it is.
    pub kind: NodeKind,
    /// Which bytes, for files.
    pub content: Option<ContentIdentity>,
    /// The POSIX execute bit.
    pub executable: bool,
}

/// The tree that changes are told against. [`VolumeBase`] makes one of any [`Volume`].
///
/// Answers from memory. Paths are relative, with `/`; the root is the empty path.
pub trait Base: Send + Sync {
    /// What the base has at a path; `None` if nothing. Whether names must be spelled exactly is
    /// the base's business.
    fn entry(&self, path: PathRef<'_>) -> Option<BaseEntry>;

    /// The names in a folder, in any order; none if there is no such folder.
    fn names(&self, folder: PathRef<'_>) -> Vec<PathBuf>;

    /// Where a link leads, as it is written in the link; `None` if there is no such link.
    fn link_target(&self, path: PathRef<'_>) -> Option<Vec<u8>>;
}

/// A volume as a base; names must be spelled exactly.
#[derive(Clone, Copy)]
pub struct VolumeBase<'a>(pub &'a dyn Volume);

impl VolumeBase<'_> {
    fn find(self, path: PathRef<'_>) -> Option<Attributes> {
        let root = self.0.attributes(NodeId::ROOT).ok()?;
        if path.as_wtf8().is_empty() {
            return Some(root);
        }
        path.components().try_fold(root, |folder, name| self.0.lookup(folder.node, name)).ok()
    }
}

impl Base for VolumeBase<'_> {
    fn entry(&self, path: PathRef<'_>) -> Option<BaseEntry> {
        let Attributes { node, kind, executable, .. } = self.find(path)?;
        Some(BaseEntry { kind, content: self.0.content_identity(node), executable })
    }

    fn names(&self, folder: PathRef<'_>) -> Vec<PathBuf> {
        let Some(listing) = self.find(folder).and_then(|found| self.0.children(found.node).ok())
        else {
            return Vec::new();
        };
        let entries = (0..listing.len()).filter_map(|index| listing.entry(index));
        entries.map(|entry| entry.name.into()).collect()
    }

    fn link_target(&self, path: PathRef<'_>) -> Option<Vec<u8>> {
        let found = self.find(path).filter(|found| found.kind == NodeKind::Symlink)?;
        self.0.link_target(found.node).ok()
    }
}

impl std::fmt::Debug for VolumeBase<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VolumeBase").finish_non_exhaustive()
    }
}
