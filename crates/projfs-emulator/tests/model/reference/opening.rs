//! Opening what exists, overwriting it, making what does not (projfs.md T1 to T12).

use projfs_emulator::contract::operations::{Access, Action as Did, Disposition, Kind, Share};
use projfs_emulator::contract::{FileState, HResult};

use super::tree::{Id, Item, Place, Tree};
use super::{Handle, Reference, Result, is_same, shown};
use crate::action::{How, Outcome, Slot};
use crate::projection::{fold, join, split};

/// What makes a file full (E17).
pub(super) const WRITING: Access = Access::WRITE.union(Access::APPEND);

impl Reference {
    pub(super) fn open(&mut self, slot: Slot, by: u32, path: &str, how: &How) -> Outcome {
        match self.opened(by, path, how) {
            Err(code) => Outcome::failed(code),
            Ok((handle, did)) => {
                let item = self.tree.item(handle.item);
                let name = handle.place.as_ref().map(|place| place.name.clone());
                let outcome =
                    Outcome::opened(did, name.unwrap_or_default(), item.state, self.size(item));
                self.handles.insert(slot, handle);
                outcome
            }
        }
    }

    pub(super) fn opened(&mut self, by: u32, path: &str, how: &How) -> Result<(Handle, Did)> {
        let Some((folder, leaf)) = self.folder(path)? else {
            return self.open_existing(by, Tree::ROOT, None, how);
        };
        let makes = !matches!(how.disposition, Disposition::Open | Disposition::Overwrite);
        let was_there = self.seen(folder, leaf).is_some();
        let found = self.step(folder, leaf)?;
        // Nothing new in a directory that is being deleted.
        if makes && !was_there && self.dooms(folder) {
            return Err(HResult::DELETE_PENDING);
        }
        match found {
            Some((name, id)) => {
                self.open_existing(by, id, Some(Place { directory: folder, name }), how)
            }
            None if makes => {
                self.create(by, Place { directory: folder, name: leaf.to_owned() }, how)
            }
            None => Err(HResult::FILE_NOT_FOUND),
        }
    }

