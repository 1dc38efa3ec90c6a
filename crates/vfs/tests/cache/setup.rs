//! What the tests share: small caches, objects made from a seed, mounted disks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::{CacheLimits, CacheLookup, CachedObject, DiskCache};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn limits(max_bytes: u64) -> CacheLimits {
    CacheLimits { max_bytes, min_free_bytes: 0 }
}

pub(crate) fn private_dir() -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o700)).unwrap();
    temp
}

pub(crate) fn cache() -> (TempDir, Arc<DiskCache>) {
    let temp = private_dir();
    let cache = DiskCache::open(temp.path(), limits(64 * MIB)).unwrap();
    (temp, cache)
}

/// Bytes that differ for every seed.
pub(crate) fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(crate) fn object(seed: u64, size: usize) -> (ContentHash, Vec<u8>) {
    let bytes = content(seed, size);
    (ContentHash::of(&bytes), bytes)
}

pub(crate) fn path_of(dir: &Path, hash: ContentHash) -> PathBuf {
    let name = hash.to_string();
    dir.join("v1/objects").join(&name[..2]).join(name)
}

pub(crate) fn hit(cache: &Arc<DiskCache>, hash: ContentHash, size: usize) -> Arc<CachedObject> {
    match cache.lookup(hash, size as u64) {
        CacheLookup::Hit(object) => object,
        other => panic!("{hash}: {other:?}"),
    }
}

pub(crate) fn is_miss(cache: &Arc<DiskCache>, hash: ContentHash, size: usize) -> bool {
    matches!(cache.lookup(hash, size as u64), CacheLookup::Miss)
}

pub(crate) fn all_bytes(object: &CachedObject) -> Vec<u8> {
    let mut bytes = vec![0; object.size() as usize];
    object.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Names in `partial`.
pub(crate) fn partials(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("v1/partial")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A file system of its own in memory, unmounted when dropped.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    pub(crate) fn new(size: &str) -> Self {
        let temp = private_dir();
        let options = std::ffi::CString::new(format!("size={size},mode=0700")).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", temp.path(), "tmpfs", flags, options.as_c_str()).expect(
            "this test mounts a small tmpfs: run it as root, or in a user namespace that may mount",
        );
        Self(temp)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Bytes in use, at one instant: a scan would see files come and go.
    pub(crate) fn used(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }

    pub(crate) fn make_read_only(&self) {
        let flags = rustix::mount::MountFlags::RDONLY;
        rustix::mount::mount_remount(self.path(), flags, c"").unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.path(), rustix::mount::UnmountFlags::DETACH);
    }
}
