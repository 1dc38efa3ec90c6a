//! What operating systems disagree about when a folder is read: names, identities, execute bits.

pub(crate) use imp::{file_id, is_executable, manifest_name, modified_us, read_at};

#[cfg(unix)]
mod imp {
    use std::ffi::OsStr;
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::Path;

    use rusty_attachments_model::PathBuf;

    /// Device and inode.
    pub(crate) type FileId = (u64, u64);

    pub(crate) fn file_id(_path: &Path, metadata: &Metadata) -> io::Result<FileId> {
        Ok((metadata.dev(), metadata.ino()))
    }

    pub(crate) fn manifest_name(name: &OsStr) -> PathBuf {
        PathBuf::from_unix(name.as_bytes())
    }

    /// Microseconds since the epoch, rounded down (`deadline.md` 1.1). The nanoseconds of a time
    /// before the epoch count upwards too, so this is the floor for those as well.
    pub(crate) fn modified_us(metadata: &Metadata) -> i64 {
        metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1000)
    }

    pub(crate) fn is_executable(metadata: &Metadata) -> bool {
        metadata.mode() & 0o100 != 0
    }

    pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }
}

#[cfg(windows)]
mod imp {
    use std::ffi::OsStr;
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use rusty_attachments_model::PathBuf;

    /// The canonical path: Windows has no inode in stable Rust.
    pub(crate) type FileId = std::path::PathBuf;

    pub(crate) fn file_id(path: &Path, _metadata: &Metadata) -> io::Result<FileId> {
        path.canonicalize()
    }

    pub(crate) fn manifest_name(name: &OsStr) -> PathBuf {
        // An OsStr is WTF-8 on Windows, which is what a manifest path is.
        PathBuf::from_wtf8(name.as_encoded_bytes().to_vec())
    }

    pub(crate) fn modified_us(metadata: &Metadata) -> i64 {
        let Ok(modified) = metadata.modified() else { return 0 };
        match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                let nanos = before.duration().as_nanos();
                i64::try_from(nanos.div_ceil(1000)).map_or(i64::MIN, |micros| -micros)
            }
        }
    }

    pub(crate) fn is_executable(_metadata: &Metadata) -> bool {
        false
    }

    pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(buffer, offset)
    }
}

pub(crate) use imp::FileId;
