//! What a test projects: a nested map of files, directories and links, immutable once projected.
//!
//! Children are kept by their folded name, so that they are found in any case (`projfs.md G9`) and
//! come in NTFS's order (G1) without a sort.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use projfs_emulator::contract::{BasicInfo, VersionInfo, Wide, attributes};
use serde::{Deserialize, Serialize};

/// 1 January 2020, 100 ns since 1601.
const BASE_TIME: i64 = 132_223_104_000_000_000;
const SECOND: i64 = 10_000_000;

/// A directory's children.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tree {
    children: BTreeMap<Vec<u16>, Entry>,
}

/// One name with what it stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: Wide,
    pub(crate) node: Node,
    pub(crate) attributes: u32,
}

/// What a name stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Node {
    Directory(Tree),
    File(Content),
    Link { target: Wide, directory: bool },
}

/// A file's bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    Text(Vec<u8>),
    /// Bytes that differ from place to place.
    Pattern {
        size: u64,
    },
}

/// A path of a test, with slashes, as callbacks spell it.
pub(crate) fn wide(path: &str) -> Wide {
    Wide::from(path.replace('/', "\\").as_str())
}

/// One unit upcased as NTFS does: one to one, nothing beyond the first plane (G3).
fn upcase(unit: u16) -> u16 {
    let mut upper = char::from_u32(unit.into()).into_iter().flat_map(char::to_uppercase);
    match (upper.next().map(|letter| u16::try_from(u32::from(letter))), upper.next()) {
        (Some(Ok(letter)), None) => letter,
        _ => unit,
    }
}

fn fold(name: &Wide) -> Vec<u16> {
    name.units().iter().map(|unit| upcase(*unit)).collect()
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With a file of this text.
    pub(crate) fn text(self, path: &str, text: &str) -> Self {
        self.with(path, Node::File(Content::Text(text.into())), attributes::ARCHIVE)
    }

    /// With a file of so many bytes of a pattern.
    pub(crate) fn pattern(self, path: &str, size: u64) -> Self {
        self.with(path, Node::File(Content::Pattern { size }), attributes::ARCHIVE)
    }

    /// With an empty directory.
    pub(crate) fn directory(self, path: &str) -> Self {
        self.with(path, Node::Directory(Self::new()), attributes::DIRECTORY)
    }

    /// With a symbolic link.
    pub(crate) fn link(self, path: &str, target: &str, directory: bool) -> Self {
        self.with(path, Node::Link { target: wide(target), directory }, attributes::ARCHIVE)
    }

    /// With a file of this text and these attributes.
    pub(crate) fn special(self, path: &str, text: &str, attributes: u32) -> Self {
        self.with(path, Node::File(Content::Text(text.into())), attributes)
    }

    /// With a file of this very name, at the top.
    pub(crate) fn named(mut self, name: Wide, text: &str) -> Self {
        let node = Node::File(Content::Text(text.into()));
        let key = fold(&name);
        self.children.insert(key, Entry { name, node, attributes: attributes::ARCHIVE });
        self
    }

    fn with(mut self, path: &str, node: Node, attributes: u32) -> Self {
        let (folder, name) = wide(path).split_leaf().unwrap();
        let entry = Entry { name: name.clone(), node, attributes };
        self.folder(&folder).children.insert(fold(&name), entry);
        self
    }

    /// The directory of this path, made if it is missing.
    fn folder(&mut self, path: &Wide) -> &mut Self {
        path.components().fold(self, |tree, name| {
            let made = || Entry {
                name: name.clone(),
                node: Node::Directory(Self::new()),
                attributes: attributes::DIRECTORY,
            };
            match &mut tree.children.entry(fold(&name)).or_insert_with(made).node {
                Node::Directory(below) => below,
                Node::File(_) | Node::Link { .. } => panic!("{path} leads through a file"),
            }
        })
    }

    /// What a path stands for, with the path as it is spelled here.
    pub(crate) fn find(&self, path: &Wide) -> Option<(Wide, &Entry)> {
        let (folder, leaf) = path.split_leaf()?;
        let (folder, tree) = self.spelled_folder(&folder)?;
        let entry = tree.children.get(&fold(&leaf))?;
        Some((folder.join(&entry.name), entry))
    }

    /// The children of a directory, in order.
    pub(crate) fn list(&self, path: &Wide) -> Option<Vec<Entry>> {
        Some(self.spelled_folder(path)?.1.children.values().cloned().collect())
    }

    fn spelled_folder(&self, path: &Wide) -> Option<(Wide, &Self)> {
        path.components().try_fold((Wide::default(), self), |(spelled, tree), name| {
            let entry = tree.children.get(&fold(&name))?;
            match &entry.node {
                Node::Directory(below) => Some((spelled.join(&entry.name), below)),
                Node::File(_) | Node::Link { .. } => None,
            }
        })
    }

    /// Every file's content.
    pub(crate) fn contents(&self) -> Vec<&Content> {
        let mut contents = Vec::new();
        for entry in self.children.values() {
            match &entry.node {
                Node::Directory(below) => contents.extend(below.contents()),
                Node::File(content) => contents.push(content),
                Node::Link { .. } => {}
            }
        }
        contents
    }
}

impl Entry {
    /// Size, four different times, attributes.
    pub(crate) fn basic(&self) -> BasicInfo {
        let (directory, size) = match &self.node {
            Node::Directory(_) => (true, 0),
            Node::File(content) => (false, content.size()),
            Node::Link { directory, .. } => (*directory, 0),
        };
        BasicInfo {
            directory,
            size,
            creation: BASE_TIME,
            access: BASE_TIME + SECOND,
            write: BASE_TIME + 2 * SECOND,
            change: BASE_TIME + 3 * SECOND,
            attributes: self.attributes,
        }
    }

    /// What is to come back with callbacks on it: the content's identity, for a file (H9).
    pub(crate) fn version(&self) -> VersionInfo {
        let mut version = VersionInfo::default();
        let [first, ..] = &mut version.provider;
        *first = 1;
        if let Node::File(content) = &self.node {
            version.content = content.identity();
        }
        version
    }
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Pattern { size } => *size,
        }
    }

    /// Bytes of a range that lies within.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        match self {
            Self::Text(text) => text[usize::try_from(offset).unwrap()..][..length].to_vec(),
            Self::Pattern { .. } => (offset..offset + length as u64).map(pattern_byte).collect(),
        }
    }

    pub(crate) fn identity(&self) -> [u8; 128] {
        let text = match self {
            Self::Text(text) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                format!("text {} {:016x}", text.len(), hasher.finish())
            }
            Self::Pattern { size } => format!("pattern {size}"),
        };
        let mut identity = [0; 128];
        identity[..text.len()].copy_from_slice(text.as_bytes());
        identity
    }
}

/// The byte of every pattern at this place; neither page nor sector repeats.
pub(crate) const fn pattern_byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}
