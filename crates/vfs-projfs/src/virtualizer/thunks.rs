//! The C side of the callbacks (projfs.md B'): checks of pointers, a guard against panics, decoding,
//! one call.
#![expect(unsafe_code, reason = "the edge to ProjFS: it hands over pointers")]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN,
    PRJ_CB_DATA_FLAG_ENUM_RETURN_SINGLE_ENTRY, PRJ_DIR_ENTRY_BUFFER_HANDLE, PRJ_NOTIFICATION,
    PRJ_NOTIFICATION_PARAMETERS,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

use super::hydration::DataRequest;
use super::notifications::Notification;
use super::{GetRequest, Shared};
use crate::api::{Context, EntryBuffer, Instance, Start, Started, StreamId, codes, guid_number};
use crate::error::ProjFsError;
use crate::stats::Callback;

/// Starts an instance whose callbacks are these.
pub(super) fn start(
    instance: &Arc<Instance>,
    start: Start<'_, Shared>,
) -> Result<Started<Shared>, ProjFsError> {
    // SAFETY: the callbacks take their InstanceContext to be a `Shared`, which any thread may use.
    unsafe { Started::start(instance, &CALLBACKS, start) }
}

/// The callbacks; their InstanceContext is a [`Shared`].
pub(super) static CALLBACKS: PRJ_CALLBACKS = PRJ_CALLBACKS {
    StartDirectoryEnumerationCallback: Some(start_enumeration),
    EndDirectoryEnumerationCallback: Some(end_enumeration),
    GetDirectoryEnumerationCallback: Some(get_enumeration),
    GetPlaceholderInfoCallback: Some(get_placeholder_info),
    GetFileDataCallback: Some(get_file_data),
    QueryFileNameCallback: Some(query_file_name),
    NotificationCallback: Some(NOTIFICATION),
    CancelCommandCallback: Some(cancel_command),
};

/// A notification callback that takes its BOOLEAN for what it is in C.
type NotificationOfByte = unsafe extern "system" fn(
    *const PRJ_CALLBACK_DATA,
    u8,
    PRJ_NOTIFICATION,
    PCWSTR,
    *mut PRJ_NOTIFICATION_PARAMETERS,
) -> HRESULT;

/// The same, as it is declared.
type NotificationOfBool = unsafe extern "system" fn(
    *const PRJ_CALLBACK_DATA,
    bool,
    PRJ_NOTIFICATION,
    PCWSTR,
    *mut PRJ_NOTIFICATION_PARAMETERS,
) -> HRESULT;

const NOTIFICATION: NotificationOfBool = {
    // SAFETY: its caller is C, for which BOOLEAN is an unsigned char, and passes all of these in the
    // same way. A `bool` would have to be 0 or 1, which nobody promises.
    unsafe { mem::transmute::<NotificationOfByte, NotificationOfBool>(notification) }
};

/// What a callback is about. Dead when the callback returns (projfs.md L2).
struct Call<'a> {
    shared: &'a Shared,
    data: &'a PRJ_CALLBACK_DATA,
    path: &'a [u16],
}

/// Decodes what all callbacks have, and answers: one of them that was not given what it must be,
/// is told so; one that panics fails, and takes nobody with it (projfs.md L11).
///
/// # Safety
/// `data` is NULL or what ProjFS gave to a callback of an instance that was started with a
/// [`Shared`].
unsafe fn answer(
    data: *const PRJ_CALLBACK_DATA,
    callback: Callback,
    answer: impl FnOnce(&Call<'_>) -> HRESULT,
) -> HRESULT {
    let began = Instant::now();
    // SAFETY: the caller's promise. The instance keeps what is shared until after the stop.
    let (data, shared) = unsafe {
        let Some(data) = data.as_ref() else { return codes::INVALID_ARGUMENT };
        let Some(shared) = data.InstanceContext.cast::<Shared>().as_ref() else {
            return codes::INVALID_ARGUMENT;
        };
        (data, shared)
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        // Callbacks may come before the start has returned (projfs.md M7).
        shared.instance.runs_as(Context(data.NamespaceVirtualizationContext.addr()));
        // SAFETY: the caller's promise.
        let path = unsafe { units(data.FilePathName) };
        answer(&Call { shared, data, path })
    }))
    .unwrap_or_else(|_| {
        tracing::error!("a defect of this program made {callback:?} panic; the request fails");
        codes::INTERNAL_ERROR
    });
    // What is answered later is counted then.
    if result != codes::IO_PENDING {
        let not_there = matches!(result, codes::FILE_NOT_FOUND | codes::PATH_NOT_FOUND);
        shared.stats.answered(callback, began, result < 0 && !not_there);
    }
    result
}

