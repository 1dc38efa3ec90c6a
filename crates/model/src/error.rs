//! What can be wrong with a manifest, an entry, a path, or an operation on manifests.

use crate::hash::ContentHash;
use crate::path::PathBuf;

/// Why a manifest, or an operation on manifests, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The document is not UTF-8.
    #[error("the manifest is not UTF-8 text: an invalid sequence starts at byte {offset}")]
    NotUtf8 {
        /// Bytes before the invalid sequence.
        offset: usize,
    },
    /// The document starts with U+FEFF, which the official decoder refuses as well.
    #[error("the manifest starts with a byte order mark: store it as UTF-8 without one")]
    ByteOrderMark,
    /// The document is not JSON.
    #[error("the manifest is not valid JSON: {problem} (line {line}, column {column})")]
    Json {
        /// Line, counted from 1.
        line: usize,
        /// Byte in the line, counted from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The document is JSON, but not an object.
    #[error("the manifest is not a JSON object")]
    NotAnObject,
    /// A field of the document (not of an entry) is wrong.
    #[error("the manifest's {0}")]
    Field(FieldError),
    /// The version is none that this crate reads.
    #[error(
        "unknown manifest version '{found}': known are 2023-03-03, 2025-12-04-beta and \
         {{absolute,relative}}-manifest-{{snapshot,diff}}-beta-2025-12"
    )]
    UnknownVersion {
        /// The version that the document states, shortened to 100 characters.
        found: String,
    },
    /// The manifest states another hash algorithm than `xxh128`.
    #[error("unsupported hashAlg '{found}': only xxh128 is defined")]
    UnsupportedHash {
        /// The algorithm that the document states, shortened to 100 characters.
        found: String,
    },
    /// A v2023 manifest without entries, which the official decoder refuses.
    #[error("the manifest has no entries: without files there is no 2023-03-03 manifest")]
    Empty,
    /// An entry of a document breaks a rule.
    #[error("entry {index} of '{list}'{}: {rule}", display_path(path.as_ref()))]
    Entry {
        /// The list that holds the entry: `paths`, `files` or `dirs`.
        list: &'static str,
        /// The place in the list, counted from 0.
        index: usize,
        /// The entry's path, as far as it could be read.
        path: Option<PathBuf>,
        /// The rule.
        rule: EntryRule,
    },
    /// A path breaks a rule that needs other entries, or was given to a builder.
    #[error("'{path}': {rule}")]
    Path {
        /// The path.
        path: PathBuf,
        /// The rule.
        rule: EntryRule,
    },
    /// Something is larger than [`Limits`](crate::Limits) allow.
    #[error("the manifest has too many {what}: {found} exceed the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is, as far as counted.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// Merging was asked for no manifest at all.
    #[error("there is no manifest to merge")]
    NothingToMerge,
    /// Manifests of different formats, styles or chunk sizes cannot be combined.
    #[error("the manifests differ in their {what}: convert one of them first")]
    Mismatch {
        /// What differs.
        what: &'static str,
    },
    /// An operation needs a snapshot and was given a diff, or the other way round.
    #[error("{operation} needs a {needed} manifest here")]
    WrongKind {
        /// The operation.
        operation: &'static str,
        /// The kind that it needs.
        needed: &'static str,
    },
    /// A diff was made for another parent.
    #[error("the diff is for the parent manifest {named}, but the given one is {given}")]
    WrongParent {
        /// `parentManifestHash` of the diff.
        named: ContentHash,
        /// Hash of the parent's bytes.
        given: ContentHash,
    },
    /// A diff does not say for which parent it was made.
    #[error("the diff names no parentManifestHash, so nothing tells whether it fits this parent")]
    UnnamedParent,
    /// A diff cannot be mounted.
    #[error("a diff manifest lists only changes and cannot be mounted: compose it onto its parent {}",
        parent.map_or_else(|| "(which it does not name)".to_owned(), |hash| format!("manifest {hash}")))]
    DiffAlone {
        /// The parent that the diff names.
        parent: Option<ContentHash>,
    },
    /// An absolute manifest cannot be mounted.
    #[error(
        "an absolute manifest names paths of the machine that made it and cannot be mounted: \
         make a relative one of the folder you want"
    )]
    AbsoluteAlone,
}

/// How an error message shows a path that may not be known.
fn display_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" ('{path}')"))
}

/// A field with a value that it must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{field}' {problem}")]
pub struct FieldError {
    /// The field's key.
    pub field: &'static str,
    /// What is wrong with its value.
    pub problem: FieldProblem,
}

/// What is wrong with the value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldProblem {
    /// The field is not there.
    #[error("is missing")]
    Missing,
    /// Not a string.
    #[error("is not a string")]
    NotText,
    /// A float, a boolean or no number at all.
    #[error("is not an integer")]
    NotInteger,
    /// An integer, but negative or too large.
    #[error("is out of range: {min} to {max} are allowed")]
    OutOfRange {
        /// The least allowed value.
        min: i64,
        /// The greatest allowed value.
        max: i64,
    },
    /// Not `true` or `false`.
    #[error("is not a boolean")]
    NotBoolean,
    /// Not a list.
    #[error("is not a list")]
    NotList,
    /// Not an object.
    #[error("is not an object")]
    NotObject,
    /// Not 32 lower-case hex digits.
    #[error("is not an xxh128 hash of 32 lower-case hex digits")]
    NotHash,
}

