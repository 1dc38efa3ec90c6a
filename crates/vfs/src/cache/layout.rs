//! The cache's folders: where files lie, whether the folders can be trusted, what is in them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusty_attachments_model::ContentHash;

use super::error::CacheError;
use super::os::{self, Dir, FileInfo, FileKind};

/// The version of everything below the cache's directory.
const VERSION: &str = "v1";
const OBJECTS: &str = "objects";
const PARTIAL: &str = "partial";
/// Tells backup programs that nothing here is worth keeping (bford.info/cachedir).
const TAG: (&str, &[u8]) =
    ("CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache.\n");
/// Disks hand out whole blocks, so a thousand tiny files are not free.
const BLOCK: u64 = 4096;

/// What is in the cache, by a scan of its folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheUsage {
    /// Published objects.
    pub objects: u64,
    /// Bytes that they take on disk, in whole blocks.
    pub object_bytes: u64,
    /// Objects that are being filled.
    pub partials: u64,
    /// Bytes that they take on disk so far.
    pub partial_bytes: u64,
    /// What the cache may hold in all, in bytes.
    pub max_bytes: u64,
    /// Bytes that are free on the cache's disk, if known.
    pub free_bytes: Option<u64>,
}

/// Open folders of one cache.
#[derive(Debug)]
pub(super) struct Layout {
    path: PathBuf,
    pub(super) version: Dir,
    pub(super) objects: Dir,
    pub(super) partial: Dir,
}

impl Layout {
    /// Opens the folders, made where they are missing.
    pub(super) fn open(dir: &Path) -> Result<Self, CacheError> {
        // A trailing slash would make the last component a link that may be followed.
        let path: PathBuf = dir.components().collect();
        let root = Dir::open_or_create(&path).map_err(|error| refuse(&path, &error))?;
        let inside = |made: io::Result<Dir>, name: &str| {
            let path = path.join(name);
            let folder = made.map_err(|error| refuse(&path, &error))?;
            check_private(&folder, &path)?;
            Ok::<_, CacheError>(folder)
        };
        check_private(&root, &path)?;
        let version = inside(root.make_subdirectory(VERSION), VERSION)?;
        let objects = inside(version.make_subdirectory(OBJECTS), "v1/objects")?;
        let partial = inside(version.make_subdirectory(PARTIAL), "v1/partial")?;
        Ok(Self { path: path.join(VERSION), version, objects, partial })
    }

    /// The folder of everything, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether files can be made; `false` for a read-only disk or missing permission.
    pub(super) fn is_writable(&self) -> Result<bool, CacheError> {
        match self.create_partial("probe") {
            Ok((name, _)) => {
                // Who cleans at this moment may have been faster.
                let _ = self.partial.remove(&name);
                let (name, text) = TAG;
                if let Ok(tag) = self.version.create_file(name) {
                    // A tag that is missing harms nobody.
                    let _ = os::write_all_at(&tag, text, 0);
                }
                Ok(true)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Ok(false),
                // Full now, but room can be made.
                _ if super::error::is_full(&error) => Ok(true),
                _ => Err(refuse(&self.path.join(PARTIAL), &error)),
            },
        }
    }

