//! Items on disk and their names.

use std::collections::BTreeMap;

use projfs_emulator::contract::FileState;

use crate::projection::{fold, join, split};

/// An item.
pub(super) type Id = u32;

/// A name in its directory, as it is spelled.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: Id,
    pub(super) name: String,
}

/// A file, a directory or a tombstone.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) directory: bool,
    pub(super) state: FileState,
    /// Of what is hydrated or full.
    pub(super) data: Vec<u8>,
    /// Of what is not full: which content is projected.
    pub(super) version: u32,
    /// Of what is not full: the path by which it was projected (J3).
    pub(super) origin: String,
    pub(super) read_only: bool,
}

impl Item {
    /// A local item (E6, E7); `None` for a directory.
    pub(super) fn full(data: Option<&[u8]>) -> Self {
        Self {
            directory: data.is_none(),
            state: FileState::FULL,
            data: data.unwrap_or_default().to_vec(),
            version: 0,
            origin: String::new(),
            read_only: false,
        }
    }

    pub(super) fn placeholder(directory: bool, version: u32, origin: &str) -> Self {
        let origin = origin.to_owned();
        Self { state: FileState::PLACEHOLDER, directory, version, origin, ..Self::full(None) }
    }

    pub(super) fn tombstone() -> Self {
        Self { state: FileState::TOMBSTONE, ..Self::full(Some(&[])) }
    }

    /// Its metadata changed (E5), which only counts while it is tracked.
    pub(super) fn dirty(&mut self) {
        if self.state.contains(FileState::PLACEHOLDER) {
            self.state |= FileState::DIRTY;
        }
    }
}

/// All items of a root, those that lost their last name too.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    items: Vec<Item>,
    /// By directory and folded name: the spelling and the item.
    names: BTreeMap<(Id, String), (String, Id)>,
}

impl Tree {
    pub(super) const ROOT: Id = 0;

    pub(super) fn new() -> Self {
        Self { items: vec![Item::placeholder(true, 0, "")], names: BTreeMap::new() }
    }

    pub(super) fn add_local(&mut self, path: &str, content: Option<&[u8]>) {
        let (folder, name) = split(path).unwrap();
        let mut directory = Self::ROOT;
        for name in folder.split('\\').filter(|name| !name.is_empty()) {
            directory = self.find(directory, name).unwrap().1;
        }
        self.add(directory, name, Item::full(content));
    }

    pub(super) fn item(&self, id: Id) -> &Item {
        &self.items[usize::try_from(id).unwrap()]
    }

    pub(super) fn item_mut(&mut self, id: Id) -> &mut Item {
        &mut self.items[usize::try_from(id).unwrap()]
    }

    /// A name's spelling and item, tombstones included.
    pub(super) fn find(&self, directory: Id, name: &str) -> Option<(&str, Id)> {
        let found = self.names.get(&(directory, fold(name)));
        found.map(|(spelled, id)| (spelled.as_str(), *id))
    }

    /// A new item, in the place of what has the name.
    pub(super) fn add(&mut self, directory: Id, name: &str, item: Item) -> Id {
        let id = Id::try_from(self.items.len()).unwrap();
        self.items.push(item);
        self.put(directory, name, id);
        id
    }

    /// Another name for an item, in the place of what has it.
    pub(super) fn put(&mut self, directory: Id, name: &str, id: Id) {
        self.names.insert((directory, fold(name)), (name.to_owned(), id));
    }

    pub(super) fn take(&mut self, directory: Id, name: &str) {
        if let Some((_, id)) = self.names.remove(&(directory, fold(name))) {
            // Only tombstones can be left in a directory that goes.
            self.names.retain(|(directory, _), _| *directory != id);
        }
    }

    /// Moves one of an item's names, in the place of what has the other.
    pub(super) fn shift(&mut self, from: &Place, to: &Place, id: Id) {
        self.names.remove(&(from.directory, fold(&from.name)));
        self.put(to.directory, &to.name, id);
    }

    pub(super) fn clear_tombstones(&mut self, directory: Id) {
        self.names.retain(|(at, _), _| *at != directory);
    }

    /// Spellings and items, in collation order.
    pub(super) fn children(&self, directory: Id) -> impl Iterator<Item = (&str, Id)> {
        let inside = self.names.range((directory, String::new())..(directory + 1, String::new()));
        inside.map(|(_, (spelled, id))| (spelled.as_str(), *id))
    }

    pub(super) fn has_living_children(&self, directory: Id) -> bool {
        self.children(directory).any(|(_, id)| self.item(id).state != FileState::TOMBSTONE)
    }

    pub(super) fn names(&self, id: Id) -> u32 {
        let count = self.names.values().filter(|(_, named)| *named == id).count();
        u32::try_from(count).unwrap()
    }

    /// All paths of an item.
    pub(super) fn paths(&self, id: Id) -> Vec<String> {
        let mut paths = Vec::new();
        for ((directory, _), (spelled, named)) in &self.names {
            if *named == id
                && let Some(folder) = self.path(*directory)
            {
                paths.push(join(&folder, spelled));
            }
        }
        paths
    }

    /// The path of a directory; `None` if it has no name any more.
    pub(super) fn path(&self, directory: Id) -> Option<String> {
        if directory == Self::ROOT {
            return Some(String::new());
        }
        let named = self.names.iter().find(|(_, (_, id))| *id == directory);
        let ((above, _), (spelled, _)) = named?;
        Some(join(&self.path(*above)?, spelled))
    }

    /// Whether `directory` is `above` or somewhere in it.
    pub(super) fn is_within(&self, directory: Id, above: Id) -> bool {
        if directory == above {
            return true;
        }
        let named = self.names.iter().find(|(_, (_, id))| *id == directory);
        named.is_some_and(|((folder, _), _)| self.is_within(*folder, above))
    }
}
