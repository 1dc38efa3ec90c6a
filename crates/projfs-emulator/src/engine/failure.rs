//! What a failed system call on the lower directory means to a Windows program.

use std::io;

use rustix::io::Errno;

use crate::contract::HResult;

/// The code for a failed call; `doing` says to the log what could not be done.
pub(super) fn failed(doing: &str, error: Errno) -> HResult {
    let code = code(error);
    match code {
        HResult::DISK_FULL => tracing::error!(
            %error, "{doing}: no space in the lower file system; ext4 without ea_inode also says \
             so if the attributes of one file exceed 4 KiB"
        ),
        HResult::NOT_SUPPORTED => tracing::error!(
            %error, "{doing}: the lower file system must have user extended attributes"
        ),
        HResult::INTERNAL_ERROR => tracing::error!(%error, "{doing}"),
        _ => tracing::debug!(%error, "{doing}"),
    }
    code
}

/// [`failed`] for the standard library's errors.
pub(super) fn io_failed(doing: &str, error: &io::Error) -> HResult {
    failed(doing, Errno::from_io_error(error).unwrap_or(Errno::IO))
}

const fn code(error: Errno) -> HResult {
    match error {
        Errno::NOENT | Errno::STALE | Errno::NODATA => HResult::FILE_NOT_FOUND,
        Errno::NOTDIR => HResult::PATH_NOT_FOUND,
        Errno::EXIST => HResult::FILE_EXISTS,
        Errno::NOTEMPTY => HResult::DIR_NOT_EMPTY,
        Errno::ACCESS | Errno::PERM | Errno::ISDIR => HResult::ACCESS_DENIED,
        Errno::NOSPC | Errno::DQUOT => HResult::DISK_FULL,
        Errno::ROFS => HResult::WRITE_PROTECT,
        Errno::OPNOTSUPP | Errno::XDEV => HResult::NOT_SUPPORTED,
        Errno::NAMETOOLONG => HResult::INVALID_NAME,
        Errno::INVAL | Errno::FBIG | Errno::TOOBIG | Errno::RANGE => HResult::INVALID_ARGUMENT,
        Errno::NOMEM => HResult::OUT_OF_MEMORY,
        Errno::LOOP => HResult::REPARSE_POINT_ENCOUNTERED,
        _ => HResult::INTERNAL_ERROR,
    }
}
