//! What applications ask of a root, and what they are told: the engine's operations in types that
//! every platform has, so that [`control`](crate::control) can carry them.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::{BasicInfo, FileState, Wide};

/// A file or directory, whatever its names. Also its inode number. The root is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemId(pub u64);

impl ItemId {
    /// The root directory.
    pub const ROOT: Self = Self(1);
}

/// An open handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandleId(pub u64);

/// What is to be opened: `path` from an item; "" is the item itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// [`ItemId::ROOT`], or any item that the caller knows.
    pub from: ItemId,
    /// Backslash-separated.
    pub path: Wide,
}

bitflags! {
    /// What a handle may do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Access: u32 {
        /// Read data, or list.
        const READ = 1;
        /// Write anywhere.
        const WRITE = 2;
        /// Write at the end.
        const APPEND = 4;
        /// Delete and rename.
        const DELETE = 8;
        /// Change times, attributes, extended attributes.
        const WRITE_ATTRIBUTES = 16;
    }

    /// What a handle lets others do meanwhile.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Share: u32 {
        /// Read.
        const READ = 1;
        /// Write.
        const WRITE = 2;
        /// Delete and rename.
        const DELETE = 4;
    }
}

/// What to do with what is there, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// OPEN_EXISTING.
    Open,
    /// CREATE_NEW.
    Create,
    /// OPEN_ALWAYS.
    OpenIf,
    /// TRUNCATE_EXISTING.
    Overwrite,
    /// CREATE_ALWAYS.
    OverwriteIf,
    /// NtCreateFile's FILE_SUPERSEDE.
    Supersede,
}

/// What must be there, or is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Either; a file is made.
    Any,
    /// Not a directory.
    File,
    /// A directory.
    Directory,
    /// A symbolic link is made (Create only).
    Link {
        /// Where it leads.
        target: Wide,
        /// Says that it leads to a directory.
        directory: bool,
    },
}

/// How to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// What for. Empty: attributes only.
    pub access: Access,
    /// What others may do meanwhile.
    pub share: Share,
    /// What to do with what is there.
    pub disposition: Disposition,
    /// What must be there.
    pub kind: Kind,
    /// Goes when the handle closes (K5).
    pub delete_on_close: bool,
    /// Of a new file.
    pub attributes: u32,
}

impl Open {
    /// Opens what exists, shares everything.
    #[must_use]
    pub const fn existing(access: Access) -> Self {
        Self {
            access,
            share: Share::all(),
            disposition: Disposition::Open,
            kind: Kind::Any,
            delete_on_close: false,
            attributes: 0,
        }
    }
}

/// What an open did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Was there.
    Opened,
    /// Was made.
    Created,
    /// Was there and is empty now.
    Overwritten,
}

/// The result of an open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// To be closed.
    pub handle: HandleId,
    /// What was done.
    pub action: Action,
    /// Of the item now.
    pub attributes: Attributes,
}

/// What a stat tells, and a little more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The item.
    pub item: ItemId,
    /// Name as it is spelled on disk; "" for the root.
    pub name: Wide,
    /// Sizes, times, attributes as an application sees them (E11, E12).
    pub basic: BasicInfo,
    /// Where a symbolic link leads.
    pub link: Option<Wide>,
    /// State on disk.
    pub state: FileState,
    /// Number of names.
    pub names: u32,
    /// Bytes that the data takes on disk.
    pub allocated: u64,
}

/// Changes of times and attributes; `None` keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicChange {
    /// Creation time, 100 ns since 1601.
    pub creation: Option<i64>,
    /// Access time.
    pub access: Option<i64>,
    /// Write time.
    pub write: Option<i64>,
    /// Of `contract::attributes::SETTABLE`.
    pub attributes: Option<u32>,
}

/// What an application asks of a directory handle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Search expression, as Win32 translated it (F8); `None` is NULL.
    pub expression: Option<Wide>,
    /// From the beginning, with this expression (F6).
    pub restart: bool,
    /// One entry at most (F11).
    pub single_entry: bool,
    /// Bytes of entries that the application's buffer takes, as
    /// [`EntryBudget::cost`](crate::link::EntryBudget::cost) counts them; `.` and `..` too.
    pub buffer: u32,
    /// Only what is on disk, tombstones included, without callbacks (E14).
    pub on_disk_only: bool,
}

/// One entry as the application sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// One component, or `.`, `..`.
    pub name: Wide,
    /// As on disk, or as the provider said (E12, F14, F16).
    pub basic: BasicInfo,
    /// Where a symbolic link leads.
    pub link: Option<Wide>,
    /// The item, if it is on disk.
    pub item: Option<ItemId>,
}
