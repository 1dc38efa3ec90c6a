//! Files between open and release (projfs.md R5, T2 to T12).

use std::ffi::OsStr;
use std::sync::Arc;

use fuser::{Errno, FileAttr};

use super::handles::{Brief, OpenFile, itself, named};
use super::{Adapter, Failure, names};
use crate::contract::HResult;
use crate::daemon::callers::Caller;
use crate::engine::{Access, Disposition, HandleId, ItemId, Kind, Open, Share};

/// What a file is opened for. O_APPEND is writing too: the kernel knows the end, and the pages of
/// a mapping may come back through any handle that can write.
fn access(flags: i32) -> Access {
    let writing = Access::WRITE | Access::WRITE_ATTRIBUTES;
    let access = match flags & libc::O_ACCMODE {
        libc::O_WRONLY => writing,
        libc::O_RDWR => Access::READ | writing,
        _ => Access::READ,
    };
    // O_TRUNC with O_RDONLY truncates on Linux.
    if flags & libc::O_TRUNC != 0 { access | writing } else { access }
}

impl Adapter {
    /// Opens what the kernel has looked up.
    pub(super) async fn open(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        flags: i32,
    ) -> Result<HandleId, Failure> {
        let truncates = flags & libc::O_TRUNC != 0;
        let disposition = if truncates { Disposition::Overwrite } else { Disposition::Open };
        let how = Open { disposition, ..Open::existing(access(flags)) };
        let process = caller.process();
        let brief = Brief::open(&self, &process, &itself(item), how).await?;
        let handle = brief.handle;
        self.keep(brief, process.id, flags)?;
        Ok(handle)
    }

    /// Opens a name that the kernel believes to be free.
    pub(super) async fn create(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> Result<(HandleId, FileAttr), Failure> {
        let disposition = match (flags & libc::O_EXCL != 0, flags & libc::O_TRUNC != 0) {
            (true, _) => Disposition::Create,
            (_, true) => Disposition::OverwriteIf,
            _ => Disposition::OpenIf,
        };
        let how = Open {
            access: access(flags),
            share: Share::all(),
            disposition,
            kind: Kind::File,
            delete_on_close: false,
            attributes: super::attributes::of_mode(mode),
        };
        let process = caller.process();
        let brief = Brief::open(&self, &process, &named(parent, names::wide(name)?), how).await?;
        let handle = brief.handle;
        let opened = self.keep(brief, process.id, flags)?;
        Ok((handle, self.entry(&opened)))
    }

    /// Hands a handle over to the kernel, until its release.
    fn keep(
        &self,
        brief: Brief,
        process: u32,
        flags: i32,
    ) -> Result<crate::engine::Attributes, Failure> {
        let opened = brief.keep().ok_or(Errno::EBADF)?;
        self.files.add(OpenFile {
            item: opened.attributes.item,
            process,
            writable: access(flags).contains(Access::WRITE_ATTRIBUTES),
            handle: opened.handle,
        });
        Ok(opened.attributes)
    }

    /// `mknod(2)` of a regular file; Windows has nothing else.
    pub(super) async fn mknod(
        self: Arc<Self>,
        caller: Caller,
        parent: ItemId,
        name: &OsStr,
        mode: u32,
    ) -> Result<FileAttr, Failure> {
        if mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Errno::EPERM.into());
        }
        let how = Open {
            disposition: Disposition::Create,
            kind: Kind::File,
            attributes: super::attributes::of_mode(mode),
            ..Open::existing(Access::empty())
        };
        let target = named(parent, names::wide(name)?);
        let made = Brief::open(&self, &caller.process(), &target, how).await?.close().await?;
        Ok(self.entry(&made.attributes))
    }

    pub(super) async fn read(
        self: Arc<Self>,
        handle: HandleId,
        offset: u64,
        length: u32,
    ) -> Result<Vec<u8>, Failure> {
        Ok(self.root.read(handle, offset, length).await?)
    }

    pub(super) async fn write(
        self: Arc<Self>,
        handle: HandleId,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<u32, Failure> {
        self.root.write(handle, offset, &data).await?;
        // It came in one request, which is shorter.
        Ok(u32::try_from(data.len()).unwrap_or(u32::MAX))
    }

    pub(super) async fn fsync(self: Arc<Self>, handle: HandleId) -> Result<(), Failure> {
        Ok(self.root.flush(handle).await?)
    }

    /// Extends a file. Space is not set aside, and holes are not made.
    pub(super) async fn fallocate(
        self: Arc<Self>,
        item: ItemId,
        handle: HandleId,
        end: u64,
        mode: i32,
    ) -> Result<(), Failure> {
        match mode {
            0 if self.root.attributes(item)?.basic.size < end => {
                Ok(self.root.set_size(handle, end).await?)
            }
            0 | libc::FALLOC_FL_KEEP_SIZE => Ok(()),
            _ => Err(HResult::NOT_SUPPORTED.into()),
        }
    }

    /// The last descriptor and mapping are gone: that is the close that Windows knows (R5).
    pub(super) async fn release(self: Arc<Self>, handle: HandleId) -> Result<(), Failure> {
        self.files.remove(handle);
        Ok(self.root.close(handle).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_access() {
        let writing = Access::WRITE | Access::WRITE_ATTRIBUTES;
        assert_eq!(access(libc::O_RDONLY), Access::READ);
        assert_eq!(access(libc::O_WRONLY), writing);
        assert_eq!(access(libc::O_WRONLY | libc::O_APPEND), writing);
        assert_eq!(access(libc::O_RDWR), Access::READ | writing);
        assert_eq!(access(libc::O_RDONLY | libc::O_TRUNC), Access::READ | writing);
    }
}
