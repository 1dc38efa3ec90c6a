//! PrjFillDirEntryBuffer and its successor.

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_DIR_ENTRY_BUFFER_HANDLE, PRJ_EXTENDED_INFO, PRJ_FILE_BASIC_INFO,
};
use windows_sys::core::{HRESULT, PCWSTR};

use super::super::arguments::{basic, link, wide};
use super::super::entries::EntryBuffer;
use super::super::handles::Handle;
use super::{coded, hidden};
use crate::contract::{BasicInfo, DirEntry, HResult, Result, Wide};

/// PrjFillDirEntryBuffer (B15): the handle is last.
///
/// # Safety
/// Pointers must be NULL or lead to what C says.
pub(in super::super) unsafe extern "system" fn fill_dir_entry_buffer(
    name: PCWSTR,
    info: *const PRJ_FILE_BASIC_INFO,
    buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    coded(|| {
        let buffer = EntryBuffer::find(Handle::of(buffer))?;
        // SAFETY: the caller's promise.
        let entry = unsafe { entry(name, info, None) }?;
        buffer.fill(entry)
    })
}

/// PrjFillDirEntryBuffer2 (B16): the handle is first.
///
/// # Safety
/// As [`fill_dir_entry_buffer`].
pub(in super::super) unsafe extern "system" fn fill_dir_entry_buffer2(
    buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
    name: PCWSTR,
    info: *const PRJ_FILE_BASIC_INFO,
    extended: *const PRJ_EXTENDED_INFO,
) -> HRESULT {
    coded(|| {
        let buffer = EntryBuffer::find(Handle::of(buffer))?;
        if buffer.hides_symlink_function() {
            return Err(hidden(buffer.driver(), "PrjFillDirEntryBuffer2"));
        }
        // SAFETY: the caller's promise.
        let entry = unsafe { entry(name, info, link(extended)?) }?;
        buffer.fill(entry)
    })
}

/// # Safety
/// Pointers must be NULL or lead to what C says.
unsafe fn entry(
    name: PCWSTR,
    info: *const PRJ_FILE_BASIC_INFO,
    link: Option<Wide>,
) -> Result<DirEntry> {
    // SAFETY: the caller's promise.
    let name = unsafe { wide(name) }?;
    if name.is_empty() || name.units().contains(&u16::from(b'\\')) {
        return Err(HResult::INVALID_ARGUMENT);
    }
    let basic = match info.is_null() {
        true => BasicInfo::default(),
        // SAFETY: not NULL, and readable by the caller's promise.
        false => unsafe { basic(info) }?,
    };
    Ok(DirEntry { name, basic, link })
}
