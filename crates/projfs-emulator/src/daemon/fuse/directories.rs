//! Open directories (projfs.md R3, R9): the entries that were given are kept, so that a listing can
//! be taken up at any of them; from the beginning again, it is a new one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use fuser::{Errno, FileType};
use parking_lot::Mutex;

use super::handles::{Brief, itself};
use super::{Adapter, Failure, attributes, names};
use crate::contract::{HResult, Wide};
use crate::daemon::callers::Caller;
use crate::engine::{Access, Entry, HandleId, ItemId, Kind, Open, Query};
use crate::knobs::Expression;

/// Bytes of entries asked for at once, as programs on Windows do.
const BUFFER: u32 = 64 << 10;

/// Inode numbers of virtual entries have this bit, so that they are nobody else's.
const VIRTUAL: u64 = 1 << 63;

#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<HashMap<HandleId, Arc<Directory>>>);

#[derive(Debug)]
struct Directory {
    item: ItemId,
    /// Held while the engine is asked: queries on one handle come one after the other.
    given: tokio::sync::Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    entries: Vec<Entry>,
    /// Something was asked for since the beginning.
    begun: bool,
    /// Nothing comes behind `entries`.
    over: bool,
}

/// An entry as the kernel takes it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) inode: u64,
    /// Where to go on behind it.
    pub(super) offset: u64,
    pub(super) kind: FileType,
    pub(super) name: OsString,
}

impl Adapter {
    pub(super) async fn opendir(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
    ) -> Result<HandleId, Failure> {
        let how = Open { kind: Kind::Directory, ..Open::existing(Access::READ) };
        let brief = Brief::open(&self, &caller.process(), &itself(item), how).await?;
        let handle = brief.handle;
        let directory = Arc::new(Directory { item, given: tokio::sync::Mutex::default() });
        self.directories.0.lock().insert(handle, directory);
        brief.keep();
        Ok(handle)
    }

    /// The entries from an offset on: all that are at hand, at least one unless it is the end.
    pub(super) async fn readdir(
        self: Arc<Self>,
        caller: Caller,
        handle: HandleId,
        offset: u64,
    ) -> Result<Vec<Shown>, Failure> {
        let directory = self.directories.0.lock().get(&handle).cloned().ok_or(Errno::EBADF)?;
        let mut given = directory.given.lock().await;
        let restart = offset == 0 && given.begun;
        if restart {
            *given = Given::default();
        }
        let first = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut restart = restart;
        while given.entries.len() <= first && !given.over {
            let query = Query {
                expression: self.expression(),
                restart,
                buffer: BUFFER,
                ..Query::default()
            };
            given.begun = true;
            match self.root.query_directory(&caller.process(), handle, query).await {
                Ok(entries) => given.entries.extend(entries),
                Err(HResult::NO_MORE_FILES) => given.over = true,
                Err(code) => return Err(code.into()),
            }
            restart = false;
        }
        let rest = given.entries.iter().enumerate().skip(first);
        Ok(rest.map(|(index, entry)| shown(directory.item, index, entry)).collect())
    }

    pub(super) async fn releasedir(self: Arc<Self>, handle: HandleId) -> Result<(), Failure> {
        self.directories.0.lock().remove(&handle);
        Ok(self.root.close(handle).await?)
    }

    /// What a listing asks for (R9).
    fn expression(&self) -> Option<Wide> {
        let star = match self.root.knobs().expression {
            Expression::Null => false,
            Expression::Star => true,
            Expression::Drawn => self.lots.lock().bool(),
        };
        star.then(|| Wide::from("*"))
    }
}

fn shown(directory: ItemId, index: usize, entry: &Entry) -> Shown {
    Shown {
        inode: inode(directory, entry),
        offset: index as u64 + 1,
        kind: attributes::kind(&entry.basic, entry.link.is_some()),
        name: names::bytes(&entry.name),
    }
}

/// A virtual entry has no item yet, but must have a number.
fn inode(directory: ItemId, entry: &Entry) -> u64 {
    if let Some(item) = entry.item {
        return item.0;
    }
    if entry.name == Wide::from(".") {
        return directory.0;
    }
    let mut hasher = DefaultHasher::new();
    (directory, &entry.name).hash(&mut hasher);
    hasher.finish() | VIRTUAL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::BasicInfo;

    #[test]
    fn virtual_entries_have_numbers_of_their_own() {
        let entry = |name: &str, item| Entry {
            name: name.into(),
            basic: BasicInfo::default(),
            link: None,
            item,
        };
        let virtual_a = inode(ItemId(5), &entry("a", None));
        assert_eq!(virtual_a, inode(ItemId(5), &entry("a", None)));
        assert_ne!(virtual_a, inode(ItemId(5), &entry("b", None)));
        assert_ne!(virtual_a, inode(ItemId(6), &entry("a", None)));
        assert_ne!(virtual_a & VIRTUAL, 0);
        assert_eq!(inode(ItemId(5), &entry("a", Some(ItemId(9)))), 9);
        assert_eq!(inode(ItemId(5), &entry(".", None)), 5);
    }
}
