//! Names go, move and are added.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, linkat};

use super::create::write_name;
use super::index::{Child, Index};
use super::lower::{self, LowerKind, Onto};
use super::naming::LowerName;
use super::{ItemId, Store, attributes, fold};
use crate::contract::{FileState, HResult, Result, Wide};
use crate::engine::failure::failed;

/// What is at the target of a rename.
enum Target {
    Nothing,
    Tombstone(ItemId),
    File(ItemId),
    Directory(ItemId),
}

impl Target {
    const fn id(&self) -> Option<ItemId> {
        match self {
            Self::Nothing => None,
            Self::Tombstone(id) | Self::File(id) | Self::Directory(id) => Some(*id),
        }
    }
}

impl Store {
    /// Removes a name, or a tombstone. The item stays usable by id while [`Self::hold`] counts it.
    ///
    /// # Errors
    /// FILE_NOT_FOUND; DIR_NOT_EMPTY if a directory has more than tombstones in it.
    pub(in crate::engine) fn remove(&self, parent: ItemId, name: &Wide) -> Result<()> {
        let failed = |error| failed(&format!("removing '{name}'"), error);
        let child = self.child(parent, name)?;
        self.check_empty(child.id)?;
        let leaving = self.leaving(child.id);
        let directory = self.directory(parent)?;
        let _changing = self.changing();
        if self.kind(child.id)? == LowerKind::Directory {
            // With the tombstones in it, in one step.
            let temporary = self.lower.temporary();
            let to = (self.lower.temporaries(), &temporary);
            lower::rename((&directory, &child.lower), to, Onto::Nothing).map_err(failed)?;
            self.lower.discard(&temporary);
        } else {
            lower::remove(&directory, &child.lower).map_err(failed)?;
        }
        self.forget_name(parent, name, leaving);
        Ok(())
    }

    /// Moves a name; what is at the target (tombstone, file, empty directory) is replaced in one
    /// step. The item keeps its state, a placeholder is marked as renamed (E10).
    ///
    /// # Errors
    /// FILE_NOT_FOUND; DIR_NOT_EMPTY; ACCESS_DENIED if one is a directory and the other is not;
    /// INVALID_ARGUMENT for a directory into itself; INVALID_NAME.
    pub(in crate::engine) fn rename(
        &self,
        (from, from_name): (ItemId, &Wide),
        (to, to_name): (ItemId, &Wide),
    ) -> Result<()> {
        let failed = |error| failed(&format!("renaming '{from_name}' to '{to_name}'"), error);
        let place = LowerName::of(to_name)?;
        let child = self.child(from, from_name)?;
        self.check_shown(child.id)?;
        self.load(to)?;
        if from == to && fold(from_name) == fold(to_name) {
            self.mark_renamed(child.id)?;
            return self.respell(to, to_name, &place);
        }
        let target = self.target(to, to_name, child.id)?;
        if target.id() == Some(child.id) {
            // Two names of one file.
            self.respell(to, to_name, &place)?;
            return self.remove(from, from_name);
        }
        self.keep_name(child.id, &place, to_name)?;
        self.mark_renamed(child.id)?;
        if target.id().is_some() {
            self.respell(to, to_name, &place)?;
        }
        if let Target::Directory(id) = target {
            self.clear_tombstones(id)?;
        }
        let leaving = target.id().and_then(|id| self.leaving(id));
        let is_directory = self.kind(child.id)? == LowerKind::Directory;
        let (source, destination) = (self.directory(from)?, self.directory(to)?);
        let onto = match target {
            Target::Nothing => Onto::Nothing,
            Target::Tombstone(_) if is_directory => Onto::Exchange,
            Target::Tombstone(_) | Target::File(_) | Target::Directory(_) => Onto::Replace,
        };
        let changing = self.changing();
        lower::rename((&source, &child.lower), (&destination, &place), onto).map_err(failed)?;
        if onto == Onto::Exchange
            && let Err(error) = lower::remove(&source, &child.lower)
        {
            tracing::warn!(name = %from_name, %error, "a tombstone is left where an item was");
        }
        self.forget_name(to, to_name, leaving);
        let is_spelled_alike = child.lower == place;
        let moved = Child { name: to_name.clone(), lower: place, id: child.id };
        self.index.lock().shift((from, &fold(from_name)), (to, fold(to_name)), moved);
        drop(changing);
        if !is_spelled_alike {
            self.drop_name(&child);
        }
        Ok(())
    }

