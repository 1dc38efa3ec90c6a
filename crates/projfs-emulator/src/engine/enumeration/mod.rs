//! Listings: a session with the provider, merged in one pass with what is on disk (projfs.md F).
//!
//! * `listing`: the pass of one directory handle, and how its entries get into buffers.
//! * `merge`: which side gives the next entry. `entries`: what an application sees of it.
//! * `projection`: the provider's side of a pass, and the rules that its entries can break.
//! * `command`: Start, Get and End. `pattern`: the search expression.

mod command;
mod entries;
mod listing;
mod merge;
mod pattern;
mod projection;
#[cfg(test)]
mod tests;

pub(super) use self::command::Enumerations;
pub(super) use self::listing::Listing;
use self::pattern::Pattern;
use self::projection::Projection;
use super::root::Root;
use super::store::ItemId;
use super::{Access, HandleId};
pub use crate::contract::operations::{Entry, Query};
use crate::contract::{FileState, HResult, Result, Wide};
use crate::link::Process;
use ntfs_names::equal;

impl Root {
    /// Next entries of a directory handle, `.` and `..` first (F14).
    ///
    /// # Errors
    /// FILE_NOT_FOUND if the first query matches nothing, NO_MORE_FILES later (F19);
    /// INSUFFICIENT_BUFFER if not even one entry fits; INVALID_ARGUMENT if it is not a directory;
    /// ACCESS_DENIED without READ; what the provider failed with.
    pub async fn query_directory(
        &self,
        caller: &Process,
        handle: HandleId,
        query: Query,
    ) -> Result<Vec<Entry>> {
        let handle = self.handles.get(handle)?;
        handle.may(Access::READ)?;
        let mut listing = handle.listing.lock().await;
        self.query_listing(caller, handle.item, &mut listing, &query).await
    }

    /// As [`Self::query_directory`], for a handle's session, which its first query makes.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn query_listing(
        &self,
        caller: &Process,
        directory: ItemId,
        listing: &mut Option<Listing>,
        query: &Query,
    ) -> Result<Vec<Entry>> {
        if query.restart || listing.is_none() {
            let earlier = listing.as_mut();
            let begun = Listing::begin(self, caller, directory, query, earlier).await?;
            *listing = Some(begun);
        }
        let Some(listing) = listing else { return Err(HResult::INTERNAL_ERROR) };
        listing.fill(self, query).await
    }

    /// Ends a handle's session (F3), if it has one: End is sent as a task of its own, whose end
    /// this awaits.
    pub(super) async fn end_listing(&self, listing: Listing) {
        listing.end().await;
    }

    /// Whether a directory shows any child (T15): what is on disk, else the provider is asked.
    ///
    /// # Errors
    /// What the provider failed with.
    pub(super) async fn has_children(&self, caller: &Process, directory: ItemId) -> Result<bool> {
        if self.has_children_on_disk(directory)? {
            return Ok(true);
        }
        if self.session().is_none() {
            return Ok(false);
        }
        let query = Query { expression: self.whole_expression(), ..Query::default() };
        let mut listing = Listing::begin(self, caller, directory, &query, None).await?;
        let child = listing.next_child(self, &query).await;
        listing.end().await;
        Ok(child?.is_some())
    }

    /// As [`Self::has_children`], asking nobody.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if it is no directory.
    pub(super) fn has_children_on_disk(&self, directory: ItemId) -> Result<bool> {
        let on_disk = self.store.children(directory)?;
        Ok(on_disk.iter().any(|child| !child.item.state.contains(FileState::TOMBSTONE)))
    }

    /// Whether the provider lists this one name in this directory: what stands in for a missing
    /// QueryFileName callback (I1).
    ///
    /// # Errors
    /// What the provider failed with, other than FILE_NOT_FOUND.
    pub(super) async fn lists(
        &self,
        caller: &Process,
        directory: ItemId,
        name: &Wide,
    ) -> Result<bool> {
        let directory = self.store.item(directory).ok_or(HResult::PATH_NOT_FOUND)?;
        let session = self.provider_of(&directory)?;
        let query = Query { expression: Some(name.clone()), ..Query::default() };
        let pass = (Pattern::new(query.expression.clone()), query.restart);
        let started = Projection::start(self, session, caller, &directory, pass).await;
        let mut projection = match started {
            Err(HResult::FILE_NOT_FOUND) => return Ok(false),
            started => started?,
        };
        let found = loop {
            match projection.next(self, &query).await {
                Ok(Some(entry)) if equal(entry.name.units(), name.units()) => break Ok(true),
                Ok(Some(_)) => {}
                Ok(None) => break Ok(false),
                Err(code) => break Err(code),
            }
        };
        projection.end().await;
        found
    }
}
