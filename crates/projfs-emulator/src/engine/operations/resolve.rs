//! From a path to what is there, component by component (projfs.md H1, H4 to H6).

use super::super::locks::NameGuard;
use super::super::root::Root;
use super::super::store::{Found, Item};
use super::{ItemId, Target};
use crate::contract::{FileState, HResult, Result, Wide};
use crate::link::Process;
use crate::names;

/// A name in its directory.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Place {
    pub(super) parent: ItemId,
    pub(super) name: Wide,
}

impl Place {
    /// Whether both are one name, however it is spelled.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.parent == other.parent && names::equal(self.name.units(), other.name.units())
    }

    /// As [`Self::is`]; the root, which has no place, is itself.
    pub(super) fn same(one: &Option<Self>, other: &Option<Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one.is(other),
            (None, None) => true,
            _ => false,
        }
    }
}

/// An item that a path led to.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) item: Item,
    /// The name that led to it; `None` for the root.
    pub(super) place: Option<Place>,
    /// Its path by that name, as it is spelled on disk.
    pub(super) path: Wide,
}

/// A name that is locked because something is about to get it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) place: Place,
    pub(super) path: Wide,
    /// What has the name now.
    pub(super) there: Option<Found>,
    pub(super) guard: NameGuard,
}

/// Whether names can be below it: links are not followed (E22).
pub(super) fn is_folder(item: &Item) -> bool {
    item.directory && item.link.is_none()
}

impl Root {
    /// The folder that has a target's last component, and that component; `None` if the target is
    /// the item itself.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if a folder is missing (H5) or no folder (H6).
    pub(super) async fn folder_of(
        &self,
        caller: &Process,
        target: &Target,
    ) -> Result<Option<(Item, Wide)>> {
        let Some((folders, leaf)) = target.path.split_leaf() else { return Ok(None) };
        let mut folder = self.store.item(target.from).ok_or(HResult::PATH_NOT_FOUND)?;
        for name in folders.components() {
            let found = self.step(caller, &folder, &name).await?;
            folder = found.ok_or(HResult::PATH_NOT_FOUND)?.item;
        }
        if !is_folder(&folder) {
            return Err(HResult::PATH_NOT_FOUND);
        }
        Ok(Some((folder, leaf)))
    }

    /// What a name stands for, made a placeholder if it is virtual. `None` for tombstones too.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if names cannot be below `folder` (H6); INVALID_NAME; what the provider said.
    pub(super) async fn step(
        &self,
        caller: &Process,
        folder: &Item,
        name: &Wide,
    ) -> Result<Option<Found>> {
        if !is_folder(folder) {
            return Err(HResult::PATH_NOT_FOUND);
        }
        if let Some(found) = self.store.find(folder.id, name)? {
            return Ok((!self.hides(&found.item)).then_some(found));
        }
        openable(name)?;
        let _guard = self.names.lock(&[(folder.id, name)]).await;
        let made = self.materialise(caller, folder, name).await?;
        Ok(made.map(|(name, item)| Found { name, item }))
    }

    /// The item that a target leads to.
    ///
    /// # Errors
    /// FILE_NOT_FOUND for the last component; else as [`Self::folder_of`] and [`Self::step`].
    pub(super) async fn spot(&self, caller: &Process, target: &Target) -> Result<Spot> {
        match self.folder_of(caller, target).await? {
            None => self.spot_of(target.from),
            Some((folder, name)) => {
                let found = self.step(caller, &folder, &name).await?;
                Ok(self.spot_in(&folder, found.ok_or(HResult::FILE_NOT_FOUND)?))
            }
        }
    }

    /// The spot of an item that the caller knows, by its first name.
    pub(super) fn spot_of(&self, item: ItemId) -> Result<Spot> {
        let item = self.store.item(item).ok_or(HResult::FILE_NOT_FOUND)?;
        if item.id == ItemId::ROOT {
            return Ok(Spot { item, place: None, path: Wide::default() });
        }
        let (parent, name) = self.store.place(item.id).ok_or(HResult::FILE_NOT_FOUND)?;
        let path = self.path_of(parent, &name);
        Ok(Spot { item, place: Some(Place { parent, name }), path })
    }

    /// The spot of what was found in a folder.
    pub(super) fn spot_in(&self, folder: &Item, found: Found) -> Spot {
        let path = self.path_of(folder.id, &found.name);
        let place = Place { parent: folder.id, name: found.name };
        Spot { item: found.item, place: Some(place), path }
    }

    /// Takes a name's lock and finds out who has the name: GetPlaceholderInfo for names that are
    /// about to be made too (H3).
    ///
    /// # Errors
    /// INVALID_NAME; DELETE_PENDING if the folder is about to go; what the provider said.
    pub(super) async fn slot(&self, caller: &Process, folder: &Item, name: Wide) -> Result<Slot> {
        openable(&name)?;
        let guard = self.names.lock(&[(folder.id, &name)]).await;
        self.slot_within(caller, folder, name, guard, true).await
    }

    /// As [`Self::slot`], with the lock taken; the provider is asked only if `asks`.
    pub(super) async fn slot_within(
        &self,
        caller: &Process,
        folder: &Item,
        name: Wide,
        guard: NameGuard,
        asks: bool,
    ) -> Result<Slot> {
        let on_disk = self.store.find(folder.id, &name)?;
        let there = match on_disk {
            Some(found) => (!self.hides(&found.item)).then_some(found),
            None if asks => {
                let made = self.materialise(caller, folder, &name).await?;
                made.map(|(name, item)| Found { name, item })
            }
            None => None,
        };
        if self.handles.dooms(folder.id) {
            return Err(HResult::DELETE_PENDING);
        }
        let path = self.path_of(folder.id, &name);
        Ok(Slot { place: Place { parent: folder.id, name }, path, there, guard })
    }

    /// The path of a name.
    pub(super) fn path_of(&self, parent: ItemId, name: &Wide) -> Wide {
        self.store.path(parent).unwrap_or_default().join(name)
    }

    /// Whether a name reads as missing although it is on disk: tombstones do, until the provider
    /// stops (M11).
    pub(super) fn hides(&self, item: &Item) -> bool {
        item.state.contains(FileState::TOMBSTONE) && self.session().is_some()
    }
}

/// `Ok` if a Windows program could open a name like this (G8).
pub(super) fn openable(name: &Wide) -> Result<()> {
    match names::unopenable(name.units()) {
        None => Ok(()),
        Some(why) => {
            tracing::debug!("the name {name:?} {why}");
            Err(HResult::INVALID_NAME)
        }
    }
}
