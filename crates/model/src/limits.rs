//! How large a manifest may be.
//!
//! Manifests come from a network: whatever they say, decoding must end, and in bounded memory. The
//! defaults lie far above what a job holds and below what the table's 32-bit offsets address.

/// Upper bounds for everything in a manifest whose size the document decides.
///
/// [`Limits::default`] is what [`Manifest::decode`](crate::Manifest::decode) applies. Values above
/// what the in-memory table can address are cut to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the document. Default 2 GiB: ten million files in v2023.
    pub manifest_bytes: u64,
    /// Entries of all kinds. Default 16,777,216.
    pub entries: u64,
    /// Bytes of all paths and link targets together, after `$N/` references are replaced, which
    /// can make a small document large. Default 1 GiB; at most 4 GiB.
    pub text_bytes: u64,
    /// Chunk hashes of all files together. Default 16,777,216: 4 EiB in chunks of 256 MiB.
    pub chunks: u64,
    /// Bytes of one path in WTF-8. Default 32,767, eight times Linux's `PATH_MAX`; at most 65,535.
    pub path_bytes: u64,
    /// Components of one path. Default 2,048, as many as fit `PATH_MAX`.
    pub path_depth: u64,
    /// UTF-16 units of one component. Default 255: the longest name on NTFS and APFS, and no Linux
    /// name of 255 bytes has more units than that.
    pub component_units: u64,
}

impl Limits {
    /// Bytes that one path can have in the table at most.
    pub(crate) const TABLE_PATH_BYTES: u64 = u16::MAX as u64;
    /// Entries, chunk hashes and text bytes that the table can address at most.
    pub(crate) const TABLE_OFFSETS: u64 = u32::MAX as u64;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 2 << 30,
            entries: 1 << 24,
            text_bytes: 1 << 30,
            chunks: 1 << 24,
            path_bytes: 32_767,
            path_depth: 2_048,
            component_units: 255,
        }
    }
}
