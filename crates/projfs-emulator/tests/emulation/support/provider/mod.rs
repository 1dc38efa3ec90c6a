//! A provider as one writes it for Windows: on the C functions, with sessions, ContentIDs, sorted
//! listings, aligned buffers and notifications. One [`Fault`] makes it wrong in one way.
#![expect(unsafe_code, reason = "the C functions and callbacks")]

mod answers;
mod belief;
mod command;
mod fault;
mod listing;

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use projfs_emulator::contract::{
    FailureCauses, FileState, Guid, HResult, Notification, NotifyMask, Result, UpdateFlags, Wide,
};
use projfs_emulator::provider::Library;
use serde::{Deserialize, Serialize};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_FLAG_NONE, PRJ_FLAG_USE_NEGATIVE_PATH_CACHE, PRJ_NOTIFICATION_MAPPING,
    PRJ_NOTIFICATION_PARAMETERS, PRJ_STARTVIRTUALIZING_OPTIONS,
};

use super::tree::{Content, Tree, wide};
use belief::Belief;
pub(crate) use belief::Change;
pub(crate) use command::{Command, Kind};
pub(crate) use fault::Fault;
use listing::Listing;

/// How long anything here is waited for: far longer than a test that works takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a provider is set up; it can be sent to another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Options {
    pub(crate) fault: Option<Fault>,
    /// Each command is completed from another thread (L2).
    pub(crate) asynchronous: bool,
    pub(crate) queries_names: bool,
    pub(crate) cancels: bool,
    pub(crate) negative_path_cache: bool,
    /// Folder and mask; `None`: there is no Notification callback.
    pub(crate) mappings: Option<Vec<(String, NotifyMask)>>,
    /// What each of these notifications is answered with.
    pub(crate) refusals: Vec<(Notification, HResult)>,
    /// Bytes of one PrjWriteFileData; a multiple of the alignment.
    pub(crate) piece: u32,
    /// PoolThreadCount and ConcurrentThreadCount; 0 is the library's choice.
    pub(crate) threads: (u32, u32),
    pub(crate) instance: Guid,
    /// GetFileData is never answered, to be killed meanwhile.
    pub(crate) stuck_data: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fault: None,
            asynchronous: false,
            queries_names: true,
            cancels: true,
            negative_path_cache: false,
            mappings: Some(vec![(String::new(), NotifyMask::from_bits_retain(0x1FFE))]),
            refusals: Vec::new(),
            piece: 1 << 20,
            threads: (0, 0),
            instance: Guid::numbered(7, 7),
            stuck_data: false,
        }
    }
}

