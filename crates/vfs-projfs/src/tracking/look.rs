//! Looks at the disk, and notes what is there.
//!
//! What is noted follows from what is on disk now, not from what was hinted: a hint only says where
//! to look. So hints may come late, twice or in any order (projfs.md K16).

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::ContentIdentity;
use rusty_attachments_vfs::changes::{ChangeStore, FileStamp, LocalContent, LocalFile, LocalState};

use super::bases::{Bases, is_made_for};
use super::moves::{Moves, Seed};
use super::paths::{Key, folder_of, folders_above, joined, narrow, wide};
use super::remount::Stale;
use crate::callbacks::{OnDisk, Presence};
use crate::disk::{Disk, DiskItem, ItemKind, ItemState};
use crate::error::ProjFsError;
use crate::projection::ProjectedKind;

/// Clean paths that are looked at again before changes are told; of more, everything is.
const WATCHED_MAX: usize = 100_000;

/// States that are noted as one; a journal takes only so many bytes at once.
const STATES_AT_ONCE: usize = 20_000;

/// How to look.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// It was written to, whatever its size and time say: programs can set times back.
    pub(super) written: bool,
    /// Another item may be there than before, though it looks the same.
    pub(super) moved: Option<Moved>,
    /// A folder is walked through although it is known.
    pub(super) walk: bool,
    /// Nothing is believed of placeholders: a folder was renamed, with whatever is in it.
    pub(super) distrust: bool,
    /// The root is stopped: what is not on disk is told apart by what its folder is.
    pub(super) stopped: bool,
}

/// What a rename says of the item that it put somewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    /// The projected path where it was first.
    pub(super) origin: Option<PathBuf>,
    /// What was noted of it where it came from.
    pub(super) noted: Option<LocalFile>,
}

/// What a placeholder has in it.
enum Inside {
    /// What is projected where it is.
    AsBase,
    Known(ContentIdentity),
    /// Its bytes must be read.
    Unknown,
}

/// Looks, and notes. One thread has it at a time.
#[derive(Debug)]
pub(super) struct Looker {
    pub(super) bases: Bases,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) store: Arc<ChangeStore>,
    pub(super) presence: Arc<Presence>,
    pub(super) moves: Moves,
    /// Placeholders whose content nobody knows.
    unknown: HashSet<Key>,
    /// Paths that were hinted at and are as the base has them, so far: the conversion that a hint
    /// announces comes after it (projfs.md K8), and other names of a file change with it.
    watched: HashMap<Key, PathBuf>,
    pub(super) watches_everything: bool,
    pub(super) stale: Vec<Stale>,
    pub(super) cancelled: Arc<AtomicBool>,
}

impl Looker {
    pub(super) fn new(
        bases: Bases,
        disk: Arc<dyn Disk>,
        store: Arc<ChangeStore>,
        presence: Arc<Presence>,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        Self {
            bases,
            disk,
            store,
            presence,
            moves: Moves::default(),
            unknown: HashSet::new(),
            watched: HashMap::new(),
            watches_everything: false,
            stale: Vec::new(),
            cancelled,
        }
    }

    /// Looks at a path of a running root, and at folders above it that are not known to be any.
    pub(super) fn look(&mut self, path: PathRef<'_>, manner: &Manner) -> Result<(), ProjFsError> {
        if path.as_wtf8().is_empty() {
            return Ok(());
        }
        for folder in folders_above(path) {
            if !self.is_folder(folder)? {
                self.look_at(folder, &Manner::default())?;
                if !self.is_folder(folder)? {
                    return Ok(());
                }
            }
        }
        self.look_at(path, manner)
    }

    /// Looks at everything that is noted or watched, since what a hint announced may have happened
    /// after it, and some hints never come (projfs.md K22). Gives what could not be looked at.
    pub(super) fn refresh(&mut self) -> Vec<(PathBuf, ProjFsError)> {
        let mut failed = Vec::new();
        if std::mem::take(&mut self.watches_everything) {
            let everything = PathBuf::default();
            if let Err(error) = self.look_below(everything.as_ref()) {
                self.watches_everything = true;
                failed.push((everything, error));
            }
        }
        let noted = self.store.states().into_iter().map(|(path, _)| path);
        let watched: Vec<_> = self.watched.values().cloned().collect();
        for path in noted.chain(watched) {
            if let Err(error) = self.look(path.as_ref(), &Manner::default()) {
                failed.push((path, error));
            }
        }
        failed
    }

