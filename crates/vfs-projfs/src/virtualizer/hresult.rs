//! The one table from errors to HRESULTs (projfs.md D').
//!
//! A callback may return what projfs.md D8 lists, and any NTSTATUS as HRESULT_FROM_NT, which
//! reaches the program as it is: production providers rely on that. So failures of content stay
//! apart for whoever reads the message of a program.

use rusty_attachments_vfs::VfsErrorKind;
use windows_sys::core::HRESULT;

use crate::api::{Failure, codes};
use crate::error::ProjFsError;

/// The code of a volume's failure.
pub(super) const fn of_kind(kind: VfsErrorKind) -> HRESULT {
    match kind {
        VfsErrorKind::NotFound => codes::FILE_NOT_FOUND,
        // The callback asked for something that the volume cannot do with this item.
        VfsErrorKind::NotDirectory | VfsErrorKind::IsDirectory | VfsErrorKind::InvalidNode => {
            codes::INVALID_ARGUMENT
        }
        VfsErrorKind::ReadOnly | VfsErrorKind::AccessDenied => codes::ACCESS_DENIED,
        // "Temporarily unavailable": trying again may help. So may it if the store has no such
        // object, yet; FILE_NOT_FOUND would say that the file itself is not there.
        VfsErrorKind::ContentMissing
        | VfsErrorKind::Throttled
        | VfsErrorKind::Offline
        | VfsErrorKind::TimedOut => codes::FILE_NOT_AVAILABLE,
        VfsErrorKind::Corrupt => codes::FILE_CORRUPT,
        VfsErrorKind::OutOfSpace => codes::DISK_FULL,
        VfsErrorKind::OutOfMemory => codes::OUT_OF_MEMORY,
        // Nobody waits for it, or the root is being stopped: what programs get after the stop.
        VfsErrorKind::Cancelled => codes::VIRTUALIZATION_UNAVAILABLE,
        VfsErrorKind::Internal => codes::INTERNAL_ERROR,
    }
}

/// The code of any failure of this crate.
pub(super) fn of_error(error: &ProjFsError) -> HRESULT {
    match error {
        ProjFsError::Volume(error) => of_kind(error.kind()),
        // What a function of ProjFS gave is passed on (projfs.md D8).
        ProjFsError::Api { hresult, .. } => hresult.cast_signed(),
        ProjFsError::NotStarted { .. } => codes::VIRTUALIZATION_UNAVAILABLE,
        ProjFsError::FeatureMissing { .. }
        | ProjFsError::Root { .. }
        | ProjFsError::State { .. }
        | ProjFsError::AlreadyStarted { .. }
        | ProjFsError::Busy { .. }
        | ProjFsError::Lagging { .. }
        | ProjFsError::Names { .. }
        | ProjFsError::Changes(_)
        | ProjFsError::Executor(_)
        | ProjFsError::Io { .. } => codes::INTERNAL_ERROR,
    }
}

impl From<ProjFsError> for Failure {
    fn from(error: ProjFsError) -> Self {
        Self(of_error(&error))
    }
}

/// The code of an answer.
pub(super) fn of_result(result: Result<(), Failure>) -> HRESULT {
    result.err().map_or(codes::OK, |failure| failure.0)
}

#[cfg(test)]
mod tests {
    use rusty_attachments_vfs::VfsError;

    use super::*;

    #[test]
    fn failures_that_call_for_different_actions_have_different_codes() {
        use VfsErrorKind as Kind;
        let mut codes = vec![];
        for kind in [
            Kind::NotFound,
            Kind::AccessDenied,
            Kind::Offline,
            Kind::Corrupt,
            Kind::OutOfSpace,
            Kind::OutOfMemory,
            Kind::Cancelled,
            Kind::Internal,
        ] {
            let code = of_kind(kind);
            assert!(code < 0, "{kind:?} is an error");
            assert!(!codes.contains(&code), "{kind:?} looks like another kind");
            codes.push(code);
        }
    }

    #[test]
    fn what_may_pass_is_never_told_as_a_file_that_is_not_there() {
        // The negative path cache would remember it (projfs.md H10).
        for kind in [VfsErrorKind::ContentMissing, VfsErrorKind::Throttled, VfsErrorKind::TimedOut]
        {
            assert_eq!(of_kind(kind), codes::FILE_NOT_AVAILABLE);
        }
    }

    #[test]
    fn errors_of_the_crate_keep_the_code_that_is_in_them() {
        let volume = ProjFsError::from(VfsError::new(VfsErrorKind::Corrupt, "bad bytes"));
        assert_eq!(Failure::from(volume), Failure(codes::FILE_CORRUPT));
        let api = ProjFsError::Api {
            action: "write",
            path: "a".into(),
            function: "PrjWritePlaceholderInfo",
            hresult: codes::DIRECTORY.cast_unsigned(),
            advice: "",
        };
        assert_eq!(of_error(&api), codes::DIRECTORY);
        assert_eq!(of_result(Ok(())), codes::OK);
    }
}
