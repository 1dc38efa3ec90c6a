//! All that may be projected on disk: what is projected now, and what was before.

use std::sync::Arc;

use rusty_attachments_model::PathRef;
use rusty_attachments_vfs::ContentIdentity;

use super::paths::wide;
use super::shown::Shown;
use crate::disk::DiskItem;
use crate::error::ProjFsError;
use crate::projection::{Found, ManifestProjection, ProjectedFileInfo, ProjectedKind};

/// Times on disk may be coarser than those of manifests; equal ones lie closer than this.
const SAME_TIME_NS: i128 = 2_000_000_000;

/// From 1601, where Windows begins to count, to 1970, in units of 100 ns.
const EPOCH: i128 = 11_644_473_600 * 10_000_000;

/// What placeholders on disk may be of.
#[derive(Debug)]
pub(super) struct Bases {
    pub(super) projection: Arc<ManifestProjection>,
    /// Manifests whose placeholders may not all have been brought up to date.
    pub(super) shown: Vec<Shown>,
}

impl Bases {
    /// What is projected at a path, the present first, and then what was.
    pub(super) fn at(&self, path: PathRef<'_>) -> Result<Vec<Found>, ProjFsError> {
        let path = wide(path);
        let mut found: Vec<_> = self.projection.find(&path)?.into_iter().collect();
        for shown in &self.shown {
            found.extend(shown.projection.find(&path)?);
        }
        Ok(found)
    }

    /// Whether what was projected at a path, at any time, is not what is projected there now.
    pub(super) fn is_outdated(&self, path: PathRef<'_>) -> Result<bool, ProjFsError> {
        if self.shown.is_empty() {
            return Ok(false);
        }
        let path = wide(path);
        let now = self.projection.find(&path)?;
        for shown in &self.shown {
            let Some(was) = shown.projection.find(&path)? else { continue };
            let is_same = now.as_ref().is_some_and(|now| {
                now.path == was.path
                    && now.kind == was.kind
                    && now.content == was.content
                    && now.size == was.size
                    && now.write_time == was.write_time
            });
            if !is_same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The content that was projected at a path when a file there was changed.
    pub(super) fn content(
        &self,
        path: PathRef<'_>,
    ) -> Result<Option<ContentIdentity>, ProjFsError> {
        let path = wide(path);
        for shown in &self.shown {
            if let Some(found) = shown.projection.find(&path)? {
                return Ok(found.content);
            }
        }
        Ok(self.projection.find(&path)?.and_then(|found| found.content))
    }
}

/// Whether a placeholder of a file is the one that was made for this entry, as far as its size and
/// time tell: what was renamed over it mostly has others (projfs.md N1).
pub(super) fn is_made_for(item: &DiskItem, info: &ProjectedFileInfo) -> bool {
    let written = (i128::from(info.write_time) - EPOCH) * 100;
    let is_same_time = (item.mtime_ns - written).abs() < SAME_TIME_NS;
    info.kind == ProjectedKind::File
        && item.size == info.size
        && (is_same_time || item.state.is_dirty())
}
