//! Verification stamps: a note on a file that these very bytes were hashed.
//!
//! A stamp names the hash, the size, the modification time and the inode that the file had when it
//! was verified. A later write changes the time, a copy (even with attributes) has another inode, so
//! neither carries a valid stamp. It protects from accidents, as the hash itself does, not from who
//! may write into the cache as its owner.

use std::fs::File;

use rusty_attachments_model::ContentHash;

use super::os::{self, FileInfo};

/// Objects from this size on are stamped, and made durable before they are published. Smaller ones
/// are not worth an fsync: their readers hash them on first use anyway, which also finds what a
/// power failure tore.
pub(super) const STAMPED_SIZE: u64 = 1 << 20;

/// Whether the file was verified before, and is still what it was then.
pub(super) fn is_valid(file: &File, hash: ContentHash, info: &FileInfo) -> bool {
    info.size >= STAMPED_SIZE && os::read_stamp(file).is_some_and(|stamp| stamp == text(hash, info))
}

/// Stamps a file whose bytes were hashed after `info` was taken: what changes them since then makes
/// the stamp invalid. The bytes must be durable before the stamp can be, because it must not survive
/// a power failure that they did not.
pub(super) fn write(file: &File, hash: ContentHash, info: &FileInfo) {
    if info.size >= STAMPED_SIZE
        && let Err(error) = os::write_stamp(file, &text(hash, info))
    {
        // Such objects are hashed again by every process that uses them.
        tracing::debug!(%hash, %error, "the file system keeps no verification stamps");
    }
}

fn text(hash: ContentHash, info: &FileInfo) -> Vec<u8> {
    format!("1 {hash} {} {} {}", info.size, info.modified_ns, info.inode).into_bytes()
}
