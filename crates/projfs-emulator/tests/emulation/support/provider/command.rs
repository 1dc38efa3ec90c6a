//! The C callbacks: each copies what it was given (`projfs.md L2`) and asks the provider, at once or
//! from another thread.
#![expect(unsafe_code, reason = "the C functions and callbacks")]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use projfs_emulator::contract::{Guid, HResult, Notification, NotifyMask, VersionInfo, Wide};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN,
    PRJ_CB_DATA_FLAG_ENUM_RETURN_SINGLE_ENTRY, PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0, PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_0,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_1, PRJ_COMPLETE_COMMAND_TYPE_ENUMERATION,
    PRJ_COMPLETE_COMMAND_TYPE_NOTIFICATION, PRJ_DIR_ENTRY_BUFFER_HANDLE,
    PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT, PRJ_NOTIFICATION, PRJ_NOTIFICATION_PARAMETERS,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

use super::Inner;
use super::fault::Fault;

/// A running instance, as the library knows it.
pub(super) type Context = PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT;

/// A handle of the library, which any thread may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opaque(pub(super) *mut c_void);

// SAFETY: the library's handles are not tied to a thread (L2, L7).
unsafe impl Send for Opaque {}
// SAFETY: as above.
unsafe impl Sync for Opaque {}

/// One callback, with everything it was given.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) id: i32,
    pub(crate) path: Wide,
    pub(crate) version: Option<VersionInfo>,
    pub(crate) file: Guid,
    pub(crate) stream: Guid,
    pub(crate) process: u32,
    pub(crate) image: Option<Wide>,
    pub(crate) context: Opaque,
    pub(crate) kind: Kind,
}

/// Which callback, with its own arguments.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Start {
        enumeration: Guid,
    },
    Get {
        enumeration: Guid,
        expression: Option<Wide>,
        restart: bool,
        single: bool,
        to: Opaque,
    },
    End {
        enumeration: Guid,
    },
    Placeholder,
    Data {
        offset: u64,
        length: u32,
    },
    Query,
    Notify {
        notification: Notification,
        directory: bool,
        destination: Option<Wide>,
        modified: bool,
    },
    Cancel,
}

impl Command {
    /// In one line, without numbers that change from run to run.
    pub(crate) fn line(&self) -> String {
        let path = &self.path;
        match &self.kind {
            Kind::Start { .. } => format!("StartDirectoryEnumeration {path}"),
            Kind::Get { expression, .. } => {
                let expression = expression.as_ref().map(Wide::to_string).unwrap_or_default();
                format!("GetDirectoryEnumeration {path} {expression}").trim_end().to_owned()
            }
            Kind::End { .. } => format!("EndDirectoryEnumeration {path}"),
            Kind::Placeholder => format!("GetPlaceholderInfo {path}"),
            Kind::Data { offset, length } => format!("GetFileData {path} {offset}+{length}"),
            Kind::Query => format!("QueryFileName {path}"),
            Kind::Notify { notification, destination: None, .. } => {
                format!("{notification:?} {path}")
            }
            Kind::Notify { notification, destination: Some(to), .. } => {
                format!("{notification:?} {path} -> {to}")
            }
            Kind::Cancel => "CancelCommand".to_owned(),
        }
    }
}

/// What a callback returns, and the mask that it asks for (K11).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) result: HResult,
    pub(crate) mask: Option<NotifyMask>,
}

impl From<HResult> for Answer {
    fn from(result: HResult) -> Self {
        Self { result, mask: None }
    }
}

/// The callbacks, with those left out that this provider does not have.
pub(super) fn callbacks(queries_names: bool, notified: bool, cancels: bool) -> PRJ_CALLBACKS {
    PRJ_CALLBACKS {
        StartDirectoryEnumerationCallback: Some(start_enumeration),
        EndDirectoryEnumerationCallback: Some(end_enumeration),
        GetDirectoryEnumerationCallback: Some(get_enumeration),
        GetPlaceholderInfoCallback: Some(get_placeholder_info),
        GetFileDataCallback: Some(get_file_data),
        QueryFileNameCallback: if queries_names { Some(query_file_name) } else { None },
        NotificationCallback: if notified { Some(notify) } else { None },
        CancelCommandCallback: if cancels { Some(cancel) } else { None },
    }
}

