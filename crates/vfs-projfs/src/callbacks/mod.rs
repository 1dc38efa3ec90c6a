//! Layer 2: what a callback means. No ProjFS types, no disk: tested without a mount.

mod content_id;
mod policy;
mod presence;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use rusty_attachments_vfs::{ContentIdentity, Outcome, ReadData, VfsError, Volume};

pub(crate) use self::content_id::{CONTENT_ID_BYTES, decode_content_id, encode_content_id};
pub use self::policy::{Operation, OperationPolicy, ProtectInputs};
pub(crate) use self::presence::{OnDisk, Presence};
use crate::error::ProjFsError;
use crate::projection::{Found, ManifestProjection, ProjectedFileInfo};

/// Something happened at a path: look at it again (projfs.md K16). Paths are relative to the root,
/// in UTF-16 with backslashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Something was made, written, converted to full or deleted there.
    Look(Vec<u16>),
    /// A file got another name. An empty path is outside of the root.
    Linked {
        /// The name that it had.
        path: Vec<u16>,
        /// The new one.
        link: Vec<u16>,
    },
    /// Something was moved. An empty path is outside of the root.
    Renamed {
        /// From where.
        from: Vec<u16>,
        /// Where to.
        to: Vec<u16>,
        /// Whether it is a folder.
        directory: bool,
    },
    /// The placeholder that was made there does not say what its content is, or has got some wrong
    /// bytes: delete it, unless it is the user's by now, so that the projection shows again
    /// (projfs.md H9, J10). Handles are still open for a while.
    Repair(Vec<u16>),
    /// Right content is on its way there: a `Repair` that waits is not wanted any more. Another one
    /// follows if that fails.
    NoRepair(Vec<u16>),
}

/// Takes hints. Never blocks; called from callbacks.
pub(crate) trait HintSink: Send + Sync {
    /// Takes one.
    fn take(&self, hint: Hint);
}

/// What the callbacks of ProjFS mean for one projection.
pub struct VfsCallbacks {
    projection: Arc<ManifestProjection>,
    volume: Arc<dyn Volume>,
    policy: Option<Arc<dyn OperationPolicy>>,
    hints: Arc<dyn HintSink>,
    presence: Arc<Presence>,
}

impl VfsCallbacks {
    pub(crate) fn new(
        projection: Arc<ManifestProjection>,
        volume: Arc<dyn Volume>,
        policy: Option<Arc<dyn OperationPolicy>>,
        hints: Arc<dyn HintSink>,
        presence: Arc<Presence>,
    ) -> Self {
        Self { projection, volume, policy, hints, presence }
    }

    /// What is projected.
    #[must_use]
    pub fn projection(&self) -> &Arc<ManifestProjection> {
        &self.projection
    }

    /// What a folder lists. A path that is not projected, or no folder, lists nothing, so that
    /// what users made there stays visible (projfs.md F20).
    ///
    /// # Errors
    /// The volume cannot list it.
    pub fn list(&self, folder: &[u16]) -> Result<Arc<[ProjectedFileInfo]>, ProjFsError> {
        let listing = match self.projection.folder(folder)? {
            Some(folder) => self.projection.listing(folder)?,
            None => None,
        };
        Ok(listing.unwrap_or_default())
    }

    /// What is projected at a path, in whatever case; `None` if nothing.
    ///
    /// # Errors
    /// The volume cannot list a folder of the path.
    pub fn describe(&self, path: &[u16]) -> Result<Option<Found>, ProjFsError> {
        self.projection.find(path)
    }

    /// Bytes of content, verified.
    pub fn read(&self, content: ContentIdentity, offset: u64, length: usize) -> Outcome<ReadData> {
        self.volume.read_content(content, offset, length)
    }

    /// All bytes of some content in their order; its end comes only once all of it was verified.
    pub fn copy(&self, content: ContentIdentity) -> BoxStream<'static, Result<ReadData, VfsError>> {
        self.volume.copy_content(content)
    }

    /// Changes while bytes of the volume arrive.
    pub(crate) fn progress(&self) -> u64 {
        self.volume.progress()
    }

    /// Whether a program may do this to a path (projfs.md K5, K6, K8).
    #[must_use]
    pub fn allows(&self, operation: &Operation<'_>) -> bool {
        let Some(policy) = &self.policy else { return true };
        // What cannot be looked up could be an input.
        let is_free = |path: &[u16]| self.projection.find(path).is_ok_and(|found| found.is_none());
        policy.allows(operation, &|path| !is_free(path))
    }

    /// Whether operations are asked about at all: notifications cost a round trip each.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    pub(crate) fn note(&self, hint: Hint) {
        self.hints.take(hint);
    }

    /// Counts of what is on disk.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }
}

impl std::fmt::Debug for VfsCallbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VfsCallbacks").field("projection", &self.projection).finish_non_exhaustive()
    }
}
