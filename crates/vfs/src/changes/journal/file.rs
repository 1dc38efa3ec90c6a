//! The files of a journal: made, locked, replaced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::frame;

/// Bytes that are gathered before they are written to a fresh journal.
const WRITE_BUFFER: usize = 256 * 1024;

/// Keeps others from a journal until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Not left to the close: a process that is being started may have a copy for a moment.
        let _ = self.0.unlock();
    }
}

/// Takes the lock of the journal at `path`.
pub(super) fn lock(path: &Path) -> Result<Lock, JournalError> {
    let lock_path = beside(path, ".lock");
    let file = private()
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(JournalError::io("lock", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: path.into() }),
        Err(TryLockError::Error(source)) => Err(JournalError::io("lock", path)(source)),
    }
}

/// Opens an existing journal; `None` if there is none.
pub(super) fn open(path: &Path) -> Result<Option<File>, JournalError> {
    match private().open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::io("open", path)(error)),
    }
}

/// All bytes of a file that was just opened.
pub(super) fn read(mut file: &File, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    io::Seek::rewind(&mut file)
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(JournalError::io("read", path))?;
    Ok(bytes)
}

/// Makes the names in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), JournalError> {
    // Windows has no such call: NTFS journals names by itself.
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(JournalError::io("sync the folder of", path))?;
    }
    Ok(())
}

/// Removes what a compaction left that was killed.
pub(super) fn discard_fresh(path: &Path) {
    // What cannot be removed is overwritten by the next compaction, which then says why not.
    let _ = fs::remove_file(beside(path, ".new"));
}

/// A journal that is written beside the one that it will replace. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Fresh<'a> {
    path: &'a Path,
    file: BufWriter<File>,
    size: u64,
    framed: Vec<u8>,
    is_published: bool,
}

impl<'a> Fresh<'a> {
    /// Begins an empty journal, in the place of what an earlier attempt may have left.
    pub(super) fn begin(path: &'a Path, version: u32) -> Result<Self, JournalError> {
        let file = private()
            .create(true)
            .truncate(true)
            .open(beside(path, ".new"))
            .map_err(JournalError::io("rewrite", path))?;
        let mut fresh = Self {
            path,
            file: BufWriter::with_capacity(WRITE_BUFFER, file),
            size: 0,
            framed: frame::head(version).to_vec(),
            is_published: false,
        };
        fresh.write()?;
        Ok(fresh)
    }

    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), JournalError> {
        let size = record.len();
        if !frame::is_record_size(size) {
            return Err(JournalError::RecordSize { path: self.path.into(), size });
        }
        frame::push_record(&mut self.framed, self.size, record);
        self.write()
    }

    fn write(&mut self) -> Result<(), JournalError> {
        self.file.write_all(&self.framed).map_err(JournalError::io("rewrite", self.path))?;
        self.size += self.framed.len() as u64;
        self.framed.clear();
        Ok(())
    }

    /// Makes it durable and puts it in its place; positioned at its end. The new name lasts after
    /// [`sync_folder`].
    pub(super) fn publish(mut self) -> Result<(File, u64), JournalError> {
        let file = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| self.file.get_ref().try_clone())
            .map_err(JournalError::io("rewrite", self.path))?;
        fs::rename(beside(self.path, ".new"), self.path)
            .map_err(JournalError::io("replace", self.path))?;
        self.is_published = true;
        Ok((file, self.size))
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            discard_fresh(self.path);
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Nobody else may read what names a job's files have.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_after_its_drop_though_a_starting_process_has_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let first = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(JournalError::InUse { .. })));
        let copy = first.0.try_clone().unwrap();
        drop(first);
        lock(&path).unwrap();
        drop(copy);
    }
}
