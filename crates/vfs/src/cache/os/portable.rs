//! Systems without directory handles in the standard library: plain paths, no stamps, no owners.
//!
//! Access is left to the permissions that the folder inherits from the user's profile.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{FileInfo, FileKind};

#[derive(Debug)]
pub(in crate::cache) struct Dir(PathBuf);

impl Dir {
    pub(in crate::cache) fn open_or_create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::at(path.to_owned())
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        if std::fs::symlink_metadata(&path)?.is_dir() {
            Ok(Self(path))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    pub(in crate::cache) fn subdirectory(&self, name: &str) -> io::Result<Self> {
        Self::at(self.0.join(name))
    }

    pub(in crate::cache) fn make_subdirectory(&self, name: &str) -> io::Result<Self> {
        match std::fs::create_dir(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.subdirectory(name),
        }
    }

    pub(in crate::cache) fn open_file(&self, name: &str) -> io::Result<File> {
        let path = self.0.join(name);
        if !std::fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        File::open(path)
    }

    pub(in crate::cache) fn create_file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.0.join(name))
    }

    pub(in crate::cache) fn open_writable(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.0.join(name))
    }

    pub(in crate::cache) fn open_or_create_file(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).open(self.0.join(name))
    }

    pub(in crate::cache) fn info(&self) -> io::Result<FileInfo> {
        Ok(describe(&std::fs::symlink_metadata(&self.0)?))
    }

    pub(in crate::cache) fn info_of(&self, name: &str) -> io::Result<FileInfo> {
        Ok(describe(&std::fs::symlink_metadata(self.0.join(name))?))
    }

    pub(in crate::cache) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        std::fs::rename(self.0.join(from), to.0.join(name))
    }

    pub(in crate::cache) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.0.join(name);
        if std::fs::symlink_metadata(&path)?.is_dir() {
            std::fs::remove_dir(path)
        } else {
            std::fs::remove_file(path)
        }
    }

    pub(in crate::cache) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on the other systems")]
    pub(in crate::cache) fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

pub(in crate::cache) fn file_info(file: &File) -> io::Result<FileInfo> {
    Ok(describe(&file.metadata()?))
}

fn describe(metadata: &Metadata) -> FileInfo {
    let kind = if metadata.is_file() {
        FileKind::Regular
    } else if metadata.is_dir() {
        FileKind::Directory
    } else {
        FileKind::Other
    };
    FileInfo {
        kind,
        size: metadata.len(),
        allocated: metadata.len(),
        accessed_ns: nanoseconds(metadata.accessed()),
        modified_ns: nanoseconds(metadata.modified()),
        inode: 0,
        is_removed: false,
        has_other_names: false,
        is_mine: true,
        others_write: false,
    }
}

fn nanoseconds(time: io::Result<SystemTime>) -> i128 {
    let since_epoch = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_epoch.map_or(0, |elapsed| i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX))
}

#[cfg(windows)]
pub(in crate::cache) fn read_exact_at(
    file: &File,
    mut buf: &mut [u8],
    mut offset: u64,
) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buf = buf.get_mut(read..).unwrap_or_default();
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
pub(in crate::cache) fn write_all_at(
    file: &File,
    mut bytes: &[u8],
    mut offset: u64,
) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// A file's position is shared by its threads, so every seek and read is one step.
#[cfg(not(windows))]
static POSITION: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

#[cfg(not(windows))]
pub(in crate::cache) fn read_exact_at(
    mut file: &File,
    buf: &mut [u8],
    offset: u64,
) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let _one_at_a_time = POSITION.lock();
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buf)
}

#[cfg(not(windows))]
pub(in crate::cache) fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    let _one_at_a_time = POSITION.lock();
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

pub(in crate::cache) fn read_stamp(_file: &File) -> Option<Vec<u8>> {
    None
}

pub(in crate::cache) fn write_stamp(_file: &File, _stamp: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
