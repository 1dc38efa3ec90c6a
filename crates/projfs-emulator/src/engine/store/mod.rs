//! What is on disk: items with their states and names, kept in memory once seen and written
//! through to the lower directory, whose only user this is.
//!
//! Callers hold the name's lock (`locks`) around everything that changes a name.
//!
//! Each change becomes visible in one step (a rename, or the setting of one attribute), so that a
//! driver that is killed leaves every item as it was before or as it is after. An item's lower file
//! has its data; directories are directories; links and tombstones are empty files. What else is
//! known is in the [record](record::Record). To replace a directory by another, and a tombstone by
//! a directory, takes two steps; so does an update, which may leave old extended attributes.
//!
//! * `index`: what is remembered. `load`: how it comes there.
//! * `lower`: the directory below, by handles. `naming`: names there. `attributes`, `record`: what
//!   is kept with a file.
//! * `create`, `moves`, `change`: items come into being, move and go, change in place.
//! * `host`, `trees`: items cross the border. `marks`: what folders say that no store has open.
//! * `folder_lock`: one driver per folder.

mod attributes;
mod change;
mod create;
mod folder_lock;
mod host;
mod index;
mod load;
mod lower;
mod marks;
mod moves;
mod naming;
mod record;
#[cfg(test)]
mod tests;
mod trees;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::io::Errno;

pub(super) use self::folder_lock::FolderLock;
use self::index::{Entry, Folded, Index, Location};
use self::lower::{Inode, Lower, LowerKind, Stat};
pub(super) use self::marks::{is_marked, nested, open_folder, state};
pub(super) use self::trees::inspect;
use super::failure::failed;
pub use crate::contract::operations::ItemId;
use crate::contract::{
    BasicInfo, FileState, Guid, HResult, PlaceholderInfo, Result, VersionInfo, Wide,
};

/// How long a file that is missing below is waited for while names are being changed.
const SETTLING: Duration = Duration::from_secs(1);

/// How often a file that keeps moving is looked for.
const ATTEMPTS: usize = 100;

/// An item as it was at one moment.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: ItemId,
    /// FileId of callbacks.
    pub(super) file: Guid,
    pub(super) state: FileState,
    /// A directory, or a link to one: `link` tells them apart.
    pub(super) directory: bool,
    /// Where a symbolic link leads.
    pub(super) link: Option<Wide>,
    /// Of a full file: as the lower file says. Otherwise as the provider or a metadata change said.
    /// Attributes are those that were given and DIRECTORY, without what E11 and E12 derive from
    /// the state.
    pub(super) basic: BasicInfo,
    /// Bytes that the data takes on disk.
    pub(super) allocated: u64,
    /// What the provider stored (F5, H1). Zero for local items.
    pub(super) version: Arc<VersionInfo>,
    /// Whose placeholder it is (M2).
    pub(super) instance: Guid,
    /// Path of the name that was projected when the placeholder was made (E10, J3).
    pub(super) origin: Wide,
    /// Was renamed since (E10).
    pub(super) renamed: bool,
    /// Number of names.
    pub(super) names: u32,
}

/// What a name stands for on disk.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// As it is spelled on disk.
    pub(super) name: Wide,
    /// The item, or the tombstone.
    pub(super) item: Item,
}

/// A placeholder to be made.
#[derive(Clone, Debug)]
pub(super) struct NewPlaceholder<'a> {
    pub(super) info: &'a PlaceholderInfo,
    pub(super) instance: Guid,
    /// Path of the name as projected.
    pub(super) origin: &'a Wide,
}

/// A full item to be made.
#[derive(Clone, Debug)]
pub(super) enum NewFull {
    File { attributes: u32 },
    Directory { attributes: u32 },
    Link { target: Wide, directory: bool },
}

/// The items of one root.
#[derive(Debug)]
pub(super) struct Store {
    lower: Lower,
    /// Never held across a system call.
    index: Mutex<Index>,
    /// Told after each change of a name.
    settled: Condvar,
}

impl Store {
    /// Opens the items below a directory. The handle keeps working when something is mounted over.
    ///
    /// # Errors
    /// VIRTUALIZATION_METADATA_CORRUPT if the directory's own record is; NOT_SUPPORTED without
    /// extended attributes below; ACCESS_DENIED.
    pub(super) fn open(directory: OwnedFd) -> Result<Self> {
        let opening = |error| failed("opening the folder of a root", error);
        let lower = Lower::open(&directory).map_err(opening)?;
        let stat = lower::stat_of(lower.root()).map_err(opening)?;
        let root = load::entry(lower.root(), LowerKind::Directory, stat.inode).map_err(opening)?;
        if root.corrupt {
            return Err(HResult::VIRTUALIZATION_METADATA_CORRUPT);
        }
        Ok(Self { lower, index: Mutex::new(Index::new(root)), settled: Condvar::new() })
    }

