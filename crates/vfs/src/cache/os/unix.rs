//! Unix: directory handles, `openat` without following links, extended attributes.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{FileInfo, FileKind};

const STAMP_ATTRIBUTE: &str = "user.rusty-attachments.verified";
const PRIVATE_DIR: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory; what its names stand for is looked up in it and nowhere else.
#[derive(Debug)]
pub(in crate::cache) struct Dir(OwnedFd);

impl Dir {
    /// Opens a directory, made with all its missing parents; the last component is no link.
    pub(in crate::cache) fn open_or_create(path: &Path) -> io::Result<Self> {
        match fs::open(path, DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) => {
                DirBuilder::new().recursive(true).mode(0o700).create(path)?;
                Ok(Self(fs::open(path, DIRECTORY, Mode::empty())?))
            }
            opened => Ok(Self(opened?)),
        }
    }

    pub(in crate::cache) fn subdirectory(&self, name: &str) -> io::Result<Self> {
        Ok(Self(fs::openat(&self.0, name, DIRECTORY, Mode::empty())?))
    }

    /// Opens a subdirectory, made if there is none.
    pub(in crate::cache) fn make_subdirectory(&self, name: &str) -> io::Result<Self> {
        match self.subdirectory(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match fs::mkdirat(&self.0, name, PRIVATE_DIR) {
                    // Another process was faster.
                    Err(Errno::EXIST) | Ok(()) => self.subdirectory(name),
                    Err(error) => Err(error.into()),
                }
            }
            opened => opened,
        }
    }

    /// Opens a file to read it. `NONBLOCK`: a planted FIFO must not hang the caller.
    pub(in crate::cache) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC
            | quiet_reads();
        Ok(fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Creates a file that was not there, open for reading and writing.
    pub(in crate::cache) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(&self.0, name, flags, PRIVATE_FILE)?.into())
    }

    /// Opens a file for reading and writing.
    pub(in crate::cache) fn open_writable(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Opens a file for reading and writing, made if there is none.
    pub(in crate::cache) fn open_or_create_file(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(fs::openat(&self.0, name, flags, PRIVATE_FILE)?.into())
    }

    pub(in crate::cache) fn info(&self) -> io::Result<FileInfo> {
        Ok(describe(&fs::fstat(&self.0)?))
    }

    /// What `name` stands for; a link stands for itself.
    pub(in crate::cache) fn info_of(&self, name: &str) -> io::Result<FileInfo> {
        Ok(describe(&fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Moves a file, replacing a file of the new name at once.
    pub(in crate::cache) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.0, from, &to.0, name)?)
    }

    /// Removes a file or an empty folder.
    pub(in crate::cache) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            // Linux says ISDIR, POSIX PERM.
            Err(Errno::ISDIR | Errno::PERM) => Ok(fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?),
            removed => Ok(removed?),
        }
    }

    /// The names in the directory, without those that are no UTF-8: none of them is ours.
    pub(in crate::cache) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Bytes that may still be written to the file system; `None` where nobody tells.
    pub(in crate::cache) fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = fs::fstatvfs(&self.0)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }
}

/// Reading must not count as use: the cache sets access times itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
const fn quiet_reads() -> OFlags {
    OFlags::NOATIME
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn quiet_reads() -> OFlags {
    OFlags::empty()
}

pub(in crate::cache) fn file_info(file: &File) -> io::Result<FileInfo> {
    Ok(describe(&fs::fstat(file)?))
}

fn describe(stat: &Stat) -> FileInfo {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        _ => FileKind::Other,
    };
    let nanoseconds =
        |seconds, fraction| i128::from(seconds) * 1_000_000_000 + i128::from(fraction);
    FileInfo {
        kind,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        allocated: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
        accessed_ns: nanoseconds(stat.st_atime, stat.st_atime_nsec),
        modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        inode: stat.st_ino,
        is_removed: stat.st_nlink == 0,
        has_other_names: stat.st_nlink > 1,
        is_mine: stat.st_uid == rustix::process::geteuid().as_raw(),
        others_write: Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH),
    }
}

pub(in crate::cache) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buf, offset)
}

pub(in crate::cache) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// The file's verification stamp; `None` if there is none or the file system keeps none.
pub(in crate::cache) fn read_stamp(file: &File) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let length = fs::fgetxattr(file, STAMP_ATTRIBUTE, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

pub(in crate::cache) fn write_stamp(file: &File, stamp: &[u8]) -> io::Result<()> {
    Ok(fs::fsetxattr(file, STAMP_ATTRIBUTE, stamp, fs::XattrFlags::empty())?)
}
