//! Entries of the v2025 drafts, in every spelling known (`deadline.md` 2.1 and 2.2).

use crate::build::{DEFAULT_CHUNK_SIZE, ManifestBuilder, Refused};
use crate::check::entry::check_chunk_count;
use crate::decode::{Document, Place, fields};
use crate::error::{EntryRule, FieldError, FieldProblem, ManifestError};
use crate::hash::ContentHash;
use crate::json::Value;
use crate::manifest::{Content, Entry, EntryKind, File};
use crate::path::{PathRef, reference};

/// The known fields of one entry of `dirs` or `files`, still unchecked.
#[derive(Default)]
struct Fields<'a> {
    name: Option<Value<'a>>,
    /// What `name` was called in January 2026.
    path: Option<Value<'a>>,
    delete: Option<Value<'a>>,
    /// What `delete` was called in January 2026.
    deleted: Option<Value<'a>>,
    hash: Option<Value<'a>>,
    chunk_hashes: Option<Value<'a>>,
    symlink: Option<Value<'a>>,
    size: Option<Value<'a>>,
    mtime: Option<Value<'a>>,
    runnable: Option<Value<'a>>,
}

/// What is kept from entry to entry to save allocations.
#[derive(Default)]
struct Buffers {
    /// The path with its `$N/` replaced.
    path: Vec<u8>,
    /// The link target with its `$N/` replaced.
    target: Vec<u8>,
    text: Vec<u8>,
    chunks: Vec<ContentHash>,
}

/// Reads all entries of `document` into `builder`.
pub(super) fn decode(
    document: &Document<'_>,
    builder: ManifestBuilder,
) -> Result<ManifestBuilder, ManifestError> {
    let mut buffers = Buffers::default();
    let parent = fields::present(document.parent_hash)
        .map(|value| fields::hash(Some(value), "parentManifestHash", &mut buffers.text))
        .transpose()
        .map_err(ManifestError::Field)?;
    let chunk_size = chunk_size(document).map_err(ManifestError::Field)?;
    let mut builder = builder.with_chunk_size(chunk_size).with_parent_hash(parent);

    let dirs = fields::present(document.dirs);
    let files = fields::present(document.files);
    if dirs.is_none() && files.is_none() {
        let problem = FieldProblem::Missing;
        return Err(ManifestError::Field(FieldError { field: "files", problem }));
    }
    let mut dir_count = 0;
    for (list, value) in [("dirs", dirs), ("files", files)] {
        let Some(value) = value else { continue };
        let most = builder.context().limits.entries;
        let items = fields::list(Some(value), list, most).map_err(ManifestError::Field)?;
        builder.reserve(items.len());
        let mut place = Place { list, index: 0 };
        for item in items {
            let Some(fields) = Fields::read(item) else {
                return Err(place.locate(None, EntryRule::NotAnObject));
            };
            // A folder may refer to earlier folders, a file to all of them.
            if list == "dirs" {
                dir_count = place.index;
            }
            fields.push(place, dir_count, &mut builder, &mut buffers)?;
            place.index += 1;
        }
        dir_count = builder.len();
    }
    Ok(builder)
}

/// Bytes in a chunk: 256 MiB if nothing is stated, 0 for -1, which means whole files.
fn chunk_size(document: &Document<'_>) -> Result<u64, FieldError> {
    const FIELD: &str = "fileChunkSizeBytes";
    let Some(value) = fields::present(document.chunk_size) else {
        return Ok(DEFAULT_CHUNK_SIZE);
    };
    if value.integer() == Some(Some(-1)) {
        return Ok(0);
    }
    fields::integer(Some(value), FIELD, 1, i64::MAX).map(i64::cast_unsigned)
}

impl<'a> Fields<'a> {
    /// Reads an item; `None` if it is no object.
    fn read(item: Value<'a>) -> Option<Self> {
        let mut fields = Self::default();
        let is_object = item.members(|key, value| {
            // Drafts that serialise optional fields write them as null.
            let value = fields::present(Some(value));
            match key {
                b"name" => fields.name = value,
                b"path" => fields.path = value,
                b"delete" => fields.delete = value,
                b"deleted" => fields.deleted = value,
                b"hash" => fields.hash = value,
                b"chunkhashes" => fields.chunk_hashes = value,
                b"symlink" => fields.symlink = value,
                b"size" => fields.size = value,
                b"mtime" => fields.mtime = value,
                b"runnable" => fields.runnable = value,
                _ => {}
            }
        });
        is_object.then_some(fields)
    }

