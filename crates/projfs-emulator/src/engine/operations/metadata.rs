//! Times, attributes and extended attributes: what applications see of an item, and what they may
//! change without making it full (projfs.md E11, E15, E24, E25, T25).

use super::super::nt_time;
use super::super::root::Root;
use super::super::store::Item;
use super::super::visible::shown;
use super::{Access, Attributes, BasicChange, HandleId, ItemId};
use crate::contract::{FileState, HResult, Result, Wide, attributes};
use crate::link::Process;

/// An extended attribute: its name and its value.
type Extended = (Vec<u8>, Vec<u8>);

impl Root {
    /// The attributes of one name in a directory, which becomes a placeholder if it is virtual
    /// (R2), without the notifications of an open.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn lookup(
        &self,
        caller: &Process,
        parent: ItemId,
        name: &Wide,
    ) -> Result<Attributes> {
        let folder = self.store.item(parent).ok_or(HResult::PATH_NOT_FOUND)?;
        let found = self.step(caller, &folder, name).await?.ok_or(HResult::FILE_NOT_FOUND)?;
        Ok(describe(found.name, &found.item))
    }

    /// The attributes of an item that the caller knows, asking nobody.
    ///
    /// # Errors
    /// FILE_NOT_FOUND if it is gone.
    pub fn attributes(&self, item: ItemId) -> Result<Attributes> {
        let item = self.store.item(item).ok_or(HResult::FILE_NOT_FOUND)?;
        let name = self.store.place(item.id).map(|(_, name)| name).unwrap_or_default();
        Ok(describe(name, &item))
    }

    /// Sets times and attributes (T25, E15, E25).
    ///
    /// # Errors
    /// ACCESS_DENIED without WRITE_ATTRIBUTES.
    pub async fn set_basic(&self, handle: HandleId, change: BasicChange) -> Result<()> {
        let handle = self.handles.get(handle)?;
        handle.may(Access::WRITE_ATTRIBUTES)?;
        if change == BasicChange::default() {
            return Ok(());
        }
        let item = self.store.item(handle.item).ok_or(HResult::FILE_NOT_FOUND)?;
        let mut basic = item.basic;
        basic.creation = change.creation.unwrap_or(basic.creation);
        basic.access = change.access.unwrap_or(basic.access);
        basic.write = change.write.unwrap_or(basic.write);
        basic.change = nt_time::now();
        if let Some(asked) = change.attributes {
            let kept = basic.attributes & !attributes::SETTABLE;
            basic.attributes = kept | asked & attributes::SETTABLE;
        }
        self.store.add_state(item.id, FileState::DIRTY)?;
        self.store.set_basic(item.id, basic)
    }

    /// Extended attributes: names and values (E24).
    ///
    /// # Errors
    /// HANDLE.
    pub async fn extended(&self, handle: HandleId) -> Result<Vec<Extended>> {
        let handle = self.handles.get(handle)?;
        self.store.extended(handle.item)
    }

    /// Sets (`Some`) or removes an extended attribute (E24, T25).
    ///
    /// # Errors
    /// ACCESS_DENIED without WRITE_ATTRIBUTES.
    pub async fn set_extended(
        &self,
        handle: HandleId,
        name: &[u8],
        value: Option<&[u8]>,
    ) -> Result<()> {
        let handle = self.handles.get(handle)?;
        handle.may(Access::WRITE_ATTRIBUTES)?;
        self.store.set_extended(handle.item, name, value)?;
        self.store.add_state(handle.item, FileState::DIRTY)
    }
}

/// What is told of an item.
pub(super) fn describe(name: Wide, item: &Item) -> Attributes {
    Attributes {
        item: item.id,
        name,
        basic: shown(item),
        link: item.link.clone(),
        state: item.state,
        names: item.names,
        allocated: item.allocated,
    }
}
