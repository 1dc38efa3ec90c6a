//! The disk of Windows: what is really there, asked without waking the provider (projfs.md E14).
#![expect(unsafe_code, reason = "only FindFirstFileEx can leave out what is projected")]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_DIRECTORY, ERROR_FILE_NOT_FOUND, ERROR_FILE_SYSTEM_VIRTUALIZATION_UNAVAILABLE,
    ERROR_NO_MORE_FILES, ERROR_PATH_NOT_FOUND, FILETIME, HANDLE, INVALID_HANDLE_VALUE, WIN32_ERROR,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_REPARSE_POINT,
    FIND_FIRST_EX_LARGE_FETCH, FIND_FIRST_EX_ON_DISK_ENTRIES_ONLY, FindClose, FindExInfoBasic,
    FindExSearchNameMatch, FindFirstFileExW, FindNextFileW, WIN32_FIND_DATAW,
};

use super::{Disk, DiskItem, ItemKind, ItemState};
use crate::api::{ProjFsApi, codes};

const BACKSLASH: u16 = b'\\' as u16;
const DOT: u16 = b'.' as u16;

/// Reparse tags (projfs.md D7).
const TAG_PLACEHOLDER: u32 = 0x9000_001C;
const TAG_TOMBSTONE: u32 = 0xA000_0022;
/// Tags with this bit stand for another path: symbolic links, junctions (projfs.md E22).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// From 1601 to 1970, in units of 100 ns.
const EPOCH: i128 = 11_644_473_600 * 10_000_000;

