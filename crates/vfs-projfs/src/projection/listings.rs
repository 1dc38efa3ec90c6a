//! Listings that were built, within a budget of bytes.

use std::sync::Arc;

use parking_lot::Mutex;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use rusty_attachments_vfs::NodeId;

use super::ProjectedFileInfo;
use crate::error::ProjFsError;

type Listing = Arc<[ProjectedFileInfo]>;

/// How many folders the cache expects; it may hold more.
const FOLDERS: usize = 4096;

/// A cache bounded by bytes. Keeps up to the budget, and beside it the one large listing that was
/// built last: among the others it would push them all out.
pub(super) struct Listings {
    kept: Cache<NodeId, Listing, Weights>,
    large: Mutex<Option<(NodeId, Listing)>>,
    weights: Weights,
}

#[derive(Clone, Copy)]
struct Weights {
    /// A listing of more bytes is a large one.
    most: u64,
}

impl Weights {
    fn is_large(self, listing: &Listing) -> bool {
        memory_bytes(listing) > self.most
    }
}

impl Weighter<NodeId, Listing> for Weights {
    fn weight(&self, _: &NodeId, listing: &Listing) -> u64 {
        // What weighs more than the whole budget is not taken in.
        if self.is_large(listing) { u64::MAX } else { memory_bytes(listing) }
    }
}

fn memory_bytes(listing: &Listing) -> u64 {
    // An empty listing takes a place in the cache too.
    64 + listing.iter().map(ProjectedFileInfo::memory_bytes).sum::<u64>()
}

impl Listings {
    pub(super) fn new(budget: u64) -> Self {
        // One shard, since each has its part of the budget and takes in nothing larger than that.
        // Hits take its lock for reading only.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(FOLDERS)
            .weight_capacity(budget)
            .build();
        #[expect(clippy::expect_used, reason = "fails only if a capacity is missing")]
        let options = options.expect("both capacities are given");
        let weights = Weights { most: budget / 2 };
        let hasher = DefaultHashBuilder::default();
        let kept = Cache::with_options(options, weights, hasher, DefaultLifecycle::default());
        Self { kept, large: Mutex::default(), weights }
    }

    /// The listing of a folder; `None` if the node is no folder. Of several that ask at once for
    /// one that is not kept, one builds it and the others wait for that; nobody else waits.
    pub(super) fn get_or_build(
        &self,
        folder: NodeId,
        build: impl FnOnce() -> Result<Option<Listing>, ProjFsError>,
    ) -> Result<Option<Listing>, ProjFsError> {
        if let Some(listing) = self.kept.get(&folder).or_else(|| self.large(folder)) {
            return Ok(Some(listing));
        }
        let listing = self.kept.get_or_insert_with(&folder, || {
            // Another thread may have built it since.
            if let Some(large) = self.large(folder) {
                return Ok(large);
            }
            let listing = build().map_err(Some)?.ok_or(None)?;
            if self.weights.is_large(&listing) {
                *self.large.lock() = Some((folder, Arc::clone(&listing)));
            }
            Ok(listing)
        });
        match listing {
            Ok(listing) => Ok(Some(listing)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    fn large(&self, folder: NodeId) -> Option<Listing> {
        let large = self.large.lock();
        large.as_ref().filter(|(of, _)| *of == folder).map(|(_, listing)| Arc::clone(listing))
    }
}