    /// What a name stands for, compared as NTFS does; tombstones included.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if `parent` is no directory; VIRTUALIZATION_METADATA_CORRUPT.
    pub(super) fn find(&self, parent: ItemId, name: &Wide) -> Result<Option<Found>> {
        let folded = fold(name);
        self.load(parent)?;
        let (name, id) = match self.index.lock().child(parent, &folded) {
            Some(child) => (child.name.clone(), child.id),
            None => return Ok(None),
        };
        self.check(id)?;
        Ok(self.item(id).map(|item| Found { name, item }))
    }

    /// An item; `None` if it is gone and nobody holds it.
    pub(super) fn item(&self, id: ItemId) -> Option<Item> {
        let item = self.index.lock().get(id)?.item(id);
        self.completed(item)
    }

    /// Everything in a directory, in collation order, tombstones included. An item whose record is
    /// corrupt is listed as a full one.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if it is no directory.
    pub(super) fn children(&self, directory: ItemId) -> Result<Vec<Found>> {
        self.load(directory)?;
        let mut listed = Vec::new();
        {
            let index = self.index.lock();
            let children = index.get(directory).and_then(|entry| entry.children.as_ref());
            for child in children.into_iter().flat_map(|children| children.values()) {
                if let Some(entry) = index.get(child.id) {
                    let name = child.name.clone();
                    listed.push((child.lower.clone(), entry.inode, name, entry.item(child.id)));
                }
            }
        }
        let at = self.directory(directory).ok();
        let mut found = Vec::new();
        for (lower, inode, name, mut item) in listed {
            if item.state == FileState::FULL {
                let stat = at.as_ref().and_then(|at| lower::stat_at(at, &lower).ok());
                match stat.filter(|stat| stat.inode == inode) {
                    Some(stat) => complete(&mut item, &stat),
                    // Renamed meanwhile, or gone.
                    None => match self.item(item.id) {
                        Some(now) => item = now,
                        None => continue,
                    },
                }
            }
            found.push(Found { name, item });
        }
        Ok(found)
    }

    /// Where an item is now: its first name, and the directory that has it.
    pub(super) fn place(&self, id: ItemId) -> Option<(ItemId, Wide)> {
        let index = self.index.lock();
        let (parent, folded) = index.get(id)?.names.first()?;
        Some((*parent, index.child(*parent, folded)?.name.clone()))
    }

    /// An item's path relative to the root, by its first name.
    pub(super) fn path(&self, id: ItemId) -> Option<Wide> {
        let steps = self.index.lock().climb(id, |child| child.name.clone())?;
        Some(steps.iter().fold(Wide::default(), |path, name| path.join(name)))
    }

    /// Keeps an item usable by id although its names are gone: an open handle, a kernel reference.
    pub(super) fn hold(&self, id: ItemId) {
        if let Some(entry) = self.index.lock().get_mut(id) {
            entry.holds += 1;
        }
    }

    /// The end of a [`Self::hold`].
    pub(super) fn release(&self, id: ItemId) {
        let mut index = self.index.lock();
        if let Some(entry) = index.get_mut(id) {
            entry.holds = entry.holds.saturating_sub(1);
        }
        index.forget_if_unused(id);
    }

    /// An item with what only the lower file knows.
    fn completed(&self, mut item: Item) -> Option<Item> {
        if item.state == FileState::FULL {
            let stat = self.stat(item.id).ok()?;
            complete(&mut item, &stat);
        } else if item.state.contains(FileState::HYDRATED) {
            item.allocated = item.basic.size.next_multiple_of(4096);
        }
        Some(item)
    }

    /// Fails if an item's record cannot be trusted.
    fn check(&self, id: ItemId) -> Result<()> {
        match self.index.lock().get(id) {
            None => Err(HResult::FILE_NOT_FOUND),
            Some(entry) if entry.corrupt => Err(HResult::VIRTUALIZATION_METADATA_CORRUPT),
            Some(_) => Ok(()),
        }
    }

