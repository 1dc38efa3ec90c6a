//! What differs between two manifests: as a list, and as a v2025 diff.

use std::cmp::Ordering;

use crate::build::{ManifestBuilder, table_full};
use crate::directories;
use crate::error::ManifestError;
use crate::hash::ContentHash;
use crate::manifest::{Entry, EntryKind, Format, Kind, Manifest, Spec};
use crate::table::EntryTable;

/// How one path differs between an old and a new manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Only the new manifest has it.
    Added(Entry<'a>),
    /// Both have it, but not the same.
    Modified {
        /// What the old manifest says.
        old: Entry<'a>,
        /// What the new manifest says.
        new: Entry<'a>,
    },
    /// Only the old manifest has it.
    Deleted(Entry<'a>),
}

/// The changes from one manifest to another, in order of their paths.
///
/// Walks both manifests side by side: linear, and without memory of its own.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    old: Side<'a>,
    new: Side<'a>,
}

#[derive(Clone, Debug)]
struct Side<'a> {
    table: &'a EntryTable,
    chunk_size: Option<u64>,
    at: usize,
}

impl<'a> Side<'a> {
    const fn new(table: &'a EntryTable, chunk_size: Option<u64>) -> Self {
        Self { table, chunk_size, at: 0 }
    }

    fn peek(&self) -> Option<Entry<'a>> {
        self.table.records.get(self.at).map(|record| self.table.resolve(record, self.chunk_size))
    }
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        loop {
            let (old, new) = (self.old.peek(), self.new.peek());
            let order = match (old, new) {
                (Some(old), Some(new)) => old.path.cmp_utf16(new.path),
                (None, _) => Ordering::Greater,
                (_, None) => Ordering::Less,
            };
            self.old.at += usize::from(order.is_le());
            self.new.at += usize::from(order.is_ge());
            match order {
                Ordering::Less => return old.map(Change::Deleted),
                Ordering::Greater => return new.map(Change::Added),
                Ordering::Equal if old == new => {}
                Ordering::Equal => return Some(Change::Modified { old: old?, new: new? }),
            }
        }
    }
}

impl Manifest {
    /// What is different in `new`, path by path. Folders count only where an entry names them.
    #[must_use]
    pub const fn changes<'a>(&'a self, new: &'a Self) -> Changes<'a> {
        Changes {
            old: Side::new(&self.table, self.chunk_size),
            new: Side::new(&new.table, new.chunk_size),
        }
    }

    /// The v2025 diff that leads from this snapshot to `new`; `parent_hash` is the hash of the
    /// bytes that this snapshot is stored as.
    ///
    /// Composing the diff onto this snapshot yields `new`, with every folder named. Where a file
    /// becomes a folder or the other way round, only the new entry is listed: it implies the rest.
    ///
    /// # Errors
    /// [`ManifestError::WrongKind`] if one of the two is a diff, [`ManifestError::Mismatch`] if
    /// their path styles differ or files of both are chunked differently, or
    /// [`ManifestError::Limit`].
    pub fn diff(&self, new: &Self, parent_hash: ContentHash) -> Result<Self, ManifestError> {
        if self.kind() == Kind::Diff || new.kind() == Kind::Diff {
            return Err(ManifestError::WrongKind { operation: "comparing", needed: "snapshot" });
        }
        if self.style() != new.style() {
            return Err(ManifestError::Mismatch { what: "path style" });
        }
        let spec = Spec { style: self.style(), kind: Kind::Diff };
        let chunk_size = common_chunk_size(self, new)?;
        let (old, new) = (with_all_directories(self)?, with_all_directories(new)?);
        let changes =
            Changes { old: Side::new(&old, chunk_size), new: Side::new(&new, chunk_size) };
        let mut builder = ManifestBuilder::new(Format::V2025(spec))
            .with_chunk_size(chunk_size.unwrap_or(0))
            .with_parent_hash(Some(parent_hash));
        builder.push_all(changes.map(|change| match change {
            Change::Added(entry) | Change::Modified { new: entry, .. } => entry,
            Change::Deleted(Entry { path, kind }) => {
                let kind = match kind {
                    EntryKind::Directory => EntryKind::DeletedDirectory,
                    _ => EntryKind::DeletedFile,
                };
                Entry { path, kind }
            }
        }))?;
        builder.build()
    }
}

/// The chunk size that entries of both manifests can share. A v2023 manifest fits any.
pub(crate) fn common_chunk_size(a: &Manifest, b: &Manifest) -> Result<Option<u64>, ManifestError> {
    match (a.format(), b.format()) {
        (Format::V2023, Format::V2023) => Ok(Some(crate::DEFAULT_CHUNK_SIZE)),
        (Format::V2023, _) => Ok(b.chunk_size()),
        (_, Format::V2023) => Ok(a.chunk_size()),
        _ if a.chunk_size() == b.chunk_size() => Ok(a.chunk_size()),
        _ => Err(ManifestError::Mismatch { what: "chunk size" }),
    }
}

/// The entries of a manifest, and one for every folder that only its content implies.
pub(crate) fn with_all_directories(manifest: &Manifest) -> Result<EntryTable, ManifestError> {
    let created = |entry: &Entry<'_>| {
        !matches!(entry.kind, EntryKind::DeletedFile | EntryKind::DeletedDirectory)
    };
    let paths = manifest.entries().filter(created).map(|entry| entry.path);
    let known = manifest
        .entries()
        .filter(|entry| entry.kind == EntryKind::Directory)
        .map(|entry| entry.path);
    let implied = directories::parents(paths, known);
    let mut table = manifest.table.clone();
    for path in &implied {
        let directory = Entry { path: *path, kind: EntryKind::Directory };
        table.push(directory).map_err(|_| table_full())?;
    }
    table.sort();
    Ok(table)
}
