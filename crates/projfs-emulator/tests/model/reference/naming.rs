//! Renaming, linking, deleting, closing (projfs.md T13 to T24).

use projfs_emulator::contract::operations::Access;
use projfs_emulator::contract::{FileState, HResult};

use super::tree::{Id, Item, Place};
use super::{Handle, Reference, Result, is_same, shown};
use crate::action::Slot;
use crate::projection::join;

impl Reference {
    /// T13 to T16, K5.
    pub(super) fn dispose(&mut self, slot: Slot, delete: bool) -> Result<()> {
        let handle = self.permitted(slot, Access::DELETE)?;
        if delete && !handle.doomed {
            self.permit_deletion(&handle)?;
        }
        self.handles.get_mut(&slot).unwrap().doomed = delete;
        Ok(())
    }

    fn permit_deletion(&mut self, handle: &Handle) -> Result<()> {
        // A root cannot be deleted (M16).
        let place = handle.place.clone().ok_or(HResult::NOT_SUPPORTED)?;
        let item = self.tree.item(handle.item);
        if item.read_only || !self.has_name(handle.item, &place) {
            return Err(HResult::ACCESS_DENIED);
        }
        let directory = item.directory;
        if directory && self.shows_children(handle.item) {
            return Err(HResult::DIR_NOT_EMPTY);
        }
        let path = self.handle_path(handle);
        self.tell(handle.by, &format!("PreDelete {path}"), directory);
        Ok(())
    }

    /// E19: exactly one of the three.
    pub(super) fn close(&mut self, mut handle: Handle) {
        if !handle.doomed && handle.delete_on_close {
            // Of a refusal, delete-on-close tells nobody (K5).
            handle.doomed = self.permit_deletion(&handle).is_ok();
        }
        let path = self.handle_path(&handle);
        let deleted = handle.doomed && self.remove_name(&handle);
        if self.running.map(|running| running.number) != handle.told {
            return;
        }
        let directory = self.tree.item(handle.item).directory;
        let kind = match (deleted, handle.modified) {
            (true, true) => {
                self.tell(handle.by, &format!("ClosedFileDeleted {path} (modified)"), false);
                return;
            }
            (true, false) => "ClosedFileDeleted",
            (false, true) => "ClosedFileModified",
            (false, false) => "ClosedNoModification",
        };
        self.tell(handle.by, &format!("{kind} {}", shown(&path)), directory);
    }

    /// Takes the name of a handle away, unless it is another's, or a directory is not empty by now.
    fn remove_name(&mut self, handle: &Handle) -> bool {
        let Some(place) = handle.place.clone() else { return false };
        if !self.has_name(handle.item, &place) {
            return false;
        }
        let hide = self.still_projected(&place);
        if self.tree.has_living_children(handle.item) {
            return false;
        }
        let (spelled, _) = self.tree.find(place.directory, &place.name).unwrap();
        let spelled = spelled.to_owned();
        self.tree.take(place.directory, &spelled);
        if hide {
            self.tree.add(place.directory, &spelled, Item::tombstone());
        }
        self.children_changed(place.directory);
        true
    }

