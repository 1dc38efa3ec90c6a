//! What must outlive the process, in a folder of its own for each root: the root's identity (M2),
//! the manifests that it shows, the journal of changes.
//!
//! The folder is `roots/<hash of the root's path>` below the cache folder, and is locked while a
//! root is started: a second process that starts it is refused.

mod private;
mod record;
mod shown;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusty_attachments_model::ContentHash;

use self::record::Record;
pub(crate) use self::shown::{Showing, Shown};
use crate::error::ProjFsError;
use crate::root;

const ROOTS: &str = "roots";
const LOCK: &str = "lock";
const CHANGES: &str = "changes";

/// The state folder of one root, locked by this process until dropped.
#[derive(Debug)]
pub(crate) struct RootState {
    folder: PathBuf,
    record: Record,
    shown: Shown,
    /// The identity was made by this process, and no root was marked with it so far.
    is_unused: bool,
    lock: File,
}

impl RootState {
    /// Opens the state of `root`, which is spelled as [`root::resolve`] gives it, below
    /// `cache_dir`; or begins one with a new identity.
    pub(crate) fn open(cache_dir: &Path, root: &Path) -> Result<Self, ProjFsError> {
        let folder = folder_of(cache_dir, root);
        private::make(&cache_dir.join(ROOTS))?;
        private::make(&folder)?;
        let lock = lock(&folder, root)?;
        let read = Record::read(&folder, root)?;
        let is_unused = read.is_none();
        let record = match read {
            Some(record) => record,
            None => Record::begin(&folder, root)?,
        };
        Ok(Self { shown: Shown::new(&folder), folder, record, is_unused, lock })
    }

    /// Whether the root was projected into before.
    pub(crate) const fn is_known(&self) -> bool {
        !self.is_unused
    }

    /// The root is marked with the identity now: it is kept from now on.
    pub(crate) const fn keep(&mut self) {
        self.is_unused = false;
    }

    /// The one GUID of the root for its whole life (projfs.md M2).
    pub(crate) const fn instance_id(&self) -> u128 {
        self.record.instance_id()
    }

    /// Where the change store is.
    pub(crate) fn changes_folder(&self) -> PathBuf {
        self.folder.join(CHANGES)
    }

    /// The manifests that placeholders on disk may be of.
    pub(crate) const fn shown(&self) -> &Shown {
        &self.shown
    }
}

impl Drop for RootState {
    fn drop(&mut self) {
        if self.is_unused {
            // Still locked. If it stays, the next start finds an identity that marks nothing.
            let _ = fs::remove_file(Record::path(&self.folder));
        }
        // Not left to the close: a process that is being started may have a copy for a moment.
        let _ = self.lock.unlock();
    }
}

/// The other roots that are kept below a cache folder. What cannot be read is left out: it is
/// another root's trouble.
pub(crate) fn other_roots(cache_dir: &Path, root: &Path) -> Vec<PathBuf> {
    let own = folder_of(cache_dir, root);
    let folders = fs::read_dir(cache_dir.join(ROOTS)).into_iter().flatten().flatten();
    let others = folders.map(|folder| folder.path()).filter(|folder| *folder != own);
    others.filter_map(|folder| Record::peek(&folder)).collect()
}

fn folder_of(cache_dir: &Path, root: &Path) -> PathBuf {
    cache_dir.join(ROOTS).join(ContentHash::of(&root::key(root)).to_string())
}

fn lock(folder: &Path, root: &Path) -> Result<File, ProjFsError> {
    let path = folder.join(LOCK);
    let mut options = File::options();
    let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(ProjFsError::io("open the lock", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ProjFsError::root(
            root,
            format!(
                "it is started already, by this or another process that holds the lock '{}'; stop \
                 that one first",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(ProjFsError::io("lock", path)(error)),
    }
}

/// Replaces a file: after a crash it has the old or the new content, never half of it.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    private::sync_folder(folder)
}

#[cfg(test)]
mod tests;
