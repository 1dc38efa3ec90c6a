//! The states of all paths that differ, in memory.

use std::collections::BTreeMap;

use rusty_attachments_model::{PathBuf, PathRef};

use super::key::{Key, NameRule};
use super::record;
use super::state::LocalState;

/// A state for every path that is not (or may not be) what the base has.
///
/// A path without a state is what the base has there, unless something that was noted above it
/// hides that:
/// * [`Deleted`](LocalState::Deleted), [`File`](LocalState::File) and
///   [`Symlink`](LocalState::Symlink) hide everything below. Noting one forgets what was noted
///   below, which cannot be there any more.
/// * [`Directory`](LocalState::Directory) hides everything below if nothing was there before as
///   far as is noted: if one of those three was noted at or above it. Otherwise it speaks for
///   itself alone, and what the base has below is seen through it.
///
/// So a folder that is removed with all its content needs one note, and so does making it anew;
/// what was noted earlier about each of its entries agrees with that but is not needed. Something
/// below a hiding folder that came back as the base has it is noted as a file with
/// [`LocalContent::Base`](super::LocalContent::Base), not as `None`.
#[derive(Debug)]
pub struct ChangeSet {
    rule: NameRule,
    noted: BTreeMap<Key, Noted>,
    /// About how many bytes a journal needs for all this.
    journal_bytes: u64,
}

/// What was noted of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// As it was spelled last.
    pub(super) path: PathBuf,
    pub(super) state: LocalState,
    /// Whether what the base has below cannot be seen.
    pub(super) hides: bool,
}

impl ChangeSet {
    /// An empty set.
    #[must_use]
    pub const fn new(rule: NameRule) -> Self {
        Self { rule, noted: BTreeMap::new(), journal_bytes: 0 }
    }

    /// Notes what is at a path now; `None`: what the base has, or nothing if something above
    /// hides that.
    pub fn set(&mut self, path: PathRef<'_>, state: Option<LocalState>) {
        let key = self.rule.key(path);
        let Some(state) = state else {
            self.remove(&key);
            return;
        };
        let is_directory = state == LocalState::Directory;
        let hides = !is_directory || self.hides(&key);
        if !is_directory {
            self.take_below(&key);
        }
        self.insert(key, Noted { path: path.into(), state, hides });
    }

    /// Whether `set` would change nothing.
    pub(super) fn knows(&self, path: PathRef<'_>, state: Option<&LocalState>) -> bool {
        let key = self.rule.key(path);
        match (self.noted.get(&key), state) {
            (None, None) => true,
            (Some(noted), Some(state)) => {
                noted.state == *state
                    && noted.path.as_ref() == path
                    && (*state == LocalState::Directory || !self.has_below(&key))
            }
            _ => false,
        }
    }

    /// What was noted of a path.
    #[must_use]
    pub fn get(&self, path: PathRef<'_>) -> Option<&LocalState> {
        self.noted.get(&self.rule.key(path)).map(|noted| &noted.state)
    }

    /// Whether nothing is at a path, as far as is noted: it was noted so, or something above
    /// hides what the base has and nothing else was noted.
    #[must_use]
    pub fn is_gone(&self, path: PathRef<'_>) -> bool {
        let key = self.rule.key(path);
        match self.noted.get(&key) {
            Some(noted) => noted.state == LocalState::Deleted,
            None => self.is_hidden(&key),
        }
    }

    /// All noted paths below a folder (not itself), in order.
    pub fn below(&self, folder: PathRef<'_>) -> impl Iterator<Item = (PathRef<'_>, &LocalState)> {
        let range = self.rule.key(folder).subtree();
        self.noted.range(range).map(|(_, noted)| (noted.path.as_ref(), &noted.state))
    }

    /// All noted paths in order, folders before what is in them.
    pub fn iter(&self) -> impl Iterator<Item = (PathRef<'_>, &LocalState)> {
        self.noted.values().map(|noted| (noted.path.as_ref(), &noted.state))
    }

