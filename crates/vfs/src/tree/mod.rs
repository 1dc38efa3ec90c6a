//! The tree of a manifest: what is at which path, built once and never changed.
//!
//! An arena of fixed-size nodes beside one blob of names. Ids are dense and the same for every
//! build of the same manifest. A folder's children are neighbours sorted by the bytes of their
//! names, so a lookup is a binary search that allocates nothing, and a listing is a window on the
//! arena. About 60 bytes a node beyond its name; a name is stored once a node, without its folders.
//!
//! It refuses manifests that are no tree: diffs, absolute paths, two entries that want one path.
//! Answers come from memory without locks; share it between threads in an `Arc`.

mod build;
mod error;
mod identities;
mod link;
mod listing;
mod node;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use rusty_attachments_model::{
    Content, ContentHash, ContentHasher, Entry, Kind, Manifest, PathBuf, PathRef, PathStyle,
};

pub use error::TreeError;
pub(crate) use identities::ContentIndex;
pub use node::FileContent;

use crate::volume::{Attributes, ContentIdentity, DirectoryListing, NodeId, NodeKind};
use build::Parts;
use listing::Listing;
use node::{Body, Node};

/// All files, folders and links of a manifest, by node id and by name.
pub struct INodeManager {
    nodes: Box<[Node]>,
    names: Box<[u8]>,
    /// What links say.
    targets: Box<[u8]>,
    /// Chunk hashes of all chunked files.
    hashes: Box<[ContentHash]>,
    total_bytes: u64,
}

impl INodeManager {
    /// Builds the tree of a manifest, folders that are only implied by other paths included. Keeps
    /// nothing of the manifest itself.
    ///
    /// # Errors
    /// The manifest is a diff, has absolute paths, entries that clash or unsafe paths.
    pub fn build(manifest: &Manifest) -> Result<Self, TreeError> {
        if manifest.kind() == Kind::Diff || manifest.style() == PathStyle::Absolute {
            manifest.ensure_mountable()?;
        }
        Self::from_entries(|| manifest.entries())
    }

    fn from_entries<'a, I>(entries: impl Fn() -> I) -> Result<Self, TreeError>
    where
        I: Iterator<Item = Entry<'a>>,
    {
        let Parts { nodes, names, targets, hashes, total_bytes } = build::build(entries)?;
        Ok(Self {
            nodes: nodes.into_boxed_slice(),
            names: names.into_boxed_slice(),
            targets: targets.into_boxed_slice(),
            hashes: hashes.into_boxed_slice(),
            total_bytes,
        })
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    /// The node called `name` in folder `parent`; `None` also if the parent is no folder.
    #[must_use]
    pub fn lookup(&self, parent: NodeId, name: PathRef<'_>) -> Option<NodeId> {
        let children = self.node(parent)?.children()?;
        let index = children
            .of(&self.nodes)
            .binary_search_by(|child| child.name(&self.names).as_wtf8().cmp(name.as_wtf8()))
            .ok()?;
        Some(id(children.start as usize + index))
    }

    /// The node at a path from the root; the root for an empty path.
    #[must_use]
    pub fn find(&self, path: PathRef<'_>) -> Option<NodeId> {
        if path.as_wtf8().is_empty() {
            return Some(NodeId::ROOT);
        }
        path.components().try_fold(NodeId::ROOT, |folder, name| self.lookup(folder, name))
    }

    /// What is known of a node; `None` for an id that this tree never gave.
    #[must_use]
    pub fn attributes(&self, node: NodeId) -> Option<Attributes> {
        Some(self.node(node)?.attributes(node))
    }

    /// The folder that holds a node; the root holds itself.
    #[must_use]
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        Some(id(self.node(node)?.parent as usize))
    }

    /// A node's name in its folder; empty for the root.
    #[must_use]
    pub fn name(&self, node: NodeId) -> Option<PathRef<'_>> {
        Some(self.node(node)?.name(&self.names))
    }

    /// A node's path from the root; empty for the root.
    #[must_use]
    pub fn path(&self, node: NodeId) -> Option<PathBuf> {
        let mut names = Vec::new();
        let mut node = self.node(node)?;
        while node.name_len > 0 {
            names.push(node.name(&self.names));
            node = self.nodes.get(node.parent as usize)?;
        }
        let mut path = PathBuf::default();
        names.into_iter().rev().for_each(|name| path.push(name));
        Some(path)
    }

    /// The entries of a folder, sorted by the bytes of their names; `None` if the node is no
    /// folder.
    #[must_use]
    pub fn listing(self: &Arc<Self>, directory: NodeId) -> Option<Arc<dyn DirectoryListing>> {
        let children = self.node(directory)?.children()?;
        let parent = self.parent(directory)?;
        Some(Arc::new(Listing { tree: Arc::clone(self), children, parent }))
    }

    /// Where a file's bytes are; `None` if the node is no file.
    #[must_use]
    pub fn content(&self, node: NodeId) -> Option<FileContent<'_>> {
        self.node(node)?.content(&self.hashes)
    }

    /// Which bytes a file has; `None` if the node is no file.
    #[must_use]
    pub fn identity(&self, node: NodeId) -> Option<ContentIdentity> {
        let file = self.content(node)?;
        Some(ContentIdentity::of(file.size, file.content))
    }

    /// What a link says: the way to its target from the folder that the link is in. `None` if the
    /// node is no link.
    #[must_use]
    pub fn link_target(&self, node: NodeId) -> Option<PathRef<'_>> {
        match self.node(node)?.body {
            Body::Symlink { target, .. } => Some(PathRef::from_wtf8(target.of(&self.targets))),
            _ => None,
        }
    }

    /// The files that follow a node in the listing of its folder, nearest first: what a reader that
    /// goes through a folder will want next.
    pub fn files_after(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let end = self
            .parent(node)
            .filter(|_| node != NodeId::ROOT)
            .and_then(|parent| self.node(parent)?.children())
            .map_or(0, |children| u64::from(children.start) + u64::from(children.len) + 1);
        (node.0.saturating_add(1)..end).map(NodeId).filter(|&sibling| {
            self.node(sibling).is_some_and(|sibling| sibling.kind() == NodeKind::File)
        })
    }

    /// How many nodes there are, the root included. Ids run from 1 to this.
    #[expect(clippy::len_without_is_empty, reason = "there always is a root")]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes of all files together, as the manifest states their sizes.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// A hash of all names and contents: what two mounts of the same files have in common, whatever
    /// format their manifests were in. Costs a walk through all nodes.
    #[must_use]
    pub fn fingerprint(&self) -> ContentHash {
        let mut hasher = ContentHasher::new();
        hasher.update(&self.names);
        for node in &self.nodes {
            match node.content(&self.hashes).map(|file| file.content) {
                Some(Content::Whole(hash)) => hasher.update(hash.as_bytes()),
                Some(Content::Chunked { hashes, .. }) => {
                    hashes.iter().for_each(|hash| hasher.update(hash.as_bytes()));
                }
                None => hasher.update(&[0]),
            }
        }
        hasher.finish()
    }

    /// Bytes of memory that the tree takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.nodes)
            + self.names.len()
            + self.targets.len()
            + size_of_val(&*self.hashes)
    }
}

/// The id of the node at an index of the arena.
const fn id(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

impl fmt::Debug for INodeManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("INodeManager")
            .field("nodes", &self.len())
            .field("total_bytes", &self.total_bytes)
            .field("memory_bytes", &self.memory_bytes())
            .finish()
    }
}