    fn look_at(&mut self, path: PathRef<'_>, manner: &Manner) -> Result<(), ProjFsError> {
        match self.item(path)? {
            Some(item) => self.found(path, &item, manner),
            None => self.found_nothing(path),
        }
    }

    /// What is at a path; nothing for a tombstone.
    fn item(&self, path: PathRef<'_>) -> Result<Option<DiskItem>, ProjFsError> {
        let found =
            self.disk.look(&wide(path)).map_err(|error| self.failed("look at", path, error));
        Ok(found?.filter(|item| item.state != ItemState::Tombstone))
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        path: PathRef<'_>,
        source: io::Error,
    ) -> ProjFsError {
        ProjFsError::Io { action, path: self.disk.full_path(&wide(path)), source }
    }

    /// Notes that nothing is at a path: the outermost folder above it that is gone, too, is what
    /// was deleted.
    fn found_nothing(&mut self, path: PathRef<'_>) -> Result<(), ProjFsError> {
        let mut gone = path;
        while let Some(folder) = gone.parent() {
            match self.item(folder)? {
                None => gone = folder,
                Some(item) if item.kind == ItemKind::Directory => break,
                Some(item) => return self.found(folder, &item, &Manner::default()),
            }
        }
        self.gone(gone)
    }

    /// Notes that a path is gone, with all that was below it.
    pub(super) fn gone(&mut self, path: PathRef<'_>) -> Result<(), ProjFsError> {
        let key = Key::of(path);
        self.unknown.remove(&key);
        self.watched.remove(&key);
        if self.is_hidden(path) || self.bases.at(path)?.is_empty() {
            return self.forget(path);
        }
        self.set_presence(path, OnDisk::Local)?;
        let path = self.spelled(path, path.file_name())?;
        Ok(self.store.set(path.as_ref(), Some(LocalState::Deleted))?)
    }

    /// Notes nothing of a path, nor of what is below it.
    pub(super) fn forget(&self, path: PathRef<'_>) -> Result<(), ProjFsError> {
        if self.store.get(path).is_none() && self.store.below(path).is_empty() {
            return Ok(());
        }
        // A deletion forgets what was noted below.
        let states = vec![(path.into(), Some(LocalState::Deleted)), (path.into(), None)];
        Ok(self.store.set_all(states)?)
    }

    pub(super) fn found(
        &mut self,
        path: PathRef<'_>,
        item: &DiskItem,
        manner: &Manner,
    ) -> Result<(), ProjFsError> {
        match item.kind {
            ItemKind::File => self.file(path, item, manner),
            ItemKind::Symlink => self.link(path, item),
            ItemKind::Directory => {
                let was_known = self.store.get(path) == Some(LocalState::Directory);
                let is_local = self.folder(path, item, manner)?;
                if is_local && (manner.walk || !was_known) {
                    self.walk(path.into(), manner)?;
                }
                Ok(())
            }
        }
    }

    /// Notes a folder; whether it is one in which nothing is projected.
    pub(super) fn folder(
        &mut self,
        path: PathRef<'_>,
        item: &DiskItem,
        manner: &Manner,
    ) -> Result<bool, ProjFsError> {
        let projected = self.bases.at(path)?;
        let is_projected = projected.iter().any(|found| found.is_directory());
        if is_projected && !item.state.is_full() && !self.is_hidden(path) {
            if self.store.get(path).is_some() {
                let below = self.store.below(path);
                self.store.set(path, None)?;
                for (path, _) in below.into_iter().filter(|_| !manner.stopped) {
                    self.look_at(path.as_ref(), &Manner::default())?;
                }
            }
            return Ok(false);
        }
        let spelled = self.spelled(path, narrow(&item.name).as_ref())?;
        self.note_folder(spelled, manner.stopped && is_projected)?;
        Ok(true)
    }

