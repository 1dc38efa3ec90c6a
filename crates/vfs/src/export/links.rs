//! Where links lead after the changes, by words alone: nothing is asked of the disk.

use std::collections::{HashMap, HashSet};

use rusty_attachments_model::{EntryKind, File, Manifest, PathBuf, PathRef};

use crate::changes::{ChangeKind, Changed, FileStamp, LocalContent, LocalFile, LocalState};
use crate::volume::ContentIdentity;

/// How many links may lead to one another: what Linux follows.
const LINKS_MAX: usize = 40;

/// What the link at `path` leads to, as a path from the root; `None` if that is the root or leaves
/// it. `..` behind a link to a folder is taken by words too.
pub(super) fn target_from_root(path: PathRef<'_>, target: &[u8]) -> Option<PathBuf> {
    let is_drive = matches!(target, [letter, b':', ..] if letter.is_ascii_alphabetic());
    if target.starts_with(b"/") || is_drive {
        return None;
    }
    let mut components: Vec<PathRef<'_>> =
        path.parent().into_iter().flat_map(PathRef::components).collect();
    for component in PathRef::from_wtf8(target).components() {
        match component.as_wtf8() {
            b"" | b"." => {}
            b".." => drop(components.pop()?),
            _ => components.push(component),
        }
    }
    let mut resolved = PathBuf::default();
    components.iter().for_each(|component| resolved.push(*component));
    (!components.is_empty()).then_some(resolved)
}

/// The tree as it is after the changes.
pub(super) struct Changes<'a> {
    base: &'a Manifest,
    by_path: HashMap<PathRef<'a>, &'a Changed>,
    moved_away: HashSet<PathRef<'a>>,
}

impl<'a> Changes<'a> {
    pub(super) fn new(base: &'a Manifest, changes: &'a [Changed]) -> Self {
        let by_path = changes.iter().map(|changed| (changed.path.as_ref(), changed)).collect();
        let moved_away = changes.iter().filter_map(old_path).collect();
        Self { base, by_path, moved_away }
    }

    /// The file that a link to `path` leads to, and where that file is; `None` if it is none.
    pub(super) fn file(&self, path: PathBuf) -> Option<(PathBuf, LocalFile)> {
        let mut path = path;
        for _ in 0..LINKS_MAX {
            path = match self.at(path.as_ref()) {
                Some(Found::File(file)) => return Some((path, file)),
                Some(Found::Link(target)) => target?,
                None => self.replace_link_on_the_way(path.as_ref())?,
            };
        }
        None
    }

    /// What a diff can say of a link to `path`: a target of which every parent is a folder.
    ///
    /// The format lists all parents of targets as folders (`deadline.md` 2.1), so that any other
    /// would become one: where the base has a file or a link, that would be lost. So links on the
    /// way are followed; `None` if something on the way is missing or a file.
    pub(super) fn target_in_folders(&self, path: PathBuf) -> Option<PathBuf> {
        let mut path = path;
        for _ in 0..LINKS_MAX {
            let parents = std::iter::successors(path.as_ref().parent(), |path| path.parent());
            if parents.into_iter().all(|parent| self.is_folder(parent)) {
                return Some(path);
            }
            path = self.replace_link_on_the_way(path.as_ref())?;
        }
        None
    }

    fn is_folder(&self, path: PathRef<'_>) -> bool {
        match self.by_path.get(&path) {
            Some(changed) => changed.state == LocalState::Directory,
            None => self.base.is_folder(path),
        }
    }

    fn at(&self, path: PathRef<'_>) -> Option<Found> {
        if let Some(changed) = self.by_path.get(&path) {
            return match &changed.state {
                LocalState::File(file) => Some(Found::File(file.clone())),
                LocalState::Symlink { target } => Some(Found::Link(target_from_root(path, target))),
                LocalState::Directory | LocalState::Deleted => None,
            };
        }
        if self.moved_away.contains(&path) {
            return None;
        }
        match self.base.get(path)?.kind {
            EntryKind::File(file) => Some(Found::File(unchanged(&file))),
            EntryKind::Symlink { target } => Some(Found::Link(Some(target.into()))),
            _ => None,
        }
    }

    /// `path` with the deepest parent that is a link replaced by the link's target.
    fn replace_link_on_the_way(&self, path: PathRef<'_>) -> Option<PathBuf> {
        let mut folder = path.parent();
        while let Some(parent) = folder {
            if let Some(Found::Link(target)) = self.at(parent) {
                let rest = path.as_wtf8().get(parent.as_wtf8().len()..).unwrap_or_default();
                return Some(PathBuf::from_wtf8([target?.as_ref().as_wtf8(), rest].concat()));
            }
            folder = parent.parent();
        }
        None
    }
}

enum Found {
    File(LocalFile),
    /// Where it leads from the root, if it stays below.
    Link(Option<PathBuf>),
}

/// Where a renamed file was.
pub(super) fn old_path(changed: &Changed) -> Option<PathRef<'_>> {
    match &changed.kind {
        ChangeKind::Renamed { from } => Some(from.as_ref()),
        _ => None,
    }
}

/// A file of the base as if it had been noted.
fn unchanged(file: &File<'_>) -> LocalFile {
    let stamp = FileStamp { size: file.size, mtime_ns: i128::from(file.mtime_us) * 1000 };
    LocalFile {
        stamp,
        executable: None,
        content: LocalContent::Base(ContentIdentity::of(file.size, file.content)),
        renamed_from: None,
        derived_from: None,
    }
}
