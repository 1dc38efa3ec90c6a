//! Items come into being: made under a temporary name with all that belongs to them, then put in
//! their place in one step.

use std::fs::File;

use super::index::{Child, Entry};
use super::lower::{self, Inode, LowerKind, Onto};
use super::naming::LowerName;
use super::record::Record;
use super::{Item, ItemId, NewFull, NewPlaceholder, Store, attributes, change, fold};
use crate::contract::{HResult, Result, Wide};
use crate::engine::failure::failed;
use crate::engine::wtf8;

/// What is to be made.
struct New<'a> {
    kind: LowerKind,
    record: Record,
    extended: &'a [(Vec<u8>, Vec<u8>)],
    /// Takes the place of any item, not of a tombstone only.
    buries: bool,
}

impl Store {
    /// Makes a placeholder; replaces nothing but a tombstone.
    ///
    /// # Errors
    /// FILE_EXISTS, PATH_NOT_FOUND, INVALID_NAME, DISK_FULL.
    pub(in crate::engine) fn add_placeholder(
        &self,
        parent: ItemId,
        name: &Wide,
        new: NewPlaceholder<'_>,
    ) -> Result<Item> {
        let record = Record::placeholder(&new);
        let is_directory = record.basic.directory && record.link.is_none();
        let kind = if is_directory { LowerKind::Directory } else { LowerKind::File };
        let extended = &new.info.extended;
        self.add(parent, name, New { kind, record, extended, buries: false })
    }

    /// Makes a full (local) item; replaces nothing but a tombstone.
    ///
    /// # Errors
    /// As [`Self::add_placeholder`].
    pub(in crate::engine) fn add_full(
        &self,
        parent: ItemId,
        name: &Wide,
        kind: NewFull,
    ) -> Result<Item> {
        let (kind, record) = match kind {
            NewFull::File { attributes } => {
                (LowerKind::File, Record::full(false, attributes, None))
            }
            NewFull::Directory { attributes } => {
                (LowerKind::Directory, Record::full(true, attributes, None))
            }
            NewFull::Link { target, directory } => {
                (LowerKind::File, Record::full(directory, 0, Some(target)))
            }
        };
        self.add(parent, name, New { kind, record, extended: &[], buries: false })
    }

    /// Hides a projected name. Nothing may be there but another tombstone.
    ///
    /// # Errors
    /// As [`Self::add_placeholder`].
    pub(in crate::engine) fn add_tombstone(&self, parent: ItemId, name: &Wide) -> Result<()> {
        let record = Record::tombstone();
        let new = New { kind: LowerKind::File, record, extended: &[], buries: false };
        self.add(parent, name, new).map(|_| ())
    }

    /// Removes a name and hides what was projected there, in one step (T13, T16).
    ///
    /// # Errors
    /// FILE_NOT_FOUND; DIR_NOT_EMPTY if a directory has more than tombstones in it.
    pub(in crate::engine) fn bury(&self, parent: ItemId, name: &Wide) -> Result<()> {
        let child = self.child(parent, name)?;
        self.check_empty(child.id)?;
        let record = Record::tombstone();
        let new = New { kind: LowerKind::File, record, extended: &[], buries: true };
        self.add(parent, &child.name, new).map(|_| ())
    }

    fn add(&self, parent: ItemId, name: &Wide, new: New<'_>) -> Result<Item> {
        let place = LowerName::of(name)?;
        let old = self.replaced(parent, name, new.buries)?;
        let temporary = self.lower.temporary();
        let made = self.prepare(&temporary, &place, name, &new).and_then(|inode| {
            let old = old.as_ref().map(|(child, kind)| (child.id, *kind));
            self.put_in_place(&temporary, (parent, name, &place), old)?;
            Ok(inode)
        });
        let inode = match made {
            Ok(inode) => inode,
            Err(code) => {
                self.lower.discard(&temporary);
                return Err(code);
            }
        };
        let id = {
            let mut index = self.index.lock();
            let id = index.add(Entry::new(new.record, new.kind, inode));
            let child = Child { name: name.clone(), lower: place, id };
            index.put(parent, fold(name), child);
            id
        };
        self.item(id).ok_or(HResult::FILE_NOT_FOUND)
    }

    /// What a new item at this name will replace, if it may.
    pub(super) fn replaced(
        &self,
        parent: ItemId,
        name: &Wide,
        anything: bool,
    ) -> Result<Option<(Child, LowerKind)>> {
        self.load(parent)?;
        let index = self.index.lock();
        let Some(child) = index.child(parent, &fold(name)) else { return Ok(None) };
        let entry = index.get(child.id).ok_or(HResult::FILE_EXISTS)?;
        if !anything && !entry.is_tombstone() {
            return Err(HResult::FILE_EXISTS);
        }
        Ok(Some((child.clone(), entry.kind)))
    }

    /// Makes the lower file with everything that belongs to it.
    fn prepare(
        &self,
        temporary: &LowerName,
        place: &LowerName,
        name: &Wide,
        new: &New<'_>,
    ) -> Result<Inode> {
        let failed = |error| failed(&format!("making '{name}'"), error);
        let file = lower::make(self.lower.temporaries(), temporary, new.kind).map_err(failed)?;
        if new.kind == LowerKind::File && new.record.basic.size > 0 {
            rustix::fs::ftruncate(&file, new.record.basic.size).map_err(failed)?;
        }
        for (name, value) in new.extended {
            attributes::set(&file, &attributes::of_users(name), value).map_err(failed)?;
        }
        change::write_record(&file, &new.record)?;
        write_name(&file, place, name)?;
        Ok(lower::stat_of(&file).map_err(failed)?.inode)
    }

    /// Renames a temporary to its place; what was there is gone, in the index too.
    pub(super) fn put_in_place(
        &self,
        temporary: &LowerName,
        (parent, name, place): (ItemId, &Wide, &LowerName),
        old: Option<(ItemId, LowerKind)>,
    ) -> Result<()> {
        let failed = |error| failed(&format!("putting '{name}' in its place"), error);
        let kind = lower::stat_at(self.lower.temporaries(), temporary).map_err(failed)?.kind;
        if old.is_some() {
            self.respell(parent, name, place)?;
        }
        let leaving = old.and_then(|(id, _)| self.leaving(id));
        let onto = match old {
            None => Onto::Nothing,
            Some((_, LowerKind::Directory)) => Onto::Exchange,
            Some(_) if kind == Some(LowerKind::Directory) => Onto::Exchange,
            Some(_) => Onto::Replace,
        };
        let directory = self.directory(parent)?;
        let changing = self.changing();
        let from = (self.lower.temporaries(), temporary);
        lower::rename(from, (&directory, place), onto).map_err(failed)?;
        if onto == Onto::Exchange {
            self.lower.discard(temporary);
        }
        self.forget_name(parent, name, leaving);
        drop(changing);
        Ok(())
    }
}

/// Keeps the true name with a file whose lower name is a stand-in.
pub(super) fn write_name(file: &File, lower: &LowerName, name: &Wide) -> Result<()> {
    let Some(attribute) = lower.attribute() else { return Ok(()) };
    attributes::set(file, attribute.as_bytes(), &wtf8::encode(name))
        .map_err(|error| failed(&format!("keeping the name '{name}'"), error))
}
