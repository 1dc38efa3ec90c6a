//! Layer 1: what there should be, as ProjFS wants to hear it.
//!
//! Listings are sorted as NTFS sorts, names are UTF-16, and which names Windows can have at all is
//! decided once, when the projection is built ([`NameReport`]). Listings are built when a folder
//! is first asked for and shared without copying; those not used for long are dropped.
//!
//! This layer answers from memory and knows neither the disk nor ProjFS.

mod candidates;
mod decisions;
mod folders;
mod info;
mod links;
mod listings;
mod probe;
mod report;
mod spellings;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ntfs_names as names;
use rusty_attachments_model::PathRef;
use rusty_attachments_vfs::{NodeId, Volume};

use self::decisions::Decisions;
use self::folders::{Folder, Folders};
pub use self::info::{ProjectedFileInfo, ProjectedKind};
pub use self::links::LinkPolicy;
use self::listings::Listings;
pub(crate) use self::probe::probe;
pub use self::report::{LinkFault, NameFault, NameReport};
use crate::error::ProjFsError;

const BACKSLASH: u16 = b'\\' as u16;

/// A name or target in UTF-16.
fn wide(wtf8: &[u8]) -> Vec<u16> {
    PathRef::from_wtf8(wtf8).utf16().collect()
}

/// How a projection is built.
#[derive(Clone, Copy, Debug)]
pub struct ProjectionOptions {
    /// What becomes of symbolic links.
    pub links: LinkPolicy,
    /// Bytes that listings may take together before those not used for long are dropped. One
    /// listing of more than half of that is kept beside them. Default 64 MiB.
    pub listing_budget: u64,
}

impl Default for ProjectionOptions {
    fn default() -> Self {
        Self { links: LinkPolicy::default(), listing_budget: 64 << 20 }
    }
}

/// The projected tree of a volume.
pub struct ManifestProjection {
    volume: Arc<dyn Volume>,
    decisions: Decisions,
    listings: Listings,
    folders: Folders,
    report: NameReport,
}

impl ManifestProjection {
    /// Decides for every name of the volume whether and how Windows can have it.
    ///
    /// # Errors
    /// The volume cannot list one of its folders.
    pub fn new(volume: Arc<dyn Volume>, options: ProjectionOptions) -> Result<Self, ProjFsError> {
        let (decisions, report) = decisions::decide(&*volume, options.links)?;
        report.log();
        let listings = Listings::new(options.listing_budget);
        Ok(Self { volume, decisions, listings, folders: Folders::new(), report })
    }

    /// What is projected.
    pub(crate) fn volume(&self) -> &Arc<dyn Volume> {
        &self.volume
    }

    /// The names that are not projected as they are written, and why.
    #[must_use]
    pub const fn report(&self) -> &NameReport {
        &self.report
    }

    /// A folder's entries in the order of NTFS; `None` if the node is no folder.
    ///
    /// # Errors
    /// The volume cannot list the folder.
    pub fn listing(&self, folder: NodeId) -> Result<Option<Arc<[ProjectedFileInfo]>>, ProjFsError> {
        self.listings.get_or_build(folder, || self.decisions.listing(&*self.volume, folder))
    }

    /// The entry at a path relative to the root, in whatever case; `None` if there is none. The
    /// root itself has no entry.
    ///
    /// # Errors
    /// The volume cannot list a folder of the path.
    pub fn find(&self, path: &[u16]) -> Result<Option<Found>, ProjFsError> {
        let (above, name) = split(path);
        let Some(folder) = self.folder_at(above)? else { return Ok(None) };
        let Some(entry) = self.entry(folder.node, name)? else { return Ok(None) };
        let mut path = Vec::with_capacity(folder.path.len() + 1 + entry.name.len());
        path.extend_from_slice(&folder.path);
        push(&mut path, &entry.name);
        Ok(Some(Found { entry, path }))
    }

    /// The folder at a path, in whatever case; the root for "".
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn folder(&self, path: &[u16]) -> Result<Option<NodeId>, ProjFsError> {
        Ok(self.folder_at(path)?.map(|folder| folder.node))
    }

    fn folder_at(&self, path: &[u16]) -> Result<Option<Arc<Folder>>, ProjFsError> {
        self.folders.get_or_find(path, || {
            let (mut node, mut spelled) = (NodeId::ROOT, Vec::with_capacity(path.len()));
            for name in path.split(|unit| *unit == BACKSLASH).filter(|name| !name.is_empty()) {
                let entry = self.entry(node, name)?;
                let Some(entry) = entry.filter(|entry| entry.is_directory()) else {
                    return Ok(None);
                };
                node = entry.node;
                push(&mut spelled, &entry.name);
            }
            Ok(Some(Folder { node, path: spelled.into() }))
        })
    }

    fn entry(&self, folder: NodeId, name: &[u16]) -> Result<Option<Entry>, ProjFsError> {
        let listing = self.listing(folder)?;
        Ok(listing.and_then(|listing| Entry::in_listing(listing, name)))
    }
}

/// A path as its folder and its name. No name is empty, so the root has no entry.
fn split(path: &[u16]) -> (&[u16], &[u16]) {
    let name = path.rsplit(|unit| *unit == BACKSLASH).next().unwrap_or_default();
    let above = path.split_at(path.len() - name.len()).0;
    (above.strip_suffix(&[BACKSLASH]).unwrap_or(above), name)
}

fn push(path: &mut Vec<u16>, name: &[u16]) {
    if !path.is_empty() {
        path.push(BACKSLASH);
    }
    path.extend_from_slice(name);
}

impl fmt::Debug for ManifestProjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestProjection").field("report", &self.report).finish_non_exhaustive()
    }
}

/// What is at a path.
#[derive(Clone, Debug)]
pub struct Found {
    entry: Entry,
    /// The path as the volume spells it, every component (projfs.md G9).
    pub path: Vec<u16>,
}

impl Deref for Found {
    type Target = ProjectedFileInfo;

    fn deref(&self) -> &ProjectedFileInfo {
        &self.entry
    }
}

/// An entry that keeps its listing alive.
#[derive(Clone)]
struct Entry {
    listing: Arc<[ProjectedFileInfo]>,
    index: usize,
}

impl Entry {
    /// Binary search, as the listing is sorted by the same comparison.
    fn in_listing(listing: Arc<[ProjectedFileInfo]>, name: &[u16]) -> Option<Self> {
        let index = listing.binary_search_by(|entry| names::compare(&entry.name, name)).ok()?;
        Some(Self { listing, index })
    }
}

impl Deref for Entry {
    type Target = ProjectedFileInfo;

    #[expect(clippy::indexing_slicing, reason = "only made with an index that was found")]
    fn deref(&self) -> &ProjectedFileInfo {
        &self.listing[self.index]
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
