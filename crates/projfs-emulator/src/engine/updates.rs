//! What a provider does to items on disk: PrjUpdateFileIfNeeded, PrjDeleteFile and
//! PrjMarkDirectoryAsPlaceholder below the root (projfs.md M6, M17 to M22).

use super::ItemId;
use super::hydration::DataGuard;
use super::locks::NameGuard;
use super::root::Root;
use super::session::Session;
use super::store::{Found, Item, NewPlaceholder};
use crate::contract::{
    FailureCauses, FileState, Guid, HResult, PlaceholderInfo, Result, UpdateFlags, VersionInfo,
    Wide, attributes,
};
use crate::link::Process;

/// A failure with its causes (D5).
pub type Refused = (HResult, FailureCauses);

/// The flags that mean something (D4).
const FLAGS: UpdateFlags = UpdateFlags::DIRTY_METADATA
    .union(UpdateFlags::DIRTY_DATA)
    .union(UpdateFlags::TOMBSTONE)
    .union(UpdateFlags::READ_ONLY);

/// An item on disk; nobody else changes its name or its data meanwhile.
struct Target {
    parent: ItemId,
    found: Found,
    _name: NameGuard,
    _data: DataGuard,
}

impl Root {
    /// PrjUpdateFileIfNeeded (B8, M17 to M22).
    ///
    /// # Errors
    /// The code, and what stood in the way: FILE_NOT_FOUND for what is not on disk, PATH_NOT_FOUND
    /// if its folder is not, VIRTUALIZATION_INVALID_OPERATION with causes if `flags` do not allow
    /// it, DIR_NOT_EMPTY, SHARING_VIOLATION, REPARSE_POINT_ENCOUNTERED for local links and what is
    /// behind them, INVALID_ARGUMENT.
    pub async fn update_file(
        &self,
        _session: &Session,
        path: &Wide,
        info: PlaceholderInfo,
        flags: UpdateFlags,
    ) -> std::result::Result<(), Refused> {
        self.projection_changed(path);
        let target = self.target(path, "update", flags).await.map_err(uncaused)?;
        let item = &target.found.item;
        let is_placeholder = item.state.contains(FileState::PLACEHOLDER);
        if is_placeholder && item.version.content == info.version.content {
            return Ok(());
        }
        self.check_allowed(item, flags)?;
        let new = NewPlaceholder { info: &info, instance: self.instance, origin: path };
        if item.state == FileState::TOMBSTONE {
            let (_, name) = path.split_leaf().ok_or(uncaused(HResult::INVALID_ARGUMENT))?;
            let made = self.store.add_placeholder(target.parent, &name, new);
            return made.map(|_| ()).map_err(uncaused);
        }
        self.store.clear_tombstones(item.id).map_err(uncaused)?;
        self.store.reset(item.id, new).map_err(uncaused)
    }

    /// PrjDeleteFile (B9, M17 to M22).
    ///
    /// # Errors
    /// As [`Self::update_file`].
    pub async fn delete_file(
        &self,
        _session: &Session,
        path: &Wide,
        flags: UpdateFlags,
    ) -> std::result::Result<(), Refused> {
        self.projection_changed(path);
        let target = self.target(path, "delete", flags).await.map_err(uncaused)?;
        self.check_allowed(&target.found.item, flags)?;
        self.store.remove(target.parent, &target.found.name).map_err(uncaused)
    }

    /// Makes a full directory one that is projected again (M6). Its folders become placeholders if
    /// they are virtual, so that it may ask the provider.
    ///
    /// # Errors
    /// REPARSE_POINT_ENCOUNTERED if it is a placeholder already or a link, DIRECTORY if it is a
    /// file, FILE_NOT_FOUND, PATH_NOT_FOUND, SHARING_VIOLATION.
    pub(super) async fn mark_directory(
        &self,
        caller: &Process,
        path: &Wide,
        version: VersionInfo,
        instance: Guid,
    ) -> Result<()> {
        let (folder, name) = path.split_leaf().ok_or(HResult::INVALID_ARGUMENT)?;
        let mut parent = ItemId::ROOT;
        for name in folder.components() {
            let step = self.lookup(caller, parent, &name).await;
            parent = step.map_err(into_missing_folder)?.item;
        }
        let id = self.lookup(caller, parent, &name).await?.item;
        let _guard = self.patiently(self.names.lock(&[(parent, &name)])).await?;
        let item = self.store.item(id).ok_or(HResult::FILE_NOT_FOUND)?;
        if item.link.is_some() || item.state.contains(FileState::PLACEHOLDER) && item.directory {
            return Err(HResult::REPARSE_POINT_ENCOUNTERED);
        }
        if !item.directory {
            return Err(HResult::DIRECTORY);
        }
        if instance != self.instance {
            let what = format!(
                "directory '{path}' of a root with the identity {} is marked with {instance}; \
                 everything in a root has the root's identity",
                self.instance
            );
            if self.broke("M2", what) {
                return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
            }
        }
        self.projection_changed(path);
        self.store.mark(id, instance, version, path)
    }

