//! Content and attributes (projfs.md T3 to T8, T25, T28).

use projfs_emulator::contract::operations::Access;
use projfs_emulator::contract::{FileState, HResult};

use super::opening::WRITING;
use super::tree::Id;
use super::{Handle, Reference, Result};
use crate::action::{Outcome, Slot};

impl Reference {
    pub(super) fn read(&mut self, slot: Slot, offset: u64, length: u32) -> Result<Vec<u8>> {
        let handle = self.permitted(slot, Access::READ)?;
        self.has_content(handle.item)?;
        let size = self.size(self.tree.item(handle.item));
        if offset >= size || length == 0 {
            return Ok(Vec::new());
        }
        self.hydrate(handle.item)?;
        let data = &self.tree.item(handle.item).data;
        let start = usize::try_from(offset).unwrap();
        let length = usize::try_from(length).unwrap();
        Ok(data.iter().skip(start).take(length).copied().collect())
    }

    pub(super) fn write(&mut self, slot: Slot, offset: u64, new: &[u8]) -> Result<()> {
        let handle = self.writable(slot)?;
        if new.is_empty() {
            return Ok(());
        }
        self.handles.get_mut(&slot).unwrap().modified = true;
        let data = &mut self.tree.item_mut(handle.item).data;
        let at = if handle.access.contains(Access::WRITE) {
            usize::try_from(offset).unwrap()
        } else {
            data.len()
        };
        // What was there stays before and behind (E20).
        data.resize(data.len().max(at + new.len()), 0);
        data[at..at + new.len()].copy_from_slice(new);
        Ok(())
    }

    pub(super) fn set_size(&mut self, slot: Slot, size: u64) -> Result<()> {
        let handle = self.writable(slot)?;
        self.handles.get_mut(&slot).unwrap().modified = true;
        self.tree.item_mut(handle.item).data.resize(usize::try_from(size).unwrap(), 0);
        Ok(())
    }

    pub(super) fn set_read_only(&mut self, slot: Slot, read_only: bool) -> Outcome {
        let handle = match self.permitted(slot, Access::WRITE_ATTRIBUTES) {
            Ok(handle) => handle,
            Err(code) => return Outcome::failed(code),
        };
        let item = self.tree.item_mut(handle.item);
        item.dirty();
        item.read_only = read_only;
        if item.state == FileState::TOMBSTONE { Outcome::Unspecified } else { Outcome::Done }
    }

    /// A handle that may do this.
    pub(super) fn permitted(&self, slot: Slot, access: Access) -> Result<Handle> {
        let handle = self.handles[&slot].clone();
        if handle.access.intersects(access) { Ok(handle) } else { Err(HResult::ACCESS_DENIED) }
    }

    fn writable(&mut self, slot: Slot) -> Result<Handle> {
        let handle = self.permitted(slot, WRITING)?;
        self.has_content(handle.item)?;
        self.make_full(handle.by, handle.item)?;
        Ok(handle)
    }

    fn has_content(&self, id: Id) -> Result<()> {
        let item = self.tree.item(id);
        if item.directory {
            return Err(HResult::INVALID_ARGUMENT);
        }
        if item.state == FileState::TOMBSTONE {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        Ok(())
    }

    /// T3: once, by the path that was projected (J3). Empty files have nothing to ask for (J6).
    pub(super) fn hydrate(&mut self, id: Id) -> Result<()> {
        let item = self.tree.item(id);
        if item.state.intersects(FileState::HYDRATED | FileState::FULL) {
            return Ok(());
        }
        let content = self.projection.content(item.version).to_vec();
        if content.is_empty() {
            return Ok(());
        }
        if self.running.is_none() {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        self.calls.add(format!("GetFileData {} 0+{}", item.origin, content.len()));
        let item = self.tree.item_mut(id);
        item.data = content;
        item.state |= FileState::HYDRATED;
        Ok(())
    }

    /// T5, T6: the veto before the data (E18), once per file (K8).
    pub(super) fn make_full(&mut self, by: u32, id: Id) -> Result<()> {
        let item = self.tree.item(id);
        if item.state == FileState::FULL || item.directory {
            return Ok(());
        }
        if self.running.is_some_and(|running| by == 0 || running.how.process != by) {
            let mut paths = self.tree.paths(id);
            if paths.is_empty() {
                // By its name, or by the one that it was projected by.
                paths.push(item.origin.clone());
                let open = self.handles.values().filter(|handle| handle.item == id);
                paths.extend(open.map(|handle| self.handle_path(handle)));
            }
            let line = |path: &String| format!("Notify PreConvertToFull {path}");
            self.calls.add_any(paths.iter().map(line).collect());
        }
        self.hydrate(id)?;
        self.tree.item_mut(id).state = FileState::FULL;
        Ok(())
    }
}