/// The units before the NUL; none for NULL.
///
/// # Safety
/// `text` is NULL or NUL-terminated, and lives as long as what is given.
unsafe fn units<'a>(text: PCWSTR) -> &'a [u16] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: each unit up to the NUL can be read.
    unsafe {
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        slice::from_raw_parts(text, length)
    }
}

unsafe extern "system" fn start_enumeration(
    data: *const PRJ_CALLBACK_DATA,
    id: *const GUID,
) -> HRESULT {
    // SAFETY: called by ProjFS, as all of these.
    unsafe {
        answer(data, Callback::StartEnumeration, |call| match id.as_ref() {
            Some(id) => call.shared.start_enumeration(guid_number(id), call.path),
            None => codes::INVALID_ARGUMENT,
        })
    }
}

unsafe extern "system" fn end_enumeration(
    data: *const PRJ_CALLBACK_DATA,
    id: *const GUID,
) -> HRESULT {
    // SAFETY: as above.
    unsafe {
        answer(data, Callback::EndEnumeration, |call| match id.as_ref() {
            Some(id) => call.shared.end_enumeration(guid_number(id)),
            None => codes::INVALID_ARGUMENT,
        })
    }
}

unsafe extern "system" fn get_enumeration(
    data: *const PRJ_CALLBACK_DATA,
    id: *const GUID,
    expression: PCWSTR,
    buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    // SAFETY: as above.
    unsafe {
        answer(data, Callback::GetEnumeration, |call| {
            let Some(id) = id.as_ref() else { return codes::INVALID_ARGUMENT };
            let has = |flag| call.data.Flags & flag != 0;
            call.shared.get_enumeration(&GetRequest {
                enumeration: guid_number(id),
                expression: units(expression),
                restart: has(PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN),
                single: has(PRJ_CB_DATA_FLAG_ENUM_RETURN_SINGLE_ENTRY),
                buffer: EntryBuffer(buffer.addr()),
            })
        })
    }
}

unsafe extern "system" fn get_placeholder_info(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as above.
    unsafe {
        answer(data, Callback::GetPlaceholderInfo, |call| call.shared.write_placeholder(call.path))
    }
}

unsafe extern "system" fn get_file_data(
    data: *const PRJ_CALLBACK_DATA,
    offset: u64,
    length: u32,
) -> HRESULT {
    // SAFETY: as above.
    unsafe {
        answer(data, Callback::GetFileData, |call| {
            let request = DataRequest {
                command: call.data.CommandId,
                stream: StreamId(guid_number(&call.data.DataStreamId)),
                content_id: call.data.VersionInfo.as_ref().map(|version| version.ContentID),
                offset,
                length,
                path: call.path.to_vec(),
            };
            call.shared.hydrator.answer(&call.shared.sink, request)
        })
    }
}

unsafe extern "system" fn query_file_name(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as above.
    unsafe { answer(data, Callback::QueryFileName, |call| call.shared.query_name(call.path)) }
}

unsafe extern "system" fn notification(
    data: *const PRJ_CALLBACK_DATA,
    directory: u8,
    kind: PRJ_NOTIFICATION,
    destination: PCWSTR,
    // What comes in it is not needed; as it is, it keeps the mask (projfs.md K11).
    _parameters: *mut PRJ_NOTIFICATION_PARAMETERS,
) -> HRESULT {
    // SAFETY: as above.
    unsafe {
        answer(data, Callback::Notification, |call| {
            let (path, destination) = (call.path, units(destination));
            let directory = directory != 0;
            call.shared.notified(&Notification { kind, path, destination, directory })
        })
    }
}

unsafe extern "system" fn cancel_command(data: *const PRJ_CALLBACK_DATA) {
    // SAFETY: as above.
    unsafe {
        answer(data, Callback::CancelCommand, |call| {
            call.shared.commands.cancel(call.data.CommandId);
            codes::OK
        });
    }
}
