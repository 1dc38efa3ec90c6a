//! What travels over the seam. Everything owns its bytes, so that it can cross a socket.

use serde::{Deserialize, Serialize};

use crate::contract::{
    DirEntry, Guid, HResult, Notification, NotificationMapping, NotifyMask, VersionInfo, Wide,
};

/// Who makes a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Process id (thread group id on Linux). 0: the system, or not known (K15).
    pub id: u32,
    /// NT device path of its program, or empty if not known (K15).
    pub image: Wide,
}

/// What the driver asks of a provider: one callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Unique among the pending ones of an instance; never 0.
    pub id: i32,
    /// FilePathName (C2), relative to the root.
    pub path: Wide,
    /// VersionInfo (C2): the item's, its parent's or its directory's, by kind of callback.
    pub version: Option<Box<VersionInfo>>,
    /// Who caused it.
    pub process: Process,
    /// FileId (C2): the item's, or zero.
    pub file: Guid,
    /// DataStreamId (C2): for GetFileData only, else zero.
    pub stream: Guid,
    /// Which callback, with its own arguments.
    pub request: Request,
}

/// The callback and its own arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A session begins.
    StartEnumeration {
        /// Unique per open directory handle (F1).
        enumeration: Guid,
    },
    /// More entries, please.
    GetEnumeration {
        /// The session.
        enumeration: Guid,
        /// Search expression; `None` is NULL.
        expression: Option<Wide>,
        /// ENUM_RESTART_SCAN (D1).
        restart: bool,
        /// ENUM_RETURN_SINGLE_ENTRY (D1).
        single_entry: bool,
        /// What fits.
        budget: EntryBudget,
    },
    /// The session is over.
    EndEnumeration {
        /// The session.
        enumeration: Guid,
    },
    /// Write a placeholder for this name, or say that there is none.
    GetPlaceholderInfo,
    /// Write this range of the content.
    GetFileData {
        /// Bytes; aligned.
        offset: u64,
        /// Bytes.
        length: u32,
    },
    /// Is there such a name?
    QueryFileName,
    /// Something happened or is about to.
    Notify {
        /// What.
        notification: Notification,
        /// To a directory.
        directory: bool,
        /// The other name of renames and links; "" is outside of the root (K6, K7).
        destination: Option<Wide>,
        /// IsFileModified of CLOSED_FILE_DELETED (K9).
        modified: bool,
    },
}

/// What one Get can take (R10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryBudget {
    /// Bytes, as [`EntryBudget::cost`] counts them.
    pub bytes: u32,
    /// Entries.
    pub entries: u32,
}

impl EntryBudget {
    /// What an entry takes of the bytes: the fixed part of FILE_ID_BOTH_DIR_INFORMATION and the
    /// name, rounded up to eight.
    #[must_use]
    pub const fn cost(name_units: usize) -> usize {
        (104 + 2 * name_units).next_multiple_of(8)
    }
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The command's.
    pub id: i32,
    /// What the callback returned, or PrjCompleteCommand was given; never IO_PENDING.
    pub result: HResult,
    /// What else it answered.
    pub reply: Reply,
}

/// What a completion carries besides its code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing.
    #[default]
    None,
    /// What a Get filled in, in the provider's order.
    Entries(Vec<DirEntry>),
    /// The mask that a notification asked for (K11).
    Mask(NotifyMask),
}

/// The arguments of PrjMarkDirectoryAsPlaceholder (B5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRequest {
    /// Who calls.
    pub process: Process,
    /// Full path of the root.
    pub root: Wide,
    /// Relative to the root; `None` or "" marks the root itself.
    pub target: Option<Wide>,
    /// To be kept with the directory.
    pub version: Option<Box<VersionInfo>>,
    /// The instance's identity (M2).
    pub instance: Guid,
}

/// The arguments of PrjStartVirtualizing (B1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRequest {
    /// The provider's process.
    pub process: Process,
    /// Full path of the root.
    pub root: Wide,
    /// PRJ_FLAG_USE_NEGATIVE_PATH_CACHE (D2).
    pub negative_path_cache: bool,
    /// Whether there is a QueryFileName callback (I1).
    pub queries_names: bool,
    /// `None` if there is no Notification callback (K1); empty for the default mask.
    pub notifications: Option<Vec<NotificationMapping>>,
    /// Whether there is a CancelCommand callback (L5).
    pub cancels: bool,
}

/// PRJ_VIRTUALIZATION_INSTANCE_INFO (C10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceInfo {
    /// As it was marked.
    pub instance: Guid,
    /// Bytes: 512 or 4096.
    pub write_alignment: u32,
}

/// The [`Knobs`](crate::Knobs) that the library itself obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryKnobs {
    /// Misuse fails the call that made it.
    pub strict: bool,
    /// The `*2` functions are hidden.
    pub hide_symlink_functions: bool,
    /// `PrjFileNameCompare` is that of early builds.
    pub legacy_compare: bool,
}
