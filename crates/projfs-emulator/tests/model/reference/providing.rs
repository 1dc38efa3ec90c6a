//! What providers do: starting, changing what they project, discarding what is on disk
//! (projfs.md M7, M17 to M20, H8).

use projfs_emulator::contract::{FailureCauses, FileState, HResult, UpdateFlags};

use super::tree::{Id, Item, Tree};
use super::{Reference, Running};
use crate::action::{Action, Outcome, Provides};
use crate::machine::{UNCAUSED, is_gone};
use crate::projection::split;

/// What an update or a deletion came to.
type Discarded = std::result::Result<(), (HResult, FailureCauses)>;

impl Reference {
    pub(super) fn start(&mut self, how: Provides) -> Outcome {
        if self.running.is_some() {
            return Outcome::failed(HResult::ALREADY_INITIALIZED);
        }
        self.started += 1;
        self.running = Some(Running { how, number: self.started });
        // It clears what its predecessor has left (H10).
        let cleared = u32::try_from(self.denied.len()).unwrap();
        self.denied.clear();
        Outcome::Cleared(cleared)
    }

    pub(super) fn by_provider(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Project { path, content, flags } => {
                if !self.announce(path, content.as_deref()) {
                    return Outcome::Skipped;
                }
                self.updated(path, *flags)
            }
            Action::Announce { path, content } => {
                if self.announce(path, content.as_deref()) {
                    Outcome::Done
                } else {
                    Outcome::Skipped
                }
            }
            Action::Update { path, flags } => self.updated(path, *flags),
            Action::Unproject { path, flags } => {
                if path.is_empty() || !self.projection.children(path).is_empty() {
                    return Outcome::Skipped;
                }
                let Some(node) = self.projection.remove(path) else { return Outcome::Skipped };
                let deleted = self.delete(path, *flags);
                if deleted.is_err_and(|(code, _)| !is_gone(code)) {
                    self.projection.restore(node);
                }
                self.denied.clear();
                outcome(deleted)
            }
            Action::Evict { path, flags } => outcome(self.delete(path, *flags)),
            Action::Prepare { path } => self.prepare(path),
            _ => Outcome::Skipped,
        }
    }

    fn announce(&mut self, path: &str, content: Option<&[u8]>) -> bool {
        let takes = self.projection.takes(path, content.is_none());
        if takes {
            self.projection.project(path, content);
        }
        takes
    }

    fn updated(&mut self, path: &str, flags: UpdateFlags) -> Outcome {
        if self.projection.find(path).is_none() {
            return Outcome::Skipped;
        }
        let updated = self.update(path, flags);
        self.denied.clear();
        outcome(updated)
    }

    /// PrjUpdateFileIfNeeded.
    fn update(&mut self, path: &str, flags: UpdateFlags) -> Discarded {
        let (directory, name, id) = self.on_disk_at(path).map_err(|code| (code, UNCAUSED))?;
        let node = self.projection.find(path).unwrap().clone();
        let item = self.tree.item(id);
        if item.state.contains(FileState::PLACEHOLDER) && item.version == node.version {
            return Ok(());
        }
        self.discardable(id, flags)?;
        let item = self.tree.item(id);
        let fresh = Item::placeholder(node.directory, node.version, &node.path);
        if item.state == FileState::TOMBSTONE {
            let (_, spelled) = split(&node.path).unwrap();
            self.tree.take(directory, &name);
            self.tree.add(directory, spelled, fresh);
        } else if item.directory == node.directory {
            // By all its names.
            self.tree.clear_tombstones(id);
            *self.tree.item_mut(id) = fresh;
        } else {
            return Err((HResult::INVALID_ARGUMENT, UNCAUSED));
        }
        Ok(())
    }

    /// PrjDeleteFile.
    fn delete(&mut self, path: &str, flags: UpdateFlags) -> Discarded {
        let (directory, name, id) = self.on_disk_at(path).map_err(|code| (code, UNCAUSED))?;
        self.discardable(id, flags)?;
        self.tree.take(directory, &name);
        Ok(())
    }

    /// M17: only what is on disk.
    fn on_disk_at(&self, path: &str) -> Result<(Id, String, Id), HResult> {
        let (folders, name) = split(path).ok_or(HResult::INVALID_ARGUMENT)?;
        let mut at = Tree::ROOT;
        for name in folders.split('\\').filter(|name| !name.is_empty()) {
            at = self.tree.find(at, name).ok_or(HResult::PATH_NOT_FOUND)?.1;
            if !self.tree.item(at).directory {
                return Err(HResult::PATH_NOT_FOUND);
            }
        }
        let (_, id) = self.tree.find(at, name).ok_or(HResult::FILE_NOT_FOUND)?;
        Ok((at, name.to_owned(), id))
    }

    /// M19 to M21.
    fn discardable(&self, id: Id, flags: UpdateFlags) -> Discarded {
        let item = self.tree.item(id);
        let tombstone = item.state == FileState::TOMBSTONE;
        let dirty = item.state.contains(FileState::DIRTY);
        let full = item.state == FileState::FULL;
        let in_the_way = [
            (tombstone, UpdateFlags::TOMBSTONE, FailureCauses::TOMBSTONE),
            (dirty, UpdateFlags::DIRTY_METADATA, FailureCauses::DIRTY_METADATA),
            (full, UpdateFlags::DIRTY_DATA, FailureCauses::DIRTY_DATA),
            (!tombstone && item.read_only, UpdateFlags::READ_ONLY, FailureCauses::READ_ONLY),
        ];
        let causes = in_the_way
            .into_iter()
            .filter(|(stands, flag, _)| *stands && !flags.contains(*flag))
            .fold(UNCAUSED, |causes, (_, _, cause)| causes | cause);
        if !causes.is_empty() {
            return Err((HResult::VIRTUALIZATION_INVALID_OPERATION, causes));
        }
        if self.tree.has_living_children(id) {
            return Err((HResult::DIR_NOT_EMPTY, UNCAUSED));
        }
        let hides = self.tree.children(id).next().is_some();
        if hides && !flags.contains(UpdateFlags::TOMBSTONE) {
            return Err((HResult::DIR_NOT_EMPTY, FailureCauses::TOMBSTONE));
        }
        if self.blocks_deletion(id, None) {
            return Err((HResult::SHARING_VIOLATION, UNCAUSED));
        }
        Ok(())
    }

    /// PrjWritePlaceholderInfo out of the blue: its folder must be there, the item must not.
    fn prepare(&mut self, path: &str) -> Outcome {
        let Some(node) = self.projection.find(path).cloned() else { return Outcome::Skipped };
        let (folders, name) = split(&node.path).unwrap();
        let mut at = Tree::ROOT;
        for name in folders.split('\\').filter(|name| !name.is_empty()) {
            match self.seen(at, name) {
                Some((_, id)) if self.tree.item(id).directory => at = id,
                _ => return Outcome::failed(HResult::PATH_NOT_FOUND),
            }
        }
        if let Some((_, id)) = self.tree.find(at, name) {
            let hidden = self.tree.item(id).state == FileState::TOMBSTONE;
            let code = if hidden { HResult::FILE_NOT_FOUND } else { HResult::ALREADY_EXISTS };
            return Outcome::failed(code);
        }
        self.denied.remove(&crate::projection::fold(path));
        let placeholder = Item::placeholder(node.directory, node.version, &node.path);
        self.tree.add(at, name, placeholder);
        Outcome::Done
    }
}

fn outcome(discarded: Discarded) -> Outcome {
    match discarded {
        Ok(()) => Outcome::Done,
        Err((code, causes)) => Outcome::refused(code, causes),
    }
}
