//! PrjMarkDirectoryAsPlaceholder, PrjStartVirtualizing, PrjStopVirtualizing, and what an instance
//! tells and clears.

use std::ffi::c_void;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACKS, PRJ_FLAG_USE_NEGATIVE_PATH_CACHE, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    PRJ_PLACEHOLDER_VERSION_INFO, PRJ_STARTVIRTUALIZING_OPTIONS, PRJ_VIRTUALIZATION_INSTANCE_INFO,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

use super::super::arguments::{guid, not_null, optional_wide, put, version, wide};
use super::super::callbacks::Callbacks;
use super::super::context::{Context, Settings};
use super::super::drivers::driver_for;
use super::super::mappings::mappings;
use super::super::misuse::{allowed_here, waiting};
use super::super::process;
use super::{check_relative, coded, context, guarded};
use crate::contract::{Guid, HResult, Result, Wide};
use crate::link::{MarkRequest, StartRequest};

/// PrjMarkDirectoryAsPlaceholder (B5).
///
/// # Safety
/// Pointers must be NULL or lead to what C says.
pub(in super::super) unsafe extern "system" fn mark_directory_as_placeholder(
    root: PCWSTR,
    target: PCWSTR,
    version_info: *const PRJ_PLACEHOLDER_VERSION_INFO,
    instance: *const GUID,
) -> HRESULT {
    coded(|| {
        // SAFETY: the caller's promise.
        let (root, target, version, instance) = unsafe {
            (full_path(root)?, optional_wide(target)?, version(version_info), guid(instance)?)
        };
        let driver = driver_for(&root)?;
        if !allowed_here(&driver, "L8", "PrjMarkDirectoryAsPlaceholder") {
            return Err(HResult::INTERNAL_ERROR);
        }
        if let Some(target) = &target {
            check_relative(&driver, "PrjMarkDirectoryAsPlaceholder", target)?;
        }
        let process = process::current();
        waiting(|| driver.mark(MarkRequest { process, root, target, version, instance }))
    })
}

/// PrjStartVirtualizing (B1).
///
/// # Safety
/// Pointers must be NULL or lead to what C says; the functions must be good for any thread until
/// the stop.
pub(in super::super) unsafe extern "system" fn start_virtualizing(
    root: PCWSTR,
    callbacks: *const PRJ_CALLBACKS,
    instance_context: *const c_void,
    options: *const PRJ_STARTVIRTUALIZING_OPTIONS,
    handle: *mut PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
) -> HRESULT {
    coded(|| {
        not_null(callbacks)?;
        not_null(handle)?;
        // SAFETY: the caller's promise.
        let (root, functions) = unsafe { (full_path(root)?, callbacks.read_unaligned()) };
        if !has_mandatory(&functions) {
            return Err(HResult::INVALID_ARGUMENT);
        }
        let driver = driver_for(&root)?;
        if !allowed_here(&driver, "M8", "PrjStartVirtualizing") {
            return Err(HResult::INTERNAL_ERROR);
        }
        let options = match options.is_null() {
            true => PRJ_STARTVIRTUALIZING_OPTIONS::default(),
            // SAFETY: not NULL, and readable by the caller's promise.
            false => unsafe { options.read_unaligned() },
        };
        if options.Flags & !PRJ_FLAG_USE_NEGATIVE_PATH_CACHE != 0 {
            return Err(HResult::INVALID_ARGUMENT);
        }
        // SAFETY: the caller's promise.
        let (mappings, watched) =
            unsafe { mappings(options.NotificationMappings, options.NotificationMappingsCount)? };
        let request = StartRequest {
            process: process::current(),
            root,
            negative_path_cache: options.Flags & PRJ_FLAG_USE_NEGATIVE_PATH_CACHE != 0,
            queries_names: functions.QueryFileNameCallback.is_some(),
            notifications: functions.NotificationCallback.map(|_| mappings),
            cancels: functions.CancelCommandCallback.is_some(),
        };
        let settings = Settings {
            callbacks: Callbacks { functions, instance_context: instance_context.cast_mut() },
            pool_threads: options.PoolThreadCount,
            concurrent_threads: options.ConcurrentThreadCount,
            mappings: watched,
        };
        let context = Context::start(driver, request, settings)?;
        // SAFETY: not NULL, and writable by the caller's promise.
        unsafe { put(handle, context.handle.as_pointer()) };
        Ok(())
    })
}

/// PrjStopVirtualizing (B2).
///
/// # Safety
/// None: what is no instance is recognised.
pub(in super::super) unsafe extern "system" fn stop_virtualizing(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
) {
    guarded((), || {
        if let Ok(context) = context(handle) {
            context.stop();
        }
    });
}

/// PrjClearNegativePathCache (B3).
///
/// # Safety
/// `total` must be NULL or writable.
pub(in super::super) unsafe extern "system" fn clear_negative_path_cache(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    total: *mut u32,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        let instance = context.instance()?;
        let cleared = waiting(|| instance.clear_negative_path_cache())?;
        // SAFETY: the caller's promise.
        unsafe { put(total, cleared) };
        Ok(())
    })
}

/// PrjGetVirtualizationInstanceInfo (B4).
///
/// # Safety
/// `info` must be NULL or writable.
pub(in super::super) unsafe extern "system" fn get_virtualization_instance_info(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    info: *mut PRJ_VIRTUALIZATION_INSTANCE_INFO,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        not_null(info)?;
        let instance = context.instance()?;
        let told = waiting(|| instance.info());
        // SAFETY: not NULL, and writable by the caller's promise.
        unsafe { put_instance_info(info, told.instance, told.write_alignment) };
        Ok(())
    })
}

/// # Safety
/// `info` must be writable.
unsafe fn put_instance_info(
    info: *mut PRJ_VIRTUALIZATION_INSTANCE_INFO,
    instance: Guid,
    write_alignment: u32,
) {
    // SAFETY: within what the caller says is writable; a GUID has 16 bytes.
    unsafe {
        (&raw mut (*info).InstanceID).cast::<[u8; 16]>().write_unaligned(instance.0);
        (&raw mut (*info).WriteAlignment).write_unaligned(write_alignment);
    }
}

/// A path that must not be empty (M4).
///
/// # Safety
/// As [`wide`].
unsafe fn full_path(path: PCWSTR) -> Result<Wide> {
    // SAFETY: the caller's promise.
    let path = unsafe { wide(path) }?;
    if path.is_empty() { Err(HResult::INVALID_ARGUMENT) } else { Ok(path) }
}

/// B26: five callbacks must be there.
const fn has_mandatory(functions: &PRJ_CALLBACKS) -> bool {
    functions.StartDirectoryEnumerationCallback.is_some()
        && functions.EndDirectoryEnumerationCallback.is_some()
        && functions.GetDirectoryEnumerationCallback.is_some()
        && functions.GetPlaceholderInfoCallback.is_some()
        && functions.GetFileDataCallback.is_some()
}
