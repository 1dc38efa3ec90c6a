//! ProjectedFSLib.dll from System32 (projfs.md A2).

use std::ffi::{CStr, c_void};
use std::io;
use std::ptr::null_mut;
use std::sync::OnceLock;

use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};
use windows_sys::core::w;

use super::ProjFsApi;
use crate::error::ProjFsError;

/// Failures are not kept: the feature can be enabled while this process runs.
pub(super) fn load() -> Result<&'static ProjFsApi, ProjFsError> {
    static API: OnceLock<ProjFsApi> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api);
    }
    // SAFETY: a NUL-terminated name; the reserved handle is NULL as it must be.
    let library = unsafe {
        LoadLibraryExW(w!("ProjectedFSLib.dll"), null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32)
    };
    if library.is_null() {
        let reason = io::Error::last_os_error().to_string();
        return Err(ProjFsError::FeatureMissing { reason });
    }
    let find = |name: &'static CStr| {
        // SAFETY: a library that is never unloaded, and a NUL-terminated name.
        let found = unsafe { GetProcAddress(library, name.as_ptr().cast()) };
        found.map(|function| function as *const c_void)
    };
    // SAFETY: the library is Windows' own, from System32, and is never unloaded.
    let api = unsafe { ProjFsApi::find(find) }
        .map_err(|name| ProjFsError::FeatureMissing { reason: format!("it lacks {name:?}") })?;
    Ok(API.get_or_init(|| api))
}
