//! Building a manifest entry by entry, with the same checks that decoding makes.
//!
//! The decoder is one user of the builder; snapshots, outputs and tests are the others.

use crate::check::entry::{self, Context};
use crate::check::tree;
use crate::error::{EntryRule, FieldError, ManifestError, PathRule};
use crate::hash::ContentHash;
use crate::limits::Limits;
use crate::manifest::{Content, Entry, EntryKind, Format, Manifest};
use crate::path::PathRef;
use crate::table::EntryTable;

/// Bytes in a chunk of a v2025 manifest that does not say otherwise: 256 MiB.
pub const DEFAULT_CHUNK_SIZE: u64 = 256 << 20;

/// Collects entries in any order and makes a checked, sorted [`Manifest`] of them.
#[derive(Clone, Debug)]
pub struct ManifestBuilder {
    context: Context,
    parent_hash: Option<ContentHash>,
    /// The total that the document states, if a document is being decoded.
    pub(crate) declared_size: Option<u64>,
    file_bytes: u64,
    table: EntryTable,
}

/// Why an entry was refused, before it is known where the entry came from.
pub(crate) enum Refused {
    /// The entry breaks a rule.
    Entry(EntryRule),
    /// The manifest as a whole is refused.
    Manifest(ManifestError),
}

impl From<EntryRule> for Refused {
    fn from(rule: EntryRule) -> Self {
        Self::Entry(rule)
    }
}

impl From<FieldError> for Refused {
    fn from(error: FieldError) -> Self {
        Self::Entry(EntryRule::Field(error))
    }
}

impl From<ManifestError> for Refused {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

impl ManifestBuilder {
    /// A builder for a manifest in `format` without entries.
    ///
    /// Chunks of a v2025 manifest have [`DEFAULT_CHUNK_SIZE`].
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self::with_limits(format, Limits::default())
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(format: Format, limits: Limits) -> Self {
        let chunk_size = match format {
            Format::V2023 => None,
            Format::V2025(_) => Some(DEFAULT_CHUNK_SIZE),
        };
        Self {
            context: Context { format, chunk_size, limits },
            parent_hash: None,
            declared_size: None,
            file_bytes: 0,
            table: EntryTable::default(),
        }
    }

    /// A builder for a manifest of the same format and chunk size.
    pub(crate) fn like(manifest: &Manifest) -> Self {
        let mut builder = Self::new(manifest.format);
        builder.context.chunk_size = manifest.chunk_size;
        builder
    }

    /// Sets the bytes in each chunk of chunked files, 0 if no file is chunked (v2025). To be called
    /// before any chunked file is pushed; v2023 manifests ignore it.
    #[must_use]
    pub const fn with_chunk_size(mut self, bytes: u64) -> Self {
        if matches!(self.context.format, Format::V2025(_)) {
            self.context.chunk_size = if bytes == 0 { None } else { Some(bytes) };
        }
        self
    }

    /// Sets the hash of the parent manifest's bytes (v2025); v2023 manifests ignore it.
    #[must_use]
    pub const fn with_parent_hash(mut self, hash: Option<ContentHash>) -> Self {
        if matches!(self.context.format, Format::V2025(_)) {
            self.parent_hash = hash;
        }
        self
    }

    /// Adds one entry.
    ///
    /// # Errors
    /// [`ManifestError::Path`] if the entry breaks a rule of the format, or
    /// [`ManifestError::Limit`].
    pub fn push(&mut self, entry: Entry<'_>) -> Result<(), ManifestError> {
        let refuse = |rule| ManifestError::Path { path: entry.path.into(), rule };
        // Whatever the decoder reads is well formed; other callers may wrap any bytes.
        if !entry.path.is_well_formed() {
            return Err(refuse(EntryRule::Path(PathRule::NotWtf8)));
        }
        if let EntryKind::Symlink { target } = entry.kind
            && !target.is_well_formed()
        {
            return Err(refuse(EntryRule::Target(PathRule::NotWtf8)));
        }
        self.push_all(std::iter::once(entry))
    }