/// A rule that an entry breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryRule {
    /// The list holds something else than an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// A field of the entry is wrong.
    #[error(transparent)]
    Field(FieldError),
    /// The path is unsafe or too long.
    #[error("the path {0}")]
    Path(PathRule),
    /// The link target is unsafe or too long.
    #[error("the link's target {0}")]
    Target(PathRule),
    /// `$N/…` with an `N` that is no (earlier) entry of `dirs`.
    #[error("'${0}/' refers to no earlier entry of 'dirs'")]
    DanglingReference(String),
    /// Another entry has the same path.
    #[error("appears more than once")]
    Duplicate,
    /// A file is also used as a folder.
    #[error("lies below '{file}', which is a file")]
    BelowFile {
        /// The file.
        file: PathBuf,
    },
    /// A symbolic link is also used as a folder.
    #[error("lies below '{link}', which is a symbolic link")]
    BelowLink {
        /// The link.
        link: PathBuf,
    },
    /// The file sizes add up to more than 2^63 - 1 bytes.
    #[error("the sizes of all files up to here exceed 9223372036854775807 bytes")]
    SizesOverflow,
    /// A size above 2^63 - 1 (only a builder can state one).
    #[error("a file of {0} bytes is larger than any file system holds")]
    SizeTooLarge(u64),
    /// A file without `hash` and `chunkhashes`.
    #[error("has neither 'hash' nor 'chunkhashes', so its content is unknown")]
    NoContent,
    /// More than one of `hash`, `chunkhashes`, `symlink`, `delete`.
    #[error("has more than one of 'hash', 'chunkhashes', 'symlink' and 'delete'")]
    MixedContent,
    /// Chunk hashes in a manifest that states no chunk size.
    #[error("has 'chunkhashes' although the manifest's files are not chunked")]
    ChunksWithoutSize,
    /// Chunk hashes that do not fit the size.
    #[error(
        "has {found} chunk hashes, but its size makes {expected} chunks of {chunk_size} bytes \
         (and a file of one chunk has a 'hash' instead)"
    )]
    ChunkCount {
        /// Chunks that the size makes.
        expected: u64,
        /// Chunk hashes listed.
        found: u64,
        /// Bytes in each chunk.
        chunk_size: u64,
    },
    /// A builder's entry states another chunk size than the builder.
    #[error("is chunked by {found} bytes in a manifest chunked by another size")]
    ChunkSize {
        /// The entry's chunk size.
        found: u64,
    },
    /// A deletion in a manifest that is not a diff.
    #[error("is a deletion, which only a diff manifest may hold")]
    DeletionInSnapshot,
    /// Something that v2023 has no words for.
    #[error("is {0}, which a 2023-03-03 manifest cannot express")]
    NotInV2023(&'static str),
}

/// What makes a path unsafe to show below a mount point, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathRule {
    /// The empty string.
    #[error("is empty")]
    Empty,
    /// Starts with `/` in a relative manifest.
    #[error("is absolute, in a manifest of relative paths")]
    Absolute,
    /// Starts with a drive such as `C:/` in a relative manifest.
    #[error("starts with a drive, in a manifest of relative paths")]
    Drive,
    /// Starts neither with `/` nor with a drive in an absolute manifest.
    #[error("is relative, in a manifest of absolute paths")]
    Relative,
    /// `//`, or a `/` at the end.
    #[error("has an empty component ('//' or a '/' at the end)")]
    EmptyComponent,
    /// A component `.`.
    #[error("has a component '.'")]
    Dot,
    /// A component `..`.
    #[error("has a component '..' and could leave the root")]
    DotDot,
    /// A NUL character.
    #[error("holds a NUL character")]
    Nul,
    /// More bytes than allowed.
    #[error("has {bytes} bytes, more than {limit}")]
    TooLong {
        /// Bytes in WTF-8.
        bytes: u64,
        /// [`Limits::path_bytes`](crate::Limits::path_bytes).
        limit: u64,
    },
    /// More components than allowed.
    #[error("has more than {limit} components")]
    TooDeep {
        /// [`Limits::path_depth`](crate::Limits::path_depth).
        limit: u64,
    },
    /// A component with more UTF-16 units than allowed.
    #[error("has a component of more than {limit} UTF-16 units")]
    ComponentTooLong {
        /// [`Limits::component_units`](crate::Limits::component_units).
        limit: u64,
    },
    /// A link target such as `$0/x` where `$0` is a file or link of the manifest: the format has no
    /// way to tell it from a reference (only a builder can be given such a target).
    #[error("starts like a reference to 'dirs' and passes through a file or link of that name")]
    Ambiguous,
    /// Not well-formed WTF-8 (only a builder can be given such a path).
    #[error("is not well-formed WTF-8")]
    NotWtf8,
}
