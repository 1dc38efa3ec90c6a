//! The neutral view of a manifest: what it says, whatever format said it.
//!
//! Owns the public types and the questions one can ask of them; the memory behind them is
//! [`EntryTable`]. Immutable, so any number of threads may share one.

use crate::check::tree;
use crate::error::ManifestError;
use crate::hash::ContentHash;
use crate::path::{PathBuf, PathRef};
use crate::table::EntryTable;

/// The wire format that a manifest was read from or is to be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `2023-03-03`: files only; the one format that Deadline Cloud ships.
    V2023,
    /// `2025-12-04-beta` and the `…-beta-2025-12` drafts that followed it.
    V2025(Spec),
}

impl Format {
    /// A tree of its own with relative paths, in the current v2025 draft.
    pub const SNAPSHOT_2025: Self =
        Self::V2025(Spec { style: PathStyle::Relative, kind: Kind::Snapshot });

    /// Changes to such a tree.
    pub const DIFF_2025: Self = Self::V2025(Spec { style: PathStyle::Relative, kind: Kind::Diff });

    /// Where paths start; always at a root folder in v2023.
    #[must_use]
    pub const fn style(self) -> PathStyle {
        match self {
            Self::V2023 => PathStyle::Relative,
            Self::V2025(spec) => spec.style,
        }
    }

    /// Whether manifests in this format are trees or differences; always trees in v2023.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::V2023 => Kind::Snapshot,
            Self::V2025(spec) => spec.kind,
        }
    }
}

/// What a v2025 manifest is: the two words of its `specificationVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Whether paths start at a manifest root or at the file system's.
    pub style: PathStyle,
    /// Whether entries are a whole tree or changes to one.
    pub kind: Kind,
}

impl Spec {
    const ALL: [(Self, &'static str); 4] = {
        const fn spec(style: PathStyle, kind: Kind) -> Spec {
            Spec { style, kind }
        }
        use {Kind::Diff, Kind::Snapshot, PathStyle::Absolute, PathStyle::Relative};
        [
            (spec(Relative, Snapshot), "relative-manifest-snapshot-beta-2025-12"),
            (spec(Relative, Diff), "relative-manifest-diff-beta-2025-12"),
            (spec(Absolute, Snapshot), "absolute-manifest-snapshot-beta-2025-12"),
            (spec(Absolute, Diff), "absolute-manifest-diff-beta-2025-12"),
        ]
    };

    /// The `specificationVersion` of the current draft.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(spec, _)| *spec == self).map_or("", |(_, name)| name)
    }

    /// The specification that a version names. In `2025-12-04-beta` the presence of a parent's
    /// hash made a manifest a diff (`deadline.md` 2.1).
    pub(crate) fn from_name(name: PathRef<'_>, has_parent: bool) -> Option<Self> {
        let name = name.to_str()?;
        if name == "2025-12-04-beta" {
            let kind = if has_parent { Kind::Diff } else { Kind::Snapshot };
            return Some(Self { style: PathStyle::Relative, kind });
        }
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(spec, _)| *spec)
    }
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

    /// Whether this is a whole tree or a difference.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.format.kind()
    }

    /// Where the paths start.
    #[must_use]
    pub const fn style(&self) -> PathStyle {
        self.format.style()
    }

    /// The total size in bytes that the document states; not checked against the entries.
    #[must_use]
    pub const fn total_size(&self) -> u64 {
        self.total_size
    }

    /// The sum of the sizes of all files, in bytes; at most `i64::MAX`.
    #[must_use]
    pub fn total_file_bytes(&self) -> u64 {
        self.files().map(|(_, file)| file.size).sum()
    }

    /// Bytes in each chunk of files that are chunked; `None` if every file is one object.
    #[must_use]
    pub const fn chunk_size(&self) -> Option<u64> {
        self.chunk_size
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

    /// How many entries are files.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.files().count()
    }

    /// All entries, sorted by path in UTF-16 order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> + DoubleEndedIterator {
        self.table.records.iter().map(|record| self.table.resolve(record, self.chunk_size))
    }

    /// All files with their paths, sorted by path in UTF-16 order.
    pub fn files(&self) -> impl Iterator<Item = (PathRef<'_>, File<'_>)> {
        self.entries().filter_map(|entry| match entry.kind {
            EntryKind::File(file) => Some((entry.path, file)),
            _ => None,
        })
    }

    /// The entry at exactly `path`; folders that are only parents of entries have none.
    #[must_use]
    pub fn get(&self, path: PathRef<'_>) -> Option<Entry<'_>> {
        let index = self.table.find(path).ok()?;
        self.table.records.get(index).map(|record| self.table.resolve(record, self.chunk_size))
    }

    /// Whether there is a folder at `path`: an entry that says so, or one below it.
    #[must_use]
    pub fn is_folder(&self, path: PathRef<'_>) -> bool {
        if let Some(entry) = self.get(path) {
            return entry.kind == EntryKind::Directory;
        }
        let mut inside = PathBuf::from(path);
        inside.push(PathRef::from_wtf8(b""));
        let first = self.table.find(inside.as_ref()).unwrap_or_else(|place| place);
        let first = self.table.records.get(first);
        first.is_some_and(|record| self.table.path(record).is_below(path))
    }

    /// Makes sure that all entries can exist at once.
    ///
    /// Holds for whatever was decoded, built or composed. Only [`Manifest::merge`] can produce
    /// something else: as the official merge does, it keeps a file of one manifest beside a folder
    /// of the same name of another.
    ///
    /// # Errors
    /// [`ManifestError::Path`] with the first path that lies below a file or link.
    pub fn check_tree(&self) -> Result<(), ManifestError> {
        tree::find_clashes(&self.table).map(drop)
    }

    /// Makes sure that the manifest stands for one folder that can be shown by itself.
    ///
    /// # Errors
    /// [`ManifestError::DiffAlone`] for a diff, [`ManifestError::AbsoluteAlone`] for a manifest of
    /// absolute paths, or what [`Manifest::check_tree`] finds.
    pub fn ensure_mountable(&self) -> Result<(), ManifestError> {
        if self.kind() == Kind::Diff {
            return Err(ManifestError::DiffAlone { parent: self.parent_hash });
        }
        if self.style() == PathStyle::Absolute {
            return Err(ManifestError::AbsoluteAlone);
        }
        self.check_tree()
    }
}

impl PartialEq for Manifest {
    /// Equal if everything that can be asked is equal.
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format
            && self.total_size == other.total_size
            && self.chunk_size == other.chunk_size
            && self.parent_hash == other.parent_hash
            && self.entries().eq(other.entries())
    }
}

impl Eq for Manifest {}
