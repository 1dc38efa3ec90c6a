//! A provider in C's manner whose callbacks are one closure.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use projfs_emulator::contract::{BasicInfo, HResult, Wide};
use projfs_emulator::link::LibraryKnobs;
use projfs_emulator::provider::Library;
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_DIR_ENTRY_BUFFER_HANDLE, PRJ_FILE_BASIC_INFO,
    PRJ_NOTIFICATION, PRJ_NOTIFICATION_PARAMETERS, PRJ_PLACEHOLDER_INFO,
    PRJ_STARTVIRTUALIZING_OPTIONS,
};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

use crate::fake::{Fake, LIMIT};

/// A callback as it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) data: *const PRJ_CALLBACK_DATA,
    pub(crate) what: What,
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    Start(*const GUID),
    End(*const GUID),
    Get { listing: *const GUID, expression: PCWSTR, entries: PRJ_DIR_ENTRY_BUFFER_HANDLE },
    Placeholder,
    Data { offset: u64, length: u32 },
    Query,
    Notify(Notified),
    Cancel,
}

#[derive(Clone, Copy)]
pub(crate) struct Notified {
    pub(crate) directory: bool,
    pub(crate) notification: PRJ_NOTIFICATION,
    pub(crate) destination: PCWSTR,
    pub(crate) parameters: *mut PRJ_NOTIFICATION_PARAMETERS,
}

impl std::fmt::Debug for What {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Start(_) => "Start",
            Self::End(_) => "End",
            Self::Get { .. } => "Get",
            Self::Placeholder => "Placeholder",
            Self::Data { .. } => "Data",
            Self::Query => "Query",
            Self::Notify(_) => "Notify",
            Self::Cancel => "Cancel",
        })
    }
}

impl Asked {
    pub(crate) fn data(&self) -> PRJ_CALLBACK_DATA {
        // SAFETY: used while the callback runs.
        unsafe { self.data.read() }
    }

    pub(crate) fn handle(&self) -> *mut c_void {
        self.data().NamespaceVirtualizationContext
    }

    pub(crate) fn entries(&self) -> PRJ_DIR_ENTRY_BUFFER_HANDLE {
        match self.what {
            What::Get { entries, .. } => entries,
            _ => null_mut(),
        }
    }
}

type Answer = Box<dyn Fn(Asked) -> HResult + Send + Sync>;

/// A provider that runs; stopped when dropped.
pub(crate) struct Running {
    pub(crate) library: Library,
    pub(crate) handle: *mut c_void,
    stopped: bool,
    /// What InstanceContext points to. Last, so that it is there until the stop.
    _answer: Box<Answer>,
}

// SAFETY: the handle is a number, and the functions take any thread.
unsafe impl Send for Running {}
// SAFETY: as above.
unsafe impl Sync for Running {}

pub(crate) const KNOBS: LibraryKnobs =
    LibraryKnobs { strict: true, hide_symlink_functions: false, legacy_compare: false };

/// The functions of today's Windows.
pub(crate) fn library() -> Library {
    Library::with(KNOBS)
}

pub(crate) fn start(
    fake: &Fake,
    answer: impl Fn(Asked) -> HResult + Send + Sync + 'static,
) -> Running {
    start_with(fake, &PRJ_STARTVIRTUALIZING_OPTIONS::default(), answer)
}

pub(crate) fn start_with(
    fake: &Fake,
    options: &PRJ_STARTVIRTUALIZING_OPTIONS,
    answer: impl Fn(Asked) -> HResult + Send + Sync + 'static,
) -> Running {
    start_at(&fake.root, options, answer)
}

pub(crate) fn start_at(
    root: &Wide,
    options: &PRJ_STARTVIRTUALIZING_OPTIONS,
    answer: impl Fn(Asked) -> HResult + Send + Sync + 'static,
) -> Running {
    let answer: Box<Answer> = Box::new(Box::new(answer));
    let context: *const Answer = &raw const *answer;
    let (library, mut handle) = (library(), null_mut());
    let root = root.to_c();
    // SAFETY: everything outlives the call, and the answer outlives the instance.
    let code = unsafe {
        (library.PrjStartVirtualizing)(
            root.as_ptr(),
            &callbacks(),
            context.cast(),
            options,
            &raw mut handle,
        )
    };
    assert_eq!(HResult(code), HResult::OK);
    assert!(!handle.is_null());
    Running { library, handle, stopped: false, _answer: answer }
}

/// A provider that knows nothing and agrees to everything.
pub(crate) fn indifferent(_: Asked) -> HResult {
    HResult::OK
}

impl Running {
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        // SAFETY: a handle, live or not.
        unsafe { (self.library.PrjStopVirtualizing)(self.handle) };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.stopped {
            self.stop();
        }
    }
}

