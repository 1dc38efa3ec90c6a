//! What an answer is worth: the codes that reach applications (projfs.md D8), and the rules that
//! an answer can break by itself.

use crate::contract::{HResult, Result};
use crate::engine::root::Shared;
use crate::link::{Command, Completion, Reply, Request};

/// Codes that a callback may return (D8).
const LISTED: [HResult; 7] = [
    HResult::OUT_OF_MEMORY,
    HResult::INSUFFICIENT_BUFFER,
    HResult::FILE_NOT_FOUND,
    HResult::INVALID_ARGUMENT,
    HResult::ACCESS_DENIED,
    HResult::VIRTUALIZATION_UNAVAILABLE,
    HResult::INTERNAL_ERROR,
];

/// Codes that a callback may have just received from one of the functions, and hand on (D8).
const OF_FUNCTIONS: [HResult; 17] = [
    HResult::PATH_NOT_FOUND,
    HResult::HANDLE,
    HResult::SHARING_VIOLATION,
    HResult::FILE_EXISTS,
    HResult::ALREADY_EXISTS,
    HResult::INVALID_NAME,
    HResult::DIR_NOT_EMPTY,
    HResult::DIRECTORY,
    HResult::NOT_SUPPORTED,
    HResult::DISK_FULL,
    HResult::OPERATION_ABORTED,
    HResult::DELETE_PENDING,
    HResult::OFFSET_ALIGNMENT_VIOLATION,
    HResult::VIRTUALIZATION_METADATA_CORRUPT,
    HResult::VIRTUALIZATION_BUSY,
    HResult::VIRTUALIZATION_INVALID_OPERATION,
    HResult::REPARSE_POINT_ENCOUNTERED,
];

/// What an application gets of an answer. Any success is one, not only S_OK.
pub(super) fn judge(shared: &Shared, command: &Command, completion: Completion) -> Result<Reply> {
    let Completion { result, reply, .. } = completion;
    if result == HResult::IO_PENDING {
        let what = "was completed with IO_PENDING; a command is completed once, with its outcome";
        let _ = shared.broke("L2", format_args!("{command} {what}"));
        return Err(HResult::INTERNAL_ERROR);
    }
    let reply = suited(shared, command, reply)?;
    if result.is_ok() {
        return Ok(reply);
    }
    if let Some((rule, why)) = forbidden(&command.request) {
        // The operation fails anyway, or cannot fail (K24).
        let _ = shared.broke(rule, format_args!("{command} was answered {result}; {why}"));
    }
    Err(translated(shared, command, result))
}

/// The reply, if it is one that the command can have.
fn suited(shared: &Shared, command: &Command, reply: Reply) -> Result<Reply> {
    let what = match (&reply, &command.request) {
        (Reply::None, _)
        | (Reply::Entries(_), Request::GetEnumeration { .. })
        | (Reply::Mask(_), Request::Notify { .. }) => return Ok(reply),
        (Reply::Entries(_), _) => "directory entries",
        (Reply::Mask(_), _) => "a notification mask",
    };
    let why = "the type of the extended parameters has to suit the command";
    if shared.broke("L3", format_args!("{command} was completed with {what}; {why}")) {
        return Err(HResult::INTERNAL_ERROR);
    }
    Ok(Reply::None)
}

/// The rule that forbids to fail like that, and what is right.
const fn forbidden(request: &Request) -> Option<(&'static str, &'static str)> {
    match request {
        Request::EndEnumeration { .. } => Some(("F3", "the end of an enumeration has to succeed")),
        Request::Notify { notification, .. } if !notification.can_be_refused() => {
            Some(("K4", "this notification cannot be refused, the error is ignored (K24)"))
        }
        _ => None,
    }
}

/// The code that the application sees.
fn translated(shared: &Shared, command: &Command, result: HResult) -> HResult {
    if LISTED.contains(&result) || OF_FUNCTIONS.contains(&result) || result.is_nt() {
        return result;
    }
    let shown = if shared.knobs().pass_unlisted_codes { result } else { HResult::INTERNAL_ERROR };
    tracing::warn!(%command, %result, %shown, "a callback returned a code that is not on the list");
    shown
}
