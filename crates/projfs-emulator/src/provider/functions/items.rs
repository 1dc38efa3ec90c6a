//! What a provider does to items: placeholders are written, updated, deleted; states are asked.

use std::sync::Arc;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_EXTENDED_INFO, PRJ_FILE_STATE, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT, PRJ_PLACEHOLDER_INFO,
    PRJ_UPDATE_FAILURE_CAUSES, PRJ_UPDATE_TYPES,
};
use windows_sys::core::{HRESULT, PCWSTR};

use super::super::arguments::{link, not_null, put, wide};
use super::super::context::Context;
use super::super::drivers::driver_for;
use super::super::misuse::{allowed_here, waiting};
use super::super::placeholder_info::placeholder_info;
use super::{check_relative, coded, context, hidden};
use crate::contract::{FailureCauses, HResult, Result, UpdateFlags, Wide};

/// PrjWritePlaceholderInfo (B6).
///
/// # Safety
/// Pointers must be NULL or lead to what C says.
pub(in super::super) unsafe extern "system" fn write_placeholder_info(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    path: PCWSTR,
    info: *const PRJ_PLACEHOLDER_INFO,
    size: u32,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        // SAFETY: the caller's promise.
        let (path, info) = unsafe {
            let path = item_path(&context, "PrjWritePlaceholderInfo", path)?;
            (path, placeholder_info(&context.driver, info, size)?)
        };
        let instance = context.instance()?;
        waiting(|| instance.write_placeholder(&path, info))
    })
}

/// PrjWritePlaceholderInfo2 (B7).
///
/// # Safety
/// As [`write_placeholder_info`].
pub(in super::super) unsafe extern "system" fn write_placeholder_info2(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    path: PCWSTR,
    info: *const PRJ_PLACEHOLDER_INFO,
    size: u32,
    extended: *const PRJ_EXTENDED_INFO,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        if context.knobs.hide_symlink_functions {
            return Err(hidden(&context.driver, "PrjWritePlaceholderInfo2"));
        }
        // SAFETY: the caller's promise.
        let (path, mut info) = unsafe {
            let path = item_path(&context, "PrjWritePlaceholderInfo2", path)?;
            (path, placeholder_info(&context.driver, info, size)?)
        };
        // SAFETY: the caller's promise.
        info.link = unsafe { link(extended) }?;
        let instance = context.instance()?;
        waiting(|| instance.write_placeholder(&path, info))
    })
}

/// PrjUpdateFileIfNeeded (B8).
///
/// # Safety
/// As [`write_placeholder_info`]; `causes` must be NULL or writable.
pub(in super::super) unsafe extern "system" fn update_file_if_needed(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    path: PCWSTR,
    info: *const PRJ_PLACEHOLDER_INFO,
    size: u32,
    flags: PRJ_UPDATE_TYPES,
    causes: *mut PRJ_UPDATE_FAILURE_CAUSES,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        // SAFETY: the caller's promise.
        let (path, info) = unsafe {
            put(causes, 0);
            let path = item_path(&context, "PrjUpdateFileIfNeeded", path)?;
            (path, placeholder_info(&context.driver, info, size)?)
        };
        if !allowed_here(&context.driver, "L8", "PrjUpdateFileIfNeeded") {
            return Err(HResult::INTERNAL_ERROR);
        }
        let instance = context.instance()?;
        let answer = waiting(|| instance.update_file(&path, info, update_flags(flags)));
        // SAFETY: the caller's promise.
        unsafe { put_causes(causes, answer) }
    })
}

/// PrjDeleteFile (B9).
///
/// # Safety
/// As [`update_file_if_needed`].
pub(in super::super) unsafe extern "system" fn delete_file(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    path: PCWSTR,
    flags: PRJ_UPDATE_TYPES,
    causes: *mut PRJ_UPDATE_FAILURE_CAUSES,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        // SAFETY: the caller's promise.
        let path = unsafe {
            put(causes, 0);
            item_path(&context, "PrjDeleteFile", path)?
        };
        if !allowed_here(&context.driver, "L8", "PrjDeleteFile") {
            return Err(HResult::INTERNAL_ERROR);
        }
        let instance = context.instance()?;
        let answer = waiting(|| instance.delete_file(&path, update_flags(flags)));
        // SAFETY: the caller's promise.
        unsafe { put_causes(causes, answer) }
    })
}

/// PrjGetOnDiskFileState (B13).
///
/// # Safety
/// Pointers must be NULL or lead to what C says.
pub(in super::super) unsafe extern "system" fn get_on_disk_file_state(
    path: PCWSTR,
    state: *mut PRJ_FILE_STATE,
) -> HRESULT {
    coded(|| {
        not_null(state)?;
        // SAFETY: the caller's promise.
        let path = unsafe { wide(path) }?;
        if path.is_empty() {
            return Err(HResult::INVALID_ARGUMENT);
        }
        let driver = driver_for(&path)?;
        if !allowed_here(&driver, "M15", "PrjGetOnDiskFileState") {
            return Err(HResult::INTERNAL_ERROR);
        }
        let found = waiting(|| driver.on_disk_state(&path))?;
        // SAFETY: not NULL, and writable by the caller's promise.
        unsafe { put(state, found.bits().cast_signed()) };
        Ok(())
    })
}

/// The path of an item, which the root is not (H8).
///
/// # Safety
/// As [`wide`].
unsafe fn item_path(context: &Arc<Context>, function: &str, path: PCWSTR) -> Result<Wide> {
    // SAFETY: the caller's promise.
    let path = unsafe { wide(path) }?;
    if path.is_empty() {
        return Err(HResult::INVALID_ARGUMENT);
    }
    check_relative(&context.driver, function, &path)?;
    Ok(path)
}

const fn update_flags(flags: PRJ_UPDATE_TYPES) -> UpdateFlags {
    UpdateFlags::from_bits_retain(flags.cast_unsigned())
}

/// # Safety
/// `place` must be NULL or writable.
unsafe fn put_causes(
    place: *mut PRJ_UPDATE_FAILURE_CAUSES,
    (result, causes): (HResult, FailureCauses),
) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { put(place, causes.bits().cast_signed()) };
    result.ok()
}