    /// Notes a folder that hides what is projected below. `again`: also if it is noted; what is
    /// projected may be more than it was.
    pub(super) fn note_folder(&self, path: PathBuf, again: bool) -> Result<(), ProjFsError> {
        if !again && self.store.get(path.as_ref()) == Some(LocalState::Directory) {
            return Ok(self.store.set(path.as_ref(), Some(LocalState::Directory))?);
        }
        let mut states = vec![(path.clone(), Some(LocalState::Deleted))];
        let below = self.store.below(path.as_ref());
        states.push((path, Some(LocalState::Directory)));
        let below = below.into_iter().filter(|(_, state)| *state != LocalState::Deleted);
        states.extend(below.map(|(path, state)| (path, Some(state))));
        while !states.is_empty() {
            let rest = states.split_off(states.len().min(STATES_AT_ONCE));
            self.store.set_all(std::mem::replace(&mut states, rest))?;
        }
        Ok(())
    }

    fn link(&mut self, path: PathRef<'_>, item: &DiskItem) -> Result<(), ProjFsError> {
        let target = self.disk.link_target(&wide(path));
        let target = narrow(&target.map_err(|error| self.failed("read the link", path, error))?);
        let is_same = |kind: &ProjectedKind| match kind {
            ProjectedKind::Symlink { target: projected, .. } => narrow(projected) == target,
            ProjectedKind::Directory | ProjectedKind::File => false,
        };
        let projected = self.bases.at(path)?;
        if projected.first().is_some_and(|found| is_same(&found.kind)) && !self.is_hidden(path) {
            return Ok(self.store.set(path, None)?);
        }
        self.set_presence(path, OnDisk::Local)?;
        let path = self.spelled(path, narrow(&item.name).as_ref())?;
        let target = target.as_ref().as_wtf8().to_vec();
        Ok(self.store.set(path.as_ref(), Some(LocalState::Symlink { target }))?)
    }

    fn file(
        &mut self,
        path: PathRef<'_>,
        item: &DiskItem,
        manner: &Manner,
    ) -> Result<(), ProjFsError> {
        let key = Key::of(path);
        let stamp = FileStamp { size: item.size, mtime_ns: item.mtime_ns };
        let noted = match self.store.get(path) {
            Some(LocalState::File(file)) => Some(file),
            _ => None,
        };
        let is_hashed = |file: &LocalFile| {
            file.stamp == stamp && matches!(file.content, LocalContent::Hashed { .. })
        };
        let hashed = match &manner.moved {
            Some(moved) if item.state.is_full() => moved.noted.as_ref(),
            Some(_) => None,
            None => noted.as_ref().filter(|_| !manner.written),
        };
        let hashed = hashed.filter(|file| is_hashed(file)).map(|file| file.content.clone());
        let content = if item.state.is_full() {
            self.unknown.remove(&key);
            hashed.unwrap_or(LocalContent::Unhashed)
        } else {
            match self.inside(path, item, noted.as_ref(), manner)? {
                Inside::AsBase => return self.as_base(path, item),
                Inside::Known(content) => {
                    self.unknown.remove(&key);
                    LocalContent::Base(content)
                }
                Inside::Unknown => {
                    self.unknown.insert(key.clone());
                    hashed.filter(|_| !manner.distrust).unwrap_or(LocalContent::Unhashed)
                }
            }
        };
        self.watched.remove(&key);
        let origin = match &manner.moved {
            Some(moved) => moved.origin.clone(),
            None => noted.as_ref().and_then(|file| file.renamed_from.clone()),
        };
        // A guess; who tells the changes compares the contents.
        let origin = origin.or_else(|| self.moves.origin(&key).cloned());
        let renamed_from = origin.filter(|origin| Key::of(origin.as_ref()) != key);
        let derived_from = match noted.filter(|_| !manner.distrust) {
            Some(noted) => noted.derived_from,
            None => self.bases.content(path)?,
        };
        self.set_presence(path, OnDisk::Local)?;
        let path = self.spelled(path, narrow(&item.name).as_ref())?;
        let file = LocalFile { stamp, executable: None, content, renamed_from, derived_from };
        Ok(self.store.set(path.as_ref(), Some(LocalState::File(file)))?)
    }

