//! What operating systems disagree about when a file is read: names, execute bits, positions.

pub(super) use imp::{executable, file_name, open, read_at};

#[cfg(unix)]
mod imp {
    use std::ffi::OsString;
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;
    use rusty_attachments_model::PathRef;

    pub(in super::super) fn executable(metadata: &Metadata) -> Option<bool> {
        Some(metadata.mode() & 0o100 != 0)
    }

    pub(in super::super) fn file_name(component: PathRef<'_>) -> Option<OsString> {
        component.to_unix().map(|bytes| OsString::from_vec(bytes.into_owned()))
    }

    /// Opens a file; a link that took its place is an error, and a pipe does not wait for a writer.
    pub(in super::super) fn open(path: &Path) -> io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        File::options().read(true).custom_flags(flags).open(path)
    }

    pub(in super::super) fn read_at(
        file: &File,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }
}

#[cfg(windows)]
mod imp {
    use std::ffi::OsString;
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::windows::ffi::OsStringExt;
    use std::os::windows::fs::FileExt;
    use std::path::Path;

    use rusty_attachments_model::PathRef;

    pub(in super::super) fn executable(_metadata: &Metadata) -> Option<bool> {
        None
    }

    /// `None` for a component that would be more than a name: with a separator, a drive or a
    /// stream.
    pub(in super::super) fn file_name(component: PathRef<'_>) -> Option<OsString> {
        let plain = !component.as_wtf8().iter().any(|byte| matches!(byte, b'\\' | b':'));
        plain.then(|| OsString::from_wide(&component.utf16().collect::<Vec<_>>()))
    }

    /// Opens a file; a link that took its place is an error.
    pub(in super::super) fn open(path: &Path) -> io::Result<File> {
        if std::fs::symlink_metadata(path)?.is_symlink() {
            return Err(io::Error::other("it is a link by now"));
        }
        File::open(path)
    }

    pub(in super::super) fn read_at(
        file: &File,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        file.seek_read(buffer, offset)
    }
}
