//! Directory listings: a session keeps sorted entries, where it is in them, and the expression it
//! took up (`projfs.md F`).
#![expect(unsafe_code, reason = "the C functions and callbacks")]

use std::collections::hash_map;
use std::ptr;
use std::sync::Arc;

use parking_lot::Mutex;
use projfs_emulator::contract::{BasicInfo, Guid, HResult, Wide};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_EXT_INFO_TYPE_SYMLINK, PRJ_EXTENDED_INFO, PRJ_EXTENDED_INFO_0, PRJ_EXTENDED_INFO_0_0,
    PRJ_FILE_BASIC_INFO,
};

use super::Inner;
use super::command::Opaque;
use super::fault::Fault;
use crate::support::tree::{Entry, Node};

/// One session.
pub(super) struct Listing {
    entries: Vec<Entry>,
    next: usize,
    started: bool,
    expression: Option<Wide>,
}

/// A Get's own arguments.
pub(super) struct Get<'a> {
    pub(super) enumeration: Guid,
    pub(super) expression: Option<&'a Wide>,
    pub(super) restart: bool,
    pub(super) single: bool,
    pub(super) to: Opaque,
}

impl Inner {
    /// StartDirectoryEnumeration. A folder that was projected once lists nothing (F20).
    pub(super) fn start_listing(&self, enumeration: Guid, path: &Wide) -> HResult {
        let mut entries = self.projection.read().list(path).unwrap_or_default();
        match self.options.fault {
            Some(Fault::SortsByCase) => {
                entries.sort_by_key(|entry| entry.name.to_string());
            }
            Some(Fault::SortsByLibrary) => {
                entries.sort_by(|a, b| self.compare(&a.name, &b.name).cmp(&0));
            }
            Some(Fault::ListsOnce) if !self.belief.lock().lists_first_time(path) => entries.clear(),
            _ => {}
        }
        let listing = Listing { entries, next: 0, started: false, expression: None };
        match self.listings.lock().entry(enumeration) {
            hash_map::Entry::Occupied(_) => HResult::INVALID_ARGUMENT,
            hash_map::Entry::Vacant(place) => {
                place.insert(Arc::new(Mutex::new(listing)));
                HResult::OK
            }
        }
    }

    /// EndDirectoryEnumeration; a session that is not known is none of ours (F4).
    pub(super) fn end_listing(&self, enumeration: Guid) -> HResult {
        self.listings.lock().remove(&enumeration);
        HResult::OK
    }

    /// GetDirectoryEnumeration.
    pub(super) fn fill_listing(&self, get: &Get<'_>) -> HResult {
        let Some(listing) = self.listings.lock().get(&get.enumeration).cloned() else {
            return HResult::INVALID_ARGUMENT;
        };
        let mut listing = listing.lock();
        let restart = get.restart && self.options.fault != Some(Fault::IgnoresRestart);
        if restart || !listing.started {
            listing.next = 0;
        }
        if restart || !listing.started || self.options.fault == Some(Fault::FollowsExpression) {
            listing.expression = get.expression.cloned();
        }
        listing.started = true;
        self.fill_from(&mut listing, get)
    }

    fn fill_from(&self, listing: &mut Listing, get: &Get<'_>) -> HResult {
        let mut filled = 0;
        while let Some(entry) = listing.entries.get(listing.next) {
            if self.matches(&entry.name, listing.expression.as_ref()) {
                let result = self.fill(entry, get.to);
                if result == HResult::INSUFFICIENT_BUFFER {
                    if self.options.fault == Some(Fault::SkipsRejectedEntry) {
                        listing.next += 1;
                    }
                    let done = filled > 0 || self.options.fault == Some(Fault::OkOnFirstOverflow);
                    return if done { HResult::OK } else { result };
                }
                if !result.is_ok() {
                    return result;
                }
                filled += 1;
            }
            listing.next += 1;
            if get.single && filled > 0 {
                break;
            }
        }
        HResult::OK
    }

    fn matches(&self, name: &Wide, expression: Option<&Wide>) -> bool {
        let Some(expression) = expression.filter(|expression| !expression.is_empty()) else {
            return true;
        };
        let (c_name, c_expression) = (name.to_c(), expression.to_c());
        // SAFETY: NUL-terminated strings that live during the calls.
        unsafe {
            if (self.library.PrjDoesNameContainWildCards)(c_expression.as_ptr()) {
                return (self.library.PrjFileNameMatch)(c_name.as_ptr(), c_expression.as_ptr());
            }
        }
        self.compare(name, expression) == 0
    }

    fn compare(&self, one: &Wide, other: &Wide) -> i32 {
        let (one, other) = (one.to_c(), other.to_c());
        // SAFETY: as above.
        unsafe { (self.library.PrjFileNameCompare)(one.as_ptr(), other.as_ptr()) }
    }

    fn fill(&self, entry: &Entry, to: Opaque) -> HResult {
        let name = entry.name.to_c();
        let mut basic = raw_basic(&entry.basic());
        let Node::Link { target, .. } = &entry.node else {
            // SAFETY: the name and the information live during the call; the buffer is the Get's.
            return HResult(unsafe {
                (self.library.PrjFillDirEntryBuffer)(name.as_ptr(), &raw mut basic, to.0)
            });
        };
        let Some(fill) = self.library.PrjFillDirEntryBuffer2 else {
            // Before 2004 there are no links to project (A3).
            return HResult::OK;
        };
        let target = target.to_c();
        let link = link_info(&target);
        // SAFETY: as above.
        HResult(unsafe { fill(to.0, name.as_ptr(), &raw mut basic, &raw const link) })
    }
}

/// Says that an item is a link to this NUL-terminated target, which must outlive it.
pub(super) fn link_info(target: &[u16]) -> PRJ_EXTENDED_INFO {
    PRJ_EXTENDED_INFO {
        InfoType: PRJ_EXT_INFO_TYPE_SYMLINK,
        NextInfoOffset: 0,
        Anonymous: PRJ_EXTENDED_INFO_0 {
            Symlink: PRJ_EXTENDED_INFO_0_0 {
                TargetName: if target.is_empty() { ptr::null() } else { target.as_ptr() },
            },
        },
    }
}

pub(super) fn raw_basic(basic: &BasicInfo) -> PRJ_FILE_BASIC_INFO {
    PRJ_FILE_BASIC_INFO {
        IsDirectory: basic.directory,
        FileSize: basic.size.cast_signed(),
        CreationTime: basic.creation,
        LastAccessTime: basic.access,
        LastWriteTime: basic.write,
        ChangeTime: basic.change,
        FileAttributes: basic.attributes,
    }
}
