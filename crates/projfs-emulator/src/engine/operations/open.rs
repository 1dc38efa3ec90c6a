//! Opening what exists, overwriting it, making what does not (projfs.md T1 to T12).

use std::sync::Arc;

use super::super::root::Root;
use super::super::store::{Item, NewFull};
use super::handles::{Change, Handle};
use super::metadata::describe;
use super::resolve::{Slot, Spot, is_folder};
use super::{Access, Action, Disposition, Kind, Open, Opened, Target, event};
use crate::contract::{FileState, HResult, Notification, Result, attributes};
use crate::knobs::Convert;
use crate::link::Process;

/// What makes a file full (E17).
const WRITING: Access = Access::WRITE.union(Access::APPEND);

impl Root {
    /// Opens or makes (T1 to T12, T25): GetPlaceholderInfo for what is virtual, sharing checks,
    /// conversion, FILE_OPENED or NEW_FILE_CREATED or FILE_OVERWRITTEN.
    ///
    /// # Errors
    /// FILE_NOT_FOUND for a missing leaf, PATH_NOT_FOUND for a missing folder (H5) and for a file
    /// used as one (H6), FILE_EXISTS, ACCESS_DENIED, SHARING_VIOLATION, DIRECTORY, DELETE_PENDING,
    /// and what the provider refused with.
    pub async fn open(
        self: &Arc<Self>,
        caller: &Process,
        target: &Target,
        how: Open,
    ) -> Result<Opened> {
        if matches!(how.kind, Kind::Link { .. }) && how.disposition != Disposition::Create {
            return Err(HResult::INVALID_ARGUMENT);
        }
        if matches!(how.disposition, Disposition::Open | Disposition::Overwrite) {
            let spot = self.spot(caller, target).await?;
            return self.open_existing(caller, spot, how).await;
        }
        let Some((folder, name)) = self.folder_of(caller, target).await? else {
            return self.open_existing(caller, self.spot_of(target.from)?, how).await;
        };
        // What is there already needs no lock, so that opens of one name do not wait for another.
        if let Some(found) = self.store.find(folder.id, &name)?
            && !self.hides(&found.item)
        {
            return self.open_existing(caller, self.spot_in(&folder, found), how).await;
        }
        let slot = self.slot(caller, &folder, name).await?;
        match slot.there {
            None => self.create(caller, slot, how).await,
            Some(found) => {
                drop(slot.guard);
                self.open_existing(caller, self.spot_in(&folder, found), how).await
            }
        }
    }

