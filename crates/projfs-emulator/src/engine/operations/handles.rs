//! Open handles: what each has open and for what, what it lets others do, what it did so far.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::super::enumeration::Listing;
use super::super::session::Session;
use super::resolve::{Place, Spot};
use super::{Access, HandleId, ItemId, Open, Share};
use crate::contract::{HResult, Result, Wide};
use crate::link::Process;

/// What a handle changed; the greater one tells more (K9, K22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    #[default]
    None,
    /// The size was set, nothing was written.
    Size,
    Data,
}

/// Something that is open. It holds its item ([`Store::hold`](super::super::store::Store::hold))
/// from its admission until it leaves.
#[derive(Debug)]
pub(in crate::engine) struct Handle {
    pub(super) id: HandleId,
    pub(in crate::engine) item: ItemId,
    /// Who opened it.
    pub(in crate::engine) caller: Process,
    /// The session of its listing, once it was queried.
    pub(in crate::engine) listing: tokio::sync::Mutex<Option<Listing>>,
    pub(super) directory: bool,
    pub(super) access: Access,
    share: Share,
    pub(super) delete_on_close: bool,
    /// The provider that was told of the open. Its successor is not told of the close (E19, K13).
    told: Option<Weak<Session>>,
    course: Mutex<Course>,
}

/// What changes while a handle is open.
#[derive(Debug)]
struct Course {
    /// The name that it was opened by, wherever it was moved; `None` for the root.
    place: Option<Place>,
    /// The path of that name when it was last known.
    path: Wide,
    /// Its name goes when it closes.
    doomed: bool,
    change: Change,
}

impl Handle {
    pub(super) fn new(
        id: HandleId,
        caller: &Process,
        spot: &Spot,
        how: &Open,
        session: Option<&Arc<Session>>,
    ) -> Self {
        let deletes = if how.delete_on_close { Access::DELETE } else { Access::empty() };
        Self {
            id,
            item: spot.item.id,
            caller: caller.clone(),
            listing: tokio::sync::Mutex::new(None),
            directory: spot.item.directory,
            access: how.access | deletes,
            share: how.share,
            delete_on_close: how.delete_on_close,
            told: session.map(Arc::downgrade),
            course: Mutex::new(Course {
                place: spot.place.clone(),
                path: spot.path.clone(),
                doomed: false,
                change: Change::None,
            }),
        }
    }

    /// `Ok` if it was opened for one of these.
    pub(in crate::engine) fn may(&self, access: Access) -> Result<()> {
        if self.access.intersects(access) { Ok(()) } else { Err(HResult::ACCESS_DENIED) }
    }

    /// Where its name is now; `None` for the root.
    pub(super) fn place(&self) -> Option<Place> {
        self.course.lock().place.clone()
    }

    /// The path of its name when it was last known.
    pub(super) fn last_path(&self) -> Wide {
        self.course.lock().path.clone()
    }

    pub(super) fn change(&self) -> Change {
        self.course.lock().change
    }

    pub(super) fn changed(&self, change: Change) {
        let mut course = self.course.lock();
        course.change = course.change.max(change);
    }

    pub(super) fn doomed(&self) -> bool {
        self.course.lock().doomed
    }

    /// Whether the name in this place goes when this handle closes.
    fn dooms(&self, place: &Option<Place>) -> bool {
        let course = self.course.lock();
        course.doomed && Place::same(&course.place, place)
    }

    pub(super) fn doom(&self, doomed: bool) {
        self.course.lock().doomed = doomed;
    }

    /// Whether this provider was told of the open.
    pub(super) fn was_told(&self, session: Option<&Arc<Session>>) -> bool {
        match (&self.told, session) {
            (Some(told), Some(session)) => std::ptr::eq(told.as_ptr(), Arc::as_ptr(session)),
            _ => false,
        }
    }

    /// Whether this one and an open for `wanted` that lets others do `share` exclude each other.
    /// Those that touch attributes only exclude nobody.
    fn excludes(&self, wanted: Access, share: Share) -> bool {
        let (mine, theirs) = (shared_as(self.access), shared_as(wanted));
        let compatible = self.share.contains(theirs) && share.contains(mine);
        !mine.is_empty() && !theirs.is_empty() && !compatible
    }
}

/// What others must share for this access.
fn shared_as(access: Access) -> Share {
    let mut share = Share::empty();
    share.set(Share::READ, access.contains(Access::READ));
    share.set(Share::WRITE, access.intersects(Access::WRITE | Access::APPEND));
    share.set(Share::DELETE, access.contains(Access::DELETE));
    share
}

