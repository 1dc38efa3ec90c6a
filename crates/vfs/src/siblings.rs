//! Which files of a folder to fetch before they are opened.
//!
//! Programs that read many small files read them folder by folder, in the order in which they were
//! listed. First reads that are close together in that order are taken as such a walk. A program
//! that picks a few files of a folder is none: fetching what it skips would cost more than it saves.

use std::collections::HashMap;
use std::ops::Range;

use crate::sync::{Mutex, lock};
use crate::volume::NodeId;

/// Folders that are watched at once.
const FOLDERS_MAX: usize = 256;

/// How far apart, in siblings, the reads of one walk may lie: several threads share a walk.
const NEAR: u64 = 48;

/// Siblings fetched ahead at most.
const AHEAD_MAX: u64 = 64;

/// A walk reads at least every third sibling that it passes.
const SPARSEST: u64 = 3;

/// Siblings over which that is judged: what came long before does not count.
const WINDOW: u64 = 4 * NEAR;

#[derive(Clone, Copy, Debug)]
struct Walk {
    /// Where the judged part of the walk begins.
    start: u64,
    /// The furthest file that was read.
    front: u64,
    /// First reads from `start` to `front`.
    touches: u64,
    /// Everything before this was read or fetched ahead.
    issued: u64,
    seen: u64,
}

impl Walk {
    /// Takes in one more first read.
    fn reach(&mut self, file: u64) {
        self.touches += 1;
        self.start = self.start.min(file);
        self.front = self.front.max(file);
        self.issued = self.issued.max(self.front + 1);
        if self.front - self.start >= WINDOW {
            self.start += WINDOW / 2;
            self.touches /= 2;
        }
    }

    const fn is_sparse(&self) -> bool {
        self.touches * SPARSEST <= self.front - self.start
    }
}

/// The walks through a volume's folders.
#[derive(Debug, Default)]
pub(crate) struct SiblingWalks {
    state: Mutex<Walks>,
}

#[derive(Debug, Default)]
struct Walks {
    by_folder: HashMap<NodeId, Walk>,
    reads: u64,
}

impl SiblingWalks {
    /// Notes the first read of `file` in `folder`, and says which nodes to fetch ahead. They may
    /// lie past the folder's end or be no files.
    pub(crate) fn note(&self, folder: NodeId, file: NodeId) -> Range<u64> {
        let mut state = lock(&self.state);
        state.reads += 1;
        let seen = state.reads;
        let fresh = Walk { start: file.0, front: file.0, touches: 1, issued: file.0 + 1, seen };
        let Some(walk) = state.by_folder.get_mut(&folder) else {
            state.make_room();
            state.by_folder.insert(folder, fresh);
            return 0..0;
        };
        walk.seen = seen;
        if file.0.abs_diff(walk.front) > NEAR {
            *walk = fresh;
            return 0..0;
        }
        walk.reach(file.0);
        if walk.is_sparse() {
            return 0..0;
        }
        let ahead = (walk.touches * 4).min(AHEAD_MAX);
        let target = walk.front + 1 + ahead;
        // Top up when half of what was fetched ahead is used.
        if target < walk.issued + ahead / 2 {
            return 0..0;
        }
        let range = walk.issued..target;
        walk.issued = target;
        range
    }

    /// Takes back what could not be fetched ahead, so that it is tried again.
    pub(crate) fn not_issued(&self, folder: NodeId, from: u64) {
        if let Some(walk) = lock(&self.state).by_folder.get_mut(&folder) {
            walk.issued = walk.issued.min(from);
        }
    }
}

impl Walks {
    fn make_room(&mut self) {
        if self.by_folder.len() < FOLDERS_MAX {
            return;
        }
        let oldest = self.by_folder.iter().min_by_key(|(_, walk)| walk.seen).map(|(&key, _)| key);
        if let Some(oldest) = oldest {
            self.by_folder.remove(&oldest);
        }
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_fetched_ahead_once_each() {
        let walks = SiblingWalks::default();
        let mut fetched = Vec::new();
        for file in 100..400 {
            fetched.extend(walks.note(NodeId(1), NodeId(file)));
        }
        assert_eq!(fetched.first(), Some(&102));
        assert!(fetched.windows(2).all(|pair| pair[0] < pair[1]), "nothing twice");
        assert!(fetched.len() >= 298);
    }

    #[test]
    fn scattered_reads_fetch_nothing() {
        let walks = SiblingWalks::default();
        for file in [10, 5_000, 200, 90_000, 3_000] {
            assert!(walks.note(NodeId(1), NodeId(file)).is_empty());
        }
        for file in (100_000..110_000).step_by(20) {
            assert!(walks.note(NodeId(1), NodeId(file)).is_empty(), "every twentieth is no walk");
        }
    }

    #[test]
    fn a_walk_is_known_however_threads_share_it_and_whatever_came_before() {
        let walks = SiblingWalks::default();
        for file in (0..1_000).step_by(20) {
            walks.note(NodeId(1), NodeId(file));
        }
        let mut fetched = 0;
        for group in (1_000..1_800).step_by(16) {
            // Sixteen threads take one file each and are not in step.
            for place in 0..16 {
                fetched += walks.note(NodeId(1), NodeId(group + place * 7 % 16)).count();
            }
        }
        assert!(fetched >= 600, "{fetched} of 800 were fetched ahead");
    }

    #[test]
    fn many_folders_are_bounded() {
        let walks = SiblingWalks::default();
        for folder in 0..10_000 {
            walks.note(NodeId(folder), NodeId(folder * 100));
        }
        assert!(lock(&walks.state).by_folder.len() <= FOLDERS_MAX);
    }
}
