//! What operating systems disagree about when a folder is read: names and identities.

pub(crate) use imp::{file_id, manifest_name};

#[cfg(unix)]
mod imp {
    use std::ffi::OsStr;
    use std::fs::Metadata;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
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
}

#[cfg(windows)]
mod imp {
    use std::ffi::OsStr;
    use std::fs::Metadata;
    use std::io;
    use std::path::Path;

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
}

pub(crate) use imp::FileId;
