//! A file on its way into the cache: invisible until it is published, gone if it never is.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusty_attachments_model::ContentHash;

use super::disk::DiskCache;
use super::error::CacheError;
use super::os;
use super::stamp;
use super::stats::count;

/// A locked file in `partial`. Its lock tells other processes that someone still fills it.
#[derive(Debug)]
pub(super) struct Staged {
    cache: Arc<DiskCache>,
    hash: ContentHash,
    name: String,
    file: Arc<File>,
    /// Bytes that the cache was charged with.
    charged: AtomicU64,
    /// Published or removed.
    settled: AtomicBool,
}

impl Staged {
    pub(super) fn create(cache: &Arc<DiskCache>, hash: ContentHash) -> Result<Self, CacheError> {
        let mut made = None;
        cache
            .write_or_evict(0, &mut || {
                made = Some(create_locked(cache, hash)?);
                Ok(())
            })
            .and_then(|()| made.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map(|(name, file)| Self {
                cache: Arc::clone(cache),
                hash,
                name,
                file: Arc::new(file),
                charged: AtomicU64::new(0),
                settled: AtomicBool::new(false),
            })
            .map_err(|error| CacheError::io("create a file in", cache.layout.path(), &error))
    }

    pub(super) const fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) const fn cache(&self) -> &Arc<DiskCache> {
        &self.cache
    }

    /// Writes bytes, charged as `cost`.
    pub(super) fn write_at(&self, offset: u64, bytes: &[u8], cost: u64) -> Result<(), CacheError> {
        let charge = self.cache.charge(cost)?;
        let mut write = || os::write_all_at(&self.file, bytes, offset);
        self.cache
            .write_or_evict(cost, &mut write)
            .map_err(|error| self.failed("write", &error))?;
        charge.keep();
        self.charged.fetch_add(cost, Ordering::Relaxed);
        Ok(())
    }

    /// A handle that can only read, for what comes after publishing.
    pub(super) fn reopen(&self) -> Result<File, CacheError> {
        let opened = self.cache.layout.partial.open_file(&self.name);
        opened.map_err(|error| self.failed("open", &error))
    }

    /// Makes the file the object; its bytes must have been hashed. A crash leaves it whole or not
    /// there. Whether the new name itself survives a power failure matters to nobody: without it the
    /// object is fetched again.
    pub(super) fn publish(&self, size: u64) -> Result<(), CacheError> {
        let (cache, hash) = (&self.cache, self.hash);
        let path = cache.layout.object_path(hash);
        if size >= stamp::STAMPED_SIZE {
            // Nobody else writes to it, and nobody sees it before both are durable.
            let info = os::file_info(&self.file).map_err(|error| self.failed("inspect", &error))?;
            stamp::write(&self.file, hash, &info);
            self.file.sync_all().map_err(|error| self.failed("sync", &error))?;
        }
        let name = hash.to_string();
        let publish = |shelf: &os::Dir| cache.layout.partial.rename(&self.name, shelf, &name);
        let mut shelf = None;
        let made = cache.write_or_evict(0, &mut || {
            shelf = Some(cache.layout.make_shelf(hash)?);
            Ok(())
        });
        made.and_then(|()| shelf.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .and_then(|shelf| {
                publish(&shelf).or_else(|error| {
                    // Only a folder is not simply replaced.
                    shelf.remove(&name).and_then(|()| publish(&shelf)).map_err(|_| error)
                })
            })
            .map_err(|error| CacheError::io("publish", &path, &error))?;
        self.settled.store(true, Ordering::Release);
        count(&cache.counters.stored, 1);
        count(&cache.counters.stored_bytes, size);
        Ok(())
    }

    /// Removes the file unless it was published; open handles can still read it.
    pub(super) fn abandon(&self) {
        if !self.settled.swap(true, Ordering::AcqRel) {
            // If this fails, the next eviction or start finds it unlocked.
            let _ = self.cache.layout.partial.remove(&self.name);
            self.cache.give_back(self.charged.load(Ordering::Relaxed));
        }
    }

    pub(super) fn failed(&self, action: &'static str, error: &io::Error) -> CacheError {
        CacheError::io(action, &self.cache.layout.partial_path(&self.name), error)
    }
}

/// Between creation and locking, a process that cleans may take the file for abandoned.
fn create_locked(cache: &DiskCache, hash: ContentHash) -> io::Result<(String, File)> {
    for _ in 0..16 {
        let (name, file) = cache.layout.create_partial(&hash.to_string())?;
        if file.try_lock().is_ok() && !os::file_info(&file)?.is_removed {
            return Ok((name, file));
        }
    }
    Err(io::Error::other("another process removes every new file at once"))
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.abandon();
    }
}