    /// How many paths are noted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.noted.len()
    }

    /// Whether everything is as the base has it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// A folder of which nothing is the base's was renamed, with all that is in it: what is noted
    /// at and below `from` moves to `to`, in the place of what is noted there. A folder of the
    /// base that is replaced must be noted as deleted before.
    ///
    /// `from` is noted as deleted if it may hide something of the base: if there was no note of
    /// the folder itself, or one at or below it that replaced or hid something. Files forget what
    /// the base had where they were. Does nothing if `to` is below `from`.
    pub fn rename_tree(&mut self, from: PathRef<'_>, to: PathRef<'_>) {
        let (from_key, to_key) = (self.rule.key(from), self.rule.key(to));
        if to_key.is_below(&from_key) {
            return;
        }
        let depth = from.components().count();
        if from_key == to_key {
            return self.respell(&from_key, depth, to);
        }
        let root = self.remove(&from_key);
        let moved = self.take_below(&from_key);
        let is_hiding = |noted: &Noted| match &noted.state {
            LocalState::File(file) => file.derived_from.is_some(),
            LocalState::Directory => noted.hides,
            LocalState::Deleted => true,
            LocalState::Symlink { .. } => false,
        };
        let may_hide = root.as_ref().is_none_or(is_hiding) || moved.iter().any(is_hiding);
        if may_hide && !self.is_hidden(&from_key) {
            self.set(from, Some(LocalState::Deleted));
        }
        let mut root = root.unwrap_or_else(|| Noted {
            path: from.into(),
            state: LocalState::Directory,
            hides: true,
        });
        let replaced = self.remove(&to_key).into_iter().chain(self.take_below(&to_key));
        let replaced: BTreeMap<_, _> =
            replaced.map(|noted| (self.rule.key(noted.path.as_ref()), noted.state)).collect();
        root.hides |= !replaced.is_empty();
        for noted in std::iter::once(root).chain(moved) {
            self.put_moved(noted, depth, to, &replaced);
        }
    }

    /// Notes something that was renamed along with a folder whose path had `depth` components.
    fn put_moved(
        &mut self,
        mut noted: Noted,
        depth: usize,
        to: PathRef<'_>,
        replaced: &BTreeMap<Key, LocalState>,
    ) {
        // What the base had at the old place is not at the new one.
        if noted.state == LocalState::Deleted {
            return;
        }
        let path = moved_path(noted.path.as_ref(), depth, to);
        let key = self.rule.key(path.as_ref());
        if let LocalState::File(file) = &mut noted.state {
            file.derived_from = match replaced.get(&key) {
                Some(LocalState::File(replaced)) => replaced.derived_from,
                _ => None,
            };
        }
        noted.hides |= self.is_hidden(&key);
        self.insert(key, Noted { path, ..noted });
    }

    /// A rename that changes only how the name is spelled.
    fn respell(&mut self, folder: &Key, depth: usize, to: PathRef<'_>) {
        let mut respelled: Vec<_> = self.remove(folder).into_iter().collect();
        respelled.append(&mut self.take_below(folder));
        for noted in respelled {
            let path = moved_path(noted.path.as_ref(), depth, to);
            self.insert(self.rule.key(path.as_ref()), Noted { path, ..noted });
        }
    }

    /// Whether a folder that is made at `key` now hides what the base has below.
    fn hides(&self, key: &Key) -> bool {
        self.noted.get(key).map_or_else(|| self.is_hidden(key), |noted| noted.hides)
    }

    /// Whether something above hides what the base has at `key`. A folder that hides nothing is
    /// not hidden itself, so the nearest note decides.
    fn is_hidden(&self, key: &Key) -> bool {
        !self.noted.is_empty()
            && key.ancestors().find_map(|above| self.noted.get(&above)).is_some_and(|n| n.hides)
    }

    pub(super) const fn rule(&self) -> NameRule {
        self.rule
    }

    pub(super) const fn journal_bytes(&self) -> u64 {
        self.journal_bytes
    }

    pub(super) fn noted(&self) -> impl Iterator<Item = (&Key, &Noted)> {
        self.noted.iter()
    }

    pub(super) fn noted_at(&self, key: &Key) -> Option<&Noted> {
        self.noted.get(key)
    }

    fn has_below(&self, folder: &Key) -> bool {
        self.noted.range(folder.subtree()).next().is_some()
    }

    /// Forgets all that is noted below a folder, and gives it in order.
    fn take_below(&mut self, folder: &Key) -> Vec<Noted> {
        let keys: Vec<_> = self.noted.range(folder.subtree()).map(|(key, _)| key.clone()).collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    fn insert(&mut self, key: Key, noted: Noted) {
        self.journal_bytes += record::estimated_size(&noted);
        if let Some(replaced) = self.noted.insert(key, noted) {
            self.journal_bytes -= record::estimated_size(&replaced);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Noted> {
        let noted = self.noted.remove(key)?;
        self.journal_bytes -= record::estimated_size(&noted);
        Some(noted)
    }
}

/// `path`, with `to` in the place of its first `depth` components.
fn moved_path(path: PathRef<'_>, depth: usize, to: PathRef<'_>) -> PathBuf {
    let mut moved = PathBuf::from(to);
    path.components().skip(depth).for_each(|component| moved.push(component));
    moved
}
