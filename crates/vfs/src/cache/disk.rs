//! The cache as its users see it: open, look up, store, begin.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rusty_attachments_model::ContentHash;

use super::error::CacheError;
use super::eviction::PruneReport;
use super::layout::{CacheUsage, Layout, cost};
use super::ledger::Ledger;
use super::object::CachedObject;
use super::os::{FileInfo, FileKind};
use super::partial::PartialObject;
use super::space::{Pauses, signed};
use super::staged::Staged;
use super::stats::{CacheStats, Counters, count};

/// How large the cache may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes on disk that objects and partial objects may take together.
    pub max_bytes: u64,
    /// Bytes that the cache leaves free on its disk.
    pub min_free_bytes: u64,
}

/// The answer to "is it here?".
#[derive(Debug)]
pub enum CacheLookup {
    /// It is. Ask [`CachedObject::is_verified`] before trusting its bytes.
    Hit(Arc<CachedObject>),
    /// It is not.
    Miss,
    /// Something is there that is not the object, and was removed if that was possible; or the
    /// operating system refused. Fetch the object as after a miss.
    Rejected(CacheError),
}

/// A directory of content-addressed files, shared by all processes that open it.
#[derive(Debug)]
pub struct DiskCache {
    pub(super) layout: Layout,
    pub(super) limits: CacheLimits,
    pub(super) ledger: Ledger,
    pub(super) counters: Counters,
    pub(super) pauses: Pauses,
    /// Bytes that the ledger counts and that are being written right now.
    pub(super) unwritten: AtomicU64,
    read_only: bool,
}

impl DiskCache {
    /// Opens the cache in `dir`, which is made if it is missing, and removes what dead processes
    /// left half-written. On a read-only disk the cache serves what it has and stores nothing.
    ///
    /// # Errors
    /// `Unusable` if `dir` is a link, belongs to another user, can be written by others, or cannot
    /// be made; `OutOfSpace` if the disk has no room even for the folders.
    pub fn open(dir: &Path, limits: CacheLimits) -> Result<Arc<Self>, CacheError> {
        let layout = Layout::open(dir)?;
        let read_only = !layout.is_writable()?;
        if read_only {
            tracing::warn!(path = %layout.path().display(), "the disk cache is read-only");
        }
        // Without the file this process counts alone.
        let usage_file = (!read_only).then(|| layout.version.open_or_create_file("usage").ok());
        let (ledger, counted) = Ledger::open(usage_file.flatten());
        let (counters, pauses) = (Counters::default(), Pauses::new());
        let unwritten = AtomicU64::new(0);
        let cache = Self { layout, limits, ledger, counters, pauses, unwritten, read_only };
        if !read_only {
            match cache.layout.sweep_partials() {
                Ok(freed) => cache.give_back(freed),
                Err(error) => tracing::warn!(%error, "cannot remove abandoned partial files"),
            }
            if !counted {
                let usage = cache.usage()?;
                cache.ledger.add(signed(usage.object_bytes + usage.partial_bytes));
            }
        }
        Ok(Arc::new(cache))
    }

