//! What a directory shows (projfs.md F).

use std::collections::BTreeMap;

use projfs_emulator::contract::operations::Access;
use projfs_emulator::contract::{FileState, HResult};
use projfs_emulator::names::matches;

use super::Reference;
use super::tree::Id;
use crate::action::{How, Outcome};
use crate::projection::{fold, split};

/// An entry: its name, its size, whether it is a directory.
type Entry = (String, u64, bool);

impl Reference {
    pub(super) fn list(&mut self, by: u32, path: &str, pattern: Option<&str>) -> Outcome {
        let handle = match self.opened(by, path, &How::existing(Access::READ)) {
            Ok((handle, _)) => handle,
            Err(code) => return Outcome::failed(code),
        };
        let id = handle.item;
        let listed = if !self.tree.item(id).directory {
            Outcome::failed(HResult::INVALID_ARGUMENT)
        } else {
            if self.asks_for_children(id) {
                // Two passes of one session.
                self.calls.lists(&self.tree.path(id).unwrap());
            }
            self.entries(id, pattern)
        };
        self.close(handle);
        listed
    }

    fn entries(&self, directory: Id, pattern: Option<&str>) -> Outcome {
        let dots = [".", ".."].map(|name| (name.to_owned(), 0, true));
        let mut entries: Vec<Entry> = dots.into_iter().chain(self.children(directory)).collect();
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        let pattern = units(pattern.unwrap_or_default());
        entries.retain(|(name, ..)| matches(&units(name), &pattern));
        if entries.is_empty() {
            // F19.
            return Outcome::failed(HResult::FILE_NOT_FOUND);
        }
        Outcome::Entries(entries)
    }

    /// In collation order. What is on disk wins, a tombstone hides (F14); without a provider what
    /// is on disk is all, and tombstones show (M11).
    fn children(&self, directory: Id) -> Vec<Entry> {
        let mut merged = BTreeMap::new();
        if self.asks_for_children(directory) {
            let path = self.tree.path(directory).unwrap();
            for node in self.projection.children(&path) {
                let (_, name) = split(&node.path).unwrap();
                let entry = (name.to_owned(), self.projection.size(node), node.directory);
                merged.insert(fold(name), entry);
            }
        }
        for (name, id) in self.tree.children(directory) {
            let item = self.tree.item(id);
            if item.state == FileState::TOMBSTONE && self.running.is_some() {
                merged.remove(&fold(name));
            } else {
                merged.insert(fold(name), (name.to_owned(), self.size(item), item.directory));
            }
        }
        merged.into_values().collect()
    }

    /// Whether a listing consults the provider (F15, E7).
    fn asks_for_children(&self, directory: Id) -> bool {
        self.running.is_some() && self.tree.item(directory).state != FileState::FULL
    }

    /// T15: whether a directory cannot be deleted. Tombstones do not count, seen or not.
    pub(super) fn shows_children(&mut self, directory: Id) -> bool {
        if self.asks_for_children(directory) {
            let path = self.tree.path(directory).unwrap();
            self.calls.may_list(&path);
            return !self.children(directory).is_empty();
        }
        self.tree.has_living_children(directory)
    }
}
