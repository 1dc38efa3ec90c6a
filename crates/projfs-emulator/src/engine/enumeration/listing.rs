//! The pass of one directory handle: disk and provider merged, handed out by buffers.

use std::collections::VecDeque;
use std::sync::Arc;

use super::merge::{Step, step};
use super::pattern::Pattern;
use super::projection::Projection;
use super::{Root, entries};
use crate::contract::operations::{Entry, Query};
use crate::contract::{DirEntry, FileState, HResult, Result, Wide};
use crate::engine::ItemId;
use crate::engine::session::Session;
use crate::engine::store::{Found, Item};
use crate::link::{EntryBudget, Process};
use ntfs_names::equal;

/// A directory handle's session; made by its first query.
#[derive(Debug)]
pub(in crate::engine) struct Listing {
    pattern: Pattern,
    /// Made but not handed out: what did not fit the buffer waits for the next query (F18).
    ready: VecDeque<Entry>,
    /// What is on disk and matches, as it was when the pass began.
    disk: VecDeque<Found>,
    /// `None` if only the disk counts.
    projection: Option<Projection>,
    /// Tombstones are entries: without a provider (M11), or on demand (E14).
    shows_tombstones: bool,
    /// Something was handed out since the pass began.
    given: bool,
}

impl Listing {
    /// Begins a pass: the first one, or another one of the session that `earlier` has.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is not a directory; DELETE_PENDING if it has no name any more; what
    /// the provider failed with.
    pub(super) async fn begin(
        root: &Root,
        caller: &Process,
        directory: ItemId,
        query: &Query,
        earlier: Option<&mut Self>,
    ) -> Result<Self> {
        let directory = root.store.item(directory).ok_or(HResult::DELETE_PENDING)?;
        if !directory.directory || directory.link.is_some() {
            return Err(HResult::INVALID_ARGUMENT);
        }
        if root.store.path(directory.id).is_none() {
            return Err(HResult::DELETE_PENDING);
        }
        let pattern = Pattern::new(query.expression.clone());
        let mut disk = VecDeque::from(root.store.children(directory.id)?);
        let asked = provider(root, &directory, query, disk.is_empty())?;
        disk.retain(|found| pattern.takes(&found.name));
        let projection = match asked {
            None => None,
            Some(session) => match earlier.and_then(|earlier| earlier.give(&session)) {
                Some(mut projection) => {
                    projection.restart(pattern.clone());
                    Some(projection)
                }
                None => {
                    let pass = (pattern.clone(), query.restart);
                    Some(Projection::start(root, session, caller, &directory, pass).await?)
                }
            },
        };
        let ready = entries::dots(root, &directory, &pattern)?;
        let shows_tombstones = query.on_disk_only || root.session().is_none();
        Ok(Self { pattern, ready, disk, projection, shows_tombstones, given: false })
    }

    /// The session with this provider, if this has it.
    fn give(&mut self, session: &Arc<Session>) -> Option<Projection> {
        self.projection.take_if(|projection| projection.is_with(session))
    }

    /// As many of the next entries as the buffer takes (F19). Entries that were made when this
    /// fails, or is given up, are for the next query.
    pub(super) async fn fill(&mut self, root: &Root, query: &Query) -> Result<Vec<Entry>> {
        let most = if query.single_entry { 1 } else { usize::MAX };
        let (mut count, mut room) = (0, usize::try_from(query.buffer).unwrap_or(usize::MAX));
        while count < most {
            if self.ready.len() == count {
                let Some(entry) = self.next_child(root, query).await? else { break };
                self.ready.push_back(entry);
            }
            let units = self.ready.get(count).map_or(0, |entry| entry.name.units().len());
            let Some(left) = room.checked_sub(EntryBudget::cost(units)) else { break };
            room = left;
            count += 1;
        }
        if count == 0 {
            return Err(if !self.ready.is_empty() {
                HResult::INSUFFICIENT_BUFFER
            } else if self.given {
                HResult::NO_MORE_FILES
            } else {
                // Once: who asks again is told that there are no more.
                self.given = true;
                HResult::FILE_NOT_FOUND
            });
        }
        self.given = true;
        Ok(self.ready.drain(..count).collect())
    }