    /// The folder of the cache.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.layout.path()
    }

    /// Looks for an object of `size` bytes and marks it as used. Costs a few system calls; no bytes
    /// are read.
    pub fn lookup(self: &Arc<Self>, hash: ContentHash, size: u64) -> CacheLookup {
        let found = match self.open_object(hash, Some(size)) {
            Ok(found) => found,
            Err(error) => {
                count(&self.counters.rejected, 1);
                tracing::warn!(%error, "a file in the disk cache is not used");
                return CacheLookup::Rejected(error);
            }
        };
        let Some(object) = found else {
            count(&self.counters.misses, 1);
            return CacheLookup::Miss;
        };
        count(&self.counters.hits, 1);
        if !self.read_only {
            object.touch();
        }
        CacheLookup::Hit(Arc::new(object))
    }

    /// Opens what lies under a hash if it can be the object; removes it if not.
    pub(super) fn open_object(
        self: &Arc<Self>,
        hash: ContentHash,
        size: Option<u64>,
    ) -> Result<Option<CachedObject>, CacheError> {
        let name = hash.to_string();
        let failed = |error| CacheError::io("open", &self.layout.object_path(hash), &error);
        let shelf = match self.layout.shelf(hash) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            shelf => shelf.map_err(failed)?,
        };
        let info = match shelf.info_of(&name) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            info => info.map_err(failed)?,
        };
        if let Err(reason) = accept(&info, size) {
            return Err(self.reject(hash, &reason));
        }
        match shelf.open_file(&name).and_then(|file| CachedObject::new(self, hash, file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
            // Another process may have put something else there since.
            Ok((object, info)) => match accept(&info, size) {
                Ok(()) => Ok(Some(object)),
                Err(reason) => Err(self.reject(hash, &reason)),
            },
        }
    }

    fn reject(&self, hash: ContentHash, reason: &str) -> CacheError {
        let fate = match self.remove(hash, None) {
            Ok(()) => "removed".to_owned(),
            Err(error) => format!("it could not be removed ({error}), do so by hand"),
        };
        let path = self.layout.object_path(hash);
        CacheError::Corrupt { hash, path, reason: format!("{reason}; {fate}") }
    }

    /// Removes the file under a hash, if it is still the one of this inode.
    pub(super) fn remove(&self, hash: ContentHash, inode: Option<u64>) -> io::Result<()> {
        let (shelf, name) = (self.layout.shelf(hash)?, hash.to_string());
        let info = shelf.info_of(&name)?;
        if inode.is_none_or(|inode| inode == info.inode) {
            shelf.remove(&name)?;
            self.give_back(cost(info.size));
        }
        Ok(())
    }

    /// Publishes a whole object from memory. `false` if it is not kept: larger than the cache, there
    /// already, or nothing is written at the moment.
    ///
    /// # Errors
    /// `Corrupt` if the bytes do not have this hash, `OutOfSpace` once when the disk is found full,
    /// `Io`.
    pub fn store(self: &Arc<Self>, hash: ContentHash, bytes: &[u8]) -> Result<bool, CacheError> {
        let size = bytes.len() as u64;
        if ContentHash::of(bytes) != hash {
            count(&self.counters.corrupt, 1);
            return Err(CacheError::Corrupt {
                hash,
                path: self.layout.object_path(hash),
                reason: "the bytes to be stored have another hash; nothing was written".to_owned(),
            });
        }
        let paused = self.read_only || self.is_paused();
        if paused || cost(size) > self.limits.max_bytes || self.holds(hash, size) {
            return Ok(false);
        }
        let staged = Staged::create(self, hash)?;
        match staged.write_at(0, bytes, cost(size)) {
            Err(CacheError::Full { .. }) => return Ok(false),
            written => written?,
        }
        staged.publish(size)?;
        Ok(true)
    }

    fn holds(&self, hash: ContentHash, size: u64) -> bool {
        let info = self.layout.shelf(hash).and_then(|shelf| shelf.info_of(&hash.to_string()));
        info.is_ok_and(|info| accept(&info, Some(size)).is_ok())
    }

    /// Begins an object that arrives in pieces, in any order. Others see it once it is finished.
    ///
    /// # Errors
    /// `TooLarge`, `ReadOnly`, `OutOfSpace` while nothing is written, `Io`.
    pub fn begin(
        self: &Arc<Self>,
        hash: ContentHash,
        size: u64,
    ) -> Result<PartialObject, CacheError> {
        let limit = self.limits.max_bytes;
        if self.read_only {
            return Err(CacheError::ReadOnly { path: self.layout.path().to_owned() });
        }
        if cost(size) > limit {
            return Err(CacheError::TooLarge { hash, size, limit });
        }
        if self.is_paused() {
            return Err(self.no_room(size, "it could not be written a moment ago"));
        }
        Ok(PartialObject::new(Staged::create(self, hash)?, hash, size))
    }

    /// What the cache holds, by a scan of its folders: about a second for half a million objects.
    ///
    /// # Errors
    /// `Io`.
    pub fn usage(&self) -> Result<CacheUsage, CacheError> {
        let failed = |error| CacheError::io("scan", self.layout.path(), &error);
        let usage = self.layout.measure(&mut |_, _| {}).map_err(failed)?;
        let free_bytes = self.layout.version.free_bytes().map_err(failed)?;
        Ok(CacheUsage { max_bytes: self.limits.max_bytes, free_bytes, ..usage })
    }

    /// Removes the least recently used objects until the cache takes at most `target_bytes` on disk.
    ///
    /// # Errors
    /// `Busy` while another process evicts, `ReadOnly`, `Io`.
    pub fn prune(&self, target_bytes: u64) -> Result<PruneReport, CacheError> {
        self.evict(target_bytes)
    }

    /// What was counted since this cache was opened.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.counters.snapshot()
    }

    /// Whether the directory can only be read.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }
}

/// Whether a file can be the object of this size, by everything but its bytes.
fn accept(info: &FileInfo, size: Option<u64>) -> Result<(), String> {
    if info.kind != FileKind::Regular {
        return Err("it is not a regular file".to_owned());
    }
    if !info.is_mine {
        return Err("it belongs to another user".to_owned());
    }
    if info.others_write {
        return Err("other users may write to it".to_owned());
    }
    if info.has_other_names {
        return Err("it has another name, by which it can be changed".to_owned());
    }
    match size {
        Some(size) if size != info.size => {
            Err(format!("it has {} bytes instead of {size}", info.size))
        }
        _ => Ok(()),
    }
}
