//! Walks through folders: those in which nothing is projected, and at start the whole root.

use std::collections::HashSet;
use std::io;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::changes::LocalState;

use super::look::{Looker, Manner};
use super::paths::{Key, joined, narrow, wide};
use super::remount::Stale;
use super::shown::Shown;
use crate::disk::{DiskItem, ItemKind, ItemState};
use crate::error::ProjFsError;

/// A folder that is still to be listed.
struct Pending {
    folder: PathBuf,
    /// Nothing is projected in it.
    is_local: bool,
}

impl Looker {
    /// Looks at everything on disk before the root is started (projfs.md N1). What only the
    /// journal can know stays, where the disk agrees: from where files were renamed, and hashes.
    ///
    /// What was deleted while the root was stopped is not seen where it was projected: it comes
    /// back (projfs.md M12).
    pub(super) fn scan(&mut self, shown: Vec<Shown>) -> Result<(), ProjFsError> {
        self.bases.shown = shown;
        self.stale.clear();
        let manner = Manner { stopped: true, walk: true, ..Manner::default() };
        self.walk_all(Pending { folder: PathBuf::default(), is_local: false }, &manner)
    }

    /// Looks at everything in a folder in which nothing is projected.
    pub(super) fn walk(&mut self, folder: PathBuf, manner: &Manner) -> Result<(), ProjFsError> {
        self.walk_all(Pending { folder, is_local: true }, manner)
    }

    /// Iterative: depth costs no stack.
    fn walk_all(&mut self, start: Pending, manner: &Manner) -> Result<(), ProjFsError> {
        let manner = Manner { moved: None, ..manner.clone() };
        let mut pending = vec![start];
        while let Some(Pending { folder, is_local }) = pending.pop() {
            if self.is_cancelled() {
                let cancelled = io::Error::new(io::ErrorKind::Interrupted, "it was cancelled");
                return Err(self.failed("walk through", folder.as_ref(), cancelled));
            }
            let items = match self.disk.list(&wide(folder.as_ref())) {
                Ok(items) => items,
                // Gone by now: a hint will say so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.failed("list", folder.as_ref(), error)),
            };
            let mut present = HashSet::with_capacity(items.len());
            for item in items {
                let name = narrow(&item.name);
                present.insert(Key::of(name.as_ref()));
                let path = joined(folder.as_ref(), name.as_ref());
                if let Some(is_local) = self.walked(path.as_ref(), &item, &manner)? {
                    pending.push(Pending { folder: path, is_local });
                }
            }
            self.missing(folder.as_ref(), is_local, &present)?;
        }
        Ok(())
    }

    /// Notes what a walk comes by. For a folder, whether it is one in which nothing is projected.
    fn walked(
        &mut self,
        path: PathRef<'_>,
        item: &DiskItem,
        manner: &Manner,
    ) -> Result<Option<bool>, ProjFsError> {
        if item.state == ItemState::Tombstone {
            self.note_stale(path, item)?;
            self.gone(path)?;
            return Ok(None);
        }
        if !item.state.is_full() && manner.stopped {
            self.note_stale(path, item)?;
        }
        if item.kind == ItemKind::Directory {
            return self.folder(path, item, manner).map(Some);
        }
        self.found(path, item, manner)?;
        Ok(None)
    }

    /// Remembers an item that may have been made for a manifest that is not projected any more,
    /// if what is projected now is something else.
    fn note_stale(&mut self, path: PathRef<'_>, item: &DiskItem) -> Result<(), ProjFsError> {
        if self.bases.is_outdated(path)? {
            let is_tombstone = item.state == ItemState::Tombstone;
            self.stale.push(Stale { path: path.into(), kind: item.kind, is_tombstone });
        }
        Ok(())
    }

    /// Notes what of a folder is not on disk: in a folder in which nothing is projected it is
    /// gone, elsewhere the projection decides (projfs.md N1).
    fn missing(
        &mut self,
        folder: PathRef<'_>,
        is_local: bool,
        present: &HashSet<Key>,
    ) -> Result<(), ProjFsError> {
        let depth = folder.components().filter(|name| !name.as_wtf8().is_empty()).count();
        let mut seen = HashSet::new();
        for (path, _) in self.store.below(folder) {
            let Some(name) = path.as_ref().components().nth(depth) else { continue };
            let key = Key::of(name);
            if present.contains(&key) || !seen.insert(key) {
                continue;
            }
            let child = joined(folder, name);
            if is_local {
                self.gone(child.as_ref())?;
            } else {
                self.forget(child.as_ref())?;
            }
        }
        Ok(())
    }

    /// Looks at everything in and below a folder of a running root. What is projected there is
    /// made on disk by that, so this is for when too much happened to remember it path by path.
    pub(super) fn look_below(&mut self, folder: PathRef<'_>) -> Result<(), ProjFsError> {
        let manner = Manner { written: true, walk: true, ..Manner::default() };
        self.look(folder, &manner)?;
        let mut pending = vec![PathBuf::from(folder)];
        while let Some(folder) = pending.pop() {
            if self.is_cancelled() {
                self.watches_everything = true;
                return Ok(());
            }
            for path in self.children(folder.as_ref())? {
                self.look(path.as_ref(), &manner)?;
                let is_noted = self.store.get(path.as_ref()) == Some(LocalState::Directory);
                if !is_noted && self.is_folder(path.as_ref())? {
                    pending.push(path);
                }
            }
        }
        Ok(())
    }

    /// All that may be in a folder in which something is projected.
    fn children(&self, folder: PathRef<'_>) -> Result<Vec<PathBuf>, ProjFsError> {
        let listed = match self.disk.list(&wide(folder)) {
            Ok(listed) => listed,
            // Gone by now: a hint will say so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("list", folder, error)),
        };
        let mut names: Vec<_> = listed.iter().map(|item| narrow(&item.name)).collect();
        if let Some(node) = self.bases.projection.folder(&wide(folder))? {
            let listing = self.bases.projection.listing(node)?;
            names.extend(listing.iter().flat_map(|it| it.iter().map(|entry| narrow(&entry.name))));
        }
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(Key::of(name.as_ref())));
        Ok(names.into_iter().map(|name| joined(folder, name.as_ref())).collect())
    }
}