/// A string of the library, copied; `None` for NULL.
///
/// # Safety
/// NULL, or a NUL-terminated string that lives during the call.
unsafe fn copied(text: PCWSTR) -> Option<Wide> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller promises a NUL behind the string, so each unit up to it can be read.
    let length = (0..).take_while(|index| unsafe { *text.add(*index) } != 0).count();
    // SAFETY: as many units were just read.
    Some(Wide::new(unsafe { std::slice::from_raw_parts(text, length) }.to_vec()))
}

pub(super) fn guid(guid: &GUID) -> Guid {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&guid.data1.to_le_bytes());
    bytes[4..6].copy_from_slice(&guid.data2.to_le_bytes());
    bytes[6..8].copy_from_slice(&guid.data3.to_le_bytes());
    bytes[8..].copy_from_slice(&guid.data4);
    Guid(bytes)
}

pub(super) fn raw_guid(guid: Guid) -> GUID {
    let [a, b, c, d, e, f, g, h, rest @ ..] = guid.0;
    GUID {
        data1: u32::from_le_bytes([a, b, c, d]),
        data2: u16::from_le_bytes([e, f]),
        data3: u16::from_le_bytes([g, h]),
        data4: rest,
    }
}

/// Copies a callback's data.
///
/// # Safety
/// As the library gives it to a callback.
unsafe fn command(data: *const PRJ_CALLBACK_DATA, kind: Kind) -> Command {
    // SAFETY: the library gives a valid structure for the time of the callback.
    let data = unsafe { &*data };
    // SAFETY: NULL, or valid for as long as the structure.
    let version = unsafe { data.VersionInfo.as_ref() };
    Command {
        id: data.CommandId,
        // SAFETY: a string of the structure.
        path: unsafe { copied(data.FilePathName) }.unwrap_or_default(),
        version: version
            .map(|info| VersionInfo { provider: info.ProviderID, content: info.ContentID }),
        file: guid(&data.FileId),
        stream: guid(&data.DataStreamId),
        process: data.TriggeringProcessId,
        // SAFETY: a string of the structure.
        image: unsafe { copied(data.TriggeringProcessImageFileName) },
        context: Opaque(data.NamespaceVirtualizationContext),
        kind,
    }
}

/// Answers a callback: now, or from another thread if the provider is an asynchronous one.
///
/// # Safety
/// As the library gives it to a callback.
unsafe fn dispatch(data: *const PRJ_CALLBACK_DATA, kind: Kind) -> Answer {
    // SAFETY: passed on.
    let (command, context) = unsafe { (command(data, kind), (*data).InstanceContext) };
    // SAFETY: the instance context is what `Provider::start` gave: an Arc that it keeps until stop
    // has returned.
    let inner = unsafe {
        let inner = context.cast_const().cast::<Inner>();
        Arc::increment_strong_count(inner);
        Arc::from_raw(inner)
    };
    if !inner.options.asynchronous {
        return answer(&inner, &command);
    }
    std::thread::spawn(move || {
        let answered = answer(&inner, &command);
        complete(&inner, &command, answered);
    });
    HResult::IO_PENDING.into()
}

/// The answer, whatever happens on the way to it (L11).
fn answer(inner: &Inner, command: &Command) -> Answer {
    catch_unwind(AssertUnwindSafe(|| inner.answer(command)))
        .unwrap_or_else(|_| HResult::INTERNAL_ERROR.into())
}

/// Completes a command that was answered IO_PENDING, with what its kind needs besides (L3).
fn complete(inner: &Inner, command: &Command, Answer { result, mask }: Answer) {
    let with = |kind, value| PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS {
        CommandType: kind,
        Anonymous: value,
    };
    let extended = match (&command.kind, mask) {
        (Kind::Get { to, .. }, _) if inner.options.fault != Some(Fault::CompletesGetBare) => {
            let buffer =
                PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_1 { DirEntryBufferHandle: to.0 };
            let value = PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0 { Enumeration: buffer };
            Some(with(PRJ_COMPLETE_COMMAND_TYPE_ENUMERATION, value))
        }
        (Kind::Notify { .. }, Some(mask)) => {
            let mask =
                PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_0 { NotificationMask: mask.bits() };
            let value = PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0 { Notification: mask };
            Some(with(PRJ_COMPLETE_COMMAND_TYPE_NOTIFICATION, value))
        }
        _ => None,
    };
    let extended = extended.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the context is the running instance's; the parameters live during the call.
    let completed = unsafe {
        (inner.library.PrjCompleteCommand)(command.context.0, command.id, result.0, extended)
    };
    inner.note_completion(command, HResult(completed));
}

