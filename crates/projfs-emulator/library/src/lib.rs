//! `ProjectedFSLib` as a shared library: the nineteen functions under the names that Windows
//! exports, each of them one of [`projfs_emulator::provider::table`]. `libProjectedFSLib.so` on
//! Linux, `ProjectedFSLib.dll` for Wine.
//!
//! A driver must be running: `PROJFS_EMULATOR` says where.
#![expect(unsafe_code, reason = "exports C functions")]
#![cfg_attr(not(test), expect(non_snake_case, reason = "it is named as the library on Windows"))]

use std::ffi::c_void;

use projfs_emulator::provider::table;
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACKS, PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS, PRJ_DIR_ENTRY_BUFFER_HANDLE,
    PRJ_EXTENDED_INFO, PRJ_FILE_BASIC_INFO, PRJ_FILE_STATE, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    PRJ_PLACEHOLDER_INFO, PRJ_PLACEHOLDER_VERSION_INFO, PRJ_STARTVIRTUALIZING_OPTIONS,
    PRJ_UPDATE_FAILURE_CAUSES, PRJ_UPDATE_TYPES, PRJ_VIRTUALIZATION_INSTANCE_INFO,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

/// ERROR_PROC_NOT_FOUND: a library cannot hide an export, so that a hidden function (A3) fails.
const PROC_NOT_FOUND: HRESULT = 0x8007_007F_u32.cast_signed();

macro_rules! export {
    ($($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $(, else $hidden:ident)?;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`.")]
            ///
            /// # Safety
            /// As on Windows: pointers must be NULL or lead to what the function expects.
            #[unsafe(no_mangle)]
            pub unsafe extern "system" fn $name($($argument: $type),*) $(-> $result)? {
                export!(@call $name($($argument),*) $(, else $hidden)?)
            }
        )*
    };
    (@call $name:ident($($argument:ident),*)) => {
        // SAFETY: the caller's promise is the same.
        unsafe { (table().$name)($($argument),*) }
    };
    (@call $name:ident($($argument:ident),*), else $hidden:ident) => {
        match table().$name {
            // SAFETY: the caller's promise is the same.
            Some(function) => unsafe { function($($argument),*) },
            None => $hidden,
        }
    };
}

type H = PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT;

export! {
    PrjStartVirtualizing(
        root: PCWSTR,
        callbacks: *const PRJ_CALLBACKS,
        instance_context: *const c_void,
        options: *const PRJ_STARTVIRTUALIZING_OPTIONS,
        context: *mut H
    ) -> HRESULT;
    PrjStopVirtualizing(context: H);
    PrjClearNegativePathCache(context: H, total: *mut u32) -> HRESULT;
    PrjGetVirtualizationInstanceInfo(
        context: H,
        info: *mut PRJ_VIRTUALIZATION_INSTANCE_INFO
    ) -> HRESULT;
    PrjMarkDirectoryAsPlaceholder(
        root: PCWSTR,
        target: PCWSTR,
        version: *const PRJ_PLACEHOLDER_VERSION_INFO,
        instance: *const GUID
    ) -> HRESULT;
    PrjWritePlaceholderInfo(
        context: H,
        path: PCWSTR,
        info: *const PRJ_PLACEHOLDER_INFO,
        size: u32
    ) -> HRESULT;
    PrjWritePlaceholderInfo2(
        context: H,
        path: PCWSTR,
        info: *const PRJ_PLACEHOLDER_INFO,
        size: u32,
        extended: *const PRJ_EXTENDED_INFO
    ) -> HRESULT, else PROC_NOT_FOUND;
    PrjUpdateFileIfNeeded(
        context: H,
        path: PCWSTR,
        info: *const PRJ_PLACEHOLDER_INFO,
        size: u32,
        flags: PRJ_UPDATE_TYPES,
        causes: *mut PRJ_UPDATE_FAILURE_CAUSES
    ) -> HRESULT;
    PrjDeleteFile(
        context: H,
        path: PCWSTR,
        flags: PRJ_UPDATE_TYPES,
        causes: *mut PRJ_UPDATE_FAILURE_CAUSES
    ) -> HRESULT;
    PrjWriteFileData(
        context: H,
        stream: *const GUID,
        buffer: *const c_void,
        offset: u64,
        length: u32
    ) -> HRESULT;
    PrjAllocateAlignedBuffer(context: H, size: usize) -> *mut c_void;
    PrjFreeAlignedBuffer(buffer: *const c_void);
    PrjGetOnDiskFileState(path: PCWSTR, state: *mut PRJ_FILE_STATE) -> HRESULT;
    PrjCompleteCommand(
        context: H,
        command: i32,
        result: HRESULT,
        parameters: *const PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS
    ) -> HRESULT;
    PrjFillDirEntryBuffer(
        name: PCWSTR,
        info: *const PRJ_FILE_BASIC_INFO,
        buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE
    ) -> HRESULT;
    PrjFillDirEntryBuffer2(
        buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
        name: PCWSTR,
        info: *const PRJ_FILE_BASIC_INFO,
        extended: *const PRJ_EXTENDED_INFO
    ) -> HRESULT, else PROC_NOT_FOUND;
    PrjFileNameCompare(left: PCWSTR, right: PCWSTR) -> i32;
    PrjFileNameMatch(name: PCWSTR, pattern: PCWSTR) -> bool;
    PrjDoesNameContainWildCards(name: PCWSTR) -> bool;
}
