//! Notifications and the masks that choose them (projfs.md D3, K).

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::Wide;

/// `PRJ_NOTIFICATION`: what happened or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u32)]
pub enum Notification {
    /// An existing item was opened; an error cancels the open (K4).
    FileOpened = 0x2,
    /// Made; cannot be refused (K4).
    NewFileCreated = 0x4,
    /// Opened and emptied (K4).
    FileOverwritten = 0x8,
    /// About to be deleted; can be refused (K5).
    PreDelete = 0x10,
    /// About to be renamed; can be refused (K6).
    PreRename = 0x20,
    /// About to get another name; can be refused (K7).
    PreSetHardlink = 0x40,
    /// Was renamed.
    FileRenamed = 0x80,
    /// Got another name.
    HardlinkCreated = 0x100,
    /// Closed by a handle that changed nothing (K9).
    ClosedNoModification = 0x200,
    /// Closed by a handle that changed it (K9).
    ClosedFileModified = 0x400,
    /// Closed, and gone (K9).
    ClosedFileDeleted = 0x800,
    /// About to become full; can be refused (K8).
    PreConvertToFull = 0x1000,
}

impl Notification {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::FileOpened,
        Self::NewFileCreated,
        Self::FileOverwritten,
        Self::PreDelete,
        Self::PreRename,
        Self::PreSetHardlink,
        Self::FileRenamed,
        Self::HardlinkCreated,
        Self::ClosedNoModification,
        Self::ClosedFileModified,
        Self::ClosedFileDeleted,
        Self::PreConvertToFull,
    ];

    /// The bit that asks for it (D3).
    #[must_use]
    pub const fn bit(self) -> NotifyMask {
        NotifyMask::from_bits_retain(self as u32)
    }

    /// Whether the provider's refusal counts (K4 to K9).
    #[must_use]
    pub const fn can_be_refused(self) -> bool {
        matches!(
            self,
            Self::FileOpened
                | Self::PreDelete
                | Self::PreRename
                | Self::PreSetHardlink
                | Self::PreConvertToFull
        )
    }

    /// Whether its reply may replace the mask for the file (K11).
    #[must_use]
    pub const fn takes_mask(self) -> bool {
        matches!(
            self,
            Self::FileOpened | Self::NewFileCreated | Self::FileOverwritten | Self::FileRenamed
        )
    }
}

bitflags! {
    /// `PRJ_NOTIFY_TYPES`: the notifications that a provider wants for a subtree or a file.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct NotifyMask: u32 {
        /// Nothing at all, not even what is always sent (K2).
        const SUPPRESS = 0x1;
        /// See [`Notification`], as are those that follow.
        const FILE_OPENED = 0x2;
        /// Made.
        const NEW_FILE_CREATED = 0x4;
        /// Emptied.
        const FILE_OVERWRITTEN = 0x8;
        /// Before a deletion.
        const PRE_DELETE = 0x10;
        /// Before a rename.
        const PRE_RENAME = 0x20;
        /// Before a hard link.
        const PRE_SET_HARDLINK = 0x40;
        /// Renamed.
        const FILE_RENAMED = 0x80;
        /// Linked.
        const HARDLINK_CREATED = 0x100;
        /// Closed unchanged.
        const CLOSED_NO_MODIFICATION = 0x200;
        /// Closed changed.
        const CLOSED_FILE_MODIFIED = 0x400;
        /// Closed and gone.
        const CLOSED_FILE_DELETED = 0x800;
        /// Before it becomes full.
        const PRE_CONVERT_TO_FULL = 0x1000;
        const _ = !0;
    }
}

impl NotifyMask {
    /// In a reply: keep what the mapping says (K11).
    pub const USE_EXISTING: Self = Self::from_bits_retain(u32::MAX);

    /// What a provider gets that gives no mappings (K1).
    pub const DEFAULT: Self =
        Self::FILE_OPENED.union(Self::NEW_FILE_CREATED).union(Self::FILE_OVERWRITTEN);
}

/// `PRJ_NOTIFICATION_MAPPING`: a mask for a subtree (K2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationMapping {
    /// Relative to the virtualization root; "" is the root.
    pub root: Wide,
    /// What is sent for it and below.
    pub mask: NotifyMask,
}
