//! Which side gives the next entry.

use std::cmp::Ordering;

use crate::contract::Wide;
use ntfs_names::compare;

/// One step of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Only the disk has this name.
    Disk,
    /// Only the provider has it, as far as the pass got.
    Projected,
    /// Both have it.
    Both,
}

/// The step after which both sides go on; `None` at the end of both. As Windows does, it takes each
/// side's order for granted: a provider's wrong order gives names twice, or hides them wrongly
/// (projfs.md F13).
pub(super) fn step(disk: Option<&Wide>, projected: Option<&Wide>) -> Option<Step> {
    match (disk, projected) {
        (None, None) => None,
        (Some(_), None) => Some(Step::Disk),
        (None, Some(_)) => Some(Step::Projected),
        (Some(disk), Some(projected)) => Some(match compare(disk.units(), projected.units()) {
            Ordering::Less => Step::Disk,
            Ordering::Equal => Step::Both,
            Ordering::Greater => Step::Projected,
        }),
    }
}
