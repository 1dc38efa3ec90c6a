//! What Windows' codes are to a Linux program (projfs.md R7, R8).

use fuser::Errno;

use crate::contract::HResult;
use crate::knobs::{DirectoryRename, Knobs, Unavailable};

/// What an operation failed with.
#[derive(Debug)]
pub(in crate::daemon) enum Failure {
    /// As Windows says it.
    Code(HResult),
    /// As only Linux can.
    Errno(Errno),
}

impl From<HResult> for Failure {
    fn from(code: HResult) -> Self {
        Self::Code(code)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What it was for, where that decides how a code reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Purpose {
    Deletion,
    Rename,
    Other,
}

impl Failure {
    pub(in crate::daemon) fn errno(self, purpose: Purpose, knobs: &Knobs) -> Errno {
        match self {
            Self::Errno(errno) => errno,
            Self::Code(HResult::VIRTUALIZATION_UNAVAILABLE) => match knobs.unavailable {
                Unavailable::Io => Errno::EIO,
                Unavailable::NoDevice => Errno::ENXIO,
                Unavailable::Stale => Errno::ESTALE,
            },
            Self::Code(HResult::NOT_SUPPORTED) if purpose == Purpose::Rename => {
                match knobs.directory_rename {
                    DirectoryRename::NotSupported => Errno::EOPNOTSUPP,
                    DirectoryRename::CrossDevice => Errno::EXDEV,
                }
            }
            Self::Code(HResult::ACCESS_DENIED | HResult::CANNOT_DELETE)
                if purpose == Purpose::Deletion =>
            {
                Errno::EPERM
            }
            Self::Code(code) => plain(code),
        }
    }
}

/// The number that a code has whatever it was for.
fn plain(code: HResult) -> Errno {
    match code {
        HResult::FILE_NOT_FOUND | HResult::PATH_NOT_FOUND | HResult::DELETE_PENDING => {
            Errno::ENOENT
        }
        HResult::ACCESS_DENIED | HResult::CANNOT_DELETE => Errno::EACCES,
        HResult::FILE_EXISTS | HResult::ALREADY_EXISTS => Errno::EEXIST,
        HResult::DIR_NOT_EMPTY => Errno::ENOTEMPTY,
        HResult::DIRECTORY => Errno::ENOTDIR,
        HResult::SHARING_VIOLATION | HResult::VIRTUALIZATION_BUSY => Errno::EBUSY,
        HResult::INVALID_ARGUMENT
        | HResult::INVALID_NAME
        | HResult::VIRTUALIZATION_INVALID_OPERATION => Errno::EINVAL,
        HResult::NOT_SUPPORTED => Errno::EOPNOTSUPP,
        HResult::WRITE_PROTECT => Errno::EROFS,
        HResult::DISK_FULL => Errno::ENOSPC,
        HResult::OUT_OF_MEMORY => Errno::ENOMEM,
        HResult::OPERATION_ABORTED => Errno::EINTR,
        HResult::HANDLE => Errno::EBADF,
        // A provider's own NTSTATUS passes through (D8); some have a number of their own here.
        other if other.is_nt() => match other.0 & 0x0FFF_FFFF {
            0x22 => Errno::EACCES,
            0x34 | 0x3A => Errno::ENOENT,
            0x7F => Errno::ENOSPC,
            0xA2 => Errno::EROFS,
            _ => Errno::EIO,
        },
        _ => Errno::EIO,
    }
}

/// A reply that can say no.
pub(in crate::daemon) trait Refuse: Send + 'static {
    /// Says it.
    fn refuse(self, errno: Errno);
}

macro_rules! refuse {
    ($($reply:ident)*) => {
        $(impl Refuse for fuser::$reply {
            fn refuse(self, errno: Errno) {
                self.error(errno);
            }
        })*
    };
}

refuse! {
    ReplyAttr ReplyCreate ReplyData ReplyDirectory ReplyEmpty ReplyEntry ReplyOpen ReplyStatfs
    ReplyWrite ReplyXattr
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(code: HResult, purpose: Purpose, knobs: &Knobs) -> i32 {
        Failure::Code(code).errno(purpose, knobs).code()
    }

    #[test]
    fn a_missing_provider_looks_as_the_knob_says() {
        let looks = |unavailable| {
            let knobs = Knobs { unavailable, ..Knobs::default() };
            number(HResult::VIRTUALIZATION_UNAVAILABLE, Purpose::Other, &knobs)
        };
        assert_eq!(looks(Unavailable::Io), libc::EIO);
        assert_eq!(looks(Unavailable::NoDevice), libc::ENXIO);
        assert_eq!(looks(Unavailable::Stale), libc::ESTALE);
    }

    #[test]
    fn a_refused_directory_rename_looks_as_the_knob_says() {
        let looks = |directory_rename| {
            let knobs = Knobs { directory_rename, ..Knobs::default() };
            number(HResult::NOT_SUPPORTED, Purpose::Rename, &knobs)
        };
        assert_eq!(looks(DirectoryRename::NotSupported), libc::EOPNOTSUPP);
        assert_eq!(looks(DirectoryRename::CrossDevice), libc::EXDEV);
    }

    #[test]
    fn vetoes_of_deletions_are_another_number_than_other_vetoes() {
        let knobs = Knobs::default();
        assert_eq!(number(HResult::CANNOT_DELETE, Purpose::Deletion, &knobs), libc::EPERM);
        assert_eq!(number(HResult::ACCESS_DENIED, Purpose::Deletion, &knobs), libc::EPERM);
        assert_eq!(number(HResult::ACCESS_DENIED, Purpose::Rename, &knobs), libc::EACCES);
        assert_eq!(number(HResult::ACCESS_DENIED, Purpose::Other, &knobs), libc::EACCES);
    }

    #[test]
    fn the_table_of_the_rulebook_holds() {
        for (code, errno) in [
            (HResult::FILE_NOT_FOUND, libc::ENOENT),
            (HResult::PATH_NOT_FOUND, libc::ENOENT),
            (HResult::DIR_NOT_EMPTY, libc::ENOTEMPTY),
            (HResult::INSUFFICIENT_BUFFER, libc::EIO),
            (HResult::OUT_OF_MEMORY, libc::ENOMEM),
            (HResult::INTERNAL_ERROR, libc::EIO),
            (HResult::FILE_NOT_AVAILABLE, libc::EIO),
            (HResult::WRITE_PROTECT, libc::EROFS),
            (HResult::DISK_FULL, libc::ENOSPC),
            (HResult::SHARING_VIOLATION, libc::EBUSY),
            (HResult(0xD000_0022_u32.cast_signed()), libc::EACCES),
        ] {
            assert_eq!(number(code, Purpose::Other, &Knobs::default()), errno, "{code}");
        }
    }
}