    /// Creates a file in `partial` under a name that no living process uses.
    pub(super) fn create_partial(&self, stem: &str) -> io::Result<(String, std::fs::File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{stem}-{}-{number}", std::process::id());
            match self.partial.create_file(&name) {
                // Left by a process of the same number, or of another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (name, file)),
            }
        }
    }

    /// The folder that holds an object.
    pub(super) fn shelf(&self, hash: ContentHash) -> io::Result<Dir> {
        self.objects.subdirectory(&shelf_name(hash))
    }

    /// The folder that is to hold an object, made if it is missing.
    pub(super) fn make_shelf(&self, hash: ContentHash) -> io::Result<Dir> {
        self.objects.make_subdirectory(&shelf_name(hash))
    }

    /// Where an object lies, for messages.
    pub(super) fn object_path(&self, hash: ContentHash) -> PathBuf {
        self.path.join(OBJECTS).join(shelf_name(hash)).join(hash.to_string())
    }

    /// Where a partial lies, for messages.
    pub(super) fn partial_path(&self, name: &str) -> PathBuf {
        self.path.join(PARTIAL).join(name)
    }

    /// Visits every published object, and whatever else lies among them (`None`).
    pub(super) fn visit_objects(
        &self,
        visit: &mut dyn FnMut(&Dir, &str, Option<ContentHash>),
    ) -> io::Result<()> {
        for prefix in 0..=u8::MAX {
            let shelf_name = format!("{prefix:02x}");
            let shelf = match self.objects.subdirectory(&shelf_name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                shelf => shelf?,
            };
            for name in shelf.names()? {
                let hash = ContentHash::from_hex(name.as_bytes())
                    .filter(|_| name.starts_with(&shelf_name));
                visit(&shelf, &name, hash);
            }
        }
        Ok(())
    }

    /// Counts what is there; every object is also shown to `visit`.
    pub(super) fn measure(
        &self,
        visit: &mut dyn FnMut(ContentHash, &FileInfo),
    ) -> io::Result<CacheUsage> {
        let mut usage = CacheUsage::default();
        // Before the objects, so that what is published meanwhile counts twice rather than never.
        for name in self.partial.names()? {
            if let Ok(info) = self.partial.info_of(&name) {
                usage.partials += 1;
                usage.partial_bytes += info.allocated;
            }
        }
        self.visit_objects(&mut |shelf, name, hash| {
            // What vanishes during the scan was evicted by another process.
            if let Some(hash) = hash
                && let Ok(info) = shelf.info_of(name)
            {
                usage.objects += 1;
                usage.object_bytes += cost(info.size);
                visit(hash, &info);
            }
        })?;
        Ok(usage)
    }

    /// Removes partial files of processes that are no more; returns the bytes that they took.
    ///
    /// Whoever fills a partial holds its lock, so a lock that can be had means a dead owner.
    pub(super) fn sweep_partials(&self) -> io::Result<u64> {
        let mut freed = 0;
        for name in self.partial.names()? {
            let Ok(info) = self.partial.info_of(&name) else { continue };
            let abandoned = if info.kind == FileKind::Regular {
                // Writable, because some network file systems lock nothing else.
                self.partial.open_writable(&name).is_ok_and(|file| {
                    file.try_lock().is_ok()
                        && os::file_info(&file).is_ok_and(|info| !info.is_removed)
                        && self.partial.remove(&name).is_ok()
                })
            } else {
                self.partial.remove(&name).is_ok()
            };
            if abandoned {
                freed += info.allocated;
                tracing::debug!(name, "removed a partial file that nobody fills");
            }
        }
        Ok(freed)
    }
}

/// What a file of `size` bytes takes on disk.
pub(super) const fn cost(size: u64) -> u64 {
    size.saturating_add(BLOCK - 1) / BLOCK * BLOCK
}

fn shelf_name(hash: ContentHash) -> String {
    format!("{:02x}", hash.as_bytes()[0])
}

fn refuse(path: &Path, error: &io::Error) -> CacheError {
    if super::error::is_full(error) {
        return CacheError::io("create", path, error);
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => CacheError::unusable(
            path,
            "it is a symbolic link",
            "name the folder that it leads to, so that nobody can redirect it",
        ),
        Ok(found) if !found.is_dir() => {
            CacheError::unusable(path, "it is no folder", "name another cache directory")
        }
        _ => CacheError::unusable(
            path,
            error.to_string(),
            "name a cache directory that you own and can write",
        ),
    }
}

/// Others who can write could swap files between a check and a read.
fn check_private(dir: &Dir, path: &Path) -> Result<(), CacheError> {
    let info = dir.info().map_err(|error| refuse(path, &error))?;
    if !info.is_mine {
        return Err(CacheError::unusable(
            path,
            "it belongs to another user",
            "name a cache directory of your own, or change its owner",
        ));
    }
    if info.others_write {
        return Err(CacheError::unusable(
            path,
            "other users may write to it",
            format!("run: chmod go-w '{}'", path.display()),
        ));
    }
    Ok(())
}