/// The open handles of a root.
#[derive(Debug, Default)]
pub(in crate::engine) struct Handles {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<HandleId, Arc<Handle>>,
    /// Those that close are here until their name is gone.
    by_item: HashMap<ItemId, Vec<Arc<Handle>>>,
}

impl Handles {
    /// An id that was never used.
    pub(super) fn fresh(&self) -> HandleId {
        let mut table = self.table.lock();
        table.last += 1;
        HandleId(table.last)
    }

    /// Lets a handle in beside those that are there. `wanted` is what its open itself does, besides
    /// what the handle may do later.
    ///
    /// # Errors
    /// DELETE_PENDING, SHARING_VIOLATION.
    pub(super) fn admit(&self, handle: &Arc<Handle>, wanted: Access) -> Result<()> {
        let place = handle.place();
        let mut table = self.table.lock();
        let others = table.by_item.entry(handle.item).or_default();
        if others.iter().any(|other| other.dooms(&place)) {
            return Err(HResult::DELETE_PENDING);
        }
        if others.iter().any(|other| other.excludes(handle.access | wanted, handle.share)) {
            return Err(HResult::SHARING_VIOLATION);
        }
        others.push(handle.clone());
        table.open.insert(handle.id, handle.clone());
        Ok(())
    }

    /// Lets in the handle that made its item, which nobody can have opened before.
    pub(super) fn admit_maker(&self, handle: &Arc<Handle>) {
        let mut table = self.table.lock();
        table.by_item.entry(handle.item).or_default().push(handle.clone());
        table.open.insert(handle.id, handle.clone());
    }

    /// An open handle.
    ///
    /// # Errors
    /// HANDLE.
    pub(in crate::engine) fn get(&self, id: HandleId) -> Result<Arc<Handle>> {
        self.table.lock().open.get(&id).cloned().ok_or(HResult::HANDLE)
    }

    /// Begins a close: nobody can use the handle any more, but it still counts.
    pub(super) fn take(&self, id: HandleId) -> Result<Arc<Handle>> {
        self.table.lock().open.remove(&id).ok_or(HResult::HANDLE)
    }

    /// Ends a close. True if it was its item's last handle.
    pub(super) fn leave(&self, handle: &Handle) -> bool {
        let mut table = self.table.lock();
        table.open.remove(&handle.id);
        let Some(others) = table.by_item.get_mut(&handle.item) else { return true };
        others.retain(|other| other.id != handle.id);
        let last = others.is_empty();
        if last {
            table.by_item.remove(&handle.item);
        }
        last
    }

    /// Whether some handle makes this item's name go when it closes.
    pub(super) fn dooms(&self, item: ItemId) -> bool {
        self.of(item).iter().any(|handle| handle.doomed())
    }

    /// As [`Self::dooms`], of one of its names only.
    pub(super) fn dooms_name(&self, item: ItemId, place: &Option<Place>) -> bool {
        self.of(item).iter().any(|handle| handle.dooms(place))
    }

    /// Whether a process has this item open.
    pub(super) fn has(&self, process: u32, item: ItemId) -> bool {
        self.of(item).iter().any(|handle| handle.caller.id == process)
    }

    /// Whether some handle does not let others delete or rename this item (M21).
    pub(in crate::engine) fn blocks_deletion(&self, item: ItemId) -> bool {
        self.of(item).iter().any(|handle| handle.excludes(Access::DELETE, Share::all()))
    }

    /// As [`Self::blocks_deletion`], without asking this one.
    pub(super) fn others_block_deletion(&self, one: &Handle) -> bool {
        let mut others = self.of(one.item).into_iter().filter(|other| other.id != one.id);
        others.any(|other| other.excludes(Access::DELETE, Share::all()))
    }

    /// Moves the handles that were opened by a name along with it.
    pub(super) fn moved(&self, item: ItemId, from: &Place, to: &Place, path: &Wide) {
        for handle in self.of(item) {
            let mut course = handle.course.lock();
            if course.place.as_ref().is_some_and(|place| place.is(from)) {
                course.place = Some(to.clone());
                course.path = path.clone();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let table = self.table.lock();
        table.open.is_empty() && table.by_item.is_empty()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<HandleId> {
        self.table.lock().open.keys().copied().collect()
    }

    fn of(&self, item: ItemId) -> Vec<Arc<Handle>> {
        self.table.lock().by_item.get(&item).cloned().unwrap_or_default()
    }
}
