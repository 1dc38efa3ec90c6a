//! What users changed, found by looking at the disk.
//!
//! Notifications are hints: they come late, twice, in any order, or not at all (projfs.md K16,
//! T14). Each puts a path into a queue that one thread works off: it looks at the disk and notes
//! the truth in the change store. A scan at start finds what happened while nobody looked.

mod base;
mod bases;
mod failures;
mod hashing;
mod look;
mod moves;
mod observer;
mod paths;
mod queue;
mod remount;
mod renames;
mod shown;
mod tracker;
mod walk;

#[cfg(test)]
mod tests;

pub use self::observer::WriteObserver;
#[cfg(target_os = "linux")]
pub(crate) use self::paths::{narrow, wide};
pub use self::remount::RemountReport;
pub(crate) use self::remount::{Remove, UpdateRefused, Updater};
pub(crate) use self::shown::Shown;
pub(crate) use self::tracker::Tracker;

/// How many files are in which state, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ItemCounts {
    /// Projected files of which nothing is on disk.
    pub virtual_files: u64,
    /// Their bytes.
    pub virtual_bytes: u64,
    /// Projected files whose metadata is on disk.
    pub placeholder_files: u64,
    /// Their bytes.
    pub placeholder_bytes: u64,
    /// Projected files whose content is on disk.
    pub hydrated_files: u64,
    /// Their bytes.
    pub hydrated_bytes: u64,
    /// Paths that users changed.
    pub dirty_paths: u64,
    /// Bytes in changed files.
    pub dirty_bytes: u64,
}
