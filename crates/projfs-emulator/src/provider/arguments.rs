//! Reads what a provider's pointers lead to: strings and small structures, copied at once.
//!
//! Structures are read field by field, without relying on their alignment, and flags of one byte
//! as bytes: C may put anything there.

use std::ffi::c_void;
use std::ptr::addr_of;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS, PRJ_COMPLETE_COMMAND_TYPE_ENUMERATION,
    PRJ_COMPLETE_COMMAND_TYPE_NOTIFICATION, PRJ_EXT_INFO_TYPE_SYMLINK, PRJ_EXTENDED_INFO,
    PRJ_FILE_BASIC_INFO, PRJ_PLACEHOLDER_VERSION_INFO,
};
use windows_sys::core::{GUID, PCWSTR};

use super::handles::Handle;
use crate::contract::{BasicInfo, Guid, HResult, NotifyMask, Result, VersionInfo, Wide};

/// Longest string that Windows has, in units.
const LONGEST: usize = 32_767;

/// What PrjCompleteCommand was given besides the code (C11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    Mask(NotifyMask),
    Entries(Handle),
}

/// A string.
///
/// # Errors
/// INVALID_ARGUMENT for NULL, for a handle in its place and for what has no end.
///
/// # Safety
/// What it points to must be readable up to a NUL.
pub(super) unsafe fn wide(string: PCWSTR) -> Result<Wide> {
    if string.is_null() || Handle::of(string.cast()).looks_made_here() {
        return Err(HResult::INVALID_ARGUMENT);
    }
    let mut units = Vec::new();
    loop {
        // SAFETY: no NUL came before, so that this unit is part of the string.
        let unit = unsafe { string.add(units.len()).read_unaligned() };
        if unit == 0 {
            return Ok(Wide::new(units));
        }
        if units.len() == LONGEST {
            return Err(HResult::INVALID_ARGUMENT);
        }
        units.push(unit);
    }
}

/// A string that may be NULL.
///
/// # Safety
/// As [`wide`].
pub(super) unsafe fn optional_wide(string: PCWSTR) -> Result<Option<Wide>> {
    if string.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { wide(string) }.map(Some)
}

/// An identifier.
///
/// # Safety
/// It must be NULL or readable.
pub(super) unsafe fn guid(guid: *const GUID) -> Result<Guid> {
    not_null(guid)?;
    // SAFETY: 16 bytes, which is what a GUID has.
    Ok(Guid(unsafe { guid.cast::<[u8; 16]>().read_unaligned() }))
}

/// Versions; `None` for NULL.
///
/// # Safety
/// It must be NULL or readable.
pub(super) unsafe fn version(
    version: *const PRJ_PLACEHOLDER_VERSION_INFO,
) -> Option<Box<VersionInfo>> {
    if version.is_null() {
        return None;
    }
    // SAFETY: not NULL; made of bytes.
    let version = unsafe { version.read_unaligned() };
    Some(Box::new(VersionInfo { provider: version.ProviderID, content: version.ContentID }))
}

/// Sizes, times and attributes.
///
/// # Errors
/// INVALID_ARGUMENT for a negative size.
///
/// # Safety
/// It must be readable.
pub(super) unsafe fn basic(info: *const PRJ_FILE_BASIC_INFO) -> Result<BasicInfo> {
    // SAFETY: the field is in what the caller says is readable; any byte is a `u8`.
    let directory = unsafe { addr_of!((*info).IsDirectory).cast::<u8>().read_unaligned() };
    // SAFETY: the fields are in what the caller says is readable.
    let (size, creation, access, write, change, attributes) = unsafe {
        (
            addr_of!((*info).FileSize).read_unaligned(),
            addr_of!((*info).CreationTime).read_unaligned(),
            addr_of!((*info).LastAccessTime).read_unaligned(),
            addr_of!((*info).LastWriteTime).read_unaligned(),
            addr_of!((*info).ChangeTime).read_unaligned(),
            addr_of!((*info).FileAttributes).read_unaligned(),
        )
    };
    let size = u64::try_from(size).map_err(|_| HResult::INVALID_ARGUMENT)?;
    Ok(BasicInfo { directory: directory != 0, size, creation, access, write, change, attributes })
}

/// Where a symbolic link leads (C9); `None` for NULL.
///
/// # Errors
/// INVALID_ARGUMENT for other information than one link's, and for an empty target (F17).
///
/// # Safety
/// It must be NULL or readable, with its string.
pub(super) unsafe fn link(info: *const PRJ_EXTENDED_INFO) -> Result<Option<Wide>> {
    if info.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the fields are in what the caller says is readable.
    let (kind, next) = unsafe {
        (
            addr_of!((*info).InfoType).read_unaligned(),
            addr_of!((*info).NextInfoOffset).read_unaligned(),
        )
    };
    // There is one type of information, and an item is one link at most.
    if kind != PRJ_EXT_INFO_TYPE_SYMLINK || next != 0 {
        return Err(HResult::INVALID_ARGUMENT);
    }
    // SAFETY: a link's information has a target; it is a string by the caller's promise.
    let target = unsafe { wide(addr_of!((*info).Anonymous.Symlink.TargetName).read_unaligned()) }?;
    if target.is_empty() { Err(HResult::INVALID_ARGUMENT) } else { Ok(Some(target)) }
}

/// What a command is completed with; `None` for NULL.
///
/// # Errors
/// INVALID_ARGUMENT for an unknown type.
///
/// # Safety
/// It must be NULL or readable.
pub(super) unsafe fn extended(
    parameters: *const PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS,
) -> Result<Option<Extended>> {
    if parameters.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the field is in what the caller says is readable.
    let kind = unsafe { addr_of!((*parameters).CommandType).read_unaligned() };
    match kind {
        PRJ_COMPLETE_COMMAND_TYPE_NOTIFICATION => {
            let mask = unsafe {
                // SAFETY: this type has a mask.
                addr_of!((*parameters).Anonymous.Notification.NotificationMask).read_unaligned()
            };
            Ok(Some(Extended::Mask(NotifyMask::from_bits_retain(mask))))
        }
        PRJ_COMPLETE_COMMAND_TYPE_ENUMERATION => {
            let handle = unsafe {
                // SAFETY: this type has a handle.
                addr_of!((*parameters).Anonymous.Enumeration.DirEntryBufferHandle).read_unaligned()
            };
            Ok(Some(Extended::Entries(Handle::of(handle))))
        }
        _ => Err(HResult::INVALID_ARGUMENT),
    }
}

/// # Errors
/// INVALID_ARGUMENT for NULL.
pub(super) fn not_null<T>(pointer: *const T) -> Result<()> {
    if pointer.is_null() { Err(HResult::INVALID_ARGUMENT) } else { Ok(()) }
}

/// Writes an optional result.
///
/// # Safety
/// It must be NULL or writable.
pub(super) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not NULL, writable by the caller's promise.
        unsafe { place.write_unaligned(value) };
    }
}

/// The bytes that `pointer` leads to, for as long as the call lasts.
///
/// # Errors
/// INVALID_ARGUMENT for NULL and for no bytes (J6).
///
/// # Safety
/// They must be readable and stay as they are while the slice is used.
pub(super) unsafe fn bytes<'a>(pointer: *const c_void, length: u32) -> Result<&'a [u8]> {
    not_null(pointer)?;
    let length = usize::try_from(length).map_err(|_| HResult::INVALID_ARGUMENT)?;
    if length == 0 {
        return Err(HResult::INVALID_ARGUMENT);
    }
    // SAFETY: not NULL, and readable by the caller's promise; bytes have no alignment.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), length) })
}
