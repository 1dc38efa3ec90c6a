//! Safe calls on a root that runs, from callbacks and from anywhere else.
//!
//! A handle that is used after its instance was stopped takes the process down. So every call here
//! holds the instance open: a stop waits for calls that are under way, and those that come later
//! are told that the instance is gone. A call that hangs is not waited for without end (projfs.md
//! J13): then the instance is never stopped.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_VIRTUALIZATION_INSTANCE_INFO;
use windows_sys::core::{GUID, HRESULT};

use super::aligned::AlignedBuffer;
use super::functions::ProjFsApi;
use super::{codes, info, wide};
use crate::projection::{ProjectedFileInfo, ProjectedKind};
use crate::virtualizer::{DataBuffer, DataSink};

/// An HRESULT that is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) HRESULT);

impl Failure {
    /// `Ok` if the code is a success.
    pub(crate) const fn check(code: HRESULT) -> Result<(), Self> {
        if code >= 0 { Ok(()) } else { Err(Self(code)) }
    }
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Failure({:#010x})", self.0)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// The handle of a running instance (PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context(pub(crate) usize);

impl Context {
    pub(super) const fn handle(self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }
}

/// The buffer of one Get (PRJ_DIR_ENTRY_BUFFER_HANDLE); valid until its command is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryBuffer(pub(crate) usize);

/// Where the content of one file goes (DataStreamId).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(pub(crate) u128);

/// Why an update or delete was refused (projfs.md D5): PRJ_UPDATE_FAILURE_CAUSES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailureCauses(pub(crate) u32);

/// Whether calls can be made.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Starting,
    Running(Context),
    Stopped,
}

/// A root that starts, runs, or is stopped. Methods may be called from any thread but those of
/// callbacks where they say so.
#[derive(Debug)]
pub(crate) struct Instance {
    api: &'static ProjFsApi,
    /// Set before a stop waits for the lock: else calls that keep coming would pass it by.
    closing: AtomicBool,
    phase: RwLock<Phase>,
    write_alignment: OnceLock<u32>,
}

impl Instance {
    /// One that is yet to start.
    pub(crate) const fn new(api: &'static ProjFsApi) -> Self {
        Self {
            api,
            closing: AtomicBool::new(false),
            phase: RwLock::new(Phase::Starting),
            write_alignment: OnceLock::new(),
        }
    }

    pub(crate) const fn api(&self) -> &'static ProjFsApi {
        self.api
    }

    /// The handle became known: to the first callback, or by the start (projfs.md M7).
    pub(crate) fn runs_as(&self, context: Context) {
        if matches!(*self.phase.read_recursive(), Phase::Starting) {
            let mut phase = self.phase.write();
            if matches!(*phase, Phase::Starting) {
                *phase = Phase::Running(context);
            }
        }
    }

    /// Refuses calls from now on, and waits for those that are under way; `false` if they take
    /// longer than `patience`. Then the handle is still in use.
    pub(super) fn close(&self, patience: Duration) -> bool {
        self.closing.store(true, Ordering::Release);
        let Some(mut phase) = self.phase.try_write_for(patience) else { return false };
        *phase = Phase::Stopped;
        true
    }

    /// Makes a call while the instance is held open. Recursive, because an update makes callbacks
    /// that make calls, while a stop already waits.
    pub(super) fn call<T>(&self, call: impl FnOnce(*mut c_void) -> T) -> Result<T, Failure> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Failure(codes::VIRTUALIZATION_UNAVAILABLE));
        }
        match *self.phase.read_recursive() {
            Phase::Running(context) => Ok(call(context.handle())),
            Phase::Starting | Phase::Stopped => Err(Failure(codes::VIRTUALIZATION_UNAVAILABLE)),
        }
    }

    fn checked(&self, call: impl FnOnce(*mut c_void) -> HRESULT) -> Result<(), Failure> {
        self.call(call).and_then(Failure::check)
    }

    /// Writes a placeholder under the spelling of `path` (projfs.md H2, G9). A link needs a Windows
    /// that knows links: NOT_SUPPORTED.
    pub(crate) fn write_placeholder(
        &self,
        path: &[u16],
        info: &ProjectedFileInfo,
    ) -> Result<(), Failure> {
        let (path, placeholder) = (wide::with_nul(path), info::placeholder(info));
        let (path, placeholder, size) =
            (path.as_ptr(), &raw const placeholder, info::PLACEHOLDER_BYTES);
        let ProjectedKind::Symlink { target, .. } = &info.kind else {
            return self.checked(|handle| {
                // SAFETY: the instance is held open; everything that is pointed to lives.
                unsafe { (self.api.PrjWritePlaceholderInfo)(handle, path, placeholder, size) }
            });
        };
        let write = self.api.PrjWritePlaceholderInfo2.ok_or(Failure(codes::NOT_SUPPORTED))?;
        let target = wide::with_nul(target);
        let link = info::link(&target);
        self.checked(|handle| {
            // SAFETY: as above.
            unsafe { write(handle, path, placeholder, size, &raw const link) }
        })
    }

    /// Brings what is on disk at a path up to date; nothing on disk is success (projfs.md M17,
    /// M18). A link cannot be updated: delete it. Never from a callback (projfs.md L8).
    pub(crate) fn update(
        &self,
        path: &[u16],
        info: &ProjectedFileInfo,
        allow: u32,
    ) -> Result<(), (Failure, FailureCauses)> {
        if matches!(info.kind, ProjectedKind::Symlink { .. }) {
            return Err((Failure(codes::NOT_SUPPORTED), FailureCauses(0)));
        }
        let (path, placeholder, mut causes) = (wide::with_nul(path), info::placeholder(info), 0);
        let (allow, size) = (allow.cast_signed(), info::PLACEHOLDER_BYTES);
        let causes_out = &raw mut causes;
        let result = self.checked(|handle| {
            let (path, placeholder) = (path.as_ptr(), &raw const placeholder);
            // SAFETY: the instance is held open; everything that is pointed to lives.
            unsafe {
                (self.api.PrjUpdateFileIfNeeded)(handle, path, placeholder, size, allow, causes_out)
            }
        });
        nothing_there_is_success(result, causes)
    }

    /// Removes what is on disk at a path, so that the projection shows; nothing there is success
    /// (projfs.md M17, M18). Never from a callback (projfs.md L8).
    pub(crate) fn delete(&self, path: &[u16], allow: u32) -> Result<(), (Failure, FailureCauses)> {
        let (path, allow, mut causes) = (wide::with_nul(path), allow.cast_signed(), 0);
        let causes_out = &raw mut causes;
        let result = self.checked(|handle| {
            // SAFETY: the instance is held open; everything that is pointed to lives.
            unsafe { (self.api.PrjDeleteFile)(handle, path.as_ptr(), allow, causes_out) }
        });
        nothing_there_is_success(result, causes)
    }

    /// Forgets names that were not there (projfs.md H10).
    pub(crate) fn clear_negative_path_cache(&self) -> Result<(), Failure> {
        self.checked(|handle| {
            // SAFETY: the instance is held open; the number of entries is not asked for.
            unsafe { (self.api.PrjClearNegativePathCache)(handle, ptr::null_mut()) }
        })
    }

    /// The identity that the root was marked with first (projfs.md M2).
    pub(crate) fn instance_id(&self) -> Result<u128, Failure> {
        self.info().map(|info| guid_number(&info.InstanceID))
    }

    /// What offsets and lengths of writes must be multiples of (projfs.md J5, M14).
    fn ask_write_alignment(&self) -> Result<u32, Failure> {
        Ok(self.info()?.WriteAlignment.max(1))
    }

    fn info(&self) -> Result<PRJ_VIRTUALIZATION_INSTANCE_INFO, Failure> {
        let mut info =
            PRJ_VIRTUALIZATION_INSTANCE_INFO { InstanceID: GUID::from_u128(0), WriteAlignment: 0 };
        let out = &raw mut info;
        self.checked(|handle| {
            // SAFETY: the instance is held open; the structure can be written to.
            unsafe { (self.api.PrjGetVirtualizationInstanceInfo)(handle, out) }
        })?;
        Ok(info)
    }
}

