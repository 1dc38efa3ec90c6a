//! The seam to fuser: takes requests apart and hands them to their operations.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileAttr, FileHandle, Filesystem, FopenFlags, Generation,
    INodeNo, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use super::attributes::Wanted;
use super::directories::Shown;
use super::{Adapter, Purpose, Served, extended, init};
use crate::engine::{HandleId, ItemId, Kind};

/// Nothing is remembered (R2).
const NO_TIME: Duration = Duration::ZERO;

/// Items have numbers that are never used again.
const GENERATION: Generation = Generation(0);

const fn item(ino: INodeNo) -> ItemId {
    ItemId(ino.0)
}

const fn handle(fh: FileHandle) -> HandleId {
    HandleId(fh.0)
}

fn entry(reply: ReplyEntry, attributes: FileAttr) {
    reply.entry(&NO_TIME, &attributes, GENERATION);
}

fn attributes(reply: ReplyAttr, attributes: FileAttr) {
    reply.attr(&NO_TIME, &attributes);
}

/// Without `FOPEN_KEEP_CACHE`: each open begins with no bytes remembered.
fn opened(reply: ReplyOpen, handle: HandleId) {
    reply.opened(FileHandle(handle.0), FopenFlags::empty());
}

fn fill(mut reply: ReplyDirectory, entries: Vec<Shown>) {
    for Shown { inode, offset, kind, name } in entries {
        if reply.add(INodeNo(inode), offset, kind, &name) {
            break;
        }
    }
    reply.ok();
}