impl Options {
    /// Wrong in one way.
    pub(crate) fn wrong(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// Answers this notification with this code.
    pub(crate) fn refusing(mut self, notification: Notification, code: HResult) -> Self {
        self.refusals.push((notification, code));
        self
    }
}

/// Looks at each callback before it is answered, on its thread: may wait, and may answer instead.
pub(crate) type Hook = Box<dyn Fn(&Command) -> Option<HResult> + Send + Sync>;

/// Told what each PrjWriteFileData gave.
type OnWrite = Box<dyn Fn(HResult) + Send + Sync>;

/// What callbacks see.
pub(crate) struct Inner {
    library: Library,
    options: Options,
    root: PathBuf,
    projection: RwLock<Arc<Tree>>,
    /// All content ever projected, by ContentID (H9, M13).
    contents: Mutex<BTreeMap<[u8; 128], Content>>,
    listings: Mutex<HashMap<Guid, Arc<Mutex<Listing>>>>,
    belief: Mutex<Belief>,
    hook: RwLock<Hook>,
    on_write: RwLock<OnWrite>,
    /// What notifications are answered with (K11).
    reply_mask: AtomicU32,
    /// Where a notification's callback was to put its mask, for a provider that keeps it.
    kept: AtomicPtr<PRJ_NOTIFICATION_PARAMETERS>,
    /// Bytes of a file after which its data cannot be had.
    data_limit: AtomicU64,
    seen: Mutex<Vec<String>>,
    seen_more: Condvar,
}

/// A running provider; stops when dropped.
pub(crate) struct Provider {
    inner: Arc<Inner>,
    context: *mut c_void,
    /// Must live until the provider has stopped (K2).
    _mappings: Mappings,
    stopped: bool,
}

/// The notification mappings as C has them.
struct Mappings {
    raw: Vec<PRJ_NOTIFICATION_MAPPING>,
    /// What they point to.
    _folders: Vec<Vec<u16>>,
}

impl Mappings {
    fn new(mappings: &[(String, NotifyMask)]) -> Self {
        let folders: Vec<_> = mappings.iter().map(|(path, _)| wide(path).to_c()).collect();
        let mapping =
            |(folder, (_, mask)): (&Vec<u16>, &(String, NotifyMask))| PRJ_NOTIFICATION_MAPPING {
                NotificationBitMask: mask.bits(),
                NotificationRoot: folder.as_ptr(),
            };
        let raw = folders.iter().zip(mappings).map(mapping).collect();
        Self { raw, _folders: folders }
    }
}

// SAFETY: the library's context is not tied to a thread (L7).
unsafe impl Send for Provider {}
// SAFETY: as above.
unsafe impl Sync for Provider {}

impl Provider {
    /// Marks the folder and starts (M1).
    pub(crate) fn start(
        library: Library,
        root: &Path,
        tree: Tree,
        options: Options,
    ) -> Result<Self> {
        let instance = match options.fault {
            Some(Fault::ForgetsIdentity) => Guid::numbered(8, fastrand::u64(..)),
            _ => options.instance,
        };
        let path = Wide::from(root.to_str().unwrap()).to_c();
        let marked = {
            let instance = command::raw_guid(instance);
            // SAFETY: NUL-terminated strings and a GUID that live during the call.
            HResult(unsafe {
                let mark = library.PrjMarkDirectoryAsPlaceholder;
                mark(path.as_ptr(), ptr::null(), ptr::null(), &raw const instance)
            })
        };
        // Marked before is as good (M3).
        let was_marked = marked == HResult::REPARSE_POINT_ENCOUNTERED;
        if !was_marked || options.fault == Some(Fault::FailsOnMarkedRoot) {
            marked.ok()?;
        }
        let contents = tree.contents().into_iter().map(|content| (content.identity(), content));
        let inner = Arc::new(Inner {
            library,
            root: root.to_owned(),
            contents: Mutex::new(contents.map(|(id, content)| (id, content.clone())).collect()),
            projection: RwLock::new(Arc::new(tree)),
            listings: Mutex::default(),
            belief: Mutex::new(Belief::new(options.fault)),
            hook: RwLock::new(Box::new(|_| None)),
            on_write: RwLock::new(Box::new(|_| {})),
            reply_mask: AtomicU32::default(),
            kept: AtomicPtr::default(),
            data_limit: AtomicU64::new(u64::MAX),
            seen: Mutex::default(),
            seen_more: Condvar::new(),
            options,
        });
        inner.look_at_everything();
        let mut mappings = Mappings::new(inner.options.mappings.as_deref().unwrap_or_default());
        let context = inner.start(&path, &mut mappings)?;
        let provider = Self { inner, context, _mappings: mappings, stopped: false };
        if provider.inner.options.negative_path_cache {
            provider.forget_negative_paths()?;
        }
        Ok(provider)
    }

    /// Stops; nothing is called any more when this returns (M8).
    pub(crate) fn stop(mut self) {
        self.end();
    }

    /// Stops, and gives the callbacks since [`Self::take_seen`].
    pub(crate) fn stop_and_see(mut self) -> Vec<String> {
        self.end();
        self.take_seen()
    }

    /// Answers notifications with this mask from now on (K11).
    pub(crate) fn reply_mask(&self, mask: NotifyMask) {
        self.inner.reply_mask.store(mask.bits(), Ordering::Relaxed);
    }

    /// Stops, and tells what the provider takes for changed when everything has been said.
    pub(crate) fn stop_and_tell(mut self) -> BTreeMap<String, Change> {
        self.end();
        self.inner.believes()
    }

    /// Stops; what the context was is kept for misuse.
    pub(crate) fn stop_keeping_context(mut self) -> *mut c_void {
        self.end();
        self.context
    }

    fn end(&mut self) {
        if !self.stopped {
            self.stopped = true;
            // SAFETY: the context of a running instance, which nobody uses any more.
            unsafe { (self.inner.library.PrjStopVirtualizing)(self.context) };
        }
    }

    /// Looks at each callback from now on.
    pub(crate) fn hook(&self, hook: impl Fn(&Command) -> Option<HResult> + Send + Sync + 'static) {
        *self.inner.hook.write() = Box::new(hook);
    }