pub(crate) fn callbacks() -> PRJ_CALLBACKS {
    PRJ_CALLBACKS {
        StartDirectoryEnumerationCallback: Some(on_start),
        EndDirectoryEnumerationCallback: Some(on_end),
        GetDirectoryEnumerationCallback: Some(on_get),
        GetPlaceholderInfoCallback: Some(on_placeholder),
        GetFileDataCallback: Some(on_data),
        QueryFileNameCallback: Some(on_query),
        NotificationCallback: Some(on_notification),
        CancelCommandCallback: Some(on_cancel),
    }
}

fn answer(data: *const PRJ_CALLBACK_DATA, what: What) -> HRESULT {
    // SAFETY: the data lives while the callback runs; the context is what `start_with` gave.
    let answer = unsafe { &*(*data).InstanceContext.cast_const().cast::<Answer>() };
    answer(Asked { data, what }).0
}

unsafe extern "system" fn on_start(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    answer(data, What::Start(id))
}

unsafe extern "system" fn on_end(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    answer(data, What::End(id))
}

unsafe extern "system" fn on_get(
    data: *const PRJ_CALLBACK_DATA,
    listing: *const GUID,
    expression: PCWSTR,
    entries: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    answer(data, What::Get { listing, expression, entries })
}

unsafe extern "system" fn on_placeholder(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    answer(data, What::Placeholder)
}

unsafe extern "system" fn on_data(
    data: *const PRJ_CALLBACK_DATA,
    offset: u64,
    length: u32,
) -> HRESULT {
    answer(data, What::Data { offset, length })
}

unsafe extern "system" fn on_query(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    answer(data, What::Query)
}

unsafe extern "system" fn on_notification(
    data: *const PRJ_CALLBACK_DATA,
    directory: bool,
    notification: PRJ_NOTIFICATION,
    destination: PCWSTR,
    parameters: *mut PRJ_NOTIFICATION_PARAMETERS,
) -> HRESULT {
    answer(data, What::Notify(Notified { directory, notification, destination, parameters }))
}

unsafe extern "system" fn on_cancel(data: *const PRJ_CALLBACK_DATA) {
    answer(data, What::Cancel);
}

/// Fills an entry of one name in.
pub(crate) fn fill(library: &Library, entries: PRJ_DIR_ENTRY_BUFFER_HANDLE, name: &str) -> HResult {
    let name = wide(name);
    // SAFETY: the name is there, the information is not.
    HResult(unsafe { (library.PrjFillDirEntryBuffer)(name.as_ptr(), null(), entries) })
}

/// Writes an empty placeholder.
pub(crate) fn write_placeholder(library: &Library, handle: *mut c_void, path: &str) -> HResult {
    let (path, info) = (wide(path), PRJ_PLACEHOLDER_INFO::default());
    let size = u32::try_from(size_of_val(&info)).unwrap();
    // SAFETY: both are there.
    HResult(unsafe { (library.PrjWritePlaceholderInfo)(handle, path.as_ptr(), &info, size) })
}

pub(crate) fn complete(
    library: &Library,
    handle: *mut c_void,
    id: i32,
    result: HResult,
) -> HResult {
    // SAFETY: no parameters.
    HResult(unsafe { (library.PrjCompleteCommand)(handle, id, result.0, null()) })
}

pub(crate) fn wide(text: &str) -> Vec<u16> {
    Wide::from(text).to_c()
}

/// A string that C gave.
pub(crate) fn text(string: PCWSTR) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: ends with a NUL.
    let units = unsafe { (0..).map(|at| *string.add(at)).take_while(|unit| *unit != 0) };
    Some(String::from_utf16(&units.collect::<Vec<_>>()).unwrap())
}

pub(crate) fn basic_info() -> (PRJ_FILE_BASIC_INFO, BasicInfo) {
    let c = PRJ_FILE_BASIC_INFO {
        IsDirectory: true,
        FileSize: 1,
        CreationTime: 2,
        LastAccessTime: 3,
        LastWriteTime: 4,
        ChangeTime: 5,
        FileAttributes: 6,
    };
    let ours = BasicInfo {
        directory: true,
        size: 1,
        creation: 2,
        access: 3,
        write: 4,
        change: 5,
        attributes: 6,
    };
    (c, ours)
}

/// Something that threads show each other and wait for.
#[derive(Debug, Default)]
pub(crate) struct Shown<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T: Clone + Default> Shown<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.lock());
        self.changed.notify_all();
    }

    pub(crate) fn get(&self) -> T {
        self.value.lock().clone()
    }

    pub(crate) fn wait_until(&self, wanted: impl Fn(&T) -> bool) -> T {
        let deadline = Instant::now() + LIMIT;
        let mut value = self.value.lock();
        while !wanted(&value) {
            let timed_out = self.changed.wait_until(&mut value, deadline).timed_out();
            assert!(!timed_out, "what a test waits for did not happen");
        }
        value.clone()
    }
}