    /// Adds entries whose texts are well-formed WTF-8, because they come from other manifests.
    pub(crate) fn push_all<'a>(
        &mut self,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> Result<(), ManifestError> {
        for entry in entries {
            self.push_decoded(entry).map_err(|refused| match refused {
                Refused::Entry(rule) => ManifestError::Path { path: entry.path.into(), rule },
                Refused::Manifest(error) => error,
            })?;
        }
        Ok(())
    }

    /// Adds one entry whose texts are well-formed WTF-8.
    pub(crate) fn push_decoded(&mut self, entry: Entry<'_>) -> Result<(), Refused> {
        entry::check(&entry, &self.context)?;
        self.check_room(&entry)?;
        if let EntryKind::File(file) = entry.kind {
            let sum = self.file_bytes.checked_add(file.size);
            self.file_bytes =
                sum.filter(|&sum| i64::try_from(sum).is_ok()).ok_or(EntryRule::SizesOverflow)?;
        }
        self.table.push(entry).map_err(|_| table_full().into())
    }

    fn check_room(&self, entry: &Entry<'_>) -> Result<(), ManifestError> {
        let limits = &self.context.limits;
        let text = match entry.kind {
            EntryKind::Symlink { target } => target.as_wtf8().len(),
            _ => 0,
        } + entry.path.as_wtf8().len();
        let chunks = match entry.kind {
            EntryKind::File(file) => match file.content {
                Content::Chunked { hashes, .. } => hashes.len(),
                Content::Whole(_) => 0,
            },
            _ => 0,
        };
        check_limit("entries", self.table.records.len(), 1, limits.entries)?;
        check_limit("bytes of paths", self.table.text.len(), text, limits.text_bytes)?;
        check_limit("chunk hashes", self.table.chunk_hashes.len(), chunks, limits.chunks)
    }

    /// Makes room for `entries` more.
    pub(crate) fn reserve(&mut self, entries: usize) {
        let most = usize::try_from(self.context.limits.entries).unwrap_or(usize::MAX);
        self.table.records.reserve_exact(entries.min(most));
    }

    /// The path of the entry that was pushed as number `index`.
    pub(crate) fn path(&self, index: usize) -> Option<PathRef<'_>> {
        self.table.records.get(index).map(|record| self.table.path(record))
    }

    /// How many entries were pushed.
    pub(crate) fn len(&self) -> usize {
        self.table.records.len()
    }

    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// Sorts and checks everything.
    ///
    /// # Errors
    /// [`ManifestError::Empty`] for a v2023 manifest without entries, or [`ManifestError::Path`]
    /// for a path that appears twice or lies below a file or link.
    pub fn build(mut self) -> Result<Manifest, ManifestError> {
        if self.context.format == Format::V2023 && self.table.records.is_empty() {
            return Err(ManifestError::Empty);
        }
        self.table.sort();
        let void = tree::find_clashes(&self.table)?;
        self.table.remove(&void);
        self.table.text.shrink_to_fit();
        Ok(self.into_manifest())
    }

    /// Sorts, keeps the last of several entries for one path, and checks nothing else.
    pub(crate) fn build_last_wins(mut self) -> Manifest {
        self.table.sort();
        self.table.keep_last_of_equal_paths();
        let mut manifest = self.into_manifest();
        manifest.total_size = manifest.total_file_bytes();
        manifest
    }

    fn into_manifest(self) -> Manifest {
        Manifest {
            format: self.context.format,
            total_size: self.declared_size.unwrap_or(self.file_bytes),
            chunk_size: self.context.chunk_size,
            parent_hash: self.parent_hash,
            table: self.table,
        }
    }
}

fn check_limit(
    what: &'static str,
    have: usize,
    more: usize,
    limit: u64,
) -> Result<(), ManifestError> {
    let limit = limit.min(Limits::TABLE_OFFSETS);
    let found = (have as u64).saturating_add(more as u64);
    if found > limit {
        return Err(ManifestError::Limit { what, found, limit });
    }
    Ok(())
}

/// The error for a table whose offsets are used up, which limits prevent in whatever is pushed.
pub(crate) const fn table_full() -> ManifestError {
    let limit = Limits::TABLE_OFFSETS;
    ManifestError::Limit { what: "bytes of paths", found: limit, limit }
}
