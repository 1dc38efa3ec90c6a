//! What the store remembers: every item seen, by id and by inode, and the names in each directory
//! that was read. Memory only; no system calls.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::lower::{Inode, LowerKind};
use super::naming::LowerName;
use super::record::Record;
use super::{Item, ItemId};
use crate::contract::{FileState, Guid, Wide};

/// Tells FileIds from other numbered identifiers.
const FILE_IDS: u32 = 0x4653_4C49;

/// A name folded by case: its order is NTFS's collation (`projfs.md G1`).
pub(super) type Folded = Vec<u16>;

/// One name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Child {
    /// As it is spelled.
    pub(super) name: Wide,
    pub(super) lower: LowerName,
    pub(super) id: ItemId,
}

/// An item in memory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Arc<Record>,
    /// The record on disk could not be read.
    pub(super) corrupt: bool,
    pub(super) kind: LowerKind,
    pub(super) inode: Inode,
    /// The directories that have it, and its folded name there.
    pub(super) names: Vec<(ItemId, Folded)>,
    /// The names in it, once they were read.
    pub(super) children: Option<BTreeMap<Folded, Child>>,
    /// How often it is held.
    pub(super) holds: u64,
    /// Its file, once it has no name any more.
    pub(super) unlinked: Option<Arc<File>>,
    /// Its file, while somebody uses it.
    pub(super) file: Weak<File>,
    /// Held by whoever changes the record, across the writing of it: only local system calls happen
    /// under it, and without it two changes at once would lose one.
    pub(super) writing: Arc<Mutex<()>>,
}

impl Entry {
    pub(super) fn new(record: Record, kind: LowerKind, inode: Inode) -> Self {
        Self {
            record: Arc::new(record),
            corrupt: false,
            kind,
            inode,
            names: Vec::new(),
            children: None,
            holds: 0,
            unlinked: None,
            file: Weak::new(),
            writing: Arc::default(),
        }
    }

    /// As others see it; `basic` of full items is what the record knows.
    pub(super) fn item(&self, id: ItemId) -> Item {
        let record = &self.record;
        Item {
            id,
            file: Guid::numbered(FILE_IDS, id.0),
            state: record.state,
            directory: record.basic.directory,
            link: record.link.clone(),
            basic: record.basic,
            allocated: 0,
            version: record.version.clone(),
            instance: record.instance,
            origin: record.origin.clone(),
            renamed: record.renamed,
            names: u32::try_from(self.names.len()).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn is_tombstone(&self) -> bool {
        self.record.state == FileState::TOMBSTONE
    }
}

/// Where an item's lower file is.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// Nowhere, but it is open.
    Unlinked(Arc<File>),
    /// The lower root.
    Root,
    /// Below these directories.
    At { directories: Vec<LowerName>, leaf: LowerName },
}

/// Everything that is remembered.
#[derive(Debug)]
pub(super) struct Index {
    entries: HashMap<ItemId, Entry>,
    by_inode: HashMap<Inode, ItemId>,
    next: u64,
    /// Changes of names that are going on: the lower directory may be ahead.
    pub(super) changing: usize,
    /// Changes of names so far.
    pub(super) changes: u64,
}

impl Index {
    pub(super) fn new(root: Entry) -> Self {
        let mut index = Self {
            entries: HashMap::new(),
            by_inode: HashMap::new(),
            next: ItemId::ROOT.0,
            changing: 0,
            changes: 0,
        };
        index.add(root);
        index
    }

    /// Takes in an item without a name; the first is the root.
    pub(super) fn add(&mut self, entry: Entry) -> ItemId {
        let id = ItemId(self.next);
        self.next += 1;
        self.by_inode.insert(entry.inode, id);
        self.entries.insert(id, entry);
        id
    }