    /// What a placeholder has in it. Without renames it is what was projected there, unless the
    /// journal knows better.
    fn inside(
        &self,
        path: PathRef<'_>,
        item: &DiskItem,
        noted: Option<&LocalFile>,
        manner: &Manner,
    ) -> Result<Inside, ProjFsError> {
        let key = Key::of(path);
        let projected = self.bases.at(path)?;
        let is_hidden = self.is_hidden(path);
        let as_base = |content: Option<ContentIdentity>| match content {
            Some(content) if is_hidden => Inside::Known(content),
            Some(_) => Inside::AsBase,
            None => Inside::Unknown,
        };
        if self.moves.knows(&key) {
            return Ok(match self.moves.content(&key, item.size) {
                None => Inside::Unknown,
                Some(content) if projected.iter().any(|it| it.content == Some(content)) => {
                    as_base(Some(content))
                }
                Some(content) => Inside::Known(content),
            });
        }
        if manner.distrust {
            return Ok(Inside::Unknown);
        }
        if let Some(noted) = noted {
            return Ok(match &noted.content {
                LocalContent::Base(content) if content.size == item.size => Inside::Known(*content),
                _ => Inside::Unknown,
            });
        }
        let own = projected.iter().find(|info| is_made_for(item, info));
        Ok(as_base(own.and_then(|own| own.content)))
    }

    fn as_base(&mut self, path: PathRef<'_>, item: &DiskItem) -> Result<(), ProjFsError> {
        let key = Key::of(path);
        self.unknown.remove(&key);
        if self.watched.len() < WATCHED_MAX {
            self.watched.insert(key, path.into());
        } else if !self.watched.contains_key(&key) {
            self.watched.clear();
            self.watches_everything = true;
        }
        // What was the user's may be the projection's again.
        self.set_presence(path, OnDisk::Virtual)?;
        let hydrated = item.state.is_hydrated();
        self.set_presence(path, if hydrated { OnDisk::Hydrated } else { OnDisk::Placeholder })?;
        Ok(self.store.set(path, None)?)
    }

    /// Whether something noted above a path hides what is projected there. Every folder that is
    /// noted here hides.
    pub(super) fn is_hidden(&self, path: PathRef<'_>) -> bool {
        !self.store.is_empty() && folders_above(path).any(|folder| self.store.get(folder).is_some())
    }

    /// Whether a path is a folder, as far as is noted.
    pub(super) fn is_folder(&self, path: PathRef<'_>) -> Result<bool, ProjFsError> {
        match self.store.get(path) {
            Some(state) => Ok(state == LocalState::Directory),
            None if self.is_hidden(path) => Ok(false),
            None => Ok(self.bases.at(path)?.iter().any(|found| found.is_directory())),
        }
    }

    /// What a path that takes part in a rename for the first time may have had.
    pub(super) fn seed(&self, path: PathRef<'_>) -> Result<Seed, ProjFsError> {
        let key = Key::of(path);
        if self.moves.knows(&key) {
            return Ok(Seed::default());
        }
        let projected = self.bases.at(path)?;
        let mut contents: Vec<_> = projected.iter().filter_map(|found| found.content).collect();
        if let Some(LocalState::File(LocalFile { content: LocalContent::Base(content), .. })) =
            self.store.get(path)
        {
            contents.push(content);
        }
        Ok(Seed { contents, unknown: self.unknown.contains(&key) || self.is_hidden(path) })
    }

    /// A path in its one spelling: the projection's where it is projected, else that of the disk.
    pub(super) fn spelled(
        &self,
        path: PathRef<'_>,
        name: PathRef<'_>,
    ) -> Result<PathBuf, ProjFsError> {
        if let Some(found) = self.bases.projection.find(&wide(path))? {
            return Ok(narrow(&found.path));
        }
        let folder = folder_of(path);
        let spelled = match self.bases.projection.find(&wide(folder))? {
            Some(found) => Some(narrow(&found.path)),
            None => self.store.spelled(folder),
        };
        Ok(joined(spelled.as_ref().map_or(folder, PathBuf::as_ref), name))
    }

    pub(super) fn set_presence(
        &self,
        path: PathRef<'_>,
        on_disk: OnDisk,
    ) -> Result<(), ProjFsError> {
        let found = self.bases.projection.find(&wide(path))?;
        if let Some(found) = found.filter(|found| found.kind == ProjectedKind::File) {
            self.presence.set(found.node, on_disk);
        }
        Ok(())
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
