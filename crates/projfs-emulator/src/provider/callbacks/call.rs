//! Makes one callback: its arguments from a command, its answer from what it returns.

use std::ffi::c_void;
use std::ptr::null;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN,
    PRJ_CB_DATA_FLAG_ENUM_RETURN_SINGLE_ENTRY, PRJ_NOTIFICATION_PARAMETERS,
    PRJ_NOTIFICATION_PARAMETERS_2,
};

use super::super::handles::Handle;
use super::block::{Block, c_guid, empty_data};
use crate::contract::{HResult, Notification, Wide};
use crate::link::{Command, Request};

/// The provider's functions, and what it wants to be given with them.
#[derive(Clone, Copy)]
pub(in super::super) struct Callbacks {
    pub(in super::super) functions: PRJ_CALLBACKS,
    pub(in super::super) instance_context: *mut c_void,
}

// SAFETY: the provider promised functions for any thread (L7); the pointer is passed on only.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

/// The memory of a command's callback, filled.
pub(super) fn block(callbacks: &Callbacks, context: Handle, command: &Command) -> Block {
    let none = Wide::default();
    let other = match &command.request {
        Request::GetEnumeration { expression, .. } => expression.as_ref(),
        Request::Notify { destination, .. } => destination.as_ref(),
        _ => None,
    };
    let strings = [&command.path, &command.process.image, other.unwrap_or(&none)];
    let what = format!("the callback {} for '{}'", name(&command.request), command.path);
    let mut block = Block::new(&strings, what);
    let path = block.string(&command.path);
    let image = match command.process.image.is_empty() {
        true => null(),
        false => block.string(&command.process.image),
    };
    let version = command.version.as_deref();
    block.set_data(PRJ_CALLBACK_DATA {
        Flags: flags(&command.request),
        CommandId: command.id,
        FileId: c_guid(command.file),
        DataStreamId: c_guid(command.stream),
        FilePathName: path,
        VersionInfo: version.map_or_else(std::ptr::null_mut, |version| block.version(version)),
        TriggeringProcessId: command.process.id,
        TriggeringProcessImageFileName: image,
        ..empty_data(context.as_pointer(), callbacks.instance_context)
    });
    block
}

/// The memory of a CancelCommand callback: it has the command's number only.
pub(super) fn cancel_block(callbacks: &Callbacks, context: Handle, id: i32) -> Block {
    let path = Wide::default();
    let mut block = Block::new(&[&path], format!("the callback CancelCommand for command {id}"));
    let path = block.string(&path);
    let data = empty_data(context.as_pointer(), callbacks.instance_context);
    block.set_data(PRJ_CALLBACK_DATA { CommandId: id, FilePathName: path, ..data });
    block
}

/// Calls the provider; a callback that it has not is answered as if it knew nothing.
pub(super) fn call(
    callbacks: &Callbacks,
    request: &Request,
    entries: Option<Handle>,
    block: &mut Block,
) -> HResult {
    let functions = &callbacks.functions;
    let data: *const PRJ_CALLBACK_DATA = block.data();
    // SAFETY, for all calls below: the provider gave these functions for this; what they are given
    // lives until they return.
    let result = match request {
        Request::StartEnumeration { enumeration } => {
            let id = block.enumeration(*enumeration);
            // SAFETY: see above.
            functions.StartDirectoryEnumerationCallback.map(|call| unsafe { call(data, id) })
        }
        Request::GetEnumeration { enumeration, expression, .. } => {
            let id = block.enumeration(*enumeration);
            let expression = expression.as_ref().map_or_else(null, |text| block.string(text));
            let entries = entries.map_or_else(std::ptr::null_mut, Handle::as_pointer);
            let call = functions.GetDirectoryEnumerationCallback;
            // SAFETY: see above.
            call.map(|call| unsafe { call(data, id, expression, entries) })
        }
        Request::EndEnumeration { enumeration } => {
            let id = block.enumeration(*enumeration);
            // SAFETY: see above.
            functions.EndDirectoryEnumerationCallback.map(|call| unsafe { call(data, id) })
        }
        Request::GetPlaceholderInfo => {
            // SAFETY: see above.
            functions.GetPlaceholderInfoCallback.map(|call| unsafe { call(data) })
        }
        Request::GetFileData { offset, length } => {
            // SAFETY: see above.
            functions.GetFileDataCallback.map(|call| unsafe { call(data, *offset, *length) })
        }
        Request::QueryFileName => {
            // SAFETY: see above.
            functions.QueryFileNameCallback.map(|call| unsafe { call(data) })
        }
        Request::Notify { notification, directory, destination, modified } => {
            let to = destination.as_ref().map_or_else(null, |text| block.string(text));
            let parameters = block.parameters();
            let deleted = PRJ_NOTIFICATION_PARAMETERS_2 { IsFileModified: *modified };
            if *notification == Notification::ClosedFileDeleted {
                let deleted = PRJ_NOTIFICATION_PARAMETERS { FileDeletedOnHandleClose: deleted };
                // SAFETY: its place in the block.
                unsafe { parameters.write(deleted) };
            }
            let kind = *notification as i32;
            let call = functions.NotificationCallback;
            // SAFETY: see above.
            call.map(|call| unsafe { call(data, *directory, kind, to, parameters) })
        }
    };
    // Only the optional ones can be missing, and the driver knows which.
    result.map_or(HResult::INTERNAL_ERROR, HResult)
}

fn flags(request: &Request) -> i32 {
    match request {
        Request::GetEnumeration { restart, single_entry, .. } => {
            let restart = if *restart { PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN } else { 0 };
            let single = if *single_entry { PRJ_CB_DATA_FLAG_ENUM_RETURN_SINGLE_ENTRY } else { 0 };
            restart | single
        }
        _ => 0,
    }
}

const fn name(request: &Request) -> &'static str {
    match request {
        Request::StartEnumeration { .. } => "StartDirectoryEnumeration",
        Request::GetEnumeration { .. } => "GetDirectoryEnumeration",
        Request::EndEnumeration { .. } => "EndDirectoryEnumeration",
        Request::GetPlaceholderInfo => "GetPlaceholderInfo",
        Request::GetFileData { .. } => "GetFileData",
        Request::QueryFileName => "QueryFileName",
        Request::Notify { .. } => "Notification",
    }
}
