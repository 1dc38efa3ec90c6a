//! Changes of names: each a handle that is opened, told what to do, and closed (projfs.md R6, R7).

use std::ffi::OsStr;
use std::sync::Arc;

use fuser::{Errno, FileAttr, RenameFlags};

use super::handles::{Brief, itself, named};
use super::{Adapter, Failure, names};
use crate::contract::HResult;
use crate::daemon::callers::Caller;
use crate::engine::{Access, Disposition, ItemId, Kind, Open};

impl Adapter {
    /// Looking a name up makes it a placeholder (R2).
    pub(super) async fn lookup(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
    ) -> Result<FileAttr, Failure> {
        // What can be no name is not there.
        let name = names::wide(name).map_err(|_| HResult::FILE_NOT_FOUND)?;
        match self.root.lookup(&caller.process(), parent, &name).await {
            Err(HResult::INVALID_NAME) => Err(HResult::FILE_NOT_FOUND.into()),
            other => Ok(self.entry(&other?)),
        }
    }

    /// Opens for deletion, says so, closes: then it is gone (R6).
    pub(super) async fn delete(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
        kind: Kind,
    ) -> Result<(), Failure> {
        let how = Open { kind, ..Open::existing(Access::DELETE) };
        let target = named(parent, names::wide(name)?);
        let brief = Brief::open(&self, &caller.process(), &target, how).await?;
        self.root.set_disposition(brief.handle, true).await?;
        brief.close().await?;
        Ok(())
    }

    pub(super) async fn make_directory(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
    ) -> Result<FileAttr, Failure> {
        self.make(caller, parent, name, Kind::Directory).await
    }

    pub(super) async fn make_link(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
        target: &OsStr,
    ) -> Result<FileAttr, Failure> {
        // Linux does not say what it leads to, and does not care.
        let kind = Kind::Link { target: names::target(target)?, directory: false };
        self.make(caller, parent, name, kind).await
    }

    async fn make(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
        kind: Kind,
    ) -> Result<FileAttr, Failure> {
        let disposition = Disposition::Create;
        let how = Open { disposition, kind, ..Open::existing(Access::empty()) };
        let target = named(parent, names::wide(name)?);
        let made = Brief::open(&self, &caller.process(), &target, how).await?.close().await?;
        Ok(self.entry(&made.attributes))
    }

    /// Where a link leads.
    pub(super) async fn readlink(self: Arc<Self>, item: ItemId) -> Result<Vec<u8>, Failure> {
        let target = self.root.attributes(item)?.link.ok_or(Errno::EINVAL)?;
        Ok(names::target_bytes(&target))
    }

    pub(super) async fn rename(
        self: Arc<Self>,
        caller: Caller,
        (parent, name): (ItemId, &OsStr),
        (new_parent, new_name): (ItemId, &OsStr),
        flags: RenameFlags,
    ) -> Result<(), Failure> {
        if !(flags & !RenameFlags::RENAME_NOREPLACE).is_empty() {
            return Err(Errno::EINVAL.into());
        }
        let to = named(new_parent, names::wide(new_name)?);
        let from = named(parent, names::wide(name)?);
        let how = Open::existing(Access::DELETE);
        let brief = Brief::open(&self, &caller.process(), &from, how).await?;
        let replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        self.root.rename(brief.handle, &to, replace).await?;
        brief.close().await?;
        Ok(())
    }

    pub(super) async fn link(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        parent: ItemId,
        name: &OsStr,
    ) -> Result<FileAttr, Failure> {
        let to = named(parent, names::wide(name)?);
        let how = Open::existing(Access::empty());
        let brief = Brief::open(&self, &caller.process(), &itself(item), how).await?;
        self.root.link(brief.handle, &to).await?;
        brief.close().await?;
        Ok(self.entry(&self.root.attributes(item)?))
    }
}
