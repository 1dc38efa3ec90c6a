//! An append-only file of checksummed records that survives `kill -9` and power loss.

mod commit;
mod error;
mod file;
mod frame;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::commit::GroupCommit;
pub use self::error::JournalError;
use self::file::Fresh;

/// Records, in the order in which they were appended. Opaque bytes: what they mean is their
/// writer's business, whose version is part of the file's head. Shared by threads.
///
/// A file `<name>.lock` beside it keeps other processes away; `<name>.new` is there while it is
/// compacted.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    version: u32,
    /// Locked as long as this lives. Never the journal itself, which compaction replaces.
    _lock: file::Lock,
    writer: Mutex<Writer>,
    commit: GroupCommit,
}

#[derive(Debug)]
struct Writer {
    file: Arc<File>,
    /// Bytes of the file that are whole records and the head.
    size: u64,
    /// Counts records, for the group commit.
    appended: u64,
    /// Why the end of the file is not known any more.
    failed: Option<String>,
}

/// What was in a journal when it was opened.
#[derive(Debug)]
pub struct Replayed {
    bytes: Vec<u8>,
    payloads: Vec<Range<usize>>,
    /// Bytes at the end that were no whole record (a torn write) and were dropped.
    pub torn_bytes: u64,
}

impl Replayed {
    /// The records, oldest first.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.payloads.iter().map(|range| self.bytes.get(range.clone()).unwrap_or_default())
    }
}

impl Journal {
    /// Opens the journal at `path`, or makes it. One process at a time (a lock).
    ///
    /// A record at the end that is not whole is what a crash leaves of a write: it is dropped.
    ///
    /// # Errors
    /// As [`JournalError`] says; damage anywhere but at the end is an error that names the place,
    /// and nothing is lost.
    pub fn open(path: &Path, version: u32) -> Result<(Self, Replayed), JournalError> {
        let lock = file::lock(path)?;
        file::discard_fresh(path);
        let file = match file::open(path)? {
            Some(file) => file,
            None => {
                let (file, _) = Fresh::begin(path, version)?.publish()?;
                file::sync_folder(path)?;
                file
            }
        };
        let bytes = file::read(&file, path)?;
        let found = frame::version(&bytes)
            .ok_or_else(|| JournalError::NotAJournal { path: path.into() })?;
        if found != version {
            return Err(JournalError::Version { path: path.into(), found, expected: version });
        }
        let scan = frame::scan(&bytes);
        let size = scan.end as u64;
        if scan.is_damaged {
            let records = scan.payloads.len();
            return Err(JournalError::Damaged { path: path.into(), offset: size, records });
        }
        let torn_bytes = bytes.len() as u64 - size;
        if torn_bytes > 0 {
            file.set_len(size).map_err(JournalError::io("cut the torn end of", path))?;
        }
        (&file).seek(SeekFrom::Start(size)).map_err(JournalError::io("open", path))?;
        // What was read counts as one record that is not durable yet.
        let writer = Writer { file: Arc::new(file), size, appended: 1, failed: None };
        let journal = Self {
            path: path.into(),
            version,
            _lock: lock,
            writer: Mutex::new(writer),
            commit: GroupCommit::default(),
        };
        Ok((journal, Replayed { bytes, payloads: scan.payloads, torn_bytes }))
    }

    /// Appends a record of 1 to 64 MiB. It survives the death of this process when this returns;
    /// of the machine after [`sync`](Self::sync).
    ///
    /// # Errors
    /// The disk is full or failed; the journal is as before. If even that could not be brought
    /// about, this and all later calls fail with [`JournalError::Failed`], until
    /// [`compact`](Self::compact) succeeds or the journal is opened again.
    pub fn append(&self, record: &[u8]) -> Result<(), JournalError> {
        let size = record.len();
        if !frame::is_record_size(size) {
            return Err(JournalError::RecordSize { path: self.path.clone(), size });
        }
        let mut writer = self.writer.lock();
        self.check(&writer)?;
        let mut framed = Vec::new();
        frame::push_record(&mut framed, writer.size, record);
        if let Err(source) = (&*writer.file).write_all(&framed) {
            writer.cut_back();
            self.check(&writer)?;
            return Err(JournalError::io("append to", &self.path)(source));
        }
        writer.size += framed.len() as u64;
        writer.appended += 1;
        Ok(())
    }

    /// Makes everything appended survive a power loss. Concurrent callers share one fsync.
    ///
    /// # Errors
    /// The disk failed. Nobody knows then what is on it, so the journal takes no more records
    /// until [`compact`](Self::compact) succeeds or it is opened again.
    pub fn sync(&self) -> Result<(), JournalError> {
        let appended = {
            let writer = self.writer.lock();
            self.check(&writer)?;
            writer.appended
        };
        self.commit.commit(appended, || self.flush())
    }

    /// Makes all records durable and says how many there are.
    fn flush(&self) -> Result<u64, JournalError> {
        let (file, appended) = {
            let writer = self.writer.lock();
            self.check(&writer)?;
            (Arc::clone(&writer.file), writer.appended)
        };
        let Err(source) = file.sync_data() else { return Ok(appended) };
        let mut writer = self.writer.lock();
        if !Arc::ptr_eq(&file, &writer.file) {
            // Compacted meanwhile into a file that is durable.
            return Ok(appended);
        }
        // The system reports a lost write once, and then forgets it: a second fsync would lie.
        writer.failed = Some(source.to_string());
        Err(JournalError::io("sync", &self.path)(source))
    }

    /// Replaces all records by fewer that mean the same; atomic, and durable when it returns.
    /// Who appends meanwhile waits, so the records must say everything that was appended before.
    ///
    /// # Errors
    /// The disk is full or failed; the journal is as before.
    pub fn compact(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Result<(), JournalError> {
        let mut writer = self.writer.lock();
        let mut fresh = Fresh::begin(&self.path, self.version)?;
        for record in records {
            fresh.append(&record)?;
        }
        let (file, size) = fresh.publish()?;
        writer.file = Arc::new(file);
        writer.size = size;
        // The rename itself must last before anything that follows it is acknowledged.
        let renamed = file::sync_folder(&self.path);
        writer.failed = renamed.as_ref().err().map(ToString::to_string);
        renamed?;
        self.commit.note_durable(writer.appended);
        Ok(())
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.writer.lock().size
    }

    fn check(&self, writer: &Writer) -> Result<(), JournalError> {
        writer.failed.as_ref().map_or(Ok(()), |reason| {
            Err(JournalError::Failed { path: self.path.clone(), reason: reason.clone() })
        })
    }
}

impl Writer {
    /// Takes a half-written record away again.
    fn cut_back(&mut self) {
        let cut = self.file.set_len(self.size);
        if let Err(error) = cut.and_then(|()| (&*self.file).seek(SeekFrom::Start(self.size))) {
            self.failed = Some(error.to_string());
        }
    }
}
