//! What a provider projects: a tree of names and contents. Contents that were ever projected stay
//! known by their version, since placeholders keep it (projfs.md M13).

use std::collections::BTreeMap;

/// One projected item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// In the spelling of the projection.
    pub(crate) path: String,
    pub(crate) directory: bool,
    pub(crate) version: u32,
}

/// A projected tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projection {
    /// By folded path.
    nodes: BTreeMap<String, Node>,
    /// By version; empty for directories.
    contents: Vec<Vec<u8>>,
}

impl Projection {
    /// Projects an item, `None` being a directory's content; one that is there gets a new version,
    /// and keeps its spelling. Its folder is projected.
    pub(crate) fn project(&mut self, path: &str, content: Option<&[u8]>) {
        let version = u32::try_from(self.contents.len()).unwrap();
        self.contents.push(content.unwrap_or_default().to_vec());
        let folder = split(path).map_or("", |(folder, _)| folder);
        let spelled = match (self.find(path), self.find(folder)) {
            (Some(node), _) => node.path.clone(),
            (None, Some(folder)) => join(&folder.path, split(path).unwrap().1),
            (None, None) => path.to_owned(),
        };
        let node = Node { path: spelled, directory: content.is_none(), version };
        self.nodes.insert(fold(path), node);
    }

    /// Projects an item again that was taken away.
    pub(crate) fn restore(&mut self, node: Node) {
        self.nodes.insert(fold(&node.path), node);
    }

    /// Projects an item no more.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Node> {
        self.nodes.remove(&fold(path))
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&fold(path))
    }

    /// What is directly in a directory, in collation order (F13).
    pub(crate) fn children(&self, directory: &str) -> Vec<&Node> {
        let inside = |node: &&Node| {
            split(&node.path).is_some_and(|(folder, _)| fold(folder) == fold(directory))
        };
        let mut children: Vec<_> = self.nodes.values().filter(inside).collect();
        children.sort_by_key(|node| fold(split(&node.path).unwrap().1));
        children
    }

    /// Whether an item can be projected here: its folder is, and it is no other kind of item.
    pub(crate) fn takes(&self, path: &str, directory: bool) -> bool {
        let Some((folder, _)) = split(path) else { return false };
        let in_folder = folder.is_empty() || self.find(folder).is_some_and(|node| node.directory);
        in_folder && self.find(path).is_none_or(|node| !directory && !node.directory)
    }

    pub(crate) fn content(&self, version: u32) -> &[u8] {
        &self.contents[usize::try_from(version).unwrap()]
    }

    pub(crate) fn size(&self, node: &Node) -> u64 {
        u64::try_from(self.content(node.version).len()).unwrap()
    }
}

/// The one form of all spellings. The tests' names are ASCII.
pub(crate) fn fold(path: &str) -> String {
    path.to_ascii_uppercase()
}

/// Folder and last component; `None` for the root.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    if path.is_empty() { None } else { Some(path.rsplit_once('\\').unwrap_or(("", path))) }
}

pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}\\{name}") }
}
