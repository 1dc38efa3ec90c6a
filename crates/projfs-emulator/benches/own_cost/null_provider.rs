//! A provider that costs next to nothing: flat folders of files whose names are their numbers, and
//! whose bytes are all the same. What remains is the emulator's own cost.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use parking_lot::Mutex;
use projfs_emulator::contract::{HResult, Wide};
use projfs_emulator::provider::{Library, table};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_DIR_ENTRY_BUFFER_HANDLE, PRJ_FILE_BASIC_INFO,
    PRJ_FLAG_NONE, PRJ_FLAG_USE_NEGATIVE_PATH_CACHE, PRJ_PLACEHOLDER_INFO,
    PRJ_STARTVIRTUALIZING_OPTIONS,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

/// Bytes of one PrjWriteFileData.
const PIECE: u32 = 1 << 20;

/// What is projected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Files in the folder `many`, named `000000` and on, one byte each.
    pub(super) files: u32,
    /// Bytes of the file `large`.
    pub(super) large: u32,
    /// Whether missing names are remembered (H10).
    pub(super) negative_path_cache: bool,
}

/// A running null provider.
pub(super) struct NullProvider {
    context: *mut c_void,
    /// What callbacks use, until the provider has stopped.
    _state: Box<State>,
}

struct State {
    library: &'static Library,
    shape: Shape,
    next: Mutex<HashMap<u128, u32>>,
    buffer: AtomicPtr<c_void>,
}

impl NullProvider {
    pub(super) fn start(root: &str, shape: Shape) -> Result<Self, HResult> {
        let library = table();
        let state = Box::new(State {
            library,
            shape,
            next: Mutex::default(),
            buffer: AtomicPtr::default(),
        });
        let callbacks = PRJ_CALLBACKS {
            StartDirectoryEnumerationCallback: Some(start),
            EndDirectoryEnumerationCallback: Some(end),
            GetDirectoryEnumerationCallback: Some(get),
            GetPlaceholderInfoCallback: Some(placeholder),
            GetFileDataCallback: Some(data),
            ..PRJ_CALLBACKS::default()
        };
        let flags = match shape.negative_path_cache {
            true => PRJ_FLAG_USE_NEGATIVE_PATH_CACHE,
            false => PRJ_FLAG_NONE,
        };
        let options = PRJ_STARTVIRTUALIZING_OPTIONS { Flags: flags, ..Default::default() };
        let identity = GUID::from_u128(0x4e55_4c4c_4e55_4c4c_8000_0000_0000_0001);
        let (root, mut context) = (Wide::from(root).to_c(), ptr::null_mut());
        // SAFETY: everything that is pointed to lives during the calls; the state lives until the
        // provider has stopped.
        unsafe {
            let root = root.as_ptr();
            let mark = library.PrjMarkDirectoryAsPlaceholder;
            HResult(mark(root, ptr::null(), ptr::null(), &raw const identity)).ok()?;
            let instance = ptr::from_ref(&*state).cast();
            HResult((library.PrjStartVirtualizing)(
                root,
                &raw const callbacks,
                instance,
                &raw const options,
                &raw mut context,
            ))
            .ok()?;
        }
        Ok(Self { context, _state: state })
    }
}

impl Drop for NullProvider {
    fn drop(&mut self) {
        // SAFETY: the running instance, which nobody uses after this.
        unsafe { (table().PrjStopVirtualizing)(self.context) };
    }
}

/// # Safety
/// `data` is what a callback got.
unsafe fn state<'a>(data: *const PRJ_CALLBACK_DATA) -> &'a State {
    // SAFETY: the context is what `start` gave, which lives until the provider has stopped.
    unsafe { &*(*data).InstanceContext.cast::<State>() }
}

fn number(guid: &GUID) -> u128 {
    let tail = u128::from(u64::from_le_bytes(guid.data4));
    u128::from(guid.data1) << 96
        | u128::from(guid.data2) << 80
        | u128::from(guid.data3) << 64
        | tail
}