    /// The next entry but `.` and `..`; `None` at the end.
    pub(super) async fn next_child(&mut self, root: &Root, query: &Query) -> Result<Option<Entry>> {
        loop {
            let projected = match &mut self.projection {
                Some(projection) => projection.peek(root, query).await?,
                None => None,
            };
            let disk = self.disk.front();
            let Some(step) =
                step(disk.map(|found| &found.name), projected.map(|entry| &entry.name))
            else {
                return Ok(None);
            };
            let missing = step == Step::Disk && self.is_missing(root).await;
            let disk = if step == Step::Projected { None } else { self.disk.pop_front() };
            let projected = match &mut self.projection {
                Some(projection) if step != Step::Disk => projection.take(),
                _ => None,
            };
            self.check(root, disk.as_ref(), projected.as_ref(), missing)?;
            if let Some(entry) = self.entry(disk, projected) {
                return Ok(Some(entry));
            }
        }
    }

    /// What both sides of a step show: the disk wins, a tombstone hides (F14).
    fn entry(&self, disk: Option<Found>, projected: Option<DirEntry>) -> Option<Entry> {
        let Some(found) = disk else { return projected.map(entries::projected) };
        let hidden = !self.shows_tombstones && found.item.state.contains(FileState::TOMBSTONE);
        (!hidden).then(|| entries::on_disk(found, !self.shows_tombstones))
    }

    /// Whether the next one on disk is a placeholder that the provider did not list, and does not
    /// delete now either.
    async fn is_missing(&self, root: &Root) -> bool {
        let (Some(projection), Some(found)) = (&self.projection, self.disk.front()) else {
            return false;
        };
        let path = projection.path().join(&found.name);
        if !self.pattern.takes_all()
            || !projection.is_first_pass()
            || !is_where_projected(root, found, &path)
        {
            return false;
        }
        let now = || root.store.path(found.item.id);
        let is_there = || now().is_some_and(|now| equal(now.units(), path.units()));
        !root.soon(|| !is_there() || projection.has_changed(root)).await
    }

    /// A placeholder that still is where it was projected must be listed (E4, T17), in the spelling
    /// that it was written in (G9), unless the provider tried to update or delete it.
    fn check(
        &mut self,
        root: &Root,
        disk: Option<&Found>,
        projected: Option<&DirEntry>,
        missing: bool,
    ) -> Result<()> {
        let (Some(projection), Some(found)) = (&mut self.projection, disk) else { return Ok(()) };
        let path = projection.path().join(&found.name);
        if !is_where_projected(root, found, &path) {
            return Ok(());
        }
        let name = &found.name;
        let failed = match projected {
            None if missing => projection.broke(
                root,
                "E4",
                format_args!(
                    "{name} is a placeholder, but is not listed any more; list what is projected \
                     whether or not it is on disk, or delete it (PrjDeleteFile) when it goes"
                ),
            ),
            Some(entry) if entry.name != *name => projection.broke(
                root,
                "G9",
                format_args!(
                    "{} is on disk as {name}; write placeholders in the spelling of the projection",
                    entry.name
                ),
            ),
            _ => false,
        };
        if failed { Err(HResult::INTERNAL_ERROR) } else { Ok(()) }
    }

    /// Ends the session, if there is one.
    pub(super) async fn end(self) {
        if let Some(projection) = self.projection {
            projection.end().await;
        }
    }
}

/// The provider to ask; `None` if only the disk counts: full directories (E7), on demand (E14),
/// without a provider (M11).
fn provider(
    root: &Root,
    directory: &Item,
    query: &Query,
    nothing_on_disk: bool,
) -> Result<Option<Arc<Session>>> {
    if query.on_disk_only || directory.state.contains(FileState::FULL) {
        return Ok(None);
    }
    if root.session().is_some() {
        return root.provider_of(directory).map(Some);
    }
    let clean = !directory.state.contains(FileState::DIRTY) && directory.id != ItemId::ROOT;
    if clean && nothing_on_disk && root.knobs().refuse_offline_listing {
        return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
    }
    Ok(None)
}

/// Whether the provider must list it: a placeholder in its place, which the provider has not tried to
/// update or delete.
fn is_where_projected(root: &Root, found: &Found, path: &Wide) -> bool {
    let item = &found.item;
    item.state.contains(FileState::PLACEHOLDER)
        && !item.renamed
        && equal(item.origin.units(), path.units())
        && !root.negative.is_changed(path)
}
