//! The nineteen functions as a table (projfs.md B): what GetProcAddress finds.

use std::ffi::c_void;
use std::sync::OnceLock;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACKS, PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS, PRJ_DIR_ENTRY_BUFFER_HANDLE,
    PRJ_EXTENDED_INFO, PRJ_FILE_BASIC_INFO, PRJ_FILE_STATE, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT,
    PRJ_PLACEHOLDER_INFO, PRJ_PLACEHOLDER_VERSION_INFO, PRJ_STARTVIRTUALIZING_OPTIONS,
    PRJ_UPDATE_FAILURE_CAUSES, PRJ_UPDATE_TYPES, PRJ_VIRTUALIZATION_INSTANCE_INFO,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

use super::drivers;
use super::functions::{content, items, lifecycle, listing, naming};
use crate::link::LibraryKnobs;

macro_rules! library {
    (
        always { $($(#[$doc:meta])* $name:ident: $shape:ty,)* }
        not_always { $($(#[$later_doc:meta])* $later:ident: $later_shape:ty,)* }
    ) => {
        /// The functions by the names that Windows gives them.
        #[derive(Clone, Copy, Debug)]
        #[expect(non_snake_case, reason = "the names are those of the library on Windows")]
        pub struct Library {
            $($(#[$doc])* pub $name: $shape,)*
            $($(#[$later_doc])* pub $later: Option<$later_shape>,)*
        }

        impl Library {
            /// The names of all functions.
            pub const NAMES: &[&str] = &[$(stringify!($name),)* $(stringify!($later),)*];

            /// A function's address by its name, as GetProcAddress gives it.
            #[must_use]
            pub fn function(&self, name: &str) -> Option<*const c_void> {
                match name {
                    $(stringify!($name) => Some(self.$name as *const c_void),)*
                    $(stringify!($later) => self.$later.map(|found| found as *const c_void),)*
                    _ => None,
                }
            }
        }
    };
}

type H = PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT;
type Entries = PRJ_DIR_ENTRY_BUFFER_HANDLE;

library! {
    always {
        /// B1.
        PrjStartVirtualizing: unsafe extern "system" fn(
            PCWSTR,
            *const PRJ_CALLBACKS,
            *const c_void,
            *const PRJ_STARTVIRTUALIZING_OPTIONS,
            *mut H,
        ) -> HRESULT,
        /// B2.
        PrjStopVirtualizing: unsafe extern "system" fn(H),
        /// B3.
        PrjClearNegativePathCache: unsafe extern "system" fn(H, *mut u32) -> HRESULT,
        /// B4.
        PrjGetVirtualizationInstanceInfo:
            unsafe extern "system" fn(H, *mut PRJ_VIRTUALIZATION_INSTANCE_INFO) -> HRESULT,
        /// B5.
        PrjMarkDirectoryAsPlaceholder: unsafe extern "system" fn(
            PCWSTR,
            PCWSTR,
            *const PRJ_PLACEHOLDER_VERSION_INFO,
            *const GUID,
        ) -> HRESULT,
        /// B6.
        PrjWritePlaceholderInfo:
            unsafe extern "system" fn(H, PCWSTR, *const PRJ_PLACEHOLDER_INFO, u32) -> HRESULT,
        /// B8.
        PrjUpdateFileIfNeeded: unsafe extern "system" fn(
            H,
            PCWSTR,
            *const PRJ_PLACEHOLDER_INFO,
            u32,
            PRJ_UPDATE_TYPES,
            *mut PRJ_UPDATE_FAILURE_CAUSES,
        ) -> HRESULT,
        /// B9.
        PrjDeleteFile: unsafe extern "system" fn(
            H,
            PCWSTR,
            PRJ_UPDATE_TYPES,
            *mut PRJ_UPDATE_FAILURE_CAUSES,
        ) -> HRESULT,
        /// B10.
        PrjWriteFileData:
            unsafe extern "system" fn(H, *const GUID, *const c_void, u64, u32) -> HRESULT,
        /// B11.
        PrjAllocateAlignedBuffer: unsafe extern "system" fn(H, usize) -> *mut c_void,
        /// B12.
        PrjFreeAlignedBuffer: unsafe extern "system" fn(*const c_void),
        /// B13.
        PrjGetOnDiskFileState: unsafe extern "system" fn(PCWSTR, *mut PRJ_FILE_STATE) -> HRESULT,
        /// B14.
        PrjCompleteCommand: unsafe extern "system" fn(
            H,
            i32,
            HRESULT,
            *const PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS,
        ) -> HRESULT,
        /// B15: the buffer comes last.
        PrjFillDirEntryBuffer:
            unsafe extern "system" fn(PCWSTR, *const PRJ_FILE_BASIC_INFO, Entries) -> HRESULT,
        /// B17.
        PrjFileNameCompare: unsafe extern "system" fn(PCWSTR, PCWSTR) -> i32,
        /// B18.
        PrjFileNameMatch: unsafe extern "system" fn(PCWSTR, PCWSTR) -> bool,
        /// B19.
        PrjDoesNameContainWildCards: unsafe extern "system" fn(PCWSTR) -> bool,
    }
    not_always {
        /// B7; absent before Windows 10 2004 (A3).
        PrjWritePlaceholderInfo2: unsafe extern "system" fn(
            H,
            PCWSTR,
            *const PRJ_PLACEHOLDER_INFO,
            u32,
            *const PRJ_EXTENDED_INFO,
        ) -> HRESULT,
        /// B16: the buffer comes first; absent before Windows 10 2004 (A3).
        PrjFillDirEntryBuffer2: unsafe extern "system" fn(
            Entries,
            PCWSTR,
            *const PRJ_FILE_BASIC_INFO,
            *const PRJ_EXTENDED_INFO,
        ) -> HRESULT,
    }
}

impl Library {
    /// The functions of a Windows with these settings: some hide functions, or choose early ones.
    #[must_use]
    pub fn with(knobs: LibraryKnobs) -> Self {
        let compare = match knobs.legacy_compare {
            true => naming::file_name_compare_legacy,
            false => naming::file_name_compare,
        };
        let shown = !knobs.hide_symlink_functions;
        Self {
            PrjStartVirtualizing: lifecycle::start_virtualizing,
            PrjStopVirtualizing: lifecycle::stop_virtualizing,
            PrjClearNegativePathCache: lifecycle::clear_negative_path_cache,
            PrjGetVirtualizationInstanceInfo: lifecycle::get_virtualization_instance_info,
            PrjMarkDirectoryAsPlaceholder: lifecycle::mark_directory_as_placeholder,
            PrjWritePlaceholderInfo: items::write_placeholder_info,
            PrjWritePlaceholderInfo2: shown.then_some(items::write_placeholder_info2),
            PrjUpdateFileIfNeeded: items::update_file_if_needed,
            PrjDeleteFile: items::delete_file,
            PrjWriteFileData: content::write_file_data,
            PrjAllocateAlignedBuffer: content::allocate_aligned_buffer,
            PrjFreeAlignedBuffer: content::free_aligned_buffer,
            PrjGetOnDiskFileState: items::get_on_disk_file_state,
            PrjCompleteCommand: content::complete_command,
            PrjFillDirEntryBuffer: listing::fill_dir_entry_buffer,
            PrjFillDirEntryBuffer2: shown.then_some(listing::fill_dir_entry_buffer2),
            PrjFileNameCompare: compare,
            PrjFileNameMatch: naming::file_name_match,
            PrjDoesNameContainWildCards: naming::does_name_contain_wild_cards,
        }
    }
}

/// The functions as the driver that the environment names has them
/// ([`DRIVER_VARIABLE`](super::DRIVER_VARIABLE)), or today's Windows if it names none. Settled by
/// the first call, as a loaded library is.
#[must_use]
pub fn table() -> &'static Library {
    static TABLE: OnceLock<Library> = OnceLock::new();
    TABLE.get_or_init(|| {
        let today =
            || LibraryKnobs { strict: true, hide_symlink_functions: false, legacy_compare: false };
        Library::with(drivers::remote().map_or_else(|_| today(), |driver| driver.knobs()))
    })
}
