//! What one entry may say in a manifest of a given format.

use crate::check::path;
use crate::error::EntryRule;
use crate::limits::Limits;
use crate::manifest::{Content, Entry, EntryKind, File, Format, Kind};

/// What an entry is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) format: Format,
    /// `None` if files are not chunked.
    pub(crate) chunk_size: Option<u64>,
    pub(crate) limits: Limits,
}

/// Checks everything about an entry that needs no other entry.
pub(crate) fn check(entry: &Entry<'_>, context: &Context) -> Result<(), EntryRule> {
    let style = context.format.style();
    path::check(entry.path, style, &context.limits).map_err(EntryRule::Path)?;
    if context.format == Format::V2023
        && let Some(what) = beyond_v2023(&entry.kind)
    {
        return Err(EntryRule::NotInV2023(what));
    }
    match entry.kind {
        EntryKind::Directory => Ok(()),
        EntryKind::File(file) => check_file(&file, context),
        EntryKind::Symlink { target } => {
            path::check(target, style, &context.limits).map_err(EntryRule::Target)
        }
        EntryKind::DeletedFile | EntryKind::DeletedDirectory => match context.format.kind() {
            Kind::Diff => Ok(()),
            Kind::Snapshot => Err(EntryRule::DeletionInSnapshot),
        },
    }
}

/// What an entry is, if v2023 has no words for it.
pub(crate) const fn beyond_v2023(kind: &EntryKind<'_>) -> Option<&'static str> {
    match kind {
        EntryKind::File(File { content: Content::Chunked { .. }, .. }) => Some("a chunked file"),
        EntryKind::File(File { runnable: true, .. }) => Some("a file with an execute bit"),
        EntryKind::File(_) => None,
        EntryKind::Directory => Some("a folder of its own"),
        EntryKind::Symlink { .. } => Some("a symbolic link"),
        EntryKind::DeletedFile | EntryKind::DeletedDirectory => Some("a deletion"),
    }
}

fn check_file(file: &File<'_>, context: &Context) -> Result<(), EntryRule> {
    if i64::try_from(file.size).is_err() {
        return Err(EntryRule::SizeTooLarge(file.size));
    }
    let Content::Chunked { chunk_size: found, hashes } = file.content else {
        return Ok(());
    };
    let chunk_size = context.chunk_size.ok_or(EntryRule::ChunksWithoutSize)?;
    if found != chunk_size {
        return Err(EntryRule::ChunkSize { found });
    }
    check_chunk_count(file.size, chunk_size, hashes.len() as u64)
}

/// A chunked file has one hash for each chunk and at least two chunks (`deadline.md` 2.1).
pub(crate) fn check_chunk_count(size: u64, chunk_size: u64, found: u64) -> Result<(), EntryRule> {
    let expected = size.div_ceil(chunk_size.max(1));
    if expected < 2 || found != expected {
        return Err(EntryRule::ChunkCount { expected, found, chunk_size });
    }
    Ok(())
}
