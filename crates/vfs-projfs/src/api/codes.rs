//! The HRESULTs that this crate gives or understands (projfs.md D').

use windows_sys::Win32::Foundation as win32;
use windows_sys::core::HRESULT;

/// HRESULT_FROM_WIN32.
const fn of_win32(code: u32) -> HRESULT {
    (code | 0x8007_0000).cast_signed()
}

/// HRESULT_FROM_NT.
const fn of_status(status: win32::NTSTATUS) -> HRESULT {
    status | 0x1000_0000
}

pub(crate) const OK: HRESULT = 0;
/// The command is answered later.
pub(crate) const IO_PENDING: HRESULT = of_win32(win32::ERROR_IO_PENDING);
pub(crate) const INSUFFICIENT_BUFFER: HRESULT = of_win32(win32::ERROR_INSUFFICIENT_BUFFER);
pub(crate) const FILE_NOT_FOUND: HRESULT = of_win32(win32::ERROR_FILE_NOT_FOUND);
pub(crate) const PATH_NOT_FOUND: HRESULT = of_win32(win32::ERROR_PATH_NOT_FOUND);
pub(crate) const ACCESS_DENIED: HRESULT = of_win32(win32::ERROR_ACCESS_DENIED);
/// E_HANDLE: the stream wants no data any more (projfs.md J6).
pub(crate) const INVALID_HANDLE: HRESULT = of_win32(win32::ERROR_INVALID_HANDLE);
/// E_INVALIDARG.
pub(crate) const INVALID_ARGUMENT: HRESULT = of_win32(win32::ERROR_INVALID_PARAMETER);
pub(crate) const OUT_OF_MEMORY: HRESULT = win32::E_OUTOFMEMORY;
pub(crate) const NOT_SUPPORTED: HRESULT = of_win32(win32::ERROR_NOT_SUPPORTED);
pub(crate) const DIRECTORY_NOT_EMPTY: HRESULT = of_win32(win32::ERROR_DIR_NOT_EMPTY);
/// Not a folder.
pub(crate) const DIRECTORY: HRESULT = of_win32(win32::ERROR_DIRECTORY);
pub(crate) const VIRTUALIZATION_UNAVAILABLE: HRESULT =
    of_win32(win32::ERROR_FILE_SYSTEM_VIRTUALIZATION_UNAVAILABLE);
pub(crate) const PROVIDER_UNKNOWN: HRESULT =
    of_win32(win32::ERROR_FILE_SYSTEM_VIRTUALIZATION_PROVIDER_UNKNOWN);
/// Nested roots, or an item whose state forbids it.
pub(crate) const INVALID_OPERATION: HRESULT =
    of_win32(win32::ERROR_FILE_SYSTEM_VIRTUALIZATION_INVALID_OPERATION);
pub(crate) const ALREADY_INITIALIZED: HRESULT = of_win32(win32::ERROR_ALREADY_INITIALIZED);
/// Marked already, or another reparse point.
pub(crate) const REPARSE_POINT_ENCOUNTERED: HRESULT =
    of_win32(win32::ERROR_REPARSE_POINT_ENCOUNTERED);
/// Not a root.
pub(crate) const REPARSE_TAG_MISMATCH: HRESULT = of_win32(win32::ERROR_REPARSE_TAG_MISMATCH);
pub(crate) const INTERNAL_ERROR: HRESULT = of_win32(win32::ERROR_INTERNAL_ERROR);

/// The content cannot be had now.
pub(crate) const FILE_NOT_AVAILABLE: HRESULT = of_status(win32::STATUS_FILE_NOT_AVAILABLE);
/// The content is not what it should be.
pub(crate) const FILE_CORRUPT: HRESULT = of_status(win32::STATUS_FILE_CORRUPT_ERROR);
pub(crate) const DISK_FULL: HRESULT = of_status(win32::STATUS_DISK_FULL);

/// What to do about a root that cannot be marked or started (projfs.md M3, M4, M7), as the end of
/// a sentence.
pub(crate) const fn advice(code: HRESULT) -> &'static str {
    match code {
        FILE_NOT_FOUND | PATH_NOT_FOUND => "; there is no such folder: make it first",
        DIRECTORY => "; it is not a folder: choose a folder",
        ACCESS_DENIED => "; this user may not write there: choose another folder",
        NOT_SUPPORTED => "; the volume cannot have projected folders: choose one with NTFS",
        INVALID_OPERATION => "; it is inside of another projected folder, or has one inside",
        ALREADY_INITIALIZED => "; a process projects into it already: stop that first",
        REPARSE_TAG_MISMATCH | REPARSE_POINT_ENCOUNTERED => {
            "; it is a link or belongs to another program: choose another folder"
        }
        VIRTUALIZATION_UNAVAILABLE => {
            "; the driver of ProjFS does not answer: start service PrjFlt"
        }
        PROVIDER_UNKNOWN => "; the folder has to be marked again: start once more",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of projfs.md D'.
    #[test]
    fn the_codes_have_the_numbers_that_windows_knows() {
        for (code, number) in [
            (IO_PENDING, 0x8007_03E5_u32),
            (INSUFFICIENT_BUFFER, 0x8007_007A),
            (FILE_NOT_FOUND, 0x8007_0002),
            (PATH_NOT_FOUND, 0x8007_0003),
            (ACCESS_DENIED, 0x8007_0005),
            (INVALID_HANDLE, 0x8007_0006),
            (INVALID_ARGUMENT, 0x8007_0057),
            (OUT_OF_MEMORY, 0x8007_000E),
            (NOT_SUPPORTED, 0x8007_0032),
            (DIRECTORY_NOT_EMPTY, 0x8007_0091),
            (DIRECTORY, 0x8007_010B),
            (VIRTUALIZATION_UNAVAILABLE, 0x8007_0171),
            (PROVIDER_UNKNOWN, 0x8007_0174),
            (INVALID_OPERATION, 0x8007_0181),
            (ALREADY_INITIALIZED, 0x8007_04DF),
            (REPARSE_POINT_ENCOUNTERED, 0x8007_112B),
            (REPARSE_TAG_MISMATCH, 0x8007_112A),
            (INTERNAL_ERROR, 0x8007_054F),
            (FILE_NOT_AVAILABLE, 0xD000_0467),
            (FILE_CORRUPT, 0xD000_0102),
            (DISK_FULL, 0xD000_007F),
        ] {
            assert_eq!(code.cast_unsigned(), number, "{number:#010x}");
        }
    }
}
