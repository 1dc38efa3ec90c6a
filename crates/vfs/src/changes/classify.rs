//! A change set held against a base.

use std::collections::HashMap;

use rusty_attachments_model::{PathBuf, PathRef};

use super::base::{Base, BaseEntry};
use super::key::Key;
use super::set::{ChangeSet, Noted};
use super::state::{LocalFile, LocalState, is_same_content};
use crate::volume::NodeKind;

/// How a path differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The base has nothing there.
    Added,
    /// The base has something else there: other bytes, another target, another kind.
    Modified,
    /// The base's entry is gone. A folder's entries are told one by one, and before it.
    Deleted,
    /// A file of the base that is now here, unchanged, where the base has nothing; its old path is
    /// not told as deleted. Its execute bit may differ.
    Renamed {
        /// Where it was.
        from: PathBuf,
    },
    /// Only the execute bit differs.
    ModeChanged,
    /// A file whose bytes have not been hashed since they were written, or not in chunks of the
    /// base's size: Added, Modified or no change at all.
    Unhashed,
}

/// One line of the change list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which path.
    pub path: PathBuf,
    /// How it differs.
    pub kind: ChangeKind,
    /// What is there now.
    pub state: LocalState,
}

/// All paths that differ from the base, in order of their paths: a folder before what is in it,
/// but one that is gone (or became something else) behind it. O(changed).
///
/// Exact: what equals the base is not told, so a note may say less than it seems to. A file that
/// became a folder is `Modified`, and what is in it `Added`; a folder that became a file is
/// `Modified`, and what the base has in it `Deleted`.
#[must_use]
pub fn classify(set: &ChangeSet, base: &dyn Base) -> Vec<Changed> {
    let mut comparison =
        Comparison { set, base, renames: renames(set, base), lines: Vec::with_capacity(set.len()) };
    for (key, noted) in set.noted() {
        comparison.compare(key, noted);
    }
    let mut lines = comparison.lines;
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Which old path (by key) is now where. Of several files that claim the same one, the first has
/// it; the others are copies.
fn renames<'a>(set: &'a ChangeSet, base: &dyn Base) -> HashMap<Key, &'a Key> {
    let mut renames = HashMap::new();
    for (key, noted) in set.noted() {
        if let LocalState::File(file) = &noted.state
            && let Some(from) = &file.renamed_from
            && set.is_gone(from.as_ref())
            && base.entry(noted.path.as_ref()).is_none()
            && base
                .entry(from.as_ref())
                .is_some_and(|entry| has_content_of(file, &entry) == Some(true))
        {
            renames.entry(set.rule().key(from.as_ref())).or_insert(key);
        }
    }
    renames
}

/// Whether a file has the bytes of the base's entry; `None` if that is not known.
fn has_content_of(file: &LocalFile, entry: &BaseEntry) -> Option<bool> {
    let theirs = entry.content.filter(|_| entry.kind == NodeKind::File)?;
    is_same_content(&file.identity()?, &theirs)
}

struct Comparison<'a> {
    set: &'a ChangeSet,
    base: &'a dyn Base,
    renames: HashMap<Key, &'a Key>,
    /// By their place in the list.
    lines: Vec<(Key, Changed)>,
}

impl Comparison<'_> {
    fn compare(&mut self, key: &Key, noted: &Noted) {
        let path = noted.path.as_ref();
        let entry = self.base.entry(path);
        let was_folder = entry.is_some_and(|entry| entry.kind == NodeKind::Directory);
        let kind = match (&noted.state, entry) {
            (LocalState::Deleted, None) => None,
            (LocalState::Deleted, Some(_)) => {
                (!self.renames.contains_key(key)).then_some(ChangeKind::Deleted)
            }
            (LocalState::File(file), entry) => self.compare_file(key, file, entry),
            (_, None) => Some(ChangeKind::Added),
            (LocalState::Directory, Some(_)) => (!was_folder).then_some(ChangeKind::Modified),
            (LocalState::Symlink { target }, Some(_)) => {
                let same = self.base.link_target(path).is_some_and(|theirs| theirs == *target);
                (!same).then_some(ChangeKind::Modified)
            }
        };
        if let Some(kind) = kind {
            let is_behind = was_folder && noted.state != LocalState::Directory;
            let place = if is_behind { key.clone().behind_subtree() } else { key.clone() };
            let changed = Changed { path: path.into(), kind, state: noted.state.clone() };
            self.lines.push((place, changed));
        }
        if was_folder && noted.hides {
            self.tell_hidden(path);
        }
    }

    fn compare_file(
        &self,
        key: &Key,
        file: &LocalFile,
        entry: Option<BaseEntry>,
    ) -> Option<ChangeKind> {
        if file.identity().is_none() {
            return Some(ChangeKind::Unhashed);
        }
        let Some(entry) = entry else {
            let from = file.renamed_from.as_ref();
            let is_here = |from: &&PathBuf| {
                self.renames.get(&self.set.rule().key(from.as_ref())).is_some_and(|to| *to == key)
            };
            let renamed =
                from.filter(is_here).map(|from| ChangeKind::Renamed { from: from.clone() });
            return Some(renamed.unwrap_or(ChangeKind::Added));
        };
        if entry.kind != NodeKind::File {
            return Some(ChangeKind::Modified);
        }
        match has_content_of(file, &entry) {
            None => Some(ChangeKind::Unhashed),
            Some(false) => Some(ChangeKind::Modified),
            Some(true) => {
                let is_changed = file.executable.is_some_and(|now| now != entry.executable);
                is_changed.then_some(ChangeKind::ModeChanged)
            }
        }
    }

    /// Tells what the base has below a folder that hides it, where nothing else is noted.
    fn tell_hidden(&mut self, folder: PathRef<'_>) {
        let mut folders = vec![PathBuf::from(folder)];
        while let Some(folder) = folders.pop() {
            for name in self.base.names(folder.as_ref()) {
                let mut path = folder.clone();
                path.push(name.as_ref());
                let key = self.set.rule().key(path.as_ref());
                // What is noted tells itself, and hides what is below it by itself.
                if self.set.noted_at(&key).is_some() {
                    continue;
                }
                let Some(entry) = self.base.entry(path.as_ref()) else { continue };
                let is_renamed = self.renames.contains_key(&key);
                let place = if entry.kind == NodeKind::Directory {
                    folders.push(path.clone());
                    key.behind_subtree()
                } else {
                    key
                };
                if !is_renamed {
                    let (kind, state) = (ChangeKind::Deleted, LocalState::Deleted);
                    self.lines.push((place, Changed { path, kind, state }));
                }
            }
        }
    }
}
