//! The codes that functions return and callbacks may answer (projfs.md D').

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Windows result code. Negative is a failure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HResult(pub i32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl HResult {
            $($(#[$doc])* pub const $name: Self = Self($value as u32 as i32);)*

            /// The constant's name, if it is one of those that the contract lists.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Done.
    OK = 0x0000_0000_u32;
    /// The callback will be completed later (997).
    IO_PENDING = 0x8007_03E5_u32;
    /// The buffer is full, or a structure has a wrong size (122).
    INSUFFICIENT_BUFFER = 0x8007_007A_u32;
    /// No such item (2).
    FILE_NOT_FOUND = 0x8007_0002_u32;
    /// A folder of the path is missing or a tombstone (3).
    PATH_NOT_FOUND = 0x8007_0003_u32;
    /// Refused (5).
    ACCESS_DENIED = 0x8007_0005_u32;
    /// The stream wants no data any more, or a handle is not one (6).
    HANDLE = 0x8007_0006_u32;
    /// Bad parameters (87).
    INVALID_ARGUMENT = 0x8007_0057_u32;
    /// Somebody has it open without sharing (32).
    SHARING_VIOLATION = 0x8007_0020_u32;
    /// The name exists (80).
    FILE_EXISTS = 0x8007_0050_u32;
    /// The target of a rename or link exists (183).
    ALREADY_EXISTS = 0x8007_00B7_u32;
    /// The name cannot be one (123).
    INVALID_NAME = 0x8007_007B_u32;
    /// The listing is over (18).
    NO_MORE_FILES = 0x8007_0012_u32;
    /// Still has children (145).
    DIR_NOT_EMPTY = 0x8007_0091_u32;
    /// Not a directory (267).
    DIRECTORY = 0x8007_010B_u32;
    /// Not possible for this item (50).
    NOT_SUPPORTED = 0x8007_0032_u32;
    /// The media is write protected (19).
    WRITE_PROTECT = 0x8007_0013_u32;
    /// No space (112).
    DISK_FULL = 0x8007_0070_u32;
    /// Read beyond the end (38).
    HANDLE_EOF = 0x8007_0026_u32;
    /// The wait was given up (995).
    OPERATION_ABORTED = 0x8007_03E3_u32;
    /// Being deleted (303).
    DELETE_PENDING = 0x8007_012F_u32;
    /// Offset or length not aligned (327).
    OFFSET_ALIGNMENT_VIOLATION = 0x8007_0147_u32;
    /// The provider does not run or cannot be called (369).
    VIRTUALIZATION_UNAVAILABLE = 0x8007_0171_u32;
    /// Our record on an item cannot be read (370).
    VIRTUALIZATION_METADATA_CORRUPT = 0x8007_0172_u32;
    /// The driver is busy (371).
    VIRTUALIZATION_BUSY = 0x8007_0173_u32;
    /// Started without having been marked since the driver started (372, M3).
    VIRTUALIZATION_PROVIDER_UNKNOWN = 0x8007_0174_u32;
    /// Nested roots, or an update that the item's state forbids (385).
    VIRTUALIZATION_INVALID_OPERATION = 0x8007_0181_u32;
    /// Already virtualized (1247).
    ALREADY_INITIALIZED = 0x8007_04DF_u32;
    /// Already marked, or a reparse point that is not ours (4395).
    REPARSE_POINT_ENCOUNTERED = 0x8007_112B_u32;
    /// Not a root (4394).
    REPARSE_TAG_MISMATCH = 0x8007_112A_u32;
    /// The library's catch-all (1359).
    INTERNAL_ERROR = 0x8007_054F_u32;
    /// Out of memory.
    OUT_OF_MEMORY = 0x8007_000E_u32;
    /// NT: the classic veto of a deletion.
    CANNOT_DELETE = 0xD000_0121_u32;
    /// NT: content cannot be had now.
    FILE_NOT_AVAILABLE = 0xD000_0467_u32;
}

impl HResult {
    /// Whether it is a success.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 >= 0
    }

    /// `Ok` if it is a success, else itself.
    ///
    /// # Errors
    /// Itself, when it is a failure.
    pub const fn ok(self) -> super::Result<()> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    /// Whether it wraps an NTSTATUS, which passes through to the application (D8).
    #[must_use]
    pub const fn is_nt(self) -> bool {
        self.0 as u32 & 0xF000_0000 == 0xD000_0000
    }
}

impl From<super::Result<()>> for HResult {
    fn from(result: super::Result<()>) -> Self {
        result.err().unwrap_or(Self::OK)
    }
}

impl fmt::Display for HResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "{name} (0x{:08X})", self.0),
            None => write!(formatter, "0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for HResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for HResult {}