fn ok(reply: ReplyEmpty, (): ()) {
    reply.ok();
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        init::negotiate(config);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.lookup(caller, item(parent), &name).await
        };
        self.answer(request, reply, Purpose::Other, operation, entry);
    }

    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        self.0.root.forget(item(ino), count);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let operation =
            |adapter: Arc<Adapter>, caller| adapter.getattr(caller, item(ino), fh.is_some());
        self.answer(request, reply, Purpose::Other, operation, attributes);
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let operation = |adapter: Arc<Adapter>, caller| adapter.access(caller, item(ino), mask);
        self.answer(request, reply, Purpose::Other, operation, ok);
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        access: Option<TimeOrNow>,
        write: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let handle = fh.map(handle);
        let wanted = Wanted { mode, owner: (uid, gid), size, access, write, handle };
        let operation = |adapter: Arc<Adapter>, caller| adapter.setattr(caller, item(ino), wanted);
        self.answer(request, reply, Purpose::Other, operation, attributes);
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        let operation = |adapter: Arc<Adapter>, _| adapter.readlink(item(ino));
        self.answer(request, reply, Purpose::Other, operation, |reply, target: Vec<u8>| {
            reply.data(&target);
        });
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let name = name.to_owned();
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.mknod(caller, item(parent), &name, mode).await
        };
        self.answer(request, reply, Purpose::Other, operation, entry);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let name = name.to_owned();
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.make_directory(caller, item(parent), &name).await
        };
        self.answer(request, reply, Purpose::Other, operation, entry);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.delete(request, parent, name, Kind::Any, reply);
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.delete(request, parent, name, Kind::Directory, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let (name, target) = (name.to_owned(), target.to_owned());
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.make_link(caller, item(parent), &name, target.as_os_str()).await
        };
        self.answer(request, reply, Purpose::Other, operation, entry);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        let operation = |adapter: Arc<Adapter>, caller| async move {
            let (from, to) = ((item(parent), &*name), (item(new_parent), &*new_name));
            adapter.rename(caller, from, to, flags).await
        };
        self.answer(request, reply, Purpose::Rename, operation, ok);
    }

    fn link(
        &self,
        request: &Request,
        ino: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let name = new_name.to_owned();
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.link(caller, item(ino), item(new_parent), &name).await
        };
        self.answer(request, reply, Purpose::Other, operation, entry);
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let operation = |adapter: Arc<Adapter>, caller| adapter.open(caller, item(ino), flags.0);
        self.answer(request, reply, Purpose::Other, operation, opened);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let name = name.to_owned();
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.create(caller, item(parent), &name, mode, flags).await
        };
        let done = |reply: ReplyCreate, (handle, attributes): (HandleId, FileAttr)| {
            let (handle, flags) = (FileHandle(handle.0), FopenFlags::empty());
            reply.created(&NO_TIME, &attributes, GENERATION, handle, flags);
        };
        self.answer(request, reply, Purpose::Other, operation, done);
    }

    fn read(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let operation = |adapter: Arc<Adapter>, _| adapter.read(handle(fh), offset, size);
        self.answer(request, reply, Purpose::Other, operation, |reply, data: Vec<u8>| {
            reply.data(&data);
        });
    }

    fn write(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = data.to_vec();
        let operation = |adapter: Arc<Adapter>, _| adapter.write(handle(fh), offset, data);
        self.answer(request, reply, Purpose::Other, operation, ReplyWrite::written);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // One descriptor of several; the release is the close (R5). The kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.finish(reply, Arc::clone(&self.0).release(handle(fh)), ReplyEmpty::ok);
    }

    fn fsync(&self, request: &Request, _: INodeNo, fh: FileHandle, _: bool, reply: ReplyEmpty) {
        let operation = |adapter: Arc<Adapter>, _| adapter.fsync(handle(fh));
        self.answer(request, reply, Purpose::Other, operation, ok);
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let operation = |adapter: Arc<Adapter>, caller| adapter.opendir(caller, item(ino));
        self.answer(request, reply, Purpose::Other, operation, opened);
    }

    fn readdir(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let operation = |adapter: Arc<Adapter>, caller| adapter.readdir(caller, handle(fh), offset);
        self.answer(request, reply, Purpose::Other, operation, fill);
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.finish(reply, Arc::clone(&self.0).releasedir(handle(fh)), ReplyEmpty::ok);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match rustix::fs::fstatvfs(&self.0.lower) {
            Ok(lower) => reply.statfs(
                lower.f_blocks,
                lower.f_bfree,
                lower.f_bavail,
                lower.f_files,
                lower.f_ffree,
                u32::try_from(lower.f_bsize).unwrap_or(u32::MAX),
                // Units of UTF-16 (G7).
                255,
                u32::try_from(lower.f_frsize).unwrap_or(u32::MAX),
            ),
            Err(error) => reply.error(Errno::from_i32(error.raw_os_error())),
        }
    }

    fn getxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let Some(name) = extended::of_user(name) else { return reply.error(Errno::NO_XATTR) };
        let operation = |adapter: Arc<Adapter>, caller| adapter.getxattr(caller, item(ino), name);
        let done = move |reply, value: Vec<u8>| extended::reply(reply, size, &value);
        self.answer(request, reply, Purpose::Other, operation, done);
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let operation = |adapter: Arc<Adapter>, caller| adapter.listxattr(caller, item(ino));
        let done = move |reply, names: Vec<u8>| extended::reply(reply, size, &names);
        self.answer(request, reply, Purpose::Other, operation, done);
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (name, value) = (name.to_owned(), Some(value.to_vec()));
        let operation = |adapter: Arc<Adapter>, caller| {
            adapter.change_xattr(caller, item(ino), name, value, flags)
        };
        self.answer(request, reply, Purpose::Other, operation, ok);
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        let operation =
            |adapter: Arc<Adapter>, caller| adapter.change_xattr(caller, item(ino), name, None, 0);
        self.answer(request, reply, Purpose::Other, operation, ok);
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let end = offset.saturating_add(length);
        let operation =
            |adapter: Arc<Adapter>, _| adapter.fallocate(item(ino), handle(fh), end, mode);
        self.answer(request, reply, Purpose::Other, operation, ok);
    }

    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        // From then on the kernel answers by itself that there are no holes: asking for them must
        // not hydrate, and what is not hydrated has none to show.
        reply.error(Errno::ENOSYS);
    }
}

impl Served {
    fn delete(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        kind: Kind,
        reply: ReplyEmpty,
    ) {
        let name = name.to_owned();
        let operation = |adapter: Arc<Adapter>, caller| async move {
            adapter.delete(caller, item(parent), &name, kind).await
        };
        self.answer(request, reply, Purpose::Deletion, operation, ok);
    }
}
