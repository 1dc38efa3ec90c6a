//! PrjWritePlaceholderInfo and its successor (projfs.md B6, B7, H2, H7 to H9).

use crate::contract::{FileState, HResult, PlaceholderInfo, Result, Wide};
use crate::engine::root::Root;
use crate::engine::session::Session;
use crate::engine::store::{Item, ItemId, NewPlaceholder};
use ntfs_names::unopenable;

impl Root {
    /// PrjWritePlaceholderInfo(2) (B6, B7, H2, H8, G9, G10). The name is on disk in the spelling of
    /// `path`; its folders keep theirs.
    ///
    /// The link does not say during which command a provider calls: a path that no pending
    /// GetPlaceholderInfo asks for is taken as written beforehand (H8).
    ///
    /// # Errors
    /// INVALID_ARGUMENT for an empty path, a directory with a size, a name that cannot be opened;
    /// PATH_NOT_FOUND if a folder is not on disk; ALREADY_EXISTS if the item is; FILE_NOT_FOUND if
    /// the name was deleted, and is not to come back (E8); SHARING_VIOLATION if an operation holds
    /// the name for ten seconds.
    pub async fn write_placeholder(
        &self,
        _session: &Session,
        path: &Wide,
        info: PlaceholderInfo,
    ) -> Result<()> {
        let (folder, name) = path.split_leaf().ok_or(HResult::INVALID_ARGUMENT)?;
        self.check_placeholder(path, &name, &info)?;
        let folder = self.folder_on_disk(&folder)?;
        let _name = if self.questions.is_asked(folder.id, &name) {
            None
        } else {
            self.questions.unasked(path);
            Some(self.patiently(self.names.lock(&[(folder.id, &name)])).await?)
        };
        self.add_placeholder(&folder, &name, &info)
    }

    fn check_placeholder(&self, path: &Wide, name: &Wide, info: &PlaceholderInfo) -> Result<()> {
        if let Some(why) = unopenable(name.units())
            && self.broke("G8", format_args!("placeholder {path}: the name {why}"))
        {
            return Err(HResult::INVALID_ARGUMENT);
        }
        if info.basic.directory && info.basic.size != 0 {
            let what = "a directory's size is 0";
            // The call fails anyway.
            let _ = self.broke("H7", format_args!("placeholder {path}: {what}"));
            return Err(HResult::INVALID_ARGUMENT);
        }
        Ok(())
    }

    /// The directory at a path of which everything is on disk and alive.
    fn folder_on_disk(&self, path: &Wide) -> Result<Item> {
        let mut folder = self.store.item(ItemId::ROOT).ok_or(HResult::PATH_NOT_FOUND)?;
        for name in path.components() {
            let found = self.store.find(folder.id, &name)?.map(|found| found.item);
            folder = found.filter(is_folder).ok_or(HResult::PATH_NOT_FOUND)?;
        }
        Ok(folder)
    }

    fn add_placeholder(&self, folder: &Item, name: &Wide, info: &PlaceholderInfo) -> Result<()> {
        match self.store.find(folder.id, name)? {
            Some(found) if found.item.state.contains(FileState::TOMBSTONE) => {
                return Err(HResult::FILE_NOT_FOUND);
            }
            Some(_) => return Err(HResult::ALREADY_EXISTS),
            None => {}
        }
        let origin = self.path_in(folder, name)?;
        let new = NewPlaceholder { info, instance: self.instance, origin: &origin };
        match self.store.add_placeholder(folder.id, name, new) {
            Ok(_) => {
                self.negative.forget(&origin);
                Ok(())
            }
            Err(HResult::FILE_EXISTS) => Err(HResult::ALREADY_EXISTS),
            Err(code) => Err(code),
        }
    }
}

fn is_folder(item: &Item) -> bool {
    item.directory && item.link.is_none() && !item.state.contains(FileState::TOMBSTONE)
}
