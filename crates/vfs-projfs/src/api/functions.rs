//! The table of functions, found by their names: by GetProcAddress on Windows, in the emulator
//! elsewhere.

use std::ffi::{CStr, c_void};

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACKS, PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS, PRJ_DIR_ENTRY_BUFFER_HANDLE,
    PRJ_EXTENDED_INFO, PRJ_FILE_BASIC_INFO, PRJ_FILE_STATE, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    PRJ_PLACEHOLDER_INFO, PRJ_PLACEHOLDER_VERSION_INFO, PRJ_STARTVIRTUALIZING_OPTIONS,
    PRJ_UPDATE_FAILURE_CAUSES, PRJ_UPDATE_TYPES, PRJ_VIRTUALIZATION_INSTANCE_INFO,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

type H = PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT;
type Entries = PRJ_DIR_ENTRY_BUFFER_HANDLE;

macro_rules! functions {
    (
        always { $($name:ident: $shape:ty,)* }
        not_always { $($later:ident: $later_shape:ty,)* }
    ) => {
        /// The functions of ProjectedFSLib that a provider needs (projfs.md B); the two `*2` may
        /// be missing (projfs.md A3).
        #[derive(Clone, Copy)]
        #[expect(non_snake_case, reason = "the names are those of the library")]
        pub struct ProjFsApi {
            $(pub(super) $name: $shape,)*
            $(pub(super) $later: Option<$later_shape>,)*
        }

        impl ProjFsApi {
            /// Finds all functions; the name of one that must be there and is not.
            ///
            /// # Safety
            /// What `find` gives for a name is the function of ProjectedFSLib with that name, and
            /// stays callable for ever.
            pub(super) unsafe fn find(
                find: impl Fn(&'static CStr) -> Option<*const c_void>,
            ) -> Result<Self, &'static CStr> {
                Ok(Self {
                    $($name: {
                        const NAME: &CStr = c_name(concat!(stringify!($name), "\0"));
                        let found = find(NAME).ok_or(NAME)?;
                        // SAFETY: the caller's promise; the shape is that of projfs.md B.
                        unsafe { std::mem::transmute::<*const c_void, $shape>(found) }
                    },)*
                    $($later: {
                        const NAME: &CStr = c_name(concat!(stringify!($later), "\0"));
                        // SAFETY: the caller's promise; the shape is that of projfs.md B.
                        find(NAME).map(|found| unsafe {
                            std::mem::transmute::<*const c_void, $later_shape>(found)
                        })
                    },)*
                })
            }
        }
    };
}

const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name of a function has one NUL, at its end"),
    }
}

functions! {
    always {
        PrjStartVirtualizing: unsafe extern "system" fn(
            PCWSTR,
            *const PRJ_CALLBACKS,
            *const c_void,
            *const PRJ_STARTVIRTUALIZING_OPTIONS,
            *mut H,
        ) -> HRESULT,
        PrjStopVirtualizing: unsafe extern "system" fn(H),
        PrjClearNegativePathCache: unsafe extern "system" fn(H, *mut u32) -> HRESULT,
        PrjGetVirtualizationInstanceInfo:
            unsafe extern "system" fn(H, *mut PRJ_VIRTUALIZATION_INSTANCE_INFO) -> HRESULT,
        PrjMarkDirectoryAsPlaceholder: unsafe extern "system" fn(
            PCWSTR,
            PCWSTR,
            *const PRJ_PLACEHOLDER_VERSION_INFO,
            *const GUID,
        ) -> HRESULT,
        PrjWritePlaceholderInfo:
            unsafe extern "system" fn(H, PCWSTR, *const PRJ_PLACEHOLDER_INFO, u32) -> HRESULT,
        PrjUpdateFileIfNeeded: unsafe extern "system" fn(
            H,
            PCWSTR,
            *const PRJ_PLACEHOLDER_INFO,
            u32,
            PRJ_UPDATE_TYPES,
            *mut PRJ_UPDATE_FAILURE_CAUSES,
        ) -> HRESULT,
        PrjDeleteFile: unsafe extern "system" fn(
            H,
            PCWSTR,
            PRJ_UPDATE_TYPES,
            *mut PRJ_UPDATE_FAILURE_CAUSES,
        ) -> HRESULT,
        PrjWriteFileData:
            unsafe extern "system" fn(H, *const GUID, *const c_void, u64, u32) -> HRESULT,
        PrjAllocateAlignedBuffer: unsafe extern "system" fn(H, usize) -> *mut c_void,
        PrjFreeAlignedBuffer: unsafe extern "system" fn(*const c_void),
        PrjGetOnDiskFileState: unsafe extern "system" fn(PCWSTR, *mut PRJ_FILE_STATE) -> HRESULT,
        PrjCompleteCommand: unsafe extern "system" fn(
            H,
            i32,
            HRESULT,
            *const PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS,
        ) -> HRESULT,
        // The buffer is last here, and first in its successor (projfs.md B15, B16).
        PrjFillDirEntryBuffer:
            unsafe extern "system" fn(PCWSTR, *const PRJ_FILE_BASIC_INFO, Entries) -> HRESULT,
        PrjFileNameCompare: unsafe extern "system" fn(PCWSTR, PCWSTR) -> i32,
    }
    not_always {
        PrjWritePlaceholderInfo2: unsafe extern "system" fn(
            H,
            PCWSTR,
            *const PRJ_PLACEHOLDER_INFO,
            u32,
            *const PRJ_EXTENDED_INFO,
        ) -> HRESULT,
        PrjFillDirEntryBuffer2: unsafe extern "system" fn(
            Entries,
            PCWSTR,
            *const PRJ_FILE_BASIC_INFO,
            *const PRJ_EXTENDED_INFO,
        ) -> HRESULT,
    }
}
