//! One file, folder or link in 56 bytes, and the blobs that its spans point into.

use rusty_attachments_model::{Content, ContentHash, PathRef};

use crate::volume::{Attributes, NodeId, NodeKind};

/// Part of a blob.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    /// The part of `items`; empty if it is not in there.
    pub(super) fn of<T>(self, items: &[T]) -> &[T] {
        let start = self.start as usize;
        items.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// One node. Its id is its index in the arena plus one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) mtime_us: i64,
    pub(super) name_start: u32,
    pub(super) parent: u32,
    pub(super) name_len: u16,
    pub(super) executable: bool,
    pub(super) body: Body,
}

/// A million files are to cost about a hundred bytes each beyond their names.
const _: () = assert!(size_of::<Node>() <= 56);

#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// Children are neighbours in the arena, sorted by the bytes of their names.
    Directory { children: Span },
    /// A file in one object.
    Whole { size: u64, hash: ContentHash },
    /// A file in one object for every `chunk_size` bytes; the hashes are in the tree's list.
    Chunked { size: u64, chunk_size: u64, hashes: Span },
    /// A link; the target is in the tree's blob, `unix_len` bytes long on Linux.
    Symlink { target: Span, unix_len: u32 },
}

impl Node {
    pub(super) fn name<'a>(&self, names: &'a [u8]) -> PathRef<'a> {
        let span = Span { start: self.name_start, len: u32::from(self.name_len) };
        PathRef::from_wtf8(span.of(names))
    }

    pub(super) const fn size(&self) -> u64 {
        match self.body {
            Body::Directory { .. } => 0,
            Body::Whole { size, .. } | Body::Chunked { size, .. } => size,
            Body::Symlink { unix_len, .. } => unix_len as u64,
        }
    }

    pub(super) const fn kind(&self) -> NodeKind {
        match self.body {
            Body::Directory { .. } => NodeKind::Directory,
            Body::Whole { .. } | Body::Chunked { .. } => NodeKind::File,
            Body::Symlink { .. } => NodeKind::Symlink,
        }
    }

    pub(super) const fn children(&self) -> Option<Span> {
        match self.body {
            Body::Directory { children } => Some(children),
            _ => None,
        }
    }

    pub(super) const fn attributes(&self, node: NodeId) -> Attributes {
        Attributes {
            node,
            kind: self.kind(),
            size: self.size(),
            mtime_us: self.mtime_us,
            executable: self.executable,
        }
    }

    pub(super) fn content<'a>(&self, hashes: &'a [ContentHash]) -> Option<FileContent<'a>> {
        match self.body {
            Body::Whole { size, hash } => Some(FileContent { size, content: Content::Whole(hash) }),
            Body::Chunked { size, chunk_size, hashes: span } => {
                let content = Content::Chunked { chunk_size, hashes: span.of(hashes) };
                Some(FileContent { size, content })
            }
            Body::Directory { .. } | Body::Symlink { .. } => None,
        }
    }
}

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileContent<'a> {
    /// Bytes in the file.
    pub size: u64,
    /// The objects that hold them.
    pub content: Content<'a>,
}