    /// The directory of a path's last component, and that; `None` for the root. Every folder on the
    /// way becomes a placeholder (H1). One that is missing, or no folder, is PATH_NOT_FOUND (H5, H6).
    pub(super) fn folder<'a>(&mut self, path: &'a str) -> Result<Option<(Id, &'a str)>> {
        let Some((folders, leaf)) = split(path) else { return Ok(None) };
        let mut at = Tree::ROOT;
        for name in folders.split('\\').filter(|name| !name.is_empty()) {
            at = self.step(at, name)?.ok_or(HResult::PATH_NOT_FOUND)?.1;
        }
        if !self.tree.item(at).directory {
            return Err(HResult::PATH_NOT_FOUND);
        }
        Ok(Some((at, leaf)))
    }

    /// What a name stands for without asking anybody. Tombstones are seen while no provider runs
    /// (E8, M11).
    pub(super) fn seen(&self, directory: Id, name: &str) -> Option<(String, Id)> {
        let (spelled, id) = self.tree.find(directory, name)?;
        let hidden = self.running.is_some() && self.tree.item(id).state == FileState::TOMBSTONE;
        (!hidden).then(|| (spelled.to_owned(), id))
    }

    /// What a name stands for; it becomes a placeholder if it is virtual (H1, H4, G9).
    pub(super) fn step(&mut self, directory: Id, name: &str) -> Result<Option<(String, Id)>> {
        let folder = self.tree.item(directory);
        if !folder.directory {
            return Err(HResult::PATH_NOT_FOUND);
        }
        if self.tree.find(directory, name).is_some() || folder.state == FileState::FULL {
            return Ok(self.seen(directory, name));
        }
        // Whether there is one, only the provider knows (M10).
        let running = self.running.ok_or(HResult::VIRTUALIZATION_UNAVAILABLE)?;
        let path = join(&self.tree.path(directory).unwrap(), name);
        if self.denied.contains(&fold(&path)) {
            return Ok(None);
        }
        self.calls.add(format!("GetPlaceholderInfo {path}"));
        let Some(node) = self.projection.find(&path) else {
            if running.how.negative_path_cache {
                self.denied.insert(fold(&path));
            }
            return Ok(None);
        };
        let (_, spelled) = split(&node.path).unwrap();
        let placeholder = Item::placeholder(node.directory, node.version, &node.path);
        let spelled = spelled.to_owned();
        let id = self.tree.add(directory, &spelled, placeholder);
        Ok(Some((spelled, id)))
    }

    pub(super) fn touch(&mut self, path: &str) -> Result<()> {
        let mut at = Tree::ROOT;
        for name in path.split('\\').filter(|name| !name.is_empty()) {
            at = self.step(at, name)?.ok_or(HResult::FILE_NOT_FOUND)?.1;
        }
        Ok(())
    }

    fn open_existing(
        &mut self,
        by: u32,
        id: Id,
        place: Option<Place>,
        how: &How,
    ) -> Result<(Handle, Did)> {
        let overwrites = match how.disposition {
            Disposition::Create => {
                let is_going = self.dooms_name(id, place.as_ref());
                let code = if is_going { HResult::DELETE_PENDING } else { HResult::FILE_EXISTS };
                return Err(code);
            }
            Disposition::Open | Disposition::OpenIf => false,
            _ => true,
        };
        self.permits(id, how, overwrites)?;
        let mut handle = self.handle(by, id, place, how);
        self.admit(&handle, overwrites)?;
        let (path, directory) = (self.handle_path(&handle), self.tree.item(id).directory);
        if overwrites {
            // T9: no PRE_CONVERT by default, no data.
            let item = self.tree.item_mut(id);
            item.state = FileState::FULL;
            item.data.clear();
            handle.modified = true;
            self.tell(by, &format!("FileOverwritten {}", shown(&path)), directory);
            return Ok((handle, Did::Overwritten));
        }
        if how.access.intersects(WRITING) {
            self.make_full(by, id)?;
        }
        self.tell(by, &format!("FileOpened {}", shown(&path)), directory);
        Ok((handle, Did::Opened))
    }

    /// What NTFS checks, and what cannot be without a provider (M10).
    fn permits(&self, id: Id, how: &How, overwrites: bool) -> Result<()> {
        let item = self.tree.item(id);
        match how.kind {
            Kind::Directory if !item.directory => return Err(HResult::DIRECTORY),
            Kind::File if item.directory => return Err(HResult::ACCESS_DENIED),
            _ => {}
        }
        let writes = overwrites || how.access.intersects(WRITING);
        if writes && item.directory {
            return Err(HResult::ACCESS_DENIED);
        }
        if writes && item.state == FileState::TOMBSTONE {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        if item.read_only && (writes || how.delete_on_close) {
            return Err(HResult::ACCESS_DENIED);
        }
        if writes && self.running.is_none() && item.state != FileState::FULL {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        Ok(())
    }

    /// Whether a new handle is compatible with those that are there.
    fn admit(&self, handle: &Handle, overwrites: bool) -> Result<()> {
        let others = || self.handles.values().filter(|other| other.item == handle.item);
        if self.dooms_name(handle.item, handle.place.as_ref()) {
            return Err(HResult::DELETE_PENDING);
        }
        let wanted = if overwrites { Access::WRITE } else { Access::empty() };
        let mine = shared_as(handle.access | wanted);
        let excluded = others().any(|other| {
            let theirs = shared_as(other.access);
            let compatible = other.share.contains(mine) && handle.share.contains(theirs);
            !mine.is_empty() && !theirs.is_empty() && !compatible
        });
        if excluded { Err(HResult::SHARING_VIOLATION) } else { Ok(()) }
    }

    /// Whether some handle takes this very name away when it closes.
    fn dooms_name(&self, id: Id, place: Option<&Place>) -> bool {
        let same_name = |other: &Handle| match (&other.place, place) {
            (Some(one), Some(other)) => is_same(one, other),
            (None, None) => true,
            _ => false,
        };
        self.handles.values().any(|other| other.item == id && other.doomed && same_name(other))
    }

    /// T10, T11.
    fn create(&mut self, by: u32, place: Place, how: &How) -> Result<(Handle, Did)> {
        let directory = how.kind == Kind::Directory;
        if directory && how.access.intersects(WRITING) {
            return Err(HResult::ACCESS_DENIED);
        }
        let full = Item::full(if directory { None } else { Some(&[]) });
        let id = self.tree.add(place.directory, &place.name, full);
        self.children_changed(place.directory);
        let handle = self.handle(by, id, Some(place), how);
        let path = self.handle_path(&handle);
        self.tell(by, &format!("NewFileCreated {path}"), directory);
        Ok((handle, Did::Created))
    }

    fn handle(&self, by: u32, item: Id, place: Option<Place>, how: &How) -> Handle {
        let deletes = if how.delete_on_close { Access::DELETE } else { Access::empty() };
        let mut handle = Handle {
            by,
            item,
            place,
            path: String::new(),
            access: how.access | deletes,
            share: how.share,
            delete_on_close: how.delete_on_close,
            doomed: false,
            modified: false,
            told: self.running.map(|running| running.number),
        };
        handle.path = self.handle_path(&handle);
        handle
    }
}

/// What others must share for this access; for attributes, nothing.
pub(super) fn shared_as(access: Access) -> Share {
    let mut share = Share::empty();
    share.set(Share::READ, access.contains(Access::READ));
    share.set(Share::WRITE, access.intersects(WRITING));
    share.set(Share::DELETE, access.contains(Access::DELETE));
    share
}