    /// As [`Self::rename`], and what was projected at the old name is hidden (T17): in one step,
    /// unless a file or directory is replaced. Changing the case only hides nothing.
    ///
    /// # Errors
    /// As [`Self::rename`].
    pub(in crate::engine) fn rename_hiding(
        &self,
        from: (ItemId, &Wide),
        to: (ItemId, &Wide),
    ) -> Result<()> {
        let child = self.child(from.0, from.1)?;
        self.check_shown(child.id)?;
        self.load(to.0)?;
        if from.0 == to.0 && fold(from.1) == fold(to.1) {
            return self.rename(from, to);
        }
        let made = match self.target(to.0, to.1, child.id)? {
            Target::Nothing => true,
            Target::Tombstone(_) => false,
            Target::File(id) if id == child.id => {
                self.respell(to.0, to.1, &LowerName::of(to.1)?)?;
                return self.bury(from.0, from.1);
            }
            Target::File(_) | Target::Directory(_) => {
                self.rename(from, to)?;
                return self.add_tombstone(from.0, from.1);
            }
        };
        if made {
            self.add_tombstone(to.0, to.1)?;
        }
        let exchanged = self.exchange(from.0, &child, to);
        if exchanged.is_err() && made {
            self.remove(to.0, to.1)?;
        }
        exchanged
    }

    /// Lets an item and a tombstone take each other's place.
    fn exchange(&self, from: ItemId, child: &Child, (to, to_name): (ItemId, &Wide)) -> Result<()> {
        let place = LowerName::of(to_name)?;
        self.respell(to, to_name, &place)?;
        let hidden = self.child(to, to_name)?;
        self.keep_name(child.id, &place, to_name)?;
        self.keep_name(hidden.id, &child.lower, &child.name)?;
        self.mark_renamed(child.id)?;
        let (source, destination) = (self.directory(from)?, self.directory(to)?);
        let changing = self.changing();
        lower::rename((&source, &child.lower), (&destination, &place), Onto::Exchange)
            .map_err(|error| failed(&format!("renaming '{}' to '{to_name}'", child.name), error))?;
        {
            let mut index = self.index.lock();
            let (old, new) = (fold(&child.name), fold(to_name));
            index.lose((from, &old), child.id);
            index.lose((to, &new), hidden.id);
            let left = Child { id: hidden.id, ..child.clone() };
            let moved = Child { id: child.id, ..hidden };
            index.put(from, old, left);
            index.put(to, new, moved);
        }
        drop(changing);
        if child.lower != place {
            self.drop_name(child);
        }
        Ok(())
    }

    /// Gives a file another name; replaces nothing but a tombstone.
    ///
    /// # Errors
    /// FILE_EXISTS; ACCESS_DENIED for directories; FILE_NOT_FOUND.
    pub(in crate::engine) fn link(&self, item: ItemId, parent: ItemId, name: &Wide) -> Result<()> {
        let failed = |error| failed(&format!("linking '{name}'"), error);
        let place = LowerName::of(name)?;
        self.check_shown(item)?;
        if self.kind(item)? == LowerKind::Directory {
            return Err(HResult::ACCESS_DENIED);
        }
        let tombstone = self.replaced(parent, name, false)?.is_some();
        self.keep_name(item, &place, name)?;
        let (source, leaf) = self.any_place(item)?;
        let destination = self.directory(parent)?;
        let _changing = self.changing();
        let link = |directory: &OwnedFd, name: &LowerName| {
            let (from, to) = (leaf.as_bytes(), name.as_bytes());
            linkat(&source, from, directory, to, AtFlags::empty()).map_err(failed)
        };
        if tombstone {
            self.respell(parent, name, &place)?;
            let temporary = self.lower.temporary();
            link(self.lower.temporaries(), &temporary)?;
            let from = (self.lower.temporaries(), &temporary);
            lower::rename(from, (&destination, &place), Onto::Replace).map_err(failed)?;
            self.forget_name(parent, name, None);
        } else {
            link(&destination, &place)?;
        }
        let child = Child { name: name.clone(), lower: place, id: item };
        self.index.lock().put(parent, fold(name), child);
        Ok(())
    }

    /// A name that must be there.
    pub(super) fn child(&self, parent: ItemId, name: &Wide) -> Result<Child> {
        self.load(parent)?;
        let index = self.index.lock();
        index.child(parent, &fold(name)).cloned().ok_or(HResult::FILE_NOT_FOUND)
    }

    pub(super) fn kind(&self, id: ItemId) -> Result<LowerKind> {
        self.index.lock().get(id).map(|entry| entry.kind).ok_or(HResult::FILE_NOT_FOUND)
    }

    /// Fails if it is a tombstone, which is no item to anybody (E8).
    fn check_shown(&self, id: ItemId) -> Result<()> {
        let index = self.index.lock();
        let is_shown = index.get(id).is_some_and(|entry| !entry.is_tombstone());
        if is_shown { Ok(()) } else { Err(HResult::FILE_NOT_FOUND) }
    }

    /// Fails if something that is not a tombstone is in a directory.
    pub(super) fn check_empty(&self, id: ItemId) -> Result<()> {
        if self.kind(id)? != LowerKind::Directory {
            return Ok(());
        }
        self.load(id)?;
        let index = self.index.lock();
        let children = index.get(id).and_then(|entry| entry.children.as_ref());
        let hides = |child: &Child| index.get(child.id).is_some_and(super::Entry::is_tombstone);
        let empty = children.is_none_or(|children| children.values().all(hides));
        if empty { Ok(()) } else { Err(HResult::DIR_NOT_EMPTY) }
    }

