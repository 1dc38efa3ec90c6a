//! A folder's entries, as a window on the tree: nothing is copied, because nothing changes.

use std::sync::Arc;

use super::INodeManager;
use super::node::Span;
use crate::volume::{DirectoryListing, ListedEntry, NodeId};

/// The children of one folder, in the order of their names' bytes.
pub(super) struct Listing {
    pub(super) tree: Arc<INodeManager>,
    pub(super) children: Span,
    pub(super) parent: NodeId,
}

impl DirectoryListing for Listing {
    fn len(&self) -> usize {
        self.children.len as usize
    }

    fn entry(&self, index: usize) -> Option<ListedEntry<'_>> {
        let node = self.children.of(&self.tree.nodes).get(index)?;
        let id = NodeId(u64::from(self.children.start) + index as u64 + 1);
        let name = node.name(&self.tree.names);
        Some(ListedEntry { name, attributes: node.attributes(id) })
    }

    fn parent(&self) -> NodeId {
        self.parent
    }
}