    async fn open_existing(
        self: &Arc<Self>,
        caller: &Process,
        spot: Spot,
        how: Open,
    ) -> Result<Opened> {
        let overwrites = match how.disposition {
            Disposition::Create if self.handles.dooms_name(spot.item.id, &spot.place) => {
                return Err(HResult::DELETE_PENDING);
            }
            Disposition::Create => return Err(HResult::FILE_EXISTS),
            Disposition::Open | Disposition::OpenIf => false,
            _ => true,
        };
        permits(&spot.item, &how, overwrites)?;
        let writes = overwrites || how.access.intersects(WRITING);
        if writes && self.session().is_none() && !spot.item.state.contains(FileState::FULL) {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        let opening = self.reserve(caller, &spot, &how, overwrites)?;
        if overwrites {
            return self.overwrite(opening, &spot, &how).await;
        }
        if how.access.intersects(WRITING) && self.knobs().convert == Convert::AtOpen {
            self.make_full(caller, spot.item.id, true).await?;
        }
        let opened = event(Notification::FileOpened, &spot.item, spot.path);
        self.notify(caller, opened).await?;
        opening.complete(Action::Opened)
    }

    /// Lets a handle in, if the item still has the name that led to it.
    fn reserve(
        self: &Arc<Self>,
        caller: &Process,
        spot: &Spot,
        how: &Open,
        overwrites: bool,
    ) -> Result<Opening> {
        let handle = self.new_handle(caller, spot, how);
        let wanted = if overwrites { Access::WRITE } else { Access::empty() };
        self.handles.admit(&handle, wanted)?;
        let opening = self.opening(handle, Stage::Reserved);
        // From here on a deletion finds the handle; one before left no name.
        match &spot.place {
            Some(place) if !self.has_name(spot.item.id, place)? => Err(HResult::FILE_NOT_FOUND),
            _ => Ok(opening),
        }
    }

    fn new_handle(&self, caller: &Process, spot: &Spot, how: &Open) -> Arc<Handle> {
        let session = self.session();
        Arc::new(Handle::new(self.handles.fresh(), caller, spot, how, session.as_ref()))
    }

    fn opening(self: &Arc<Self>, handle: Arc<Handle>, stage: Stage) -> Opening {
        self.store.hold(handle.item);
        Opening { root: self.clone(), handle, stage }
    }

    async fn overwrite(
        self: &Arc<Self>,
        mut opening: Opening,
        spot: &Spot,
        how: &Open,
    ) -> Result<Opened> {
        let caller = opening.handle.caller.clone();
        self.make_full(&caller, spot.item.id, false).await?;
        self.store.drop_data(spot.item.id, 0)?;
        let mut basic = self.store.item(spot.item.id).ok_or(HResult::FILE_NOT_FOUND)?.basic;
        basic.attributes |= of_new_file(how.attributes);
        self.store.set_basic(spot.item.id, basic)?;
        opening.stage = Stage::Done;
        opening.handle.changed(Change::Data);
        let overwritten = event(Notification::FileOverwritten, &spot.item, spot.path.clone());
        let root = self.clone();
        let opening = self.to_the_end(async move {
            // What happened cannot be refused (K4).
            let _ = root.notify(&caller, overwritten).await;
            opening
        });
        opening.await?.complete(Action::Overwritten)
    }

    /// Makes what a slot is free for (T10, T11).
    async fn create(self: &Arc<Self>, caller: &Process, slot: Slot, how: Open) -> Result<Opened> {
        let kind = match &how.kind {
            Kind::Any | Kind::File => NewFull::File { attributes: of_new_file(how.attributes) },
            Kind::Directory => {
                NewFull::Directory { attributes: how.attributes & attributes::SETTABLE }
            }
            Kind::Link { target, directory } => {
                NewFull::Link { target: target.clone(), directory: *directory }
            }
        };
        if how.kind == Kind::Directory && how.access.intersects(WRITING) {
            return Err(HResult::ACCESS_DENIED);
        }
        let item = self.store.add_full(slot.place.parent, &slot.place.name, kind)?;
        self.children_changed(slot.place.parent);
        let created = event(Notification::NewFileCreated, &item, slot.path.clone());
        let spot = Spot { item, place: Some(slot.place), path: slot.path };
        let handle = self.new_handle(caller, &spot, &how);
        // Whoever found the new item in the meantime opened it after this.
        self.handles.admit_maker(&handle);
        let opening = self.opening(handle, Stage::Done);
        drop(slot.guard);
        let (root, caller) = (self.clone(), caller.clone());
        let opening = self.to_the_end(async move {
            // What happened cannot be refused (K4, H3).
            let _ = root.notify(&caller, created).await;
            opening
        });
        opening.await?.complete(Action::Created)
    }
}

/// The attributes of a new or overwritten file.
const fn of_new_file(asked: u32) -> u32 {
    asked & attributes::SETTABLE | attributes::ARCHIVE
}

/// What NTFS checks before anything happens.
fn permits(item: &Item, how: &Open, overwrites: bool) -> Result<()> {
    match how.kind {
        Kind::Directory if !item.directory => return Err(HResult::DIRECTORY),
        Kind::File if item.directory => return Err(HResult::ACCESS_DENIED),
        _ => {}
    }
    let writes = overwrites || how.access.intersects(WRITING);
    // A tombstone is seen only while nobody could say what is below it (M11).
    if writes && item.state.contains(FileState::TOMBSTONE) {
        return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
    }
    // Links have no content of their own.
    if writes && (is_folder(item) || item.link.is_some()) {
        return Err(HResult::ACCESS_DENIED);
    }
    let read_only = item.basic.attributes & attributes::READONLY != 0;
    if read_only && (writes || how.delete_on_close) {
        return Err(HResult::ACCESS_DENIED);
    }
    Ok(())
}

/// How far an open has come.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was done: without a handle it never was.
    Reserved,
    /// The item was made or emptied: a handle that nobody gets must be closed.
    Done,
    /// Somebody has the handle.
    Final,
}

/// An open that goes on. Dropped, it undoes itself as far as that can be.
#[derive(Debug)]
struct Opening {
    root: Arc<Root>,
    handle: Arc<Handle>,
    stage: Stage,
}

impl Opening {
    fn complete(mut self, action: Action) -> Result<Opened> {
        let name = self.handle.place().map(|place| place.name).unwrap_or_default();
        let item = self.root.store.item(self.handle.item).ok_or(HResult::FILE_NOT_FOUND)?;
        let attributes = describe(name, &item);
        self.stage = Stage::Final;
        Ok(Opened { handle: self.handle.id, action, attributes })
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        match self.stage {
            Stage::Reserved => self.root.dismiss(&self.handle),
            Stage::Done => {
                let (root, handle) = (self.root.clone(), self.handle.clone());
                let close = async move {
                    let _ = root.close(handle.id).await;
                };
                self.root.shared.runtime.spawn(Box::pin(close));
            }
            Stage::Final => {}
        }
    }
}
