//! What a reference volume is made of, path by path.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rusty_attachments_model::PathBuf;

use super::ReferenceVolume;

/// A file's bytes: given, or computed from the offset so that huge files cost nothing.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes of [`pattern`].
    Pattern(u64),
}

impl Content {
    /// How many bytes there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pattern(size) => *size,
        }
    }

    /// The bytes from `offset` on, at most `length`.
    #[must_use]
    pub fn read(&self, offset: u64, length: usize) -> Bytes {
        let end = self.size().min(offset.saturating_add(length as u64));
        if offset >= end {
            return Bytes::new();
        }
        match self {
            Self::Bytes(bytes) => bytes.slice(offset as usize..end as usize),
            Self::Pattern(_) => pattern(offset, (end - offset) as usize).into(),
        }
    }
}

/// `length` bytes of an endless text in which each 8 bytes hold their own offset, little endian.
#[must_use]
pub fn pattern(offset: u64, length: usize) -> Vec<u8> {
    let first = offset / 8 * 8;
    let skip = (offset - first) as usize;
    let words = (skip + length).div_ceil(8) as u64;
    let text: Vec<u8> = (0..words).flat_map(|word| (first + word * 8).to_le_bytes()).collect();
    text[skip..skip + length].to_vec()
}

/// A node of the tree that a [`ReferenceVolume`] is made of.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A folder.
    Directory {
        /// What it holds, by name.
        children: BTreeMap<Name, Entry>,
        /// Microseconds since the epoch.
        mtime_us: i64,
    },
    /// A regular file.
    File {
        /// Its bytes.
        content: Content,
        /// Microseconds since the epoch.
        mtime_us: i64,
        /// The execute bit.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads, as written in the link.
        target: Vec<u8>,
    },
}

/// A name in WTF-8, ordered by its bytes.
pub type Name = Vec<u8>;

/// The modification time of whatever the test gives none: 2024-01-02T03:04:05.678901Z.
pub const DEFAULT_MTIME_US: i64 = 1_704_164_645_678_901;

/// Builds the tree of a [`ReferenceVolume`] path by path, parents made as needed.
#[derive(Clone, Debug)]
pub struct Tree(BTreeMap<Name, Entry>);

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// An empty root folder.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds an entry at a slash-separated path.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, entry: Entry) -> Self {
        let path = path.into();
        let mut names: Vec<Name> =
            path.as_ref().components().map(|name| name.as_wtf8().to_vec()).collect();
        let last = names.pop().unwrap_or_default();
        let mut folder = &mut self.0;
        for name in names {
            let child = folder.entry(name).or_insert_with(|| Entry::Directory {
                children: BTreeMap::new(),
                mtime_us: DEFAULT_MTIME_US,
            });
            let Entry::Directory { children, .. } = child else {
                panic!("a file is in the way of {path}");
            };
            folder = children;
        }
        folder.insert(last, entry);
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>, bytes: impl Into<Bytes>) -> Self {
        self.content(path, Content::Bytes(bytes.into()), DEFAULT_MTIME_US, false)
    }

    /// Adds a file of `size` bytes of [`pattern`].
    #[must_use]
    pub fn pattern(self, path: impl Into<PathBuf>, size: u64) -> Self {
        self.content(path, Content::Pattern(size), DEFAULT_MTIME_US, false)
    }

    /// Adds a file that may be executed.
    #[must_use]
    pub fn executable(self, path: impl Into<PathBuf>, bytes: impl Into<Bytes>) -> Self {
        self.content(path, Content::Bytes(bytes.into()), DEFAULT_MTIME_US, true)
    }

    /// Adds a file with everything given.
    #[must_use]
    pub fn content(
        self,
        path: impl Into<PathBuf>,
        content: Content,
        mtime_us: i64,
        executable: bool,
    ) -> Self {
        self.with(path, Entry::File { content, mtime_us, executable })
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: impl Into<PathBuf>, target: impl Into<Vec<u8>>) -> Self {
        self.with(path, Entry::Symlink { target: target.into() })
    }

    /// Adds an empty folder.
    #[must_use]
    pub fn directory(self, path: impl Into<PathBuf>) -> Self {
        let (children, mtime_us) = (BTreeMap::new(), DEFAULT_MTIME_US);
        self.with(path, Entry::Directory { children, mtime_us })
    }

    /// The volume of this tree.
    #[must_use]
    pub fn build(self) -> Arc<ReferenceVolume> {
        ReferenceVolume::new(self.0)
    }
}
