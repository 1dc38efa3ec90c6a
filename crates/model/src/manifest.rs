//! The neutral view of a manifest: what it says, whatever format said it.
//!
//! Entries live in one table of fixed-size records beside one blob of path bytes, so that a
//! million files cost a handful of allocations.

use crate::hash::ContentHash;
use crate::path::PathRef;

/// The wire format that a manifest was read from or is to be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `2023-03-03`: files only; the one format that Deadline Cloud ships.
    V2023,
    /// `2025-12-04-beta` and the `…-beta-2025-12` drafts that followed it.
    V2025(Spec),
}

/// What a v2025 manifest is: the two words of its `specificationVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Whether paths start at a manifest root or at the file system's.
    pub style: PathStyle,
    /// Whether entries are a whole tree or changes to one.
    pub kind: Kind,
}

/// Where a manifest's paths start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathStyle {
    /// At a root folder that the manifest does not name.
    Relative,
    /// At `/` or a drive.
    Absolute,
}

/// Whether a manifest is a tree or a difference between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A whole tree.
    Snapshot,
    /// Changes to a parent snapshot, deletions included.
    Diff,
}

/// One entry of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The path from the manifest's root, with `/` between components.
    pub path: PathRef<'a>,
    /// What is at that path.
    pub kind: EntryKind<'a>,
}

/// What a manifest says about one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind<'a> {
    /// A folder, named explicitly (v2025). Parents of other entries need not be named.
    Directory,
    /// A regular file.
    File(File<'a>),
    /// A symbolic link; the target is relative to the manifest's root, not to the link.
    Symlink {
        /// Where the link leads.
        target: PathRef<'a>,
    },
    /// In a diff: the file or link that the parent has here is gone.
    DeletedFile,
    /// In a diff: the folder that the parent has here is gone, if nothing is left in it.
    DeletedDirectory,
}

/// A regular file of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Bytes; at most `i64::MAX`.
    pub size: u64,
    /// Microseconds since the Unix epoch; may be negative.
    pub mtime_us: i64,
    /// The POSIX execute bit (v2025).
    pub runnable: bool,
    /// Where the bytes are.
    pub content: Content<'a>,
}

/// The CAS objects that make up a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// One object holds the whole file.
    Whole(ContentHash),
    /// One object for every `chunk_size` bytes, the last one shorter (v2025).
    Chunked {
        /// Bytes in each chunk but the last; not zero.
        chunk_size: u64,
        /// One hash a chunk, `ceil(size / chunk_size)` of them.
        hashes: &'a [ContentHash],
    },
}

/// A decoded manifest: immutable, sorted by path in UTF-16 order, free of unsafe paths.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub(crate) format: Format,
    pub(crate) total_size: u64,
    pub(crate) chunk_size: Option<u64>,
    pub(crate) parent_hash: Option<ContentHash>,
    pub(crate) table: EntryTable,
}

impl Manifest {
    /// The wire format that this manifest was read from or built for.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The total size in bytes that the document states; not checked against the entries.
    #[must_use]
    pub const fn total_size(&self) -> u64 {
        self.total_size
    }

    /// The hash of the parent manifest's bytes, which a diff may name.
    #[must_use]
    pub const fn parent_hash(&self) -> Option<ContentHash> {
        self.parent_hash
    }

    /// How many entries there are, of every kind.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.records.len()
    }

    /// Whether there are no entries at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.records.is_empty()
    }

    /// All entries, sorted by path in UTF-16 order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> + DoubleEndedIterator {
        self.table.records.iter().map(|record| self.table.resolve(record, self.chunk_size))
    }
}

/// Records, and the bytes that they point into.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryTable {
    pub(crate) records: Vec<Record>,
    /// Paths and link targets, one after the other.
    pub(crate) text: Vec<u8>,
    /// Chunk hashes of all chunked files, one file after the other.
    pub(crate) chunk_hashes: Vec<ContentHash>,
}

/// A slice of [`EntryTable::text`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextSpan {
    start: u32,
    len: u16,
}

/// One entry in fixed size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    path: TextSpan,
    kind: RecordKind,
}

