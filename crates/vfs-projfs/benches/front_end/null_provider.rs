//! A provider that costs next to nothing: answers lie ready as ProjFS takes them, and all bytes of
//! all files are the same. What remains is the emulator's own cost.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use parking_lot::Mutex;
use projfs_emulator::contract::{HResult, Wide};
use projfs_emulator::provider::{Library, table};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_DIR_ENTRY_BUFFER_HANDLE, PRJ_FILE_BASIC_INFO,
    PRJ_PLACEHOLDER_INFO, PRJ_STARTVIRTUALIZING_OPTIONS,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

use crate::job::Job;
use crate::root::THREADS;

/// Bytes of one PrjWriteFileData.
const PIECE: u32 = 1 << 20;

/// A name with its NUL, and the rest of an entry.
type Item = (Vec<u16>, PRJ_FILE_BASIC_INFO);

/// A job's entries by their paths, in the case in which they are asked for.
#[derive(Default)]
pub(crate) struct NullTree {
    listings: HashMap<Vec<u16>, Arc<[Item]>>,
    items: HashMap<Vec<u16>, PRJ_FILE_BASIC_INFO>,
}

impl NullTree {
    /// Of a job whose names are in lower case, so that they are in order.
    pub(crate) fn new(job: &Job) -> Arc<Self> {
        let mut folders = BTreeMap::<&str, BTreeMap<&str, PRJ_FILE_BASIC_INFO>>::new();
        for (path, bytes) in &job.files {
            let (mut path, mut info) = (path.as_str(), basic(Some(bytes.len())));
            while !path.is_empty() {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                folders.entry(above).or_default().insert(name, info);
                (path, info) = (above, basic(None));
            }
        }
        let mut tree = Self::default();
        for (folder, entries) in folders {
            for (name, info) in &entries {
                let path = format!("{folder}/{name}");
                tree.items.insert(units(path.trim_start_matches('/')), *info);
            }
            let listing = entries
                .iter()
                .map(|(name, info)| (name.encode_utf16().chain([0]).collect(), *info));
            tree.listings.insert(units(folder), listing.collect());
        }
        Arc::new(tree)
    }
}

fn units(path: &str) -> Vec<u16> {
    path.replace('/', "\\").encode_utf16().collect()
}

fn basic(size: Option<usize>) -> PRJ_FILE_BASIC_INFO {
    let time = 132_223_104_000_000_000;
    PRJ_FILE_BASIC_INFO {
        IsDirectory: size.is_none(),
        FileSize: size.unwrap_or_default() as i64,
        CreationTime: time,
        LastAccessTime: time,
        LastWriteTime: time,
        ChangeTime: time,
        FileAttributes: 0,
    }
}

/// A running null provider.
pub(crate) struct NullProvider {
    context: *mut c_void,
    /// What callbacks use, until the provider has stopped.
    _state: Box<State>,
}

/// An enumeration: what it lists, and from where on.
#[derive(Clone)]
struct Session {
    listing: Arc<[Item]>,
    next: usize,
}

struct State {
    library: &'static Library,
    tree: Arc<NullTree>,
    sessions: Mutex<HashMap<u128, Session>>,
    buffer: AtomicPtr<c_void>,
}

impl NullProvider {
    pub(crate) fn start(root: &str, tree: &Arc<NullTree>) -> Result<Self, HResult> {
        let library = table();
        let (tree, sessions, buffer) = (Arc::clone(tree), Mutex::default(), AtomicPtr::default());
        let state = Box::new(State { library, tree, sessions, buffer });
        let callbacks = PRJ_CALLBACKS {
            StartDirectoryEnumerationCallback: Some(start),
            EndDirectoryEnumerationCallback: Some(end),
            GetDirectoryEnumerationCallback: Some(get),
            GetPlaceholderInfoCallback: Some(placeholder),
            GetFileDataCallback: Some(data),
            ..PRJ_CALLBACKS::default()
        };
        let options = PRJ_STARTVIRTUALIZING_OPTIONS {
            PoolThreadCount: THREADS,
            ConcurrentThreadCount: THREADS,
            ..Default::default()
        };
        let identity = GUID::from_u128(0x4e55_4c4c_4e55_4c4c_8000_0000_0000_0002);
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
unsafe fn state<'a>(data: *const PRJ_CALLBACK_DATA) -> (&'a State, &'a [u16]) {
    // SAFETY: the context is what `start` gave, which lives until the provider has stopped; the
    // path is read to its NUL.
    unsafe {
        let path = (*data).FilePathName;
        let length = (0..).take_while(|at| *path.add(*at) != 0).count();
        let path = std::slice::from_raw_parts(path, length);
        (&*(*data).InstanceContext.cast::<State>(), path)
    }
}

fn number(guid: &GUID) -> u128 {
    let tail = u128::from(u64::from_le_bytes(guid.data4));
    u128::from(guid.data1) << 96
        | u128::from(guid.data2) << 80
        | u128::from(guid.data3) << 64
        | tail
}

unsafe extern "system" fn start(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    // SAFETY: as the library gives it; so in all callbacks.
    let ((state, path), id) = unsafe { (state(data), number(&*id)) };
    let Some(listing) = state.tree.listings.get(path) else { return HResult::FILE_NOT_FOUND.0 };
    state.sessions.lock().insert(id, Session { listing: Arc::clone(listing), next: 0 });
    HResult::OK.0
}

unsafe extern "system" fn end(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    // SAFETY: as above.
    unsafe { state(data).0.sessions.lock().remove(&number(&*id)) };
    HResult::OK.0
}

unsafe extern "system" fn get(
    data: *const PRJ_CALLBACK_DATA,
    id: *const GUID,
    _expression: PCWSTR,
    buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    // SAFETY: as above.
    let ((state, _), id) = unsafe { (state(data), number(&*id)) };
    let Some(Session { listing, next: first }) = state.sessions.lock().get(&id).cloned() else {
        return HResult::INVALID_ARGUMENT.0;
    };
    let (mut next, mut result) = (first, HResult::OK);
    while let Some((name, info)) = listing.get(next) {
        // SAFETY: the name ends with NUL, and the buffer is this callback's.
        result = HResult(unsafe {
            (state.library.PrjFillDirEntryBuffer)(
                name.as_ptr(),
                ptr::from_ref(info).cast_mut(),
                buffer,
            )
        });
        if !result.is_ok() {
            break;
        }
        next += 1;
    }
    state.sessions.lock().insert(id, Session { listing, next });
    if next > first { HResult::OK.0 } else { result.0 }
}

unsafe extern "system" fn placeholder(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as above.
    let (state, path) = unsafe { state(data) };
    let Some(basic) = state.tree.items.get(path) else { return HResult::FILE_NOT_FOUND.0 };
    let info = PRJ_PLACEHOLDER_INFO { FileBasicInfo: *basic, ..Default::default() };
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
        let ((state, _), context) = (state(data), (*data).NamespaceVirtualizationContext);
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
