//! Where the bytes of changed files are.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use rusty_attachments_model::PathRef;

use super::platform;

/// Where the bytes of changed files are: the projected root, or the overlay of an inode front end.
pub trait LocalFiles: Send + Sync {
    /// Opens the file at a path of the volume for reading. Links are not followed.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::NotFound`] if there is no such file.
    fn open(&self, path: PathRef<'_>) -> io::Result<File>;
}

/// Files of a folder, each at its own path.
#[derive(Clone, Debug)]
pub struct FolderFiles {
    root: PathBuf,
}

impl FolderFiles {
    /// Files below `root`.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl LocalFiles for FolderFiles {
    fn open(&self, path: PathRef<'_>) -> io::Result<File> {
        let mut place = self.root.clone();
        for component in path.components() {
            let plain = !matches!(component.as_wtf8(), b"" | b"." | b"..");
            let name = platform::file_name(component).filter(|_| plain).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "no file here can have that name")
            })?;
            place.push(name);
        }
        platform::open(&place)
    }
}