#[derive(Clone, Copy, Debug)]
enum RecordKind {
    Directory,
    File { size: u64, mtime_us: i64, runnable: bool, content: RecordContent },
    Symlink { target: TextSpan },
    DeletedFile,
    DeletedDirectory,
}

#[derive(Clone, Copy, Debug)]
enum RecordContent {
    Whole(ContentHash),
    Chunks { first: u32, count: u32 },
}

/// The table's 32-bit offsets are used up, or a path is longer than 65,535 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFull;

impl EntryTable {
    /// Appends an entry. The chunk size of chunked content is the manifest's, and not kept here.
    pub(crate) fn push(&mut self, entry: Entry<'_>) -> Result<(), TableFull> {
        let path = self.push_text(entry.path)?;
        let kind = match entry.kind {
            EntryKind::Directory => RecordKind::Directory,
            EntryKind::DeletedFile => RecordKind::DeletedFile,
            EntryKind::DeletedDirectory => RecordKind::DeletedDirectory,
            EntryKind::Symlink { target } => RecordKind::Symlink { target: self.push_text(target)? },
            EntryKind::File(File { size, mtime_us, runnable, content }) => {
                let content = match content {
                    Content::Whole(hash) => RecordContent::Whole(hash),
                    Content::Chunked { hashes, .. } => self.push_chunks(hashes)?,
                };
                RecordKind::File { size, mtime_us, runnable, content }
            }
        };
        self.records.push(Record { path, kind });
        Ok(())
    }

    fn push_text(&mut self, text: PathRef<'_>) -> Result<TextSpan, TableFull> {
        let start = u32::try_from(self.text.len()).map_err(|_| TableFull)?;
        let len = u16::try_from(text.as_wtf8().len()).map_err(|_| TableFull)?;
        self.text.extend_from_slice(text.as_wtf8());
        Ok(TextSpan { start, len })
    }

    fn push_chunks(&mut self, hashes: &[ContentHash]) -> Result<RecordContent, TableFull> {
        let first = u32::try_from(self.chunk_hashes.len()).map_err(|_| TableFull)?;
        let count = u32::try_from(hashes.len()).map_err(|_| TableFull)?;
        first.checked_add(count).ok_or(TableFull)?;
        self.chunk_hashes.extend_from_slice(hashes);
        Ok(RecordContent::Chunks { first, count })
    }

    fn text(&self, span: TextSpan) -> PathRef<'_> {
        let start = span.start as usize;
        PathRef::from_wtf8(self.text.get(start..start + usize::from(span.len)).unwrap_or_default())
    }

    /// The path of one record.
    pub(crate) fn path(&self, record: &Record) -> PathRef<'_> {
        self.text(record.path)
    }

    /// The public view of one record.
    pub(crate) fn resolve(&self, record: &Record, chunk_size: Option<u64>) -> Entry<'_> {
        let kind = match record.kind {
            RecordKind::Directory => EntryKind::Directory,
            RecordKind::DeletedFile => EntryKind::DeletedFile,
            RecordKind::DeletedDirectory => EntryKind::DeletedDirectory,
            RecordKind::Symlink { target } => EntryKind::Symlink { target: self.text(target) },
            RecordKind::File { size, mtime_us, runnable, content } => {
                let content = match content {
                    RecordContent::Whole(hash) => Content::Whole(hash),
                    RecordContent::Chunks { first, count } => {
                        let span = first as usize..first as usize + count as usize;
                        let hashes = self.chunk_hashes.get(span).unwrap_or_default();
                        Content::Chunked { chunk_size: chunk_size.unwrap_or(u64::MAX), hashes }
                    }
                };
                EntryKind::File(File { size, mtime_us, runnable, content })
            }
        };
        Entry { path: self.text(record.path), kind }
    }

    /// Sorts by path in UTF-16 order; linear for input that is sorted already.
    pub(crate) fn sort(&mut self) {
        let Self { records, text, .. } = self;
        let path = |record: &Record| {
            let start = record.path.start as usize;
            let end = start + usize::from(record.path.len);
            PathRef::from_wtf8(text.get(start..end).unwrap_or_default())
        };
        records.sort_by(|a, b| path(a).cmp_utf16(path(b)));
    }
}
