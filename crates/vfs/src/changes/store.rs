//! A change set that lasts: every change is in a journal before it is told.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf as FilePath};

use parking_lot::{Mutex, RwLock};
use rusty_attachments_model::{PathBuf, PathRef};

use super::base::Base;
use super::classify::{Changed, classify};
use super::conflict::{Conflict, conflicts};
use super::journal::{Journal, JournalError};
use super::key::{Key, NameRule};
use super::record;
use super::set::ChangeSet;
use super::state::{FileStamp, LocalContent, LocalFile, LocalState};

/// The journal's name in the folder of a store.
const JOURNAL_NAME: &str = "changes.journal";
/// Journals up to this size, in bytes, are not worth compacting.
const COMPACT_FROM: u64 = 64 * 1024;

/// Why a change cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The folder cannot be made.
    #[error("cannot make the folder '{}' for the journal of changes: {source}", path.display())]
    Folder {
        /// The folder.
        path: FilePath,
        /// What the system said.
        source: io::Error,
    },
    /// A record is whole, but does not say a change as this version writes it.
    #[error(
        "record {index} of the journal '{}' cannot be read ({reason}); nothing was changed: use \
         the program that wrote it, or move it away to begin anew",
        path.display()
    )]
    Record {
        /// The journal.
        path: FilePath,
        /// Which record, from zero.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// A [`ChangeSet`] in a folder. Shared by threads. Who reads never waits for the disk; who notes
/// waits for one append, and now and then for a compaction.
#[derive(Debug)]
pub struct ChangeStore {
    journal: Journal,
    /// Changed only by who holds `notes`, after the journal has it.
    set: RwLock<ChangeSet>,
    /// Makes the order of the journal the order of the set.
    notes: Mutex<Notes>,
}

#[derive(Debug)]
struct Notes {
    /// The journal's size in bytes from which compacting it is worth a try.
    compact_from: u64,
}

impl ChangeStore {
    /// Opens what is kept in `folder`, or begins there. One process at a time.
    ///
    /// # Errors
    /// As [`ChangeError`] says.
    pub fn open(folder: &Path, rule: NameRule) -> Result<Self, ChangeError> {
        fs::create_dir_all(folder)
            .map_err(|source| ChangeError::Folder { path: folder.into(), source })?;
        let path = folder.join(JOURNAL_NAME);
        let (journal, replayed) = Journal::open(&path, record::VERSION)?;
        if replayed.torn_bytes > 0 {
            let (path, bytes) = (path.display(), replayed.torn_bytes);
            tracing::warn!(%path, bytes, "dropped the torn end of a journal");
        }
        let mut set = ChangeSet::new(rule);
        for (index, record) in replayed.records().enumerate() {
            record::replay(record, &mut set).map_err(|error| ChangeError::Record {
                path: path.clone(),
                index,
                reason: error.to_string(),
            })?;
        }
        let notes = Mutex::new(Notes { compact_from: COMPACT_FROM });
        Ok(Self { journal, set: RwLock::new(set), notes })
    }

    /// Notes what is at a path now; `None`: what the base has. Nothing is written if that is
    /// known already.
    ///
    /// # Errors
    /// As [`ChangeError`] says; then nothing is noted.
    pub fn set(&self, path: PathRef<'_>, state: Option<LocalState>) -> Result<(), ChangeError> {
        let mut notes = self.notes.lock();
        if self.set.read().knows(path, state.as_ref()) {
            return Ok(());
        }
        let record = record::of_states(std::iter::once((path, state.as_ref())));
        self.note(&mut notes, &record, |set| set.set(path, state))
    }

    /// Several at once, in their order: all of them or, after a crash, none.
    ///
    /// # Errors
    /// As [`ChangeError`] says; then nothing is noted. More than 64 MiB of paths and hashes are
    /// too many for once.
    pub fn set_all(&self, states: Vec<(PathBuf, Option<LocalState>)>) -> Result<(), ChangeError> {
        let mut notes = self.notes.lock();
        let states = self.unknown(states);
        if states.is_empty() {
            return Ok(());
        }
        let record = states.iter().map(|(path, state)| (path.as_ref(), state.as_ref()));
        let record = record::of_states(record);
        self.note(&mut notes, &record, |set| {
            for (path, state) in states {
                set.set(path.as_ref(), state);
            }
        })
    }

    /// Leaves out what is known already, and what no other of the states can make unknown.
    fn unknown(
        &self,
        states: Vec<(PathBuf, Option<LocalState>)>,
    ) -> Vec<(PathBuf, Option<LocalState>)> {
        let set = self.set.read();
        let mut kept: HashSet<Key> = HashSet::new();
        let mut above_kept: HashSet<Key> = HashSet::new();
        let mut unknown = states;
        unknown.retain(|(path, state)| {
            let key = set.rule().key(path.as_ref());
            let is_touched = kept.contains(&key)
                || above_kept.contains(&key)
                || key.ancestors().any(|above| kept.contains(&above));
            if !is_touched && set.knows(path.as_ref(), state.as_ref()) {
                return false;
            }
            above_kept.extend(key.ancestors());
            kept.insert(key);
            true
        });
        unknown
    }

    /// A folder of which nothing is the base's was renamed, with all that is in it, as
    /// [`ChangeSet::rename_tree`] says. One record.
    ///
    /// # Errors
    /// As [`ChangeError`] says; then nothing is noted.
    pub fn rename_tree(&self, from: PathRef<'_>, to: PathRef<'_>) -> Result<(), ChangeError> {
        let mut notes = self.notes.lock();
        if from == to {
            return Ok(());
        }
        let record = record::of_rename_tree(from, to);
        self.note(&mut notes, &record, |set| set.rename_tree(from, to))
    }

    /// Notes a file's hashes if it still is what was hashed: a file with another stamp by now is
    /// left alone, and `false` is given.
    ///
    /// # Errors
    /// As [`ChangeError`] says.
    pub fn set_content(
        &self,
        path: PathRef<'_>,
        stamp: FileStamp,
        content: LocalContent,
    ) -> Result<bool, ChangeError> {
        let mut notes = self.notes.lock();
        let noted = match self.get(path) {
            Some(LocalState::File(file)) if file.stamp == stamp => file,
            _ => return Ok(false),
        };
        if noted.content != content {
            let state = Some(LocalState::File(LocalFile { content, ..noted }));
            let record = record::of_states(std::iter::once((path, state.as_ref())));
            self.note(&mut notes, &record, |set| set.set(path, state))?;
        }
        Ok(true)
    }

    /// What was noted of a path.
    #[must_use]
    pub fn get(&self, path: PathRef<'_>) -> Option<LocalState> {
        self.set.read().get(path).cloned()
    }

    /// How a noted path is spelled; `None` if nothing is noted of it.
    #[must_use]
    pub fn spelled(&self, path: PathRef<'_>) -> Option<PathBuf> {
        let set = self.set.read();
        set.noted_at(&set.rule().key(path)).map(|noted| noted.path.clone())
    }

    /// Whether nothing is at a path, as [`ChangeSet::is_gone`] says.
    #[must_use]
    pub fn is_gone(&self, path: PathRef<'_>) -> bool {
        self.set.read().is_gone(path)
    }

    /// All noted paths and states, in order.
    #[must_use]
    pub fn states(&self) -> Vec<(PathBuf, LocalState)> {
        owned(self.set.read().iter())
    }

    /// All noted paths below a folder (not itself) and their states, in order.
    #[must_use]
    pub fn below(&self, folder: PathRef<'_>) -> Vec<(PathBuf, LocalState)> {
        owned(self.set.read().below(folder))
    }

    /// How many paths are noted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.read().len()
    }

    /// Whether everything is as the base has it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All paths that differ from the base.
    #[must_use]
    pub fn changes(&self, base: &dyn Base) -> Vec<Changed> {
        classify(&self.set.read(), base)
    }

    /// All changes that started from other content than the base has now.
    #[must_use]
    pub fn conflicts(&self, base: &dyn Base) -> Vec<Conflict> {
        conflicts(&self.set.read(), base)
    }

    /// Makes everything noted survive a power loss.
    ///
    /// # Errors
    /// As [`ChangeError`] says.
    pub fn sync(&self) -> Result<(), ChangeError> {
        Ok(self.journal.sync()?)
    }

    /// Bytes of the journal.
    #[must_use]
    pub fn journal_size(&self) -> u64 {
        self.journal.size()
    }

    /// First the journal, then the set.
    fn note(
        &self,
        notes: &mut Notes,
        record: &[u8],
        change: impl FnOnce(&mut ChangeSet),
    ) -> Result<(), ChangeError> {
        self.journal.append(record)?;
        change(&mut self.set.write());
        self.compact_if_worthwhile(notes);
        Ok(())
    }

    fn compact_if_worthwhile(&self, notes: &mut Notes) {
        let size = self.journal.size();
        // Nobody can be waiting to write while `notes` is locked, so readers pass this lock.
        let set = self.set.read();
        if size <= notes.compact_from || size <= 2 * set.journal_bytes() {
            return;
        }
        match self.journal.compact(&mut record::of_set(&set)) {
            Ok(()) => notes.compact_from = COMPACT_FROM,
            Err(error) => {
                // What was noted is safe in the journal as it is.
                tracing::warn!(%error, "could not compact the journal of changes");
                notes.compact_from = 2 * size;
            }
        }
    }
}

fn owned<'a>(
    states: impl Iterator<Item = (PathRef<'a>, &'a LocalState)>,
) -> Vec<(PathBuf, LocalState)> {
    states.map(|(path, state)| (path.into(), state.clone())).collect()
}