unsafe extern "system" fn start_enumeration(
    data: *const PRJ_CALLBACK_DATA,
    enumeration: *const GUID,
) -> HRESULT {
    // SAFETY: as the library gives it.
    unsafe { dispatch(data, Kind::Start { enumeration: guid(&*enumeration) }) }.result.0
}

unsafe extern "system" fn end_enumeration(
    data: *const PRJ_CALLBACK_DATA,
    enumeration: *const GUID,
) -> HRESULT {
    // SAFETY: as the library gives it.
    unsafe { dispatch(data, Kind::End { enumeration: guid(&*enumeration) }) }.result.0
}

unsafe extern "system" fn get_enumeration(
    data: *const PRJ_CALLBACK_DATA,
    enumeration: *const GUID,
    expression: PCWSTR,
    to: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    // SAFETY: as the library gives it.
    unsafe {
        let flags = (*data).Flags;
        let kind = Kind::Get {
            enumeration: guid(&*enumeration),
            expression: copied(expression),
            restart: flags & PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN != 0,
            single: flags & PRJ_CB_DATA_FLAG_ENUM_RETURN_SINGLE_ENTRY != 0,
            to: Opaque(to),
        };
        dispatch(data, kind).result.0
    }
}

unsafe extern "system" fn get_placeholder_info(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as the library gives it.
    unsafe { dispatch(data, Kind::Placeholder) }.result.0
}

unsafe extern "system" fn get_file_data(
    data: *const PRJ_CALLBACK_DATA,
    offset: u64,
    length: u32,
) -> HRESULT {
    // SAFETY: as the library gives it.
    unsafe { dispatch(data, Kind::Data { offset, length }) }.result.0
}

unsafe extern "system" fn query_file_name(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as the library gives it.
    unsafe { dispatch(data, Kind::Query) }.result.0
}

unsafe extern "system" fn notify(
    data: *const PRJ_CALLBACK_DATA,
    directory: bool,
    notification: PRJ_NOTIFICATION,
    destination: PCWSTR,
    parameters: *mut PRJ_NOTIFICATION_PARAMETERS,
) -> HRESULT {
    let Some(notification) =
        Notification::ALL.into_iter().find(|known| *known as i32 == notification)
    else {
        return HResult::OK.0;
    };
    // SAFETY: as the library gives it; the union is of plain numbers, each pattern of which is read
    // as the member that this kind of notification fills.
    unsafe {
        let modified =
            notification == Notification::ClosedFileDeleted && (*parameters.cast::<u8>()) != 0;
        let destination = copied(destination);
        let kind = Kind::Notify { notification, directory, destination, modified };
        let answer = dispatch(data, kind);
        if let Some(mask) = answer.mask {
            (*parameters).PostCreate.NotificationMask = mask.bits();
        }
        let inner = &*(*data).InstanceContext.cast_const().cast::<Inner>();
        if inner.options.fault == Some(Fault::KeepsCallbackData) {
            // The emulator keeps such memory for a while, to see just this.
            let kept = inner.kept.swap(parameters, Ordering::Relaxed);
            if let Some(kept) = kept.as_mut() {
                kept.PostCreate.NotificationMask = NotifyMask::USE_EXISTING.bits();
            }
        }
        answer.result.0
    }
}

unsafe extern "system" fn cancel(data: *const PRJ_CALLBACK_DATA) {
    // SAFETY: as the library gives it. The command that was cancelled may end or not (L5): ours do.
    unsafe {
        let (command, inner) = (command(data, Kind::Cancel), (*data).InstanceContext);
        (*inner.cast::<Inner>()).note(&command);
    }
}