    /// What a path stands for on disk.
    async fn target(&self, path: &Wide, verb: &str, flags: UpdateFlags) -> Result<Target> {
        let reserved = flags - FLAGS;
        if !reserved.is_empty() {
            let what = format!("{verb} of '{path}' with the reserved flags {:#x}", reserved.bits());
            if self.broke("D4", what) {
                return Err(HResult::INVALID_ARGUMENT);
            }
        }
        let (folder, name) = path.split_leaf().ok_or(HResult::INVALID_ARGUMENT)?;
        let mut parent = ItemId::ROOT;
        for name in folder.components() {
            let found = self.store.find(parent, &name).map_err(into_missing_folder)?;
            let item = found.ok_or(HResult::PATH_NOT_FOUND)?.item;
            if item.link.is_some() {
                return Err(HResult::REPARSE_POINT_ENCOUNTERED);
            }
            if !item.directory {
                return Err(HResult::PATH_NOT_FOUND);
            }
            parent = item.id;
        }
        let guard = self.patiently(self.names.lock(&[(parent, &name)])).await?;
        let find = || self.store.find(parent, &name)?.ok_or(HResult::FILE_NOT_FOUND);
        // What is written for what it is now must not become data of what it will be.
        let data = self.patiently(self.keep_still(find()?.item.id)).await?;
        let found = find()?;
        if found.item.link.is_some() && found.item.state == FileState::FULL {
            return Err(HResult::REPARSE_POINT_ENCOUNTERED);
        }
        Ok(Target { parent, found, _name: guard, _data: data })
    }

    /// Fails if an item's state is not one that `flags` give up (M19 to M21).
    fn check_allowed(&self, item: &Item, flags: UpdateFlags) -> std::result::Result<(), Refused> {
        let causes = causes(item) - given_up(flags);
        if !causes.is_empty() {
            return Err((HResult::VIRTUALIZATION_INVALID_OPERATION, causes));
        }
        if item.directory && item.link.is_none() {
            let children = self.store.children(item.id).map_err(uncaused)?;
            if children.iter().any(|child| child.item.state != FileState::TOMBSTONE) {
                return Err(uncaused(HResult::DIR_NOT_EMPTY));
            }
            if !children.is_empty() && !flags.contains(UpdateFlags::TOMBSTONE) {
                return Err((HResult::DIR_NOT_EMPTY, FailureCauses::TOMBSTONE));
            }
        }
        if self.handles.blocks_deletion(item.id) {
            return Err(uncaused(HResult::SHARING_VIOLATION));
        }
        Ok(())
    }
}

/// What stands in the way of discarding an item (D5).
fn causes(item: &Item) -> FailureCauses {
    if item.state == FileState::TOMBSTONE {
        return FailureCauses::TOMBSTONE;
    }
    let read_only = item.basic.attributes & attributes::READONLY != 0;
    [
        (FailureCauses::DIRTY_METADATA, item.state.contains(FileState::DIRTY)),
        (FailureCauses::DIRTY_DATA, item.state == FileState::FULL),
        (FailureCauses::READ_ONLY, read_only),
    ]
    .into_iter()
    .filter_map(|(cause, stands)| stands.then_some(cause))
    .collect()
}

/// The causes that flags clear away; the numbers of READ_ONLY differ (D4, D5).
fn given_up(flags: UpdateFlags) -> FailureCauses {
    [
        (UpdateFlags::DIRTY_METADATA, FailureCauses::DIRTY_METADATA),
        (UpdateFlags::DIRTY_DATA, FailureCauses::DIRTY_DATA),
        (UpdateFlags::TOMBSTONE, FailureCauses::TOMBSTONE),
        (UpdateFlags::READ_ONLY, FailureCauses::READ_ONLY),
    ]
    .into_iter()
    .filter_map(|(flag, cause)| flags.contains(flag).then_some(cause))
    .collect()
}

const fn uncaused(code: HResult) -> Refused {
    (code, FailureCauses::empty())
}

const fn into_missing_folder(code: HResult) -> HResult {
    match code {
        HResult::FILE_NOT_FOUND => HResult::PATH_NOT_FOUND,
        code => code,
    }
}

#[cfg(test)]
mod tests;
