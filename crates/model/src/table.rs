//! Entries in memory: fixed-size records beside one blob of text and one of chunk hashes.
//!
//! A million files cost 48 bytes each beside their path bytes, and a handful of allocations.
//! Offsets have 32 bits; [`Limits`](crate::Limits) keep them from running out.

use crate::hash::ContentHash;
use crate::manifest::{Content, Entry, EntryKind, File};
use crate::path::PathRef;

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

impl Record {
    pub(crate) const fn is_link(&self) -> bool {
        matches!(self.kind, RecordKind::Symlink { .. })
    }

    pub(crate) const fn is_deletion(&self) -> bool {
        matches!(self.kind, RecordKind::DeletedFile | RecordKind::DeletedDirectory)
    }

    /// Whether nothing can be below this path.
    pub(crate) const fn is_leaf(&self) -> bool {
        !matches!(self.kind, RecordKind::Directory | RecordKind::DeletedDirectory)
    }
}

impl EntryTable {
    /// Appends an entry. The chunk size of chunked content is the manifest's, and not kept here.
    pub(crate) fn push(&mut self, entry: Entry<'_>) -> Result<(), TableFull> {
        let path = self.push_text(entry.path)?;
        let kind = match entry.kind {
            EntryKind::Directory => RecordKind::Directory,
            EntryKind::DeletedFile => RecordKind::DeletedFile,
            EntryKind::DeletedDirectory => RecordKind::DeletedDirectory,
            EntryKind::Symlink { target } => {
                RecordKind::Symlink { target: self.push_text(target)? }
            }
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
        span_text(&self.text, span)
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

    /// The place of `path` in a sorted table, or where it would be.
    pub(crate) fn find(&self, path: PathRef<'_>) -> Result<usize, usize> {
        self.records.binary_search_by(|record| self.path(record).cmp_utf16(path))
    }

    /// Removes the records at `places`, which are sorted. Their text stays.
    pub(crate) fn remove(&mut self, places: &[usize]) {
        let (mut index, mut places) = (0, places.iter().copied().peekable());
        self.records.retain(|_| {
            let mut keep = true;
            while places.next_if_eq(&index).is_some() {
                keep = false;
            }
            index += 1;
            keep
        });
    }

    /// Whether a parent of `path` is an entry that cannot be a folder, in a sorted table.
    pub(crate) fn is_below_leaf(&self, path: PathRef<'_>) -> bool {
        let mut folder = path.parent();
        while let Some(parent) = folder {
            if self.is_leaf(parent) {
                return true;
            }
            folder = parent.parent();
        }
        false
    }

    /// Whether `path` is an entry that cannot be a folder, in a sorted table.
    pub(crate) fn is_leaf(&self, path: PathRef<'_>) -> bool {
        self.find(path).ok().and_then(|at| self.records.get(at)).is_some_and(Record::is_leaf)
    }

    /// Where a record leads, if it is a link.
    pub(crate) fn link_target(&self, record: &Record) -> Option<PathRef<'_>> {
        match record.kind {
            RecordKind::Symlink { target } => Some(self.text(target)),
            _ => None,
        }
    }

    /// Of neighbours with the same path, keeps the last.
    pub(crate) fn keep_last_of_equal_paths(&mut self) {
        let Self { records, text, .. } = self;
        // `dedup_by` keeps the first of a run, so the later record takes its place.
        records.dedup_by(|later, kept| {
            let same = span_text(text, later.path) == span_text(text, kept.path);
            if same {
                *kept = *later;
            }
            same
        });
    }

    /// Sorts by path in UTF-16 order; linear for input that is sorted already.
    pub(crate) fn sort(&mut self) {
        let Self { records, text, .. } = self;
        records.sort_by(|a, b| span_text(text, a.path).cmp_utf16(span_text(text, b.path)));
    }
}

fn span_text(text: &[u8], span: TextSpan) -> PathRef<'_> {
    let start = span.start as usize;
    PathRef::from_wtf8(text.get(start..start + usize::from(span.len)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the module promises, and memory targets count on.
    #[test]
    fn a_record_has_48_bytes() {
        assert_eq!(size_of::<Record>(), 48);
    }
}
