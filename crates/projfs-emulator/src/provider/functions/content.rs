//! PrjWriteFileData with its buffers, and PrjCompleteCommand.

use std::ffi::c_void;
use std::ptr::null_mut;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
};
use windows_sys::core::{GUID, HRESULT};

use super::super::aligned;
use super::super::arguments::{bytes, extended, guid};
use super::super::callbacks::complete;
use super::super::misuse::waiting;
use super::{coded, context, guarded};
use crate::contract::HResult;

/// PrjWriteFileData (B10).
///
/// # Safety
/// Pointers must be NULL or lead to what C says.
pub(in super::super) unsafe extern "system" fn write_file_data(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    stream: *const GUID,
    buffer: *const c_void,
    offset: u64,
    length: u32,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        // SAFETY: the caller's promise.
        let stream = unsafe { guid(stream) }?;
        let instance = context.instance()?;
        if !buffer.is_null() && length > 0 {
            aligned::check(&context.driver, buffer, length, instance.info().write_alignment)?;
        }
        // SAFETY: the caller's promise, and within the aligned buffer if it is one.
        let data = unsafe { bytes(buffer, length) }?;
        waiting(|| instance.write_file_data(stream, offset, data))
    })
}

/// PrjAllocateAlignedBuffer (B11).
///
/// # Safety
/// None: what is no instance is recognised.
pub(in super::super) unsafe extern "system" fn allocate_aligned_buffer(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    size: usize,
) -> *mut c_void {
    guarded(null_mut(), || {
        let Ok(context) = context(handle) else { return null_mut() };
        let Ok(instance) = context.instance() else { return null_mut() };
        aligned::allocate(&context.driver, size, instance.info().write_alignment)
    })
}

/// PrjFreeAlignedBuffer (B12).
///
/// # Safety
/// Nobody may use the buffer any more. What is no buffer is recognised.
pub(in super::super) unsafe extern "system" fn free_aligned_buffer(buffer: *const c_void) {
    guarded((), || aligned::free(buffer));
}

/// PrjCompleteCommand (B14).
///
/// # Safety
/// `parameters` must be NULL or lead to what C says.
pub(in super::super) unsafe extern "system" fn complete_command(
    handle: PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    command: i32,
    result: HRESULT,
    parameters: *const PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS,
) -> HRESULT {
    coded(|| {
        let context = context(handle)?;
        // SAFETY: the caller's promise.
        let extended = unsafe { extended(parameters) }?;
        waiting(|| complete(&context, command, HResult(result), extended))
    })
}
