//! Folders by their paths, within a budget of bytes: a lookup need not go through every folder
//! above, nor have their listings built again after they were dropped.

use std::sync::Arc;

use ntfs_names as names;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rusty_attachments_vfs::NodeId;

use crate::error::ProjFsError;

/// Bytes that the paths may take together.
const BUDGET: u64 = 4 << 20;

/// How many paths the cache expects; it may hold more.
const FOLDERS: usize = 16_384;

/// A folder that is projected.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) node: NodeId,
    /// Its path as the volume spells it, every component (projfs.md G9).
    pub(super) path: Box<[u16]>,
}

/// Keys are in upper case, so that spellings do not multiply.
pub(super) struct Folders(Cache<Box<[u16]>, Arc<Folder>, Bytes>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u16]>, Arc<Folder>> for Bytes {
    fn weight(&self, key: &Box<[u16]>, folder: &Arc<Folder>) -> u64 {
        // 128: what the cache itself needs for an entry, about.
        (128 + 2 * (key.len() + folder.path.len())) as u64
    }
}

impl Folders {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(FOLDERS, BUDGET, Bytes))
    }

    /// The folder at a path. What is not there is asked for each time.
    pub(super) fn get_or_find(
        &self,
        path: &[u16],
        find: impl FnOnce() -> Result<Option<Folder>, ProjFsError>,
    ) -> Result<Option<Arc<Folder>>, ProjFsError> {
        let key = names::fold(path);
        if let Some(folder) = self.0.get(key.as_slice()) {
            return Ok(Some(folder));
        }
        let found = find()?.map(Arc::new);
        if let Some(folder) = &found {
            self.0.insert(key.into(), Arc::clone(folder));
        }
        Ok(found)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
