//! From untrusted text to a checked [`Manifest`].
//!
//! The document is scanned once, which checks its grammar and finds the known fields in whatever
//! order they stand; then each list is read once, because the meaning of entries depends on fields
//! behind them. No recursion, no intermediate tree: entries go straight into the table.

mod fields;
mod v2023;
mod v2025;

use crate::build::{ManifestBuilder, Refused};
use crate::error::{FieldError, FieldProblem, ManifestError};
use crate::json::Value;
use crate::limits::Limits;
use crate::manifest::{Entry, Format, Manifest, Spec};
use crate::path::{PathBuf, PathRef};

impl Manifest {
    /// Decodes a manifest of any known format.
    ///
    /// # Errors
    /// Whatever is wrong with the document: see [`ManifestError`]. `docs/manifests.md` lists what
    /// is refused although the official decoder accepts it.
    pub fn decode(text: &str) -> Result<Self, ManifestError> {
        Self::decode_with(text, &Limits::default())
    }

    /// Decodes the bytes of a manifest file or object, which must be UTF-8 as a whole.
    ///
    /// # Errors
    /// [`ManifestError::NotUtf8`], and as [`Manifest::decode`].
    pub fn decode_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let limits = Limits::default();
        check_document_size(bytes.len(), &limits)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|error| ManifestError::NotUtf8 { offset: error.valid_up_to() })?;
        Self::decode_with(text, &limits)
    }

    /// Decodes with other limits than the default ones.
    ///
    /// # Errors
    /// As [`Manifest::decode`].
    pub fn decode_with(text: &str, limits: &Limits) -> Result<Self, ManifestError> {
        check_document_size(text.len(), limits)?;
        if text.starts_with('\u{FEFF}') {
            return Err(ManifestError::ByteOrderMark);
        }
        let document = Document::read(text)?;
        let format = document.format()?;
        let mut builder = ManifestBuilder::with_limits(format, *limits);
        let declared = fields::integer(document.total_size, "totalSize", 0, i64::MAX);
        builder.declared_size = Some(declared.map_err(ManifestError::Field)?.cast_unsigned());
        match format {
            Format::V2023 => v2023::decode(&document, &mut builder)?,
            Format::V2025(_) => builder = v2025::decode(&document, builder)?,
        }
        builder.build()
    }
}

fn check_document_size(bytes: usize, limits: &Limits) -> Result<(), ManifestError> {
    if bytes as u64 > limits.manifest_bytes {
        let limit = limits.manifest_bytes;
        return Err(ManifestError::Limit { what: "bytes", found: bytes as u64, limit });
    }
    Ok(())
}

/// The values of all known fields of a document, lists still unread.
#[derive(Default)]
struct Document<'a> {
    hash_alg: Option<Value<'a>>,
    manifest_version: Option<Value<'a>>,
    specification_version: Option<Value<'a>>,
    total_size: Option<Value<'a>>,
    paths: Option<Value<'a>>,
    dirs: Option<Value<'a>>,
    files: Option<Value<'a>>,
    chunk_size: Option<Value<'a>>,
    parent_hash: Option<Value<'a>>,
}

impl<'a> Document<'a> {
    fn read(text: &'a str) -> Result<Self, ManifestError> {
        let mut document = Self::default();
        let is_object = Value::document(text)?.members(|key, value| {
            // Of several equal keys the last one counts, as in Python.
            let value = Some(value);
            match key {
                b"hashAlg" => document.hash_alg = value,
                b"manifestVersion" => document.manifest_version = value,
                b"specificationVersion" => document.specification_version = value,
                b"totalSize" => document.total_size = value,
                b"paths" => document.paths = value,
                b"dirs" => document.dirs = value,
                b"files" => document.files = value,
                b"fileChunkSizeBytes" => document.chunk_size = value,
                b"parentManifestHash" => document.parent_hash = value,
                _ => {}
            }
        });
        if is_object { Ok(document) } else { Err(ManifestError::NotAnObject) }
    }

    /// Which format the document is in, and that it uses the one hash algorithm.
    fn format(&self) -> Result<Format, ManifestError> {
        let mut buffer = Vec::new();
        let mut text = |value, field| {
            let text = fields::text(value, field, &mut buffer).map_err(ManifestError::Field)?;
            Ok(PathBuf::from_wtf8(text.to_vec()))
        };
        // The official decoder looks at manifestVersion alone; one draft wrote its
        // specification there (deadline.md 2.2).
        let old = self.manifest_version.map(|_| text(self.manifest_version, "manifestVersion"));
        let old = old.transpose()?;
        let format = if old.as_ref().is_some_and(|old| old.as_ref().as_wtf8() == b"2023-03-03") {
            Format::V2023
        } else {
            let found = match (&self.specification_version, old) {
                (Some(_), _) => text(self.specification_version, "specificationVersion")?,
                (None, Some(old)) => old,
                (None, None) => {
                    let problem = FieldProblem::Missing;
                    let field = "manifestVersion";
                    return Err(ManifestError::Field(FieldError { field, problem }));
                }
            };
            let is_diff = fields::present(self.parent_hash).is_some();
            let spec = Spec::from_name(found.as_ref(), is_diff);
            let unknown = || ManifestError::UnknownVersion { found: shortened(&found) };
            Format::V2025(spec.ok_or_else(unknown)?)
        };
        let hash_alg = text(self.hash_alg, "hashAlg")?;
        if hash_alg.as_ref().as_wtf8() != b"xxh128" {
            return Err(ManifestError::UnsupportedHash { found: shortened(&hash_alg) });
        }
        Ok(format)
    }
}

/// What an error shows of a text that can be anything.
fn shortened(text: &PathBuf) -> String {
    text.to_string().chars().take(100).collect()
}

/// Where in a document an entry stands, for errors.
#[derive(Clone, Copy)]
struct Place {
    list: &'static str,
    index: usize,
}

impl Place {
    /// Names the entry in whatever `refused` it.
    fn locate(self, path: Option<&[u8]>, refused: impl Into<Refused>) -> ManifestError {
        match refused.into() {
            Refused::Entry(rule) => {
                let path = path.map(|path| PathRef::from_wtf8(path).into());
                ManifestError::Entry { list: self.list, index: self.index, path, rule }
            }
            Refused::Manifest(error) => error,
        }
    }

    fn push(self, builder: &mut ManifestBuilder, entry: Entry<'_>) -> Result<(), ManifestError> {
        let path = entry.path.as_wtf8();
        builder.push_decoded(entry).map_err(|refused| self.locate(Some(path), refused))
    }
}
