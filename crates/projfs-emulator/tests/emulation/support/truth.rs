//! What has really changed in a root: found on disk, without the provider.

use std::collections::BTreeMap;

use projfs_emulator::contract::operations::Query;
use projfs_emulator::contract::{FileState, Wide};

use super::provider::Change;
use super::rig::Rig;
use super::tree::Tree;

/// Local items, and names of `tree` that are gone (those below one that is gone are left out).
pub(crate) fn of(rig: &Rig, tree: &Tree) -> BTreeMap<String, Change> {
    let mut changes = BTreeMap::new();
    let mut folders = vec![Wide::default()];
    while let Some(folder) = folders.pop() {
        let app = rig.app();
        let listing = app.listing(&slashed(&folder)).unwrap();
        let query = Query { on_disk_only: true, buffer: 64 << 10, ..Query::default() };
        for entry in listing.rest(&query).unwrap() {
            let name = entry.name.to_string();
            let Some(item) = entry.item.filter(|_| name != "." && name != "..") else { continue };
            let path = folder.join(&entry.name);
            let state = app.raw().attributes(item).unwrap().state;
            if state.contains(FileState::FULL) {
                changes.insert(path.to_string(), Change::Local);
            } else if state.contains(FileState::TOMBSTONE) && tree.find(&path).is_some() {
                changes.insert(path.to_string(), Change::Gone);
            }
            if entry.basic.directory
                && entry.link.is_none()
                && !state.contains(FileState::TOMBSTONE)
            {
                folders.push(path);
            }
        }
    }
    changes
}

fn slashed(path: &Wide) -> String {
    path.to_string().replace('\\', "/")
}