    fn stat(&self, id: ItemId) -> Result<Stat> {
        self.reach(id, |location, inode| {
            let stat = match location {
                Location::Unlinked(file) => lower::stat_of(file)?,
                Location::Root => lower::stat_of(self.lower.root())?,
                Location::At { directories, leaf } => {
                    lower::stat_at(self.lower.directory(directories)?, leaf)?
                }
            };
            same(stat, inode)
        })
    }

    /// The lower directory of an item, for calls relative to it.
    fn directory(&self, id: ItemId) -> Result<OwnedFd> {
        let opened = self.reach(id, |location, inode| {
            let way = match location {
                Location::Unlinked(_) => return Err(Errno::NOENT),
                Location::Root => Vec::new(),
                Location::At { directories, leaf } => {
                    directories.iter().chain([leaf]).cloned().collect()
                }
            };
            let directory = self.lower.directory(&way)?;
            same(lower::stat_of(&directory)?, inode)?;
            Ok(directory)
        });
        opened.map_err(|code| match code {
            HResult::FILE_NOT_FOUND => HResult::PATH_NOT_FOUND,
            code => code,
        })
    }

    /// An item's lower file, opened once as long as somebody uses it.
    fn file(&self, id: ItemId) -> Result<Arc<File>> {
        let kind = {
            let index = self.index.lock();
            let entry = index.get(id).ok_or(HResult::FILE_NOT_FOUND)?;
            if let Some(file) = entry.unlinked.clone().or_else(|| entry.file.upgrade()) {
                return Ok(file);
            }
            entry.kind
        };
        let file = self.reach(id, |location, inode| {
            let file = match location {
                Location::Unlinked(file) => return Ok(file.clone()),
                Location::Root => File::from(rustix::io::dup(self.lower.root())?),
                Location::At { directories, leaf } => {
                    lower::open(self.lower.directory(directories)?, leaf, kind)?
                }
            };
            same(lower::stat_of(&file)?, inode)?;
            Ok(Arc::new(file))
        })?;
        if let Some(entry) = self.index.lock().get_mut(id) {
            entry.file = Arc::downgrade(&file);
        }
        Ok(file)
    }

    /// Does something where an item's lower file is. Another name of its path may be changed at the
    /// same moment; then it is looked for again.
    fn reach<T>(
        &self,
        id: ItemId,
        mut act: impl FnMut(&Location, Inode) -> rustix::io::Result<T>,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let (location, inode, changes) = {
                let index = self.index.lock();
                let inode = index.get(id).ok_or(HResult::FILE_NOT_FOUND)?.inode;
                (index.locate(id).ok_or(HResult::FILE_NOT_FOUND)?, inode, index.changes)
            };
            let error = match act(&location, inode) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let moved = matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::LOOP);
            if !moved || !self.wait_for_change(changes) {
                return Err(failed(&format!("reaching {location:?} in the lower folder"), error));
            }
        }
        Err(HResult::VIRTUALIZATION_BUSY)
    }

    /// Whether a name was changed since there had been `changes`; waits for changes that go on.
    fn wait_for_change(&self, changes: u64) -> bool {
        let mut index = self.index.lock();
        while index.changes == changes && index.changing > 0 {
            if self.settled.wait_for(&mut index, SETTLING).timed_out() {
                break;
            }
        }
        index.changes != changes
    }

    /// Says that the lower directory will be ahead of the index until the result is dropped.
    fn changing(&self) -> Changing<'_> {
        self.index.lock().changing += 1;
        Changing(self)
    }
}

/// A change of names that goes on.
struct Changing<'a>(&'a Store);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let mut index = self.0.index.lock();
        index.changing -= 1;
        index.changes += 1;
        drop(index);
        self.0.settled.notify_all();
    }
}

/// Fills in what the lower file of a full item says.
fn complete(item: &mut Item, stat: &Stat) {
    let basic = &mut item.basic;
    if stat.kind == Some(LowerKind::File) && item.link.is_none() {
        basic.size = stat.size;
        item.allocated = stat.allocated;
    }
    if basic.creation == 0 {
        basic.creation = stat.creation;
    }
    basic.access = stat.access;
    basic.write = stat.write;
    basic.change = stat.change;
}

fn same(stat: Stat, inode: Inode) -> rustix::io::Result<Stat> {
    if stat.inode == inode { Ok(stat) } else { Err(Errno::STALE) }
}

/// A name as all its spellings have it; the order of these is NTFS's.
fn fold(name: &Wide) -> Folded {
    ntfs_names::fold(name.units())
}
