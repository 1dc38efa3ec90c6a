//! Extended attributes: those of users are Windows' EAs (projfs.md E24).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use fuser::{Errno, ReplyXattr};

use super::handles::{Brief, itself};
use super::{Adapter, Failure};
use crate::daemon::callers::Caller;
use crate::engine::{Access, ItemId, Open};

const USER: &[u8] = b"user.";

/// The EA that an attribute is, if it is one. The kernel asks for others all the time, such as
/// `security.capability` before each write.
pub(super) fn of_user(name: &OsStr) -> Option<Vec<u8>> {
    name.as_bytes().strip_prefix(USER).map(<[u8]>::to_vec)
}

/// Answers as much as the caller's buffer takes.
pub(super) fn reply(reply: ReplyXattr, size: u32, value: &[u8]) {
    match u32::try_from(value.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Adapter {
    async fn all_of(
        self: &Arc<Self>,
        caller: Caller,
        item: ItemId,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Failure> {
        let brief = Brief::attributes_only(self, &caller.process(), item).await?;
        let all = self.root.extended(brief.handle).await?;
        brief.close().await?;
        Ok(all)
    }

    pub(super) async fn getxattr(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        name: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let all = self.all_of(caller, item).await?;
        let found = all.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(&name));
        Ok(found.ok_or(Errno::NO_XATTR)?.1)
    }

    /// The names, each with a NUL behind.
    pub(super) async fn listxattr(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
    ) -> Result<Vec<u8>, Failure> {
        let all = self.all_of(caller, item).await?;
        Ok(all.iter().flat_map(|(key, _)| [USER, key, b"\0"].concat()).collect())
    }

    /// Sets (`Some`) or removes one; `flags` say whether it must be there, or must not.
    pub(super) async fn change_xattr(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        name: OsString,
        value: Option<Vec<u8>>,
        flags: i32,
    ) -> Result<(), Failure> {
        let name = of_user(&name).ok_or(Errno::EOPNOTSUPP)?;
        let how = Open::existing(Access::WRITE_ATTRIBUTES);
        let brief = Brief::open(&self, &caller.process(), &itself(item), how).await?;
        let all = self.root.extended(brief.handle).await?;
        let there = all.iter().any(|(key, _)| key.eq_ignore_ascii_case(&name));
        if there && flags & libc::XATTR_CREATE != 0 {
            return Err(Errno::EEXIST.into());
        }
        if !there && (value.is_none() || flags & libc::XATTR_REPLACE != 0) {
            return Err(Errno::NO_XATTR.into());
        }
        self.root.set_extended(brief.handle, &name, value.as_deref()).await?;
        brief.close().await?;
        Ok(())
    }
}
