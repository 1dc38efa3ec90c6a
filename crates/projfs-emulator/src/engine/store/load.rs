//! Directories are read when something in them is asked for.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::attributes;
use super::index::{Child, Entry};
use super::lower::{self, Inode, LowerKind, Stat};
use super::naming::LowerName;
use super::record::Record;
use super::{ItemId, Store, fold};
use crate::contract::{HResult, Result, Wide};
use crate::engine::wtf8;

/// What was read of one name.
pub(super) struct Read {
    name: Wide,
    lower: LowerName,
    /// Of a file with several names: they are one item.
    pub(super) shared: bool,
    pub(super) entry: Entry,
}

impl Store {
    /// Makes sure that the names in a directory are known. Two threads may read the same one: the
    /// first to finish wins, and changes come after that only.
    pub(super) fn load(&self, directory: ItemId) -> Result<()> {
        {
            let index = self.index.lock();
            let entry = index.get(directory).ok_or(HResult::PATH_NOT_FOUND)?;
            if entry.kind != LowerKind::Directory || entry.is_link() {
                return Err(HResult::PATH_NOT_FOUND);
            }
            if entry.children.is_some() {
                return Ok(());
            }
        }
        let at = self.directory(directory)?;
        let read = read(&at, directory == ItemId::ROOT)
            .map_err(|error| super::failed("reading a directory", error))?;
        let mut index = self.index.lock();
        match index.get_mut(directory) {
            Some(entry) if entry.children.is_none() => entry.children = Some(BTreeMap::new()),
            _ => return Ok(()),
        }
        for Read { name, lower, shared, entry } in read {
            let folded = fold(&name);
            if let Some(first) = index.child(directory, &folded) {
                tracing::warn!(shown = %first.name, hidden = %name, "two names of a folder \
                    differ in case only; one of them is hidden");
                continue;
            }
            let known = if shared { index.by_inode(entry.inode) } else { None };
            let id = known.unwrap_or_else(|| index.add(entry));
            index.put(directory, folded, Child { name, lower, id });
        }
        Ok(())
    }
}

impl Entry {
    fn is_link(&self) -> bool {
        self.record.link.is_some()
    }
}

fn read(directory: &OwnedFd, is_root: bool) -> rustix::io::Result<Vec<Read>> {
    let mut found = Vec::new();
    for name in lower::entries(directory)? {
        if is_root && name.as_bytes() == super::naming::TEMPORARIES.as_bytes() {
            continue;
        }
        let stat = match lower::stat_at(directory, &name) {
            Err(Errno::NOENT) => continue,
            stat => stat?,
        };
        found.extend(read_one(directory, name, stat)?);
    }
    Ok(found)
}

/// `None`, and a warning, for what Windows has no word for.
pub(super) fn read_one(
    directory: &OwnedFd,
    lower: LowerName,
    stat: Stat,
) -> rustix::io::Result<Option<Read>> {
    let Some(kind) = stat.kind else {
        tracing::warn!(name = ?lower, "neither file nor directory nor link; it is not shown");
        return Ok(None);
    };
    let shared = kind != LowerKind::Directory && stat.names > 1;
    if kind == LowerKind::Link {
        let target = rustix::fs::readlinkat(directory, lower.as_bytes(), Vec::new())?;
        let Some((name, target)) = lower.plain().zip(wtf8::decode(target.as_bytes())) else {
            tracing::warn!(name = ?lower, "a link is not shown: not Unicode");
            return Ok(None);
        };
        let entry = Entry::new(Record::full(false, 0, Some(target)), kind, stat.inode);
        return Ok(Some(Read { name, lower, shared, entry }));
    }
    let file = lower::open(directory, &lower, kind)?;
    let Some(name) = true_name(&file, &lower)? else {
        tracing::warn!(name = ?lower, "no name that Windows could have; it is not shown");
        return Ok(None);
    };
    let entry = entry(&file, kind, stat.inode)?;
    if entry.corrupt {
        tracing::error!(%name, "the record of an item cannot be read; delete the item, or its \
            attribute user.projfs to make it a local one");
    }
    Ok(Some(Read { name, lower, shared, entry }))
}

fn true_name(file: impl AsFd, lower: &LowerName) -> rustix::io::Result<Option<Wide>> {
    let Some(attribute) = lower.attribute() else { return Ok(lower.plain()) };
    let name = attributes::get(file, attribute.as_bytes())?;
    let name = name.and_then(|name| wtf8::decode(&name));
    Ok(name.filter(|name| LowerName::of(name).as_ref() == Ok(lower)))
}

/// A file or directory with its record.
pub(super) fn entry(file: impl AsFd, kind: LowerKind, inode: Inode) -> rustix::io::Result<Entry> {
    let is_directory = kind == LowerKind::Directory;
    let bytes = attributes::get(file, attributes::RECORD)?;
    let read = bytes.as_deref().map(Record::from_bytes);
    // Only a link to a directory says of a lower file that it is a directory.
    let fits = |record: &Record| {
        record.basic.directory == is_directory || (record.link.is_some() && !is_directory)
    };
    let corrupt = matches!(&read, Some(record) if !record.as_ref().is_some_and(fits));
    let record = read.flatten().filter(|_| !corrupt);
    let record = record.unwrap_or_else(|| Record::full(is_directory, 0, None));
    Ok(Entry { corrupt, ..Entry::new(record, kind, inode) })
}
