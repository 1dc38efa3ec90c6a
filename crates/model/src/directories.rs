//! Folders that exist only because something is in them.

use std::collections::HashSet;

use crate::path::PathRef;

/// All parents of `paths`, at every level, that are not in `known`.
///
/// Linear in the number of distinct folders and paths: the walk up ends at a folder seen before.
pub(crate) fn parents<'a>(
    paths: impl Iterator<Item = PathRef<'a>>,
    known: impl Iterator<Item = PathRef<'a>>,
) -> Vec<PathRef<'a>> {
    let known: HashSet<_> = known.collect();
    let mut seen = HashSet::new();
    for path in paths {
        let mut folder = path.parent();
        while let Some(parent) = folder
            && seen.insert(parent)
        {
            folder = parent.parent();
        }
    }
    seen.retain(|folder| !known.contains(folder));
    seen.into_iter().collect()
}
