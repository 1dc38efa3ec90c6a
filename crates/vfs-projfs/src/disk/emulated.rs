//! The disk as the emulator shows it: plain calls of Linux, and the state from the library.

use std::ffi::OsStr;
use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::PathBuf;

use super::{Disk, DiskItem, ItemKind, ItemState};
use crate::api::{ProjFsApi, codes};
use crate::tracking::{narrow, wide};
use rusty_attachments_model::PathRef;

const BACKSLASH: u16 = b'\\' as u16;

/// In listings, the emulator numbers what is not on disk with this bit.
const VIRTUAL: u64 = 1 << 63;

/// The disk of this machine.
#[derive(Debug)]
pub(crate) struct SystemDisk {
    root: PathBuf,
    api: &'static ProjFsApi,
}

impl SystemDisk {
    /// The disk below a root.
    pub(crate) const fn new(root: PathBuf, api: &'static ProjFsApi) -> Self {
        Self { root, api }
    }

    /// `None` if there is nothing by now, or something that Windows does not have.
    fn item(
        &self,
        path: &[u16],
        name: &[u16],
        metadata: &Metadata,
    ) -> io::Result<Option<DiskItem>> {
        let Some(kind) = kind(metadata.file_type()) else { return Ok(None) };
        let state = match self.state(path)? {
            Some(state) => state,
            None => return Ok(None),
        };
        let mtime_ns =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Ok(Some(DiskItem { name: name.into(), kind, state, size: metadata.len(), mtime_ns }))
    }

    /// Whether an error only says that a folder of a stopped root has nothing in it on disk, which
    /// full folders never say (projfs.md M11).
    fn is_empty(&self, folder: &[u16], error: &io::Error) -> io::Result<bool> {
        Ok(is_unavailable(error) && self.state(folder)?.is_some_and(|state| !state.is_full()))
    }

    fn state(&self, path: &[u16]) -> io::Result<Option<ItemState>> {
        let full = self.full_path(path).into_os_string().into_vec();
        let full: Vec<u16> = PathRef::from_wtf8(&full).utf16().collect();
        match self.api.on_disk_state(&full) {
            Ok(bits) => Ok(Some(ItemState::from_bits(bits))),
            Err(failure) => match failure.0 {
                codes::FILE_NOT_FOUND | codes::PATH_NOT_FOUND => Ok(None),
                code => Err(io::Error::other(format!(
                    "PrjGetOnDiskFileState gave {:#010x}",
                    code.cast_unsigned()
                ))),
            },
        }
    }
}

impl Disk for SystemDisk {
    /// The name is as it was asked for: Linux has no way to ask for the spelling of one name.
    fn look(&self, path: &[u16]) -> io::Result<Option<DiskItem>> {
        let name = path.rsplit(|unit| *unit == BACKSLASH).next().unwrap_or_default();
        match fs::symlink_metadata(self.full_path(path)) {
            Ok(metadata) => self.item(path, name, &metadata),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &[u16]) -> io::Result<Vec<DiskItem>> {
        let mut items = Vec::new();
        let entries = match fs::read_dir(self.full_path(folder)) {
            Err(error) if self.is_empty(folder, &error)? => return Ok(items),
            entries => entries?,
        };
        for (index, entry) in entries.enumerate() {
            let entry = match entry {
                // Further on, an error is one: half a listing is none.
                Err(error) if index == 0 && self.is_empty(folder, &error)? => return Ok(items),
                entry => entry?,
            };
            if entry.ino() & VIRTUAL != 0 {
                continue;
            }
            let name = wide(PathRef::from_wtf8(entry.file_name().as_bytes()));
            let mut path = folder.to_vec();
            if !path.is_empty() {
                path.push(BACKSLASH);
            }
            path.extend_from_slice(&name);
            match fs::symlink_metadata(entry.path()) {
                Ok(metadata) => items.extend(self.item(&path, &name, &metadata)?),
                Err(error) if is_nothing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(items)
    }

    fn link_target(&self, path: &[u16]) -> io::Result<Vec<u16>> {
        let target = fs::read_link(self.full_path(path))?;
        Ok(wide(PathRef::from_wtf8(target.as_os_str().as_bytes())))
    }

    fn open(&self, path: &[u16]) -> io::Result<File> {
        File::open(self.full_path(path))
    }

    fn full_path(&self, path: &[u16]) -> PathBuf {
        if path.is_empty() {
            return self.root.clone();
        }
        self.root.join(OsStr::from_bytes(narrow(path).as_ref().as_wtf8()))
    }
}

fn kind(kind: FileType) -> Option<ItemKind> {
    if kind.is_dir() {
        Some(ItemKind::Directory)
    } else if kind.is_symlink() {
        Some(ItemKind::Symlink)
    } else {
        kind.is_file().then_some(ItemKind::File)
    }
}

/// A file in the place of a folder counts: then nothing is below it.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// ERROR_FILE_SYSTEM_VIRTUALIZATION_UNAVAILABLE, as the emulator tells it to Linux.
fn is_unavailable(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::IO | Errno::NXIO | Errno::STALE))
}