    /// What `moving` will replace at this name.
    fn target(&self, parent: ItemId, name: &Wide, moving: ItemId) -> Result<Target> {
        let (id, kind, is_tombstone, moves_directory) = {
            let index = self.index.lock();
            if index.is_within(parent, moving) {
                return Err(HResult::INVALID_ARGUMENT);
            }
            let Some(child) = index.child(parent, &fold(name)) else {
                return Ok(Target::Nothing);
            };
            let entry = index.get(child.id).ok_or(HResult::FILE_NOT_FOUND)?;
            let moving = index.get(moving).ok_or(HResult::FILE_NOT_FOUND)?;
            let moves_directory = moving.kind == LowerKind::Directory;
            (child.id, entry.kind, entry.is_tombstone(), moves_directory)
        };
        if is_tombstone {
            return Ok(Target::Tombstone(id));
        }
        if (kind == LowerKind::Directory) != moves_directory {
            return Err(HResult::ACCESS_DENIED);
        }
        self.check_empty(id)?;
        Ok(if moves_directory { Target::Directory(id) } else { Target::File(id) })
    }

    /// Where one of an item's names is.
    pub(super) fn any_place(&self, id: ItemId) -> Result<(OwnedFd, LowerName)> {
        let (parent, leaf) = {
            let index = self.index.lock();
            let first = index.get(id).and_then(|entry| entry.names.first());
            let (parent, folded) = first.ok_or(HResult::FILE_NOT_FOUND)?;
            let child = index.child(*parent, folded).ok_or(HResult::FILE_NOT_FOUND)?;
            (*parent, child.lower.clone())
        };
        Ok((self.directory(parent)?, leaf))
    }

    /// Spells a name otherwise, in case only.
    pub(super) fn respell(&self, parent: ItemId, name: &Wide, place: &LowerName) -> Result<()> {
        let child = self.child(parent, name)?;
        if child.lower != *place {
            self.keep_name(child.id, place, name)?;
            let directory = self.directory(parent)?;
            let changing = self.changing();
            let (from, to) = ((&directory, &child.lower), (&directory, place));
            lower::rename(from, to, Onto::Nothing)
                .map_err(|error| failed(&format!("spelling '{name}'"), error))?;
            let folded = fold(name);
            let spelled = Child { name: name.clone(), lower: place.clone(), id: child.id };
            self.index.lock().shift((parent, &folded), (parent, folded.clone()), spelled);
            drop(changing);
            self.drop_name(&child);
        }
        Ok(())
    }

    fn mark_renamed(&self, id: ItemId) -> Result<()> {
        self.update(id, |mut record, _| {
            record.renamed |= record.state.contains(FileState::PLACEHOLDER);
            Ok(record)
        })
    }

    /// Keeps the true name with an item that gets a stand-in.
    fn keep_name(&self, id: ItemId, place: &LowerName, name: &Wide) -> Result<()> {
        if place.attribute().is_none() {
            return Ok(());
        }
        if self.kind(id)? == LowerKind::Link {
            return Err(HResult::INVALID_NAME);
        }
        write_name(&*self.file(id)?, place, name)
    }

    /// Drops a true name that is not used any more; not while the item has others, since the same
    /// name in another directory has the same stand-in. If it fails, an attribute too many is left.
    fn drop_name(&self, old: &Child) {
        let has_others =
            |index: &Index| index.get(old.id).is_none_or(|entry| entry.names.len() > 1);
        if let Some(attribute) = old.lower.attribute()
            && !has_others(&self.index.lock())
            && let Ok(file) = self.file(old.id)
            && let Err(error) = attributes::remove(&*file, attribute.as_bytes())
        {
            tracing::debug!(name = %old.name, %error, "an old name was not dropped");
        }
    }

    /// Removes the tombstones in a directory; nothing to do for anything else.
    ///
    /// # Errors
    /// What removing them failed with.
    pub(in crate::engine) fn clear_tombstones(&self, directory: ItemId) -> Result<()> {
        if self.kind(directory)? != LowerKind::Directory {
            return Ok(());
        }
        let children = self.children(directory)?;
        for hidden in children.iter().filter(|child| child.item.state == FileState::TOMBSTONE) {
            self.remove(directory, &hidden.name)?;
        }
        Ok(())
    }

    /// The open file of an item that is about to lose its last name. An item that cannot be opened
    /// goes all the same.
    pub(super) fn leaving(&self, id: ItemId) -> Option<Arc<File>> {
        let is_last = {
            let index = self.index.lock();
            index.get(id).is_some_and(|entry| entry.names.len() == 1 && !entry.is_tombstone())
        };
        if is_last { self.file(id).ok() } else { None }
    }

    /// Takes a name out of the index, if it is there.
    pub(super) fn forget_name(&self, parent: ItemId, name: &Wide, leaving: Option<Arc<File>>) {
        let mut index = self.index.lock();
        let folded = fold(name);
        let id = index.child(parent, &folded).map(|child| child.id);
        if let Some(entry) = id.and_then(|id| index.get_mut(id)) {
            entry.unlinked = leaving;
        }
        index.take(parent, &folded);
    }
}
