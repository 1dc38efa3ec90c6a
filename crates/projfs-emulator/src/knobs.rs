//! Choices where Windows versions differ, or where nobody outside knows (projfs.md R and U): a
//! provider must live with every setting.

use serde::{Deserialize, Serialize};

/// All choices. [`Knobs::default`] is today's Windows as far as it is known, and strict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knobs {
    /// A broken rule fails the operation that met it, besides being reported. Otherwise things go
    /// on as they would on Windows: zero-filled tails, doubled names.
    pub strict: bool,
    /// Hides `PrjWritePlaceholderInfo2` and `PrjFillDirEntryBuffer2`, as before 2004 (A3, B20).
    pub hide_symlink_functions: bool,
    /// How `PrjFileNameCompare` orders (G2).
    pub compare: Compare,
    /// Bytes of entries that one Get can take (R10). 0: not even one fits.
    pub entry_bytes: u32,
    /// Entries that one Get can take, whatever their bytes (R10).
    pub entry_limit: Option<u32>,
    /// What FUSE listings give as search expression (R9).
    pub expression: Expression,
    /// Entries that do not match the expression are filtered again (U8).
    pub filter_again: bool,
    /// Ends of enumerations that get lost: one in so many (F3). 0: none.
    pub lose_ends: u32,
    /// How close notifications travel (R14).
    pub closes: Closes,
    /// A failed hydration leaves what was written as if it were whole (MI#59, J10).
    pub leave_partial_hydration: bool,
    /// Largest range that one GetFileData asks for, in bytes; rounded to the alignment (J1, R11).
    pub data_range: u64,
    /// Alignment of PrjWriteFileData, in bytes: 512 or 4096 (J5, M14).
    pub write_alignment: u32,
    /// Asks GetFileData for empty files too (J6).
    pub ask_for_empty_files: bool,
    /// When a file becomes full (U1, E17).
    pub convert: Convert,
    /// PRE_CONVERT_TO_FULL is sent for an overwrite too (U2, T9).
    pub convert_on_overwrite: bool,
    /// The name is asked for before CLOSED_FILE_DELETED rather than after (U3, T13).
    pub query_before_deleted: bool,
    /// PRE_RENAME is sent before a placeholder directory's rename is refused (U4, T20).
    pub pre_rename_of_placeholder_directories: bool,
    /// Listing of a clean placeholder directory with nothing in it, while stopped, fails (U5, M11).
    pub refuse_offline_listing: bool,
    /// Placeholders and hydrated files can be deleted and renamed while stopped (U6, M12).
    pub offline_delete: bool,
    /// Codes outside the documented list reach the application as they are (U7, D8).
    pub pass_unlisted_codes: bool,
    /// A root must be marked after each start of the driver (M3).
    pub mark_after_boot: bool,
    /// How a refused rename of a placeholder directory looks on Linux (R7).
    pub directory_rename: DirectoryRename,
    /// How a missing provider looks on Linux (R8).
    pub unavailable: Unavailable,
    /// Milliseconds for which the provider may keep an application waiting. None: for ever, as on
    /// Windows.
    pub command_limit_ms: Option<u64>,
    /// Seed of everything that is drawn by lot here.
    pub seed: u64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            strict: true,
            hide_symlink_functions: false,
            compare: Compare::Upcase,
            entry_bytes: 4096,
            entry_limit: None,
            expression: Expression::Drawn,
            filter_again: false,
            lose_ends: 0,
            closes: Closes::default(),
            leave_partial_hydration: false,
            data_range: 1 << 32,
            write_alignment: 512,
            ask_for_empty_files: false,
            convert: Convert::AtOpen,
            convert_on_overwrite: false,
            query_before_deleted: true,
            pre_rename_of_placeholder_directories: false,
            refuse_offline_listing: false,
            offline_delete: true,
            pass_unlisted_codes: false,
            mark_after_boot: false,
            directory_rename: DirectoryRename::NotSupported,
            unavailable: Unavailable::Io,
            command_limit_ms: None,
            seed: 0,
        }
    }
}

/// How names are ordered (G2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compare {
    /// As NTFS orders.
    Upcase,
    /// As `PrjFileNameCompare` of early builds did, unlike NTFS.
    LegacyLower,
}

/// What a listing without a pattern asks for (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expression {
    /// NULL.
    Null,
    /// `*`.
    Star,
    /// One or the other.
    Drawn,
}

/// When a file becomes full (E17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Convert {
    /// When it is opened for writing.
    AtOpen,
    /// When it is first written to.
    AtFirstWrite,
}

/// How close notifications travel (K16, R14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closes {
    /// Held back until [released](crate::control).
    pub held: bool,
    /// Delivered in an order drawn by lot.
    pub shuffled: bool,
    /// CLOSED_FILE_DELETED comes twice.
    pub duplicate_deleted: bool,
    /// CLOSED_FILE_MODIFIED is lost where only the size was set (K22).
    pub drop_modified_after_truncate: bool,
}

/// The errno for ERROR_NOT_SUPPORTED (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectoryRename {
    /// EOPNOTSUPP: programs fail, as on Windows.
    NotSupported,
    /// EXDEV: `mv` copies.
    CrossDevice,
}

/// The errno for ERROR_FILE_SYSTEM_VIRTUALIZATION_UNAVAILABLE (R8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unavailable {
    /// EIO.
    Io,
    /// ENXIO.
    NoDevice,
    /// ESTALE.
    Stale,
}
