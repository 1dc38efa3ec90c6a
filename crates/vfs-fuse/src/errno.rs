//! The one table from failures to error numbers. `docs/errors.md` explains it to people.

use fuser::Errno;
use rusty_attachments_vfs::VfsErrorKind;

/// The error number that an application sees.
///
/// Every kind of store failure has its own number, so that a render log tells a lost object from a
/// lost network.
pub(crate) const fn errno(kind: VfsErrorKind) -> Errno {
    match kind {
        VfsErrorKind::NotFound => Errno::ENOENT,
        VfsErrorKind::NotDirectory => Errno::ENOTDIR,
        VfsErrorKind::IsDirectory => Errno::EISDIR,
        VfsErrorKind::InvalidNode => Errno::EINVAL,
        VfsErrorKind::ReadOnly => Errno::EROFS,
        VfsErrorKind::ContentMissing => Errno::ENODATA,
        VfsErrorKind::AccessDenied => Errno::EACCES,
        VfsErrorKind::Throttled => Errno::EBUSY,
        VfsErrorKind::Offline => Errno::EHOSTUNREACH,
        VfsErrorKind::OutOfSpace => Errno::ENOSPC,
        VfsErrorKind::OutOfMemory => Errno::ENOMEM,
        VfsErrorKind::TimedOut => Errno::ETIMEDOUT,
        VfsErrorKind::Cancelled => Errno::EINTR,
        VfsErrorKind::Corrupt | VfsErrorKind::Internal => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [(VfsErrorKind, i32, &str); 15] = [
        (VfsErrorKind::NotFound, 2, "ENOENT"),
        (VfsErrorKind::NotDirectory, 20, "ENOTDIR"),
        (VfsErrorKind::IsDirectory, 21, "EISDIR"),
        (VfsErrorKind::InvalidNode, 22, "EINVAL"),
        (VfsErrorKind::ReadOnly, 30, "EROFS"),
        (VfsErrorKind::ContentMissing, 61, "ENODATA"),
        (VfsErrorKind::AccessDenied, 13, "EACCES"),
        (VfsErrorKind::Throttled, 16, "EBUSY"),
        (VfsErrorKind::Offline, 113, "EHOSTUNREACH"),
        (VfsErrorKind::Corrupt, 5, "EIO"),
        (VfsErrorKind::OutOfSpace, 28, "ENOSPC"),
        (VfsErrorKind::OutOfMemory, 12, "ENOMEM"),
        (VfsErrorKind::TimedOut, 110, "ETIMEDOUT"),
        (VfsErrorKind::Cancelled, 4, "EINTR"),
        (VfsErrorKind::Internal, 5, "EIO"),
    ];

    #[test]
    fn kinds_have_the_documented_numbers() {
        let page = include_str!("../../../docs/errors.md");
        for (kind, number, name) in TABLE {
            assert_eq!(errno(kind).code(), number, "{kind:?}");
            let row = format!("| `{kind:?}` | `{name}` ({number}) |");
            assert!(page.contains(&row), "docs/errors.md lacks the row {row}");
        }
    }
}
