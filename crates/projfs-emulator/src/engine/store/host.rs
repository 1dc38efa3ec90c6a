//! Items come in from the host and go out to it, moved or linked (projfs.md T22, T23, K7).

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, linkat};

use super::create::write_name;
use super::index::{Child, Index};
use super::load::read_one;
use super::lower::{self, LowerKind};
use super::naming::LowerName;
use super::{Item, ItemId, Store, fold, trees};
use crate::contract::{HResult, Result, Wide};
use crate::engine::failure::failed;

impl Store {
    /// Moves a tree of the host in: all of it is full. What has the name now goes.
    ///
    /// # Errors
    /// As [`trees::inspect`]; FILE_EXISTS is not one.
    pub(in crate::engine) fn move_in(
        &self,
        from: &Path,
        parent: ItemId,
        name: &Wide,
    ) -> Result<Item> {
        trees::inspect(from)?;
        let temporary = self.lower.temporary();
        let staged = path_below(self.lower.temporaries(), &temporary);
        trees::transfer(from, &staged)?;
        let settled = self.settle(&temporary, parent, name);
        if settled.is_err()
            && let Err(code) = trees::transfer(&staged, from)
        {
            tracing::error!(%code, from = %from.display(), "what could not be moved in cannot be \
                put back either");
        }
        settled
    }

    /// Gives a file of the host a name here too. A tombstone that has it goes.
    ///
    /// # Errors
    /// NOT_SUPPORTED from another file system; ACCESS_DENIED for directories and for items of
    /// another root.
    pub(in crate::engine) fn link_in(
        &self,
        from: &Path,
        parent: ItemId,
        name: &Wide,
    ) -> Result<Item> {
        let failed = |error| failed(&format!("linking {} in", from.display()), error);
        if !self.is_ours(from)? {
            trees::inspect(from)?;
        }
        let temporary = self.lower.temporary();
        let to = self.lower.temporaries();
        linkat(CWD, from, to, temporary.as_bytes(), AtFlags::empty()).map_err(failed)?;
        let settled = self.settle(&temporary, parent, name);
        if settled.is_err() {
            self.lower.discard(&temporary);
        }
        settled
    }

    /// Moves what has a name out, to a path of the host where nothing is.
    ///
    /// # Errors
    /// FILE_EXISTS; FILE_NOT_FOUND if its folder is missing; ACCESS_DENIED.
    pub(in crate::engine) fn move_out(&self, parent: ItemId, name: &Wide, to: &Path) -> Result<()> {
        let child = self.child(parent, name)?;
        let leaving = self.leaving(child.id);
        let directory = self.directory(parent)?;
        let changing = self.changing();
        trees::transfer(&path_below(&directory, &child.lower), to)?;
        self.index.lock().forget_inside(child.id);
        self.forget_name(parent, name, leaving);
        drop(changing);
        trees::strip(to);
        Ok(())
    }

    /// Gives a file a name on the host too.
    ///
    /// # Errors
    /// NOT_SUPPORTED to another file system; FILE_EXISTS; ACCESS_DENIED for directories.
    pub(in crate::engine) fn link_out(&self, item: ItemId, to: &Path) -> Result<()> {
        let (directory, leaf) = self.any_place(item)?;
        linkat(&directory, leaf.as_bytes(), CWD, to, AtFlags::empty())
            .map_err(|error| failed(&format!("linking {} to it", to.display()), error))
    }

    /// Whether a path of the host is another name of an item that is known here.
    fn is_ours(&self, path: &Path) -> Result<bool> {
        let stat = lower::stat_at(CWD, &LowerName::read(path.as_os_str().as_bytes()))
            .map_err(|error| failed(&format!("asking about {}", path.display()), error))?;
        Ok(self.index.lock().by_inode(stat.inode).is_some())
    }

    /// Puts what came in under a temporary name in its place.
    fn settle(&self, temporary: &LowerName, parent: ItemId, name: &Wide) -> Result<Item> {
        let failed = |error| failed(&format!("taking '{name}' in"), error);
        let place = LowerName::of(name)?;
        let old = self.replaced(parent, name, true)?;
        let temporaries = self.lower.temporaries();
        let stat = lower::stat_at(temporaries, temporary).map_err(failed)?;
        let read = read_one(temporaries, temporary.clone(), stat).map_err(failed)?;
        let read = read.ok_or(HResult::NOT_SUPPORTED)?;
        if place.attribute().is_some() {
            if read.entry.kind == LowerKind::Link {
                return Err(HResult::INVALID_NAME);
            }
            let file = lower::open(temporaries, temporary, read.entry.kind).map_err(failed)?;
            write_name(&file, &place, name)?;
        }
        let old = old.map(|(child, kind)| (child.id, kind));
        self.put_in_place(temporary, (parent, name, &place), old)?;
        let id = {
            let mut index = self.index.lock();
            let known = if read.shared { index.by_inode(read.entry.inode) } else { None };
            let id = known.unwrap_or_else(|| index.add(read.entry));
            index.put(parent, fold(name), Child { name: name.clone(), lower: place, id });
            id
        };
        self.item(id).ok_or(HResult::FILE_NOT_FOUND)
    }
}

impl Index {
    /// Forgets all that is in a directory, which is somebody else's now.
    fn forget_inside(&mut self, directory: ItemId) {
        let mut directories = vec![directory];
        while let Some(at) = directories.pop() {
            let children = self.get_mut(at).and_then(|entry| entry.children.take());
            for (folded, child) in children.into_iter().flatten() {
                directories.push(child.id);
                if let Some(entry) = self.get_mut(child.id) {
                    entry.names.retain(|(parent, name)| *parent != at || *name != folded);
                }
            }
            if at != directory {
                self.forget_if_unused(at);
            }
        }
    }
}

/// A path of the host to a name in a lower directory, whatever is mounted over it.
fn path_below(directory: impl AsFd, name: &LowerName) -> PathBuf {
    let directory = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
    Path::new(&directory).join(OsStr::from_bytes(name.as_bytes()))
}
