//! The lower directory, by handles: a FUSE mount lies over its path, and links in it are never
//! followed.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, StatxFlags, StatxTimestamp, mkdirat, openat,
    renameat_with, statx, unlinkat,
};
use rustix::io::{Errno, Result};

use super::naming::{LowerName, TEMPORARIES};
use crate::engine::nt_time;

/// Identity of a lower file: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    device: (u32, u32),
    number: u64,
}

/// What a lower file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LowerKind {
    File,
    Directory,
    /// A symbolic link of Linux: content from before the marking. It can have no record.
    Link,
}

/// What the lower file system says of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    /// `None` for sockets, devices and alike.
    pub(super) kind: Option<LowerKind>,
    pub(super) inode: Inode,
    pub(super) names: u32,
    pub(super) size: u64,
    /// Bytes on disk.
    pub(super) allocated: u64,
    pub(super) creation: i64,
    pub(super) access: i64,
    pub(super) write: i64,
    pub(super) change: i64,
}

/// The lower directory.
#[derive(Debug)]
pub(super) struct Lower {
    root: OwnedFd,
    /// Where items are made before they get their place, and end before they are removed: what a
    /// killed driver leaves there is nobody's.
    temporaries: OwnedFd,
    serial: AtomicU64,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Lower {
    /// Takes the directory over: leftovers of a killed driver are removed.
    pub(super) fn open(root: &OwnedFd) -> Result<Self> {
        let root = openat(root, ".", DIRECTORY, Mode::empty())?;
        match mkdirat(&root, TEMPORARIES, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let temporaries = openat(&root, TEMPORARIES, DIRECTORY, Mode::empty())?;
        let lower = Self { root, temporaries, serial: AtomicU64::new(0) };
        for leftover in entries(&lower.temporaries)? {
            tracing::info!(?leftover, "removing what a killed driver left");
            lower.discard(&leftover);
        }
        // A tree that was on its way in from the host stays where it is.
        let taken = entries(&lower.temporaries)?.into_iter().filter_map(|name| name.number()).max();
        lower.serial.store(taken.map_or(0, |number| number.saturating_add(1)), Ordering::Relaxed);
        Ok(lower)
    }

    pub(super) const fn root(&self) -> &OwnedFd {
        &self.root
    }

    pub(super) const fn temporaries(&self) -> &OwnedFd {
        &self.temporaries
    }

    /// A name for a new temporary.
    pub(super) fn temporary(&self) -> LowerName {
        LowerName::numbered(self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Removes a temporary: a file, or a directory with only files in it.
    pub(super) fn discard(&self, temporary: &LowerName) {
        if let Err(error) = remove(&self.temporaries, temporary) {
            tracing::warn!(?temporary, %error, "a temporary cannot be removed");
        }
    }

    /// The directory at the end of this way from the root.
    pub(super) fn directory(&self, way: &[LowerName]) -> Result<OwnedFd> {
        let path = DIRECTORY | OFlags::PATH;
        let mut at = openat(&self.root, ".", path, Mode::empty())?;
        for name in way {
            at = openat(&at, name.as_bytes(), path, Mode::empty())?;
        }
        Ok(at)
    }
}

/// The names in a directory, in the order of their bytes.
pub(super) fn entries(directory: impl AsFd) -> Result<Vec<LowerName>> {
    let mut names = Vec::new();
    // Of its own, since the given one may be a mere path.
    let directory = openat(directory, ".", DIRECTORY, Mode::empty())?;
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(LowerName::read(name));
        }
    }
    names.sort();
    Ok(names)
}

/// Opens a file for reading and writing, or reading only if no more is possible.
pub(super) fn open(directory: impl AsFd, name: &LowerName, kind: LowerKind) -> Result<File> {
    let file = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = match kind {
        LowerKind::File => file | OFlags::RDWR,
        LowerKind::Directory => DIRECTORY,
        LowerKind::Link => file | OFlags::PATH,
    };
    let name = name.as_bytes();
    let opened = match openat(&directory, name, flags, Mode::empty()) {
        Err(Errno::ACCESS | Errno::ROFS | Errno::PERM) if kind == LowerKind::File => {
            openat(&directory, name, file | OFlags::RDONLY, Mode::empty())?
        }
        opened => opened?,
    };
    Ok(File::from(opened))
}

/// Makes a file or directory where nothing is.
pub(super) fn make(directory: impl AsFd, name: &LowerName, kind: LowerKind) -> Result<File> {
    let name = name.as_bytes();
    if kind == LowerKind::Directory {
        mkdirat(&directory, name, Mode::from_raw_mode(0o755))?;
        return Ok(File::from(openat(&directory, name, DIRECTORY, Mode::empty())?));
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(&directory, name, flags, Mode::from_raw_mode(0o644))?))
}

/// Removes a file, or a directory with only files in it.
pub(super) fn remove(directory: impl AsFd, name: &LowerName) -> Result<()> {
    match unlinkat(&directory, name.as_bytes(), AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        done => return done,
    }
    let inside = openat(&directory, name.as_bytes(), DIRECTORY, Mode::empty())?;
    for child in entries(&inside)? {
        unlinkat(&inside, child.as_bytes(), AtFlags::empty())?;
    }
    unlinkat(&directory, name.as_bytes(), AtFlags::REMOVEDIR)
}

/// How a rename treats what is at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Onto {
    /// Fails if anything is there.
    Nothing,
    /// It goes: a file, or an empty directory if a directory is renamed.
    Replace,
    /// It gets the other name.
    Exchange,
}

/// Renames in one step.
pub(super) fn rename(
    from: (impl AsFd, &LowerName),
    to: (impl AsFd, &LowerName),
    onto: Onto,
) -> Result<()> {
    let flags = match onto {
        Onto::Nothing => RenameFlags::NOREPLACE,
        Onto::Replace => RenameFlags::empty(),
        Onto::Exchange => RenameFlags::EXCHANGE,
    };
    renameat_with(from.0, from.1.as_bytes(), to.0, to.1.as_bytes(), flags)
}

/// Asks about a name.
pub(super) fn stat_at(directory: impl AsFd, name: &LowerName) -> Result<Stat> {
    stat(directory, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)
}

/// Asks about an open file.
pub(super) fn stat_of(file: impl AsFd) -> Result<Stat> {
    stat(file, b"", AtFlags::EMPTY_PATH)
}

fn stat(directory: impl AsFd, name: &[u8], flags: AtFlags) -> Result<Stat> {
    let told = statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let kind = match rustix::fs::FileType::from_raw_mode(told.stx_mode.into()) {
        rustix::fs::FileType::RegularFile => Some(LowerKind::File),
        rustix::fs::FileType::Directory => Some(LowerKind::Directory),
        rustix::fs::FileType::Symlink => Some(LowerKind::Link),
        _ => None,
    };
    let write = time(told.stx_mtime);
    let has_creation = StatxFlags::from_bits_retain(told.stx_mask).contains(StatxFlags::BTIME);
    Ok(Stat {
        kind,
        inode: Inode { device: (told.stx_dev_major, told.stx_dev_minor), number: told.stx_ino },
        names: told.stx_nlink,
        size: told.stx_size,
        allocated: told.stx_blocks * 512,
        creation: if has_creation { time(told.stx_btime) } else { write },
        access: time(told.stx_atime),
        write,
        change: time(told.stx_ctime),
    })
}

fn time(told: StatxTimestamp) -> i64 {
    nt_time::from_unix(told.tv_sec, told.tv_nsec)
}