/// Longer paths need the prefix that lifts the limit.
const LONGEST_PLAIN: usize = 240;

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

    /// A full path, of any length.
    fn full(&self, path: &[u16]) -> Vec<u16> {
        let mut full: Vec<u16> = self.root.as_os_str().encode_wide().collect();
        if !path.is_empty() {
            full.push(BACKSLASH);
            full.extend_from_slice(path);
        }
        if full.len() < LONGEST_PLAIN || full.starts_with(&units(r"\\?\")) {
            return full;
        }
        match full.strip_prefix(&*units(r"\\")) {
            Some(share) => [&units(r"\\?\UNC\"), share].concat(),
            None => [units(r"\\?\"), full].concat(),
        }
    }

    /// What is on disk under a name; nothing of what is only projected.
    fn on_disk(&self, path: &[u16]) -> io::Result<Option<DiskItem>> {
        let Some((_find, data)) = Find::first(&self.full(path))? else { return Ok(None) };
        self.item(path, &data)
    }

    fn item(&self, path: &[u16], data: &WIN32_FIND_DATAW) -> io::Result<Option<DiskItem>> {
        let tag = has(data, FILE_ATTRIBUTE_REPARSE_POINT).then_some(data.dwReserved0);
        let is_link = tag.is_some_and(|tag| {
            tag & NAME_SURROGATE != 0 && tag != TAG_TOMBSTONE && tag != TAG_PLACEHOLDER
        });
        let kind = match has(data, FILE_ATTRIBUTE_DIRECTORY) {
            _ if is_link => ItemKind::Symlink,
            true => ItemKind::Directory,
            false => ItemKind::File,
        };
        let state = match tag {
            Some(TAG_TOMBSTONE) => Some(ItemState::Tombstone),
            Some(TAG_PLACEHOLDER) if has(data, FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS) => {
                Some(ItemState::Placeholder)
            }
            Some(TAG_PLACEHOLDER) => Some(ItemState::Hydrated),
            // A running root hides its own tag (projfs.md E12).
            _ => self.state(path)?,
        };
        let name = data.cFileName.iter().copied().take_while(|unit| *unit != 0).collect();
        Ok(state.map(|state| DiskItem {
            name,
            kind,
            state,
            size: u64::from(data.nFileSizeHigh) << 32 | u64::from(data.nFileSizeLow),
            mtime_ns: unix_ns(data.ftLastWriteTime),
        }))
    }

    fn state(&self, path: &[u16]) -> io::Result<Option<ItemState>> {
        match self.api.on_disk_state(&self.full(path)) {
            Ok(bits) => Ok(Some(ItemState::from_bits(bits))),
            Err(failure) => match failure.0 {
                codes::FILE_NOT_FOUND | codes::PATH_NOT_FOUND => Ok(None),
                // A reparse point of somebody else is the user's.
                codes::REPARSE_POINT_ENCOUNTERED => Ok(Some(ItemState::Full)),
                code => Err(io::Error::other(format!(
                    "PrjGetOnDiskFileState gave {:#010x}",
                    code.cast_unsigned()
                ))),
            },
        }
    }
}

impl Disk for SystemDisk {
    fn look(&self, path: &[u16]) -> io::Result<Option<DiskItem>> {
        let found = self.on_disk(path)?;
        if found.is_some() || self.state(path)?.is_none() {
            return Ok(found);
        }
        // It was only projected; asking for its state has made it.
        self.on_disk(path)
    }

    fn list(&self, folder: &[u16]) -> io::Result<Vec<DiskItem>> {
        let mut items = Vec::new();
        let all = [&self.full(folder), &*units(r"\*")].concat();
        let Some((find, mut data)) = Find::first(&all)? else { return Ok(items) };
        loop {
            let name = data.cFileName.iter().copied().take_while(|unit| *unit != 0);
            let name: Vec<u16> = name.collect();
            if name != [DOT] && name != [DOT, DOT] {
                let mut path = folder.to_vec();
                if !path.is_empty() {
                    path.push(BACKSLASH);
                }
                path.extend_from_slice(&name);
                items.extend(self.item(&path, &data)?);
            }
            match find.next()? {
                Some(next) => data = next,
                None => return Ok(items),
            }
        }
    }

    fn link_target(&self, path: &[u16]) -> io::Result<Vec<u16>> {
        Ok(fs::read_link(self.os_path(path))?.as_os_str().encode_wide().collect())
    }

    fn open(&self, path: &[u16]) -> io::Result<File> {
        File::open(self.os_path(path))
    }

    fn full_path(&self, path: &[u16]) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(OsString::from_wide(path)) }
    }
}

impl SystemDisk {
    fn os_path(&self, path: &[u16]) -> PathBuf {
        PathBuf::from(OsString::from_wide(&self.full(path)))
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

const fn has(data: &WIN32_FIND_DATAW, attribute: u32) -> bool {
    data.dwFileAttributes & attribute != 0
}

fn unix_ns(time: FILETIME) -> i128 {
    let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    (i128::from(units) - EPOCH) * 100
}

/// A search that is closed when it is dropped.
struct Find(HANDLE);

impl Find {
    /// The first match of an expression among what is on disk, if there is one.
    fn first(expression: &[u16]) -> io::Result<Option<(Self, WIN32_FIND_DATAW)>> {
        let expression: Vec<u16> = expression.iter().copied().chain([0]).collect();
        let mut data = WIN32_FIND_DATAW::default();
        let flags = FIND_FIRST_EX_ON_DISK_ENTRIES_ONLY | FIND_FIRST_EX_LARGE_FETCH;
        // SAFETY: the expression is NUL-terminated; what is written to lives and has the type that
        // the information level asks for.
        let find = unsafe {
            FindFirstFileExW(
                expression.as_ptr(),
                FindExInfoBasic,
                (&raw mut data).cast(),
                FindExSearchNameMatch,
                ptr::null(),
                flags,
            )
        };
        if find == INVALID_HANDLE_VALUE { nothing_or_error() } else { Ok(Some((Self(find), data))) }
    }

    fn next(&self) -> io::Result<Option<WIN32_FIND_DATAW>> {
        let mut data = WIN32_FIND_DATAW::default();
        // SAFETY: the search is open, and what is written to lives.
        let found = unsafe { FindNextFileW(self.0, &raw mut data) };
        if found != 0 {
            return Ok(Some(data));
        }
        // Any other error is one: half a listing is none.
        let error = io::Error::last_os_error();
        let is_end = error.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed());
        if is_end { Ok(None) } else { Err(error) }
    }
}

impl Drop for Find {
    fn drop(&mut self) {
        // SAFETY: the search is open, and closed only here.
        unsafe { FindClose(self.0) };
    }
}

/// Nothing, if the last error says that there is no such file. A clean folder of a stopped
/// root with nothing in it counts as well (projfs.md M11).
fn nothing_or_error<T>() -> io::Result<Option<T>> {
    let error = io::Error::last_os_error();
    let code: Option<WIN32_ERROR> = error.raw_os_error().map(i32::cast_unsigned);
    match code {
        Some(
            ERROR_FILE_NOT_FOUND
            | ERROR_PATH_NOT_FOUND
            | ERROR_DIRECTORY
            | ERROR_FILE_SYSTEM_VIRTUALIZATION_UNAVAILABLE,
        ) => Ok(None),
        _ => Err(error),
    }
}