    fn push(
        &self,
        place: Place,
        dir_count: usize,
        builder: &mut ManifestBuilder,
        buffers: &mut Buffers,
    ) -> Result<(), ManifestError> {
        let Buffers { path, target, text, chunks } = buffers;
        let name = fields::text(self.name.or(self.path), "name", text)
            .map_err(|error| place.locate(None, error))?;
        resolve(name, dir_count, builder, path).map_err(|rule| place.locate(Some(name), rule))?;
        let kind = match place.list {
            "dirs" => self.directory(),
            _ => self.file(dir_count, builder, target, text, chunks),
        };
        let kind = kind.map_err(|refused| place.locate(Some(path), refused))?;
        place.push(builder, Entry { path: PathRef::from_wtf8(path), kind })
    }

    fn is_deletion(&self) -> Result<bool, FieldError> {
        fields::flag(self.delete.or(self.deleted), "delete")
    }

    fn directory(&self) -> Result<EntryKind<'static>, Refused> {
        Ok(match self.is_deletion()? {
            true => EntryKind::DeletedDirectory,
            false => EntryKind::Directory,
        })
    }

    /// What an entry of `files` is.
    fn file<'b>(
        &self,
        dir_count: usize,
        builder: &ManifestBuilder,
        target: &'b mut Vec<u8>,
        text: &mut Vec<u8>,
        chunks: &'b mut Vec<ContentHash>,
    ) -> Result<EntryKind<'b>, Refused> {
        let is_deletion = self.is_deletion()?;
        let contents = [self.hash, self.chunk_hashes, self.symlink];
        match contents.iter().flatten().count() + usize::from(is_deletion) {
            0 => return Err(EntryRule::NoContent.into()),
            1 => {}
            _ => return Err(EntryRule::MixedContent.into()),
        }
        if is_deletion {
            return Ok(EntryKind::DeletedFile);
        }
        if let Some(symlink) = self.symlink {
            resolve(link_name(symlink, text)?, dir_count, builder, target)?;
            return Ok(EntryKind::Symlink { target: PathRef::from_wtf8(target) });
        }
        let size = fields::integer(self.size, "size", 0, i64::MAX)?.cast_unsigned();
        Ok(EntryKind::File(File {
            size,
            mtime_us: fields::integer(self.mtime, "mtime", i64::MIN, i64::MAX)?,
            runnable: fields::flag(self.runnable, "runnable")?,
            content: match self.chunk_hashes {
                Some(list) => read_chunks(list, size, builder, text, chunks)?,
                None => Content::Whole(fields::hash(self.hash, "hash", text)?),
            },
        }))
    }
}

/// The target of `{"name": …}`, or of `{"target": …}` as it was called in January 2026.
fn link_name<'b, 'a: 'b>(symlink: Value<'a>, text: &'b mut Vec<u8>) -> Result<&'b [u8], Refused> {
    let (mut name, mut target) = (None, None);
    let is_object = symlink.members(|key, value| match key {
        b"name" => name = fields::present(Some(value)),
        b"target" => target = fields::present(Some(value)),
        _ => {}
    });
    if !is_object {
        return Err(FieldError { field: "symlink", problem: FieldProblem::NotObject }.into());
    }
    Ok(fields::text(name.or(target), "symlink.name", text)?)
}

/// Reads chunk hashes, after their number was found to fit the size.
fn read_chunks<'b>(
    list: Value<'_>,
    size: u64,
    builder: &ManifestBuilder,
    text: &mut Vec<u8>,
    chunks: &'b mut Vec<ContentHash>,
) -> Result<Content<'b>, Refused> {
    let items = fields::list(Some(list), "chunkhashes", builder.context().limits.chunks)?;
    let chunk_size = builder.context().chunk_size.ok_or(EntryRule::ChunksWithoutSize)?;
    check_chunk_count(size, chunk_size, items.len() as u64)?;
    chunks.clear();
    for item in items {
        chunks.push(fields::hash(Some(item), "chunkhashes", text)?);
    }
    Ok(Content::Chunked { chunk_size, hashes: chunks })
}

/// Replaces `$N/` at the start of `name` by the path of entry `N` of `dirs`.
///
/// Anything else is literal: drafts D and E store plain paths, and `$` is an ordinary character.
fn resolve(
    name: &[u8],
    dir_count: usize,
    builder: &ManifestBuilder,
    path: &mut Vec<u8>,
) -> Result<(), EntryRule> {
    path.clear();
    let Some((digits, rest)) = reference(name) else {
        path.extend_from_slice(name);
        return Ok(());
    };
    let folder = digits
        .iter()
        .try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')))
        .filter(|&index| index < dir_count)
        .and_then(|index| builder.path(index))
        .ok_or_else(|| {
            let shown = digits.iter().take(20).copied().map(char::from);
            EntryRule::DanglingReference(shown.collect())
        })?;
    path.extend_from_slice(folder.as_wtf8());
    path.push(b'/');
    path.extend_from_slice(rest);
    Ok(())
}