fn file(size: u32) -> PRJ_FILE_BASIC_INFO {
    let time = 132_223_104_000_000_000;
    PRJ_FILE_BASIC_INFO {
        IsDirectory: false,
        FileSize: size.into(),
        CreationTime: time,
        LastAccessTime: time,
        LastWriteTime: time,
        ChangeTime: time,
        FileAttributes: 0,
    }
}

/// The six digits of a file's name, with a NUL behind.
fn name(mut file: u32) -> [u16; 7] {
    let mut name = [0; 7];
    for digit in name.iter_mut().take(6).rev() {
        *digit = u16::from(b'0') + (file % 10) as u16;
        file /= 10;
    }
    name
}

unsafe extern "system" fn start(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    // SAFETY: as the library gives it; so in all callbacks.
    let (state, id, empty) = unsafe { (state(data), number(&*id), *(*data).FilePathName == 0) };
    // The root lists nothing: only what is in `many` is counted.
    let first = if empty { state.shape.files } else { 0 };
    state.next.lock().insert(id, first);
    HResult::OK.0
}

unsafe extern "system" fn end(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    // SAFETY: as above.
    unsafe { state(data).next.lock().remove(&number(&*id)) };
    HResult::OK.0
}

unsafe extern "system" fn get(
    data: *const PRJ_CALLBACK_DATA,
    id: *const GUID,
    _expression: PCWSTR,
    buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    // SAFETY: as above.
    let (state, id) = unsafe { (state(data), number(&*id)) };
    let Some(first) = state.next.lock().get(&id).copied() else {
        return HResult::INVALID_ARGUMENT.0;
    };
    let mut next = first;
    let mut result = HResult::OK;
    let basic = file(1);
    while result.is_ok() && next < state.shape.files {
        let name = name(next);
        // SAFETY: the name ends with NUL, and the buffer is this callback's.
        result = HResult(unsafe {
            (state.library.PrjFillDirEntryBuffer)(name.as_ptr(), &raw const basic, buffer)
        });
        next += u32::from(result.is_ok());
    }
    state.next.lock().insert(id, next);
    if next > first { HResult::OK.0 } else { result.0 }
}

unsafe extern "system" fn placeholder(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as above; the path is read to its NUL.
    let (state, path) = unsafe {
        let path = (*data).FilePathName;
        let length = (0..).take_while(|at| *path.add(*at) != 0).count();
        (state(data), std::slice::from_raw_parts(path, length))
    };
    let path = String::from_utf16_lossy(path);
    let basic = match path.as_str() {
        "many" => PRJ_FILE_BASIC_INFO { IsDirectory: true, ..file(0) },
        "large" => file(state.shape.large),
        path if path.strip_prefix(r"many\").is_some_and(|name| name.parse::<u32>().is_ok()) => {
            file(1)
        }
        _ => return HResult::FILE_NOT_FOUND.0,
    };
    let info = PRJ_PLACEHOLDER_INFO { FileBasicInfo: basic, ..Default::default() };
    let size = size_of::<PRJ_PLACEHOLDER_INFO>() as u32;
    // SAFETY: everything that is pointed to lives during the call.
    unsafe {
        let context = (*data).NamespaceVirtualizationContext;
        let write = state.library.PrjWritePlaceholderInfo;
        write(context, (*data).FilePathName, &raw const info, size)
    }
}

unsafe extern "system" fn data(
    data: *const PRJ_CALLBACK_DATA,
    offset: u64,
    length: u32,
) -> HRESULT {
    // SAFETY: as above; the one buffer has a piece's bytes, and is only read.
    unsafe {
        let (state, context) = (state(data), (*data).NamespaceVirtualizationContext);
        let mut buffer = state.buffer.load(Ordering::Relaxed);
        if buffer.is_null() {
            buffer = (state.library.PrjAllocateAlignedBuffer)(context, PIECE as usize);
            state.buffer.store(buffer, Ordering::Relaxed);
        }
        let stream = &raw const (*data).DataStreamId;
        let mut done = 0;
        while done < length {
            let piece = PIECE.min(length - done);
            let at = offset + u64::from(done);
            let result = (state.library.PrjWriteFileData)(context, stream, buffer, at, piece);
            if result < 0 {
                return result;
            }
            done += piece;
        }
    }
    HResult::OK.0
}
