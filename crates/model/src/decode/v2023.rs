//! Entries of the production format `2023-03-03` (`deadline.md` 1.1).

use crate::build::ManifestBuilder;
use crate::decode::{Document, Place, fields};
use crate::error::{EntryRule, FieldError, ManifestError};
use crate::json::Value;
use crate::manifest::{Content, Entry, EntryKind, File};
use crate::path::PathRef;

/// The known fields of one entry, still unchecked.
#[derive(Default)]
struct Fields<'a> {
    path: Option<Value<'a>>,
    hash: Option<Value<'a>>,
    size: Option<Value<'a>>,
    mtime: Option<Value<'a>>,
}

/// Buffers for unescaping, kept from entry to entry.
#[derive(Default)]
struct Buffers {
    path: Vec<u8>,
    other: Vec<u8>,
}

/// Reads all entries of `document` into `builder`.
pub(super) fn decode(
    document: &Document<'_>,
    builder: &mut ManifestBuilder,
) -> Result<(), ManifestError> {
    let most = builder.context().limits.entries;
    let items = fields::list(document.paths, "paths", most).map_err(ManifestError::Field)?;
    builder.reserve(items.len());
    let mut buffers = Buffers::default();
    let mut place = Place { list: "paths", index: 0 };
    for item in items {
        let Some(fields) = Fields::read(item) else {
            return Err(place.locate(None, EntryRule::NotAnObject));
        };
        let path = fields::text(fields.path, "path", &mut buffers.path)
            .map_err(|error| place.locate(None, error))?;
        let file =
            fields.file(&mut buffers.other).map_err(|error| place.locate(Some(path), error))?;
        let kind = EntryKind::File(file);
        place.push(builder, Entry { path: PathRef::from_wtf8(path), kind })?;
        place.index += 1;
    }
    Ok(())
}

impl<'a> Fields<'a> {
    /// Reads an item; `None` if it is no object.
    fn read(item: Value<'a>) -> Option<Self> {
        let mut fields = Self::default();
        let is_object = item.members(|key, value| match key {
            b"path" => fields.path = Some(value),
            b"hash" => fields.hash = Some(value),
            b"size" => fields.size = Some(value),
            b"mtime" => fields.mtime = Some(value),
            _ => {}
        });
        is_object.then_some(fields)
    }

    fn file(&self, buffer: &mut Vec<u8>) -> Result<File<'static>, FieldError> {
        Ok(File {
            size: fields::integer(self.size, "size", 0, i64::MAX)?.cast_unsigned(),
            mtime_us: fields::integer(self.mtime, "mtime", i64::MIN, i64::MAX)?,
            runnable: false,
            content: Content::Whole(fields::hash(self.hash, "hash", buffer)?),
        })
    }
}
