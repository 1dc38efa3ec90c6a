//! What is really on disk in a root, tombstones included.

#[cfg(target_os = "linux")]
#[path = "emulated.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_FILE_STATE_DIRTY_PLACEHOLDER, PRJ_FILE_STATE_FULL, PRJ_FILE_STATE_HYDRATED_PLACEHOLDER,
    PRJ_FILE_STATE_TOMBSTONE,
};

pub(crate) use self::system::SystemDisk;

/// The state of an item on disk (projfs.md D6, E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemState {
    /// Metadata of the projection, no content.
    Placeholder,
    /// Content of the projection.
    Hydrated,
    /// As `Placeholder` with metadata that someone set.
    DirtyPlaceholder,
    /// As `Hydrated` with metadata that someone set.
    DirtyHydrated,
    /// The user's: written to, or made here.
    Full,
    /// Deleted by the user, and still projected.
    Tombstone,
}

impl ItemState {
    /// What PRJ_FILE_STATE bits mean; FULL and TOMBSTONE stand alone (projfs.md D6).
    fn from_bits(bits: u32) -> Self {
        let has = |bit: i32| bits & bit.cast_unsigned() != 0;
        if has(PRJ_FILE_STATE_TOMBSTONE) {
            return Self::Tombstone;
        }
        if has(PRJ_FILE_STATE_FULL) {
            return Self::Full;
        }
        match (has(PRJ_FILE_STATE_HYDRATED_PLACEHOLDER), has(PRJ_FILE_STATE_DIRTY_PLACEHOLDER)) {
            (false, false) => Self::Placeholder,
            (true, false) => Self::Hydrated,
            (false, true) => Self::DirtyPlaceholder,
            (true, true) => Self::DirtyHydrated,
        }
    }

    /// Whether the item is the user's, and ProjFS has no more to do with it (projfs.md E6, E7).
    pub(crate) const fn is_full(self) -> bool {
        matches!(self, Self::Full)
    }

    /// Whether somebody set its times or attributes.
    pub(crate) const fn is_dirty(self) -> bool {
        matches!(self, Self::DirtyPlaceholder | Self::DirtyHydrated)
    }

    /// Whether it has its content.
    pub(crate) const fn is_hydrated(self) -> bool {
        matches!(self, Self::Hydrated | Self::DirtyHydrated)
    }
}

/// What kind of item it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    File,
    Directory,
    Symlink,
}

/// An item on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskItem {
    /// Its name as it is spelled on disk.
    pub(crate) name: Vec<u16>,
    pub(crate) kind: ItemKind,
    pub(crate) state: ItemState,
    pub(crate) size: u64,
    /// Last write, nanoseconds since the Unix epoch.
    pub(crate) mtime_ns: i128,
}

/// The disk below a root. Paths are relative to it, in UTF-16 with backslashes. Never asked on a
/// thread of ProjFS (projfs.md J15, M15).
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// What is at a path; `None` if nothing is, also for a tombstone of a running root. Of a
    /// running root, what is projected there counts, and is a placeholder from then on.
    fn look(&self, path: &[u16]) -> io::Result<Option<DiskItem>>;

    /// What is on disk in a folder: of a stopped root tombstones included; of a running root
    /// exact for full folders only.
    fn list(&self, folder: &[u16]) -> io::Result<Vec<DiskItem>>;

    /// Where a symbolic link leads, with backslashes.
    fn link_target(&self, path: &[u16]) -> io::Result<Vec<u16>>;

    /// Opens a file to read it.
    fn open(&self, path: &[u16]) -> io::Result<File>;

    /// What the path is called in messages.
    fn full_path(&self, path: &[u16]) -> PathBuf;
}
