//! An object in the cache, open for reading.

use std::fs::{File, FileTimes};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rusty_attachments_model::{ContentHash, ContentHasher};

use super::disk::DiskCache;
use super::error::CacheError;
use super::os::{self, FileInfo};
use super::stamp;
use super::stats::count;

/// Use is recorded no more often than this, because each record is a write to the disk.
const TOUCH_INTERVAL: Duration = Duration::from_secs(600);
/// How much is read at once when a file is hashed.
pub(super) const HASH_STEP: u64 = 1 << 20;

/// A published object. It stays readable when it is evicted or removed meanwhile.
#[derive(Debug)]
pub struct CachedObject {
    cache: Arc<DiskCache>,
    hash: ContentHash,
    file: Arc<File>,
    info: FileInfo,
    verified: AtomicBool,
}

impl CachedObject {
    /// Wraps a file that was found under its hash; a valid stamp makes it verified.
    pub(super) fn new(
        cache: &Arc<DiskCache>,
        hash: ContentHash,
        file: File,
    ) -> io::Result<(Self, FileInfo)> {
        let info = os::file_info(&file)?;
        let verified = AtomicBool::new(stamp::is_valid(&file, hash, &info));
        Ok((Self { cache: Arc::clone(cache), hash, file: Arc::new(file), info, verified }, info))
    }

    /// Wraps a file whose bytes this process has just hashed.
    pub(super) fn hashed(
        cache: &Arc<DiskCache>,
        hash: ContentHash,
        file: File,
    ) -> io::Result<Self> {
        let (object, _) = Self::new(cache, hash, file)?;
        object.verified.store(true, Ordering::Release);
        Ok(object)
    }

    /// The open file, read-only.
    #[must_use]
    pub const fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The object's hash, by its name.
    #[must_use]
    pub const fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Bytes in the object.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.info.size
    }

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the end; those of the operating system.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        os::read_exact_at(&self.file, buf, offset)
    }

    /// Whether these bytes were hashed: through this handle, or before, with a stamp to prove it.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    /// Reads and hashes the whole object, and stamps it if it is large.
    ///
    /// # Errors
    /// `Corrupt` if the bytes have another hash: the file is removed. `Io`.
    pub fn verify(&self) -> Result<(), CacheError> {
        let stampable = self.size() >= stamp::STAMPED_SIZE && !self.cache.is_read_only();
        if stampable {
            self.file.sync_all().map_err(|error| self.failed("sync", &error))?;
        }
        let before = os::file_info(&self.file).map_err(|error| self.failed("inspect", &error))?;
        let found = self.hash_all()?;
        self.settle(found)?;
        if stampable {
            stamp::write(&self.file, self.hash, &before);
        }
        Ok(())
    }

    fn hash_all(&self) -> Result<ContentHash, CacheError> {
        let mut hasher = ContentHasher::new();
        let mut buffer = vec![0; usize::try_from(self.size().min(HASH_STEP)).unwrap_or(0)];
        let mut offset = 0;
        while offset < self.size() {
            let left = usize::try_from(self.size() - offset).unwrap_or(usize::MAX);
            let length = left.min(buffer.len());
            let piece = buffer.get_mut(..length).unwrap_or_default();
            match self.read_at(offset, piece) {
                // It was cut since it was opened.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                read => read.map_err(|error| self.failed("read", &error))?,
            }
            hasher.update(piece);
            offset += length as u64;
        }
        Ok(hasher.finish())
    }

    /// Reads and hashes a small object into memory.
    ///
    /// # Errors
    /// `Corrupt` if the bytes have another hash: the file is removed. `Io`; `Misused` if `buf` is not
    /// exactly as long as the object.
    pub fn read_verified(&self, buf: &mut [u8]) -> Result<(), CacheError> {
        if buf.len() as u64 != self.size() {
            let reason = format!("the buffer has {} bytes, not {}", buf.len(), self.size());
            return Err(CacheError::Misused { action: "read", hash: self.hash, reason });
        }
        match self.read_at(0, buf) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.discard()),
            Err(error) => Err(self.failed("read", &error)),
            Ok(()) => self.settle(ContentHash::of(buf)),
        }
    }

    /// Removes the file, whose bytes a reader found to be wrong, and says so as an error.
    #[must_use]
    pub fn discard(&self) -> CacheError {
        self.verified.store(false, Ordering::Release);
        count(&self.cache.counters.corrupt, 1);
        let fate = match self.cache.remove(self.hash, Some(self.info.inode)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                format!("it could not be removed ({error}), do so by hand")
            }
            _ => "it was removed".to_owned(),
        };
        let path = self.cache.layout.object_path(self.hash);
        CacheError::Corrupt {
            hash: self.hash,
            path,
            reason: format!("its bytes have another hash; {fate}"),
        }
    }

    fn settle(&self, found: ContentHash) -> Result<(), CacheError> {
        if found != self.hash {
            return Err(self.discard());
        }
        self.verified.store(true, Ordering::Release);
        Ok(())
    }

    /// Records that the object is used, for eviction.
    pub(super) fn touch(&self) {
        let now = SystemTime::now();
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ns = i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX);
        let interval_ns = i128::try_from(TOUCH_INTERVAL.as_nanos()).unwrap_or(i128::MAX);
        if now_ns - self.info.accessed_ns >= interval_ns {
            // A failure only lets the object look older than it is.
            let _ = self.file.set_times(FileTimes::new().set_accessed(now));
        }
    }

    fn failed(&self, action: &'static str, error: &io::Error) -> CacheError {
        CacheError::io(action, &self.cache.layout.object_path(self.hash), error)
    }
}