    /// Told what each PrjWriteFileData gives from now on.
    pub(crate) fn on_write(&self, told: impl Fn(HResult) + Send + Sync + 'static) {
        *self.inner.on_write.write() = Box::new(told);
    }

    /// Lets GetFileData fail behind this many bytes of a file from now on.
    pub(crate) fn fail_data_after(&self, bytes: u64) {
        self.inner.data_limit.store(bytes, Ordering::Relaxed);
    }

    /// Projects something else from now on, and says so to the negative path cache (H10).
    pub(crate) fn project(&self, tree: Tree) -> Result<()> {
        for content in tree.contents() {
            self.inner.contents.lock().insert(content.identity(), content.clone());
        }
        *self.inner.projection.write() = Arc::new(tree);
        if self.inner.options.negative_path_cache { self.forget_negative_paths() } else { Ok(()) }
    }

    fn forget_negative_paths(&self) -> Result<()> {
        if self.inner.options.fault == Some(Fault::KeepsNegativePaths) {
            return Ok(());
        }
        // SAFETY: the context of the running instance.
        HResult(unsafe {
            (self.inner.library.PrjClearNegativePathCache)(self.context, ptr::null_mut())
        })
        .ok()
    }

    /// PrjUpdateFileIfNeeded to what the projection has now.
    pub(crate) fn update(&self, path: &str, flags: UpdateFlags) -> (HResult, FailureCauses) {
        self.inner.update(self.context, &wide(path), flags)
    }

    /// PrjDeleteFile.
    pub(crate) fn delete(&self, path: &str, flags: UpdateFlags) -> (HResult, FailureCauses) {
        self.inner.delete(self.context, &wide(path), flags)
    }

    /// PrjWritePlaceholderInfo outside of a callback (H8).
    pub(crate) fn write_placeholder(&self, path: &str) -> HResult {
        self.inner.write_placeholder(self.context, &wide(path))
    }

    /// PrjGetOnDiskFileState.
    pub(crate) fn state(&self, path: &str) -> Result<FileState> {
        self.inner.state(&wide(path))
    }

    /// What the provider takes for changed: local items, and names that are gone.
    pub(crate) fn believes(&self) -> BTreeMap<String, Change> {
        self.inner.believes()
    }

    /// Callbacks since the last call, one a line.
    pub(crate) fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.seen.lock())
    }

    /// Waits until a callback was seen.
    pub(crate) fn await_seen(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.inner.seen.lock();
        while !seen.iter().any(|have| have == line) {
            let late = self.inner.seen_more.wait_until(&mut seen, deadline).timed_out();
            assert!(!late, "'{line}' did not come; came: {seen:#?}");
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inner {
    /// PrjStartVirtualizing; callbacks may come before it returns (M7).
    fn start(self: &Arc<Self>, root: &[u16], mappings: &mut Mappings) -> Result<*mut c_void> {
        let options = &self.options;
        let callbacks =
            command::callbacks(options.queries_names, options.mappings.is_some(), options.cancels);
        let (pool, concurrent) = options.threads;
        let started = PRJ_STARTVIRTUALIZING_OPTIONS {
            Flags: if options.negative_path_cache {
                PRJ_FLAG_USE_NEGATIVE_PATH_CACHE
            } else {
                PRJ_FLAG_NONE
            },
            PoolThreadCount: pool,
            ConcurrentThreadCount: concurrent,
            NotificationMappings: mappings.raw.as_mut_ptr(),
            NotificationMappingsCount: u32::try_from(mappings.raw.len()).unwrap(),
        };
        let mut context = ptr::null_mut();
        // SAFETY: everything that is pointed to lives during the call; the instance context lives
        // until the provider has stopped.
        HResult(unsafe {
            (self.library.PrjStartVirtualizing)(
                root.as_ptr(),
                &raw const callbacks,
                Arc::as_ptr(self).cast(),
                &raw const started,
                &raw mut context,
            )
        })
        .ok()?;
        Ok(context)
    }

    /// Notes a callback.
    fn note(&self, command: &Command) {
        self.note_line(command.line());
    }

    fn note_line(&self, line: String) {
        self.seen.lock().push(line);
        self.seen_more.notify_all();
    }

    /// Notes what came of a completion, if it was refused.
    fn note_completion(&self, command: &Command, result: HResult) {
        if !result.is_ok() {
            self.note_line(format!("completion refused: {} {result}", command.line()));
        }
    }
}
