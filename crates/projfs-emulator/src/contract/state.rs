//! States on disk, and what may be done to them (projfs.md D4 to D6, E).

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// `PRJ_FILE_STATE` (D6). `FULL` and `TOMBSTONE` stand alone.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct FileState: u32 {
        /// Metadata on disk.
        const PLACEHOLDER = 0x1;
        /// Data on disk too.
        const HYDRATED = 0x2;
        /// Metadata changed locally.
        const DIRTY = 0x4;
        /// Local: made, opened for writing, or moved in.
        const FULL = 0x8;
        /// Hides a projected name.
        const TOMBSTONE = 0x10;
    }

    /// `PRJ_UPDATE_TYPES` (D4): what an update or delete may discard.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct UpdateFlags: u32 {
        /// Changed metadata.
        const DIRTY_METADATA = 1;
        /// Changed data.
        const DIRTY_DATA = 2;
        /// A tombstone.
        const TOMBSTONE = 4;
        /// The read-only attribute. 32 here, 8 as a cause.
        const READ_ONLY = 32;
        const _ = !0;
    }

    /// `PRJ_UPDATE_FAILURE_CAUSES` (D5): what stood in the way.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct FailureCauses: u32 {
        /// Changed metadata.
        const DIRTY_METADATA = 1;
        /// Changed data.
        const DIRTY_DATA = 2;
        /// A tombstone.
        const TOMBSTONE = 4;
        /// The read-only attribute. 8 here, 32 as a flag.
        const READ_ONLY = 8;
    }
}
