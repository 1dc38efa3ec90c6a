//! The way through all folders of a volume, parents before children.
//!
//! Iterative, so that depth costs no stack, and without a memory of what was passed: it holds the
//! folders from the root to here and those still to come beside them. Paths are put together when
//! somebody asks.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::{DirectoryListing, ListedEntry, NodeId, Volume};

use crate::error::ProjFsError;

/// Where an entry of the current folder is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Which of the folders that are shown as one, counted from 0.
    source: usize,
    index: usize,
}

/// A folder to go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) place: Place,
    pub(super) node: NodeId,
    /// Whether it is shown as one with the folder of the step before.
    pub(super) joins: bool,
}

/// A walk; it begins at the root.
pub(super) struct Walk<'v> {
    volume: &'v dyn Volume,
    levels: Vec<Level>,
}

/// Folders that are shown as one, and the folders in them that are still to be gone to.
struct Level {
    sources: Vec<Source>,
    steps: Peekable<IntoIter<Step>>,
}

struct Source {
    folder: NodeId,
    listing: Arc<dyn DirectoryListing>,
    /// Where the level above lists it; of no meaning for the root.
    place: Place,
}

impl<'v> Walk<'v> {
    pub(super) fn new(volume: &'v dyn Volume) -> Result<Self, ProjFsError> {
        let mut walk = Self { volume, levels: Vec::new() };
        let root = walk.open(Step { place: Place::default(), node: NodeId::ROOT, joins: false })?;
        walk.enter(vec![root]);
        Ok(walk)
    }

    /// The entries of the current folder, with the folder that lists each.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Place, NodeId, ListedEntry<'_>)> {
        let sources = self.levels.last().map_or(&[][..], |level| &level.sources);
        sources.iter().enumerate().flat_map(|(source, Source { folder, listing, .. })| {
            (0..listing.len()).filter_map(move |index| {
                Some((Place { source, index }, *folder, listing.entry(index)?))
            })
        })
    }

    /// The name of an entry of the current folder.
    pub(super) fn name(&self, place: Place) -> PathRef<'_> {
        self.levels.last().map_or(PathRef::from(""), |level| level.name(place))
    }

    /// The path of an entry of the current folder, as the volume has it.
    pub(super) fn path(&self, mut place: Place) -> PathBuf {
        let mut names = Vec::with_capacity(self.levels.len());
        for level in self.levels.iter().rev() {
            names.push(level.name(place));
            place = level.sources.get(place.source).map_or(place, |source| source.place);
        }
        let mut path = PathBuf::default();
        names.into_iter().rev().for_each(|name| path.push(name));
        path
    }

    /// Goes to the next folder: the first of `steps`, which are in the current folder, or else the
    /// next of those that earlier calls left over. `false` once all were gone to.
    pub(super) fn go_on(&mut self, steps: Vec<Step>) -> Result<bool, ProjFsError> {
        if let Some(level) = self.levels.last_mut() {
            level.steps = steps.into_iter().peekable();
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(first) = level.steps.next() else {
                self.levels.pop();
                continue;
            };
            let joined = std::iter::from_fn(|| level.steps.next_if(|step| step.joins));
            let steps: Vec<Step> = std::iter::once(first).chain(joined).collect();
            let sources: Result<Vec<_>, _> =
                steps.into_iter().map(|step| self.open(step)).collect();
            self.enter(sources?);
            return Ok(true);
        }
        Ok(false)
    }

    fn open(&self, step: Step) -> Result<Source, ProjFsError> {
        let listing = self.volume.children(step.node)?;
        Ok(Source { folder: step.node, listing, place: step.place })
    }

    fn enter(&mut self, sources: Vec<Source>) {
        self.levels.push(Level { sources, steps: Vec::new().into_iter().peekable() });
    }
}

impl Level {
    fn name(&self, place: Place) -> PathRef<'_> {
        let entry =
            self.sources.get(place.source).and_then(|source| source.listing.entry(place.index));
        entry.map_or(PathRef::from(""), |entry| entry.name)
    }
}
