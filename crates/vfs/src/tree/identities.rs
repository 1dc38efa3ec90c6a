//! Which node has given content: the way back from an identity.

use rusty_attachments_model::ContentHash;

use super::{INodeManager, id};
use crate::volume::{ContentIdentity, NodeId};

/// All files of a tree by the hash of their content: 24 bytes each.
#[derive(Debug)]
pub(crate) struct ContentIndex(Box<[(ContentHash, NodeId)]>);

impl ContentIndex {
    /// Walks through all nodes; hashes the hashes of every chunked file.
    pub(crate) fn build(tree: &INodeManager) -> Self {
        let nodes = (0..tree.len()).map(id);
        let mut files: Vec<_> =
            nodes.filter_map(|node| Some((tree.identity(node)?.hash, node))).collect();
        files.sort_unstable();
        Self(files.into())
    }

    /// The first node with this content.
    pub(crate) fn find(&self, tree: &INodeManager, content: ContentIdentity) -> Option<NodeId> {
        let first = self.0.partition_point(|(hash, _)| *hash < content.hash);
        // A manifest may state two sizes for one hash.
        let equals = self.0.iter().skip(first).take_while(|(hash, _)| *hash == content.hash);
        equals.map(|(_, node)| *node).find(|node| tree.identity(*node) == Some(content))
    }
}
