//! A diff applied to its parent.

use crate::build::ManifestBuilder;
use crate::changes::{common_chunk_size, with_all_directories};
use crate::error::ManifestError;
use crate::hash::ContentHash;
use crate::manifest::{Entry, EntryKind, Format, Kind, Manifest, Spec};
use crate::path::PathRef;
use crate::table::{EntryTable, Record};

/// What to do with a diff that does not say for which parent it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnnamedParent {
    /// Refuse it: applied to the wrong parent it gives a wrong tree.
    Refuse,
    /// Apply it; the caller knows by other means that it fits.
    Accept,
}

impl Manifest {
    /// The snapshot that results from applying `diff` to this one; `parent_hash` is the hash of
    /// the bytes that this snapshot was decoded from.
    ///
    /// Deletions come first: files and links, then folders from the deepest up, each only if
    /// nothing is left in it. Then the new entries: a file or link replaces a folder with all that
    /// is in it, a folder replaces a file. The result names every folder.
    ///
    /// # Errors
    /// [`ManifestError::WrongKind`] if this is no snapshot or `diff` no diff,
    /// [`ManifestError::Mismatch`] if their path styles or chunk sizes differ,
    /// [`ManifestError::WrongParent`], [`ManifestError::UnnamedParent`], or
    /// [`ManifestError::Limit`].
    pub fn compose(
        &self,
        parent_hash: ContentHash,
        diff: &Self,
        unnamed: UnnamedParent,
    ) -> Result<Self, ManifestError> {
        let wrong_kind = |needed| ManifestError::WrongKind { operation: "composing", needed };
        match (self.kind(), diff.kind()) {
            (Kind::Diff, _) => return Err(wrong_kind("snapshot as parent")),
            (_, Kind::Snapshot) => return Err(wrong_kind("diff to apply")),
            (Kind::Snapshot, Kind::Diff) => {}
        }
        if self.style() != diff.style() {
            return Err(ManifestError::Mismatch { what: "path style" });
        }
        match diff.parent_hash() {
            Some(named) if named != parent_hash => {
                return Err(ManifestError::WrongParent { named, given: parent_hash });
            }
            None if unnamed == UnnamedParent::Refuse => return Err(ManifestError::UnnamedParent),
            _ => {}
        }
        let chunk_size = common_chunk_size(self, diff)?;
        let changes = with_all_directories(diff)?;
        let mut base = Base::new(with_all_directories(self)?);
        base.delete(&changes);
        base.make_way(&changes);

        let spec = Spec { style: self.style(), kind: Kind::Snapshot };
        let mut builder =
            ManifestBuilder::new(Format::V2025(spec)).with_chunk_size(chunk_size.unwrap_or(0));
        builder.push_all(base.remaining(chunk_size))?;
        let created = changes.records.iter().filter(|record| !record.is_deletion());
        builder.push_all(created.map(|record| changes.resolve(record, chunk_size)))?;
        builder.build()
    }
}

/// The parent's entries, sorted, of which some are gone.
struct Base {
    table: EntryTable,
    /// For each place the next one that is not gone, if it is itself; else a place on the way
    /// there. Shortened as it is walked, so that finding costs next to nothing on average and
    /// nested folders are not searched again and again.
    next: Vec<usize>,
}

impl Base {
    fn new(table: EntryTable) -> Self {
        let next = (0..=table.records.len()).collect();
        Self { table, next }
    }

    /// The first place from `at` on that is not gone.
    fn find(&mut self, at: usize) -> usize {
        let step = |next: &[usize], at: usize| next.get(at).copied().unwrap_or(at);
        let mut end = at;
        while step(&self.next, end) != end {
            end = step(&self.next, end);
        }
        let mut at = at;
        while at != end {
            let following = step(&self.next, at);
            if let Some(next) = self.next.get_mut(at) {
                *next = end;
            }
            at = following;
        }
        end
    }

    fn remove(&mut self, at: usize) {
        if let Some(next) = self.next.get_mut(at) {
            *next = at + 1;
        }
    }

    /// The place of `path`, if it is there and not gone.
    fn place(&mut self, path: PathRef<'_>) -> Option<(usize, Record)> {
        let at = self.table.find(path).ok()?;
        if self.find(at) != at {
            return None;
        }
        self.table.records.get(at).map(|record| (at, *record))
    }

    /// The first place below `folder` that is not gone.
    fn first_below(&mut self, folder: PathRef<'_>) -> Option<usize> {
        let mut start = crate::PathBuf::from(folder);
        start.push(PathRef::from_wtf8(b""));
        let start = self.table.find(start.as_ref()).unwrap_or_else(|at| at);
        let at = self.find(start);
        let record = self.table.records.get(at)?;
        self.table.path(record).is_below(folder).then_some(at)
    }

    fn delete(&mut self, changes: &EntryTable) {
        let kind = |record: &Record| changes.resolve(record, None).kind;
        for record in &changes.records {
            if kind(record) == EntryKind::DeletedFile
                && let Some((at, gone)) = self.place(changes.path(record))
                && gone.is_leaf()
            {
                self.remove(at);
            }
        }
        // Folders come before what is in them, so the reverse order starts with the deepest.
        for record in changes.records.iter().rev() {
            let path = changes.path(record);
            if kind(record) == EntryKind::DeletedDirectory
                && let Some((at, gone)) = self.place(path)
                && !gone.is_leaf()
                && self.first_below(path).is_none()
            {
                self.remove(at);
            }
        }
    }

    /// Removes whatever new entries replace.
    fn make_way(&mut self, changes: &EntryTable) {
        for record in changes.records.iter().filter(|record| !record.is_deletion()) {
            let path = changes.path(record);
            let Some((at, _)) = self.place(path) else { continue };
            self.remove(at);
            while record.is_leaf()
                && let Some(below) = self.first_below(path)
            {
                self.remove(below);
            }
        }
    }

    fn remaining(&self, chunk_size: Option<u64>) -> impl Iterator<Item = Entry<'_>> {
        let kept = self.next.iter().enumerate().filter(|(at, next)| at == *next);
        kept.filter_map(move |(at, _)| {
            self.table.records.get(at).map(|record| self.table.resolve(record, chunk_size))
        })
    }
}
