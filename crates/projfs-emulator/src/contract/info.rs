//! What a provider says of an item: sizes, times, attributes, versions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Wide;

/// Windows file attributes that matter here.
pub mod attributes {
    /// Writes are refused.
    pub const READONLY: u32 = 0x1;
    /// Not shown by default.
    pub const HIDDEN: u32 = 0x2;
    /// Of the operating system.
    pub const SYSTEM: u32 = 0x4;
    /// A directory.
    pub const DIRECTORY: u32 = 0x10;
    /// To be backed up.
    pub const ARCHIVE: u32 = 0x20;
    /// None of the others.
    pub const NORMAL: u32 = 0x80;
    /// Temporary.
    pub const TEMPORARY: u32 = 0x100;
    /// Sparse.
    pub const SPARSE: u32 = 0x200;
    /// Has a reparse point.
    pub const REPARSE_POINT: u32 = 0x400;
    /// Offline; never kept on a placeholder (`projfs.md E16`).
    pub const OFFLINE: u32 = 0x1000;
    /// Not to be indexed.
    pub const NOT_CONTENT_INDEXED: u32 = 0x2000;
    /// Virtual (`projfs.md E12`).
    pub const RECALL_ON_OPEN: u32 = 0x4_0000;
    /// Not hydrated (`projfs.md E11`).
    pub const RECALL_ON_DATA_ACCESS: u32 = 0x40_0000;
    /// What an application may set (`projfs.md E25`).
    pub const SETTABLE: u32 =
        READONLY | HIDDEN | SYSTEM | ARCHIVE | TEMPORARY | NOT_CONTENT_INDEXED | OFFLINE;
}

/// `PRJ_FILE_BASIC_INFO` (C3). Times are 100 ns since 1601 UTC; 0 means not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicInfo {
    /// A directory, or a link to one.
    pub directory: bool,
    /// Bytes; 0 for directories.
    pub size: u64,
    /// When it was made.
    pub creation: i64,
    /// When it was last read.
    pub access: i64,
    /// When its content last changed.
    pub write: i64,
    /// When anything of it last changed.
    pub change: i64,
    /// Of [`attributes`].
    pub attributes: u32,
}

/// `PRJ_PLACEHOLDER_VERSION_INFO` (C5): opaque to all but the provider.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VersionInfo {
    /// Of the provider's format.
    pub provider: [u8; 128],
    /// Of the content.
    pub content: [u8; 128],
}

impl VersionInfo {
    /// Bytes in memory and on disk.
    pub const LENGTH: usize = 256;

    /// Provider's bytes, then the content's.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let (provider, content) = bytes.split_at_mut(128);
        provider.copy_from_slice(&self.provider);
        content.copy_from_slice(&self.content);
        bytes
    }

    /// The reverse of [`Self::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut info = Self::default();
        let (provider, content) = bytes.split_at(128);
        info.provider.copy_from_slice(provider);
        info.content.copy_from_slice(content);
        info
    }
}

impl Default for VersionInfo {
    fn default() -> Self {
        Self { provider: [0; 128], content: [0; 128] }
    }
}

impl fmt::Debug for VersionInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |id: &[u8; 128]| {
            let used = id.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            String::from_utf8_lossy(id.get(..used).unwrap_or_default()).into_owned()
        };
        write!(formatter, "{:?}/{:?}", shown(&self.provider), shown(&self.content))
    }
}

impl Serialize for VersionInfo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for VersionInfo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let bytes = <&[u8; Self::LENGTH]>::try_from(bytes.as_slice())
            .map_err(|_| serde::de::Error::custom("a version is 256 bytes"))?;
        Ok(Self::from_bytes(bytes))
    }
}

/// What a provider writes to make a placeholder (C4, C9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceholderInfo {
    /// Size, times, attributes.
    pub basic: BasicInfo,
    /// Comes back with each callback on the item.
    pub version: VersionInfo,
    /// Where a symbolic link leads, as the provider spells it (E21).
    pub link: Option<Wide>,
    /// Extended attributes: name and value (C4, E24).
    pub extended: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names of streams declared beforehand (E23).
    pub streams: Vec<Wide>,
    /// A security descriptor, kept and not interpreted (H12).
    pub security: Vec<u8>,
}

/// One entry that a provider filled into a listing (B15, B16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// One component.
    pub name: Wide,
    /// Size, times, attributes; a file of size 0 if none was given (F16).
    pub basic: BasicInfo,
    /// Where a symbolic link leads.
    pub link: Option<Wide>,
}
