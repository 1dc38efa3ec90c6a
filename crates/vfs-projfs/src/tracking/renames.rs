//! What hints of renames and links add to a look at both paths.

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::changes::{LocalContent, LocalState};

use super::look::{Looker, Manner, Moved};
use super::moves::Moves;
use super::paths::{Key, narrow, wide};
use crate::disk::{ItemKind, ItemState};
use crate::error::ProjFsError;

impl Looker {
    /// Something was renamed. An empty path is outside of the root (projfs.md T22, T23).
    pub(super) fn renamed(
        &mut self,
        from: PathRef<'_>,
        to: PathRef<'_>,
        directory: bool,
    ) -> Result<(), ProjFsError> {
        if directory {
            return self.renamed_folder(from, to);
        }
        let is_inside = !from.as_wtf8().is_empty() && !to.as_wtf8().is_empty();
        let mut arrived = Moved::default();
        let mut affected = Vec::new();
        if is_inside {
            let (from_key, to_key) = (Key::of(from), Key::of(to));
            arrived.origin = self.origin(from)?;
            arrived.noted = match self.store.get(from) {
                Some(LocalState::File(file)) => Some(file),
                _ => None,
            };
            self.moves.set_origin(&from_key, to_key, arrived.origin.clone());
            affected = self.connect(from, to)?;
        }
        self.look(to, &Manner { moved: Some(arrived), ..Manner::default() })?;
        self.look(from, &Manner { moved: Some(Moved::default()), ..Manner::default() })?;
        self.look_again(&affected)
    }

    /// A file got another name.
    pub(super) fn linked(
        &mut self,
        path: PathRef<'_>,
        link: PathRef<'_>,
    ) -> Result<(), ProjFsError> {
        let mut affected = Vec::new();
        if !path.as_wtf8().is_empty() && !link.as_wtf8().is_empty() {
            affected = self.connect(path, link)?;
        }
        self.look(link, &Manner { moved: Some(Moved::default()), ..Manner::default() })?;
        self.look(path, &Manner::default())?;
        self.look_again(&affected)
    }

    /// Renames were lost: what was concluded from some of them may be wrong without the others.
    pub(super) fn forget_renames(&mut self) -> Result<(), ProjFsError> {
        self.moves = Moves::default();
        for (path, state) in self.store.states() {
            let LocalState::File(file) = state else { continue };
            if matches!(file.content, LocalContent::Base(_)) {
                self.store.set_content(path.as_ref(), file.stamp, LocalContent::Unhashed)?;
            }
        }
        Ok(())
    }

    /// The projected path where an item was first, if hints came in their order.
    fn origin(&self, path: PathRef<'_>) -> Result<Option<PathBuf>, ProjFsError> {
        if let Some(origin) = self.moves.origin(&Key::of(path)) {
            return Ok(Some(origin.clone()));
        }
        match self.store.get(path) {
            Some(LocalState::File(file)) if file.renamed_from.is_some() => Ok(file.renamed_from),
            _ if self.is_hidden(path) => Ok(None),
            _ => {
                let found = self.bases.projection.find(&wide(path))?;
                let file = found.filter(|found| found.content.is_some());
                Ok(file.map(|found| narrow(&found.path)))
            }
        }
    }

    /// Gives the paths of which less is certain than before.
    fn connect(&mut self, a: PathRef<'_>, b: PathRef<'_>) -> Result<Vec<PathBuf>, ProjFsError> {
        let (of_a, of_b) = (self.seed(a)?, self.seed(b)?);
        let has_news = self.moves.connect((&a.into(), of_a), (&b.into(), of_b));
        let connected = self.moves.connected(&Key::of(a));
        Ok(if has_news { connected.to_vec() } else { Vec::new() })
    }

    fn look_again(&mut self, paths: &[PathBuf]) -> Result<(), ProjFsError> {
        paths.iter().try_for_each(|path| self.look(path.as_ref(), &Manner::default()))
    }

    /// One hint comes for a whole folder (projfs.md K18).
    fn renamed_folder(&mut self, from: PathRef<'_>, to: PathRef<'_>) -> Result<(), ProjFsError> {
        let is_inside = !from.as_wtf8().is_empty() && !to.as_wtf8().is_empty();
        let mut affected = Vec::new();
        for folder in [from, to].into_iter().filter(|folder| !folder.as_wtf8().is_empty()) {
            affected.extend(self.moves.distrust_below(&Key::of(folder)));
        }
        if is_inside {
            self.moves.rename_origins(&Key::of(from), &Key::of(to));
        }
        if is_inside && self.is_plain_rename(from, to)? {
            let to = self.spelled(to, to.file_name())?;
            self.store.rename_tree(from, to.as_ref())?;
        }
        let manner = Manner { walk: true, distrust: true, ..Manner::default() };
        self.look(to, &manner)?;
        self.look(from, &manner)?;
        self.look_again(&affected)
    }

    /// Whether all that is noted of one folder is true of the other one now: nothing else has
    /// happened to either, as far as can be seen.
    fn is_plain_rename(&self, from: PathRef<'_>, to: PathRef<'_>) -> Result<bool, ProjFsError> {
        let is_known = self.store.get(from) == Some(LocalState::Directory);
        let is_free = self.store.get(to).is_none() && self.bases.at(to)?.is_empty();
        if !is_known || !is_free || Key::of(from) == Key::of(to) {
            return Ok(false);
        }
        let look =
            |path| self.disk.look(&wide(path)).map_err(|it| self.failed("look at", path, it));
        let is_gone = look(from)?.is_none_or(|item| item.state == ItemState::Tombstone);
        let arrived = look(to)?;
        let is_there = |item: &crate::disk::DiskItem| item.kind == ItemKind::Directory;
        Ok(is_gone && arrived.is_some_and(|item| is_there(&item) && item.state.is_full()))
    }
}
