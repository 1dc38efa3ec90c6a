//! Trees of the host's files by their paths: looked through, moved wherever they are to go, freed
//! of what we noted on them.

use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, lgetxattr, lremovexattr, renameat_with};
use rustix::io::Errno;

use super::attributes;
use super::naming::LowerName;
use crate::contract::{HResult, Result};
use crate::engine::failure::{failed, io_failed};

/// Whether a tree can come in. False for a file, true for a directory.
///
/// # Errors
/// FILE_NOT_FOUND; ACCESS_DENIED if an item of a root is in it; NOT_SUPPORTED for what is neither a
/// file nor a directory nor a link; INVALID_NAME for names that are not Unicode.
pub(in crate::engine) fn inspect(path: &Path) -> Result<bool> {
    let failed = |error: &io::Error| io_failed(&format!("looking at {}", path.display()), error);
    let metadata = path.symlink_metadata().map_err(|error| failed(&error))?;
    let kind = metadata.file_type();
    if !kind.is_file() && !kind.is_dir() && !kind.is_symlink() {
        return Err(HResult::NOT_SUPPORTED);
    }
    if lgetxattr(path, attributes::RECORD, &mut [0_u8; 0]).is_ok() {
        return Err(HResult::ACCESS_DENIED);
    }
    if kind.is_dir() {
        for entry in path.read_dir().map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            if LowerName::read(entry.file_name().as_bytes()).plain().is_none() {
                return Err(HResult::INVALID_NAME);
            }
            inspect(&entry.path())?;
        }
    }
    Ok(kind.is_dir())
}

/// Moves a tree to where nothing is: renamed within a file system, else copied and then removed.
///
/// # Errors
/// FILE_EXISTS, FILE_NOT_FOUND, ACCESS_DENIED, DISK_FULL.
pub(super) fn transfer(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("moving {} to {}", from.display(), to.display());
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::XDEV) => {}
        done => return done.map_err(|error| failed(&doing(), error)),
    }
    if to.symlink_metadata().is_ok() {
        return Err(HResult::FILE_EXISTS);
    }
    if let Err(error) = copy(from, to) {
        discard(to);
        return Err(io_failed(&doing(), &error));
    }
    discard(from);
    Ok(())
}

/// Takes what we noted away from a tree that went out. A file that still has names inside keeps it.
pub(super) fn strip(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    if metadata.is_dir() {
        for entry in path.read_dir().into_iter().flatten().flatten() {
            strip(&entry.path());
        }
    } else if metadata.nlink() > 1 {
        return;
    }
    match lremovexattr(path, attributes::RECORD) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "still has our record"),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if metadata.is_symlink() {
        return symlink(from.read_link()?, to);
    }
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in from.read_dir()? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    copy_attributes(&File::open(from)?, &metadata, &File::open(to)?)
}

fn copy_attributes(from: &File, metadata: &Metadata, to: &File) -> io::Result<()> {
    for name in attributes::users(from)? {
        let name = attributes::of_users(&name);
        if let Some(value) = attributes::get(from, &name)? {
            attributes::set(to, &name, &value)?;
        }
    }
    let times = FileTimes::new().set_accessed(metadata.accessed()?);
    to.set_times(times.set_modified(metadata.modified()?))
}

fn discard(path: &Path) {
    let is_directory = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), %error, "half of a move cannot be removed");
    }
}