    pub(super) fn get(&self, id: ItemId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ItemId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub(super) fn by_inode(&self, inode: Inode) -> Option<ItemId> {
        self.by_inode.get(&inode).copied()
    }

    /// A name in a directory that was read.
    pub(super) fn child(&self, parent: ItemId, folded: &Folded) -> Option<&Child> {
        self.get(parent)?.children.as_ref()?.get(folded)
    }

    /// Gives an item a name. Its directory was read.
    pub(super) fn put(&mut self, parent: ItemId, folded: Folded, child: Child) {
        let id = child.id;
        if let Some(children) = self.get_mut(parent).and_then(|entry| entry.children.as_mut()) {
            children.insert(folded.clone(), child);
        }
        if let Some(entry) = self.get_mut(id) {
            entry.names.push((parent, folded));
        }
    }

    /// Takes a name away; an item without names that nobody holds is forgotten.
    pub(super) fn take(&mut self, parent: ItemId, folded: &Folded) {
        let children = self.get_mut(parent).and_then(|entry| entry.children.as_mut());
        let Some(child) = children.and_then(|children| children.remove(folded)) else { return };
        let Some(entry) = self.get_mut(child.id) else { return };
        entry.names.retain(|(at, name)| *at != parent || name != folded);
        if entry.names.is_empty() {
            let inside = entry.children.as_mut().map(std::mem::take).unwrap_or_default();
            for hidden in inside.into_values() {
                if let Some(tombstone) = self.get_mut(hidden.id) {
                    tombstone.names.clear();
                }
                self.forget_if_unused(hidden.id);
            }
        }
        self.forget_if_unused(child.id);
    }

    /// Moves a name, or spells it otherwise. Nothing is at the target; its directory was read.
    pub(super) fn shift(&mut self, from: (ItemId, &Folded), to: (ItemId, Folded), child: Child) {
        self.lose(from, child.id);
        self.put(to.0, to.1, child);
    }

    /// Takes a name away from an item that gets another one.
    pub(super) fn lose(&mut self, (parent, folded): (ItemId, &Folded), id: ItemId) {
        if let Some(children) = self.get_mut(parent).and_then(|entry| entry.children.as_mut()) {
            children.remove(folded);
        }
        if let Some(entry) = self.get_mut(id) {
            entry.names.retain(|(at, name)| *at != parent || name != folded);
        }
    }

    /// Forgets an item that has no names and no holders.
    pub(super) fn forget_if_unused(&mut self, id: ItemId) {
        let unused = |entry: &Entry| entry.names.is_empty() && entry.holds == 0;
        if id == ItemId::ROOT || !self.get(id).is_some_and(unused) {
            return;
        }
        let Some(entry) = self.entries.remove(&id) else { return };
        if self.by_inode.get(&entry.inode) == Some(&id) {
            self.by_inode.remove(&entry.inode);
        }
    }

    /// Where an item's lower file is; `None` if nowhere.
    pub(super) fn locate(&self, id: ItemId) -> Option<Location> {
        if let Some(file) = &self.get(id)?.unlinked {
            return Some(Location::Unlinked(file.clone()));
        }
        let mut steps = self.climb(id, |child| child.lower.clone())?;
        Some(steps.pop().map_or(Location::Root, |leaf| Location::At { directories: steps, leaf }))
    }

    /// The way from the root to an item by first names, each told by `tell`.
    pub(super) fn climb<T>(&self, id: ItemId, tell: impl Fn(&Child) -> T) -> Option<Vec<T>> {
        let mut steps = Vec::new();
        let mut at = id;
        while at != ItemId::ROOT {
            let (parent, folded) = self.get(at)?.names.first()?;
            steps.push(tell(self.child(*parent, folded)?));
            at = *parent;
        }
        steps.reverse();
        Some(steps)
    }

    /// Whether `id` is `above` or somewhere in it.
    pub(super) fn is_within(&self, id: ItemId, above: ItemId) -> bool {
        let mut at = Some(id);
        while let Some(here) = at {
            if here == above {
                return true;
            }
            let entry = self.get(here);
            at = entry.and_then(|entry| entry.names.first()).map(|(parent, _)| *parent);
        }
        false
    }
}