    /// T17 to T21.
    pub(super) fn rename(&mut self, slot: Slot, to: &str, replace: bool) -> Result<()> {
        let handle = self.permitted(slot, Access::DELETE)?;
        let from = handle.place.clone().ok_or(HResult::NOT_SUPPORTED)?;
        let item = self.tree.item(handle.item).clone();
        if handle.doomed || !self.has_name(handle.item, &from) {
            return Err(HResult::ACCESS_DENIED);
        }
        if item.state == FileState::TOMBSTONE {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        if self.blocks_deletion(handle.item, Some(slot)) {
            return Err(HResult::SHARING_VIOLATION);
        }
        let (folder, name) = self.folder(to)?.ok_or(HResult::INVALID_ARGUMENT)?;
        // T20.
        if item.directory && item.state.contains(FileState::PLACEHOLDER) {
            return Err(HResult::NOT_SUPPORTED);
        }
        let to = Place { directory: folder, name: name.to_owned() };
        let there = self.target(&to)?;
        let case_only = is_same(&from, &to);
        if case_only && from.name == to.name {
            return Ok(());
        }
        if !case_only && let Some(there) = there {
            self.replaceable(item.directory, there, replace)?;
        }
        let (old, new) = (self.handle_path(&handle), self.path_of(&to));
        self.tell(handle.by, &format!("PreRename {old} -> {new}"), item.directory);
        let hide = !case_only && self.still_projected(&from);
        if self.tree.is_within(folder, handle.item) {
            // Whether anybody is told of what cannot be is not said.
            self.calls.are_unspecified();
            return Err(HResult::INVALID_ARGUMENT);
        }
        self.move_name(handle.item, &from, &to, hide);
        self.tell(handle.by, &format!("FileRenamed {old} -> {new}"), item.directory);
        Ok(())
    }

    /// What has the name that something is to get. While nobody can be asked, the disk decides
    /// (M12).
    fn target(&mut self, to: &Place) -> Result<Option<Id>> {
        let there = if self.running.is_some() {
            self.step(to.directory, &to.name)?
        } else {
            self.seen(to.directory, &to.name)
        };
        if self.dooms(to.directory) {
            return Err(HResult::DELETE_PENDING);
        }
        Ok(there.map(|(_, id)| id))
    }

    fn replaceable(&self, directory: bool, there: Id, replace: bool) -> Result<()> {
        if !replace {
            return Err(HResult::ALREADY_EXISTS);
        }
        let item = self.tree.item(there);
        if directory || item.directory || item.read_only {
            return Err(HResult::ACCESS_DENIED);
        }
        if self.blocks_deletion(there, None) {
            return Err(HResult::SHARING_VIOLATION);
        }
        Ok(())
    }

    fn move_name(&mut self, item: Id, from: &Place, to: &Place, hide: bool) {
        // What is in a directory goes along.
        self.tree.shift(from, to, item);
        if hide {
            self.tree.add(from.directory, &from.name, Item::tombstone());
        }
        let path = self.path_of(to);
        for handle in self.handles.values_mut().filter(|handle| handle.item == item) {
            if handle.place.as_ref().is_some_and(|place| is_same(place, from)) {
                handle.place = Some(to.clone());
                handle.path.clone_from(&path);
            }
        }
        self.children_changed(from.directory);
        self.children_changed(to.directory);
    }

    /// T24.
    pub(super) fn link(&mut self, slot: Slot, to: &str) -> Result<()> {
        let handle = self.handles[&slot].clone();
        let item = self.tree.item(handle.item);
        if item.state == FileState::TOMBSTONE {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        let named = handle.place.as_ref().is_some_and(|place| self.has_name(handle.item, place));
        if item.directory || self.dooms(handle.item) || !named {
            return Err(HResult::ACCESS_DENIED);
        }
        let (folder, name) = self.folder(to)?.ok_or(HResult::INVALID_ARGUMENT)?;
        let there = self.step(folder, name)?;
        if self.dooms(folder) {
            return Err(HResult::DELETE_PENDING);
        }
        if there.is_some() {
            return Err(HResult::ALREADY_EXISTS);
        }
        let to = Place { directory: folder, name: name.to_owned() };
        let both = format!("{} -> {}", self.handle_path(&handle), self.path_of(&to));
        self.tell(handle.by, &format!("PreSetHardlink {both}"), false);
        self.hydrate(handle.item)?;
        self.tree.put(folder, name, handle.item);
        self.children_changed(folder);
        self.tell(handle.by, &format!("HardlinkCreated {both}"), false);
        Ok(())
    }

    fn path_of(&self, place: &Place) -> String {
        join(&self.tree.path(place.directory).unwrap(), &place.name)
    }
}