/// A GUID as the number that `GUID::from_u128` makes it from.
pub(crate) fn guid_number(guid: &GUID) -> u128 {
    u128::from(guid.data1) << 96
        | u128::from(guid.data2) << 80
        | u128::from(guid.data3) << 64
        | u128::from(u64::from_be_bytes(guid.data4))
}

fn nothing_there_is_success(
    result: Result<(), Failure>,
    causes: i32,
) -> Result<(), (Failure, FailureCauses)> {
    match result {
        Ok(()) | Err(Failure(codes::FILE_NOT_FOUND | codes::PATH_NOT_FOUND)) => Ok(()),
        Err(failure) => Err((failure, FailureCauses(causes.cast_unsigned()))),
    }
}

/// Sectors of 4096 bytes are aligned for those of 512, too.
const COARSEST_ALIGNMENT: u32 = 4096;

impl DataSink for Instance {
    fn write_alignment(&self) -> u32 {
        if let Some(alignment) = self.write_alignment.get() {
            return *alignment;
        }
        match self.ask_write_alignment() {
            Ok(alignment) => *self.write_alignment.get_or_init(|| alignment),
            Err(failure) => {
                tracing::debug!("PrjGetVirtualizationInstanceInfo gave {failure}");
                COARSEST_ALIGNMENT
            }
        }
    }

    fn allocate(&self, bytes: usize) -> Option<DataBuffer> {
        let memory = self.call(|handle| {
            // SAFETY: the instance is held open.
            unsafe { (self.api.PrjAllocateAlignedBuffer)(handle, bytes) }
        });
        let memory = NonNull::new(memory.ok()?.cast())?;
        // SAFETY: just allocated with this length.
        Some(Box::new(unsafe { AlignedBuffer::new(self.api, memory, bytes) }))
    }

    fn write(&self, stream: StreamId, data: &[u8], offset: u64) -> Result<(), Failure> {
        let length = u32::try_from(data.len()).map_err(|_| Failure(codes::INVALID_ARGUMENT))?;
        let stream = GUID::from_u128(stream.0);
        self.checked(|handle| {
            let data = data.as_ptr().cast();
            // SAFETY: the instance is held open; everything that is pointed to lives.
            unsafe { (self.api.PrjWriteFileData)(handle, &raw const stream, data, offset, length) }
        })
    }

    fn complete(&self, command: i32, result: HRESULT) -> Result<(), Failure> {
        self.checked(|handle| {
            // SAFETY: the instance is held open. Nothing besides: only Gets and notifications, which
            // are answered at once here, have something to add (projfs.md L3).
            unsafe { (self.api.PrjCompleteCommand)(handle, command, result, ptr::null()) }
        })
    }
}
