//! Several manifests of one root as one.

use crate::build::ManifestBuilder;
use crate::error::ManifestError;
use crate::manifest::{Format, Kind, Manifest};

impl Manifest {
    /// Merges manifests of one root: of several entries for one path, the one in the last manifest
    /// wins, whatever the times say (`deadline.md` 1.7). One manifest alone passes through
    /// untouched; otherwise the total size is computed anew.
    ///
    /// As with the official tools, a v2023 merge may hold a file of one manifest beside a folder
    /// of the same name of another: [`Manifest::check_tree`] refuses that.
    ///
    /// # Errors
    /// [`ManifestError::NothingToMerge`], [`ManifestError::Mismatch`] if formats or chunk sizes
    /// differ, [`ManifestError::WrongKind`] for several diffs (compose them instead),
    /// [`ManifestError::Limit`], and for v2025 what [`Manifest::check_tree`] finds.
    pub fn merge(manifests: &[&Self]) -> Result<Self, ManifestError> {
        let (first, rest) = manifests.split_first().ok_or(ManifestError::NothingToMerge)?;
        if rest.is_empty() {
            return Ok((*first).clone());
        }
        if first.kind() == Kind::Diff {
            return Err(ManifestError::WrongKind { operation: "merging", needed: "snapshot" });
        }
        for other in rest {
            if other.format != first.format {
                return Err(ManifestError::Mismatch { what: "format" });
            }
            if other.chunk_size != first.chunk_size {
                return Err(ManifestError::Mismatch { what: "chunk size" });
            }
        }
        let mut builder = ManifestBuilder::like(first);
        builder.reserve(manifests.iter().map(|manifest| manifest.len()).sum());
        for manifest in manifests {
            builder.push_all(manifest.entries())?;
        }
        let merged = builder.build_last_wins();
        if merged.format != Format::V2023 {
            merged.check_tree()?;
        }
        Ok(merged)
    }
}
