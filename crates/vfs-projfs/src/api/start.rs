//! How an instance comes to run, and ends.

use std::ffi::c_void;
use std::mem;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Once};
use std::time::Duration;

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACKS, PRJ_FLAG_USE_NEGATIVE_PATH_CACHE, PRJ_NOTIFICATION_MAPPING, PRJ_NOTIFY_TYPES,
    PRJ_STARTVIRTUALIZING_OPTIONS,
};
use windows_sys::w;

use super::instance::{Context, Instance};
use super::{codes, wide};
use crate::error::ProjFsError;

/// Which notifications the whole root sends. Static, because ProjFS looks at it until the stop
/// (projfs.md K2).
#[repr(transparent)]
pub(crate) struct Notifications(PRJ_NOTIFICATION_MAPPING);

// SAFETY: it points to a static string, and nobody writes to either.
unsafe impl Sync for Notifications {}

impl Notifications {
    /// Those of a mask.
    pub(crate) const fn new(mask: PRJ_NOTIFY_TYPES) -> Self {
        // The whole root is L"", not NULL.
        Self(PRJ_NOTIFICATION_MAPPING { NotificationBitMask: mask, NotificationRoot: w!("") })
    }
}

/// How long a stop waits for calls of ours that are under way: far longer than one that does not
/// hang takes.
const CALLS_PATIENCE: Duration = Duration::from_secs(10);

/// How to start.
pub(crate) struct Start<'a, S> {
    /// The marked root.
    pub(crate) root: &'a Path,
    /// What every callback gets; kept until after the stop.
    pub(crate) shared: Arc<S>,
    pub(crate) notifications: &'static Notifications,
    pub(crate) pool_threads: u32,
    pub(crate) concurrent_threads: u32,
}

/// An instance that runs until it is stopped or dropped.
pub(crate) struct Started<S> {
    instance: Arc<Instance>,
    context: Context,
    stopped: Once,
    shared: Arc<S>,
}

impl<S> std::fmt::Debug for Started<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("context", &self.context).finish_non_exhaustive()
    }
}

impl<S> Started<S> {
    /// Starts answering (projfs.md B1, M7). If it fails, nothing is left behind.
    ///
    /// # Safety
    /// The callbacks take their InstanceContext to be an `S`, and are good for any thread.
    pub(crate) unsafe fn start(
        instance: &Arc<Instance>,
        callbacks: &'static PRJ_CALLBACKS,
        start: Start<'_, S>,
    ) -> Result<Self, ProjFsError> {
        let root = wide::full_path(start.root)?;
        let options = PRJ_STARTVIRTUALIZING_OPTIONS {
            Flags: PRJ_FLAG_USE_NEGATIVE_PATH_CACHE,
            PoolThreadCount: start.pool_threads,
            ConcurrentThreadCount: start.concurrent_threads,
            NotificationMappings: (&raw const start.notifications.0).cast_mut(),
            NotificationMappingsCount: 1,
        };
        let shared: *const c_void = Arc::as_ptr(&start.shared).cast();
        let mut handle = ptr::null_mut();
        // SAFETY: everything that is pointed to lives during the call; the mapping, which ProjFS
        // only reads, for ever; what is shared until after the stop, because `Started` has it.
        let code = unsafe {
            let start = instance.api().PrjStartVirtualizing;
            start(root.as_ptr(), callbacks, shared, &raw const options, &raw mut handle)
        };
        if code < 0 {
            // No handle, no calls: nothing to wait for.
            instance.close(Duration::ZERO);
            return Err(ProjFsError::Api {
                action: "start to project into",
                path: start.root.to_owned(),
                function: "PrjStartVirtualizing",
                hresult: code.cast_unsigned(),
                advice: codes::advice(code),
            });
        }
        let context = Context(handle.addr());
        instance.runs_as(context);
        Ok(Self {
            instance: Arc::clone(instance),
            context,
            stopped: Once::new(),
            shared: start.shared,
        })
    }

    /// What callbacks get.
    pub(crate) const fn shared(&self) -> &Arc<S> {
        &self.shared
    }

    /// Stops, once: no callback runs after this (projfs.md M8). Never from a callback.
    ///
    /// If a call of ours hangs (projfs.md J13), PrjStopVirtualizing would hang as well, or take the
    /// handle away from under it. Then the instance is left as it is until the process ends, which
    /// ends it too; calls on it are refused, and what its callbacks look at is kept.
    pub(crate) fn stop(&self) {
        self.stop_within(CALLS_PATIENCE);
    }

    fn stop_within(&self, patience: Duration) {
        self.stopped.call_once(|| {
            if !self.instance.close(patience) {
                tracing::error!(
                    "a call to ProjFS hangs, most likely a write that another program blocks: the \
                     folder stays as it is until this process ends"
                );
                mem::forget(Arc::clone(&self.shared));
                return;
            }
            // SAFETY: the handle of the start, which nobody uses any more: calls go through the
            // instance, which is closed.
            unsafe { (self.instance.api().PrjStopVirtualizing)(self.context.handle()) };
        });
    }
}

impl<S> Drop for Started<S> {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::slice;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use windows_sys::Win32::Storage::ProjectedFileSystem::{
        PRJ_CALLBACK_DATA, PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT as Handle,
    };
    use windows_sys::core::{HRESULT, PCWSTR};

    use super::super::functions::ProjFsApi;
    use super::*;

    /// What callbacks and the library count.
    #[derive(Default)]
    struct Counts {
        callbacks: AtomicUsize,
        stops: AtomicUsize,
    }

    static CALLBACKS: PRJ_CALLBACKS = PRJ_CALLBACKS {
        QueryFileNameCallback: Some(count),
        StartDirectoryEnumerationCallback: None,
        EndDirectoryEnumerationCallback: None,
        GetDirectoryEnumerationCallback: None,
        GetPlaceholderInfoCallback: None,
        GetFileDataCallback: None,
        NotificationCallback: None,
        CancelCommandCallback: None,
    };

    static ASKED: Notifications = Notifications::new(0x1484);

    unsafe extern "system" fn count(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
        // SAFETY: called below, with what was given to the start.
        let counts = unsafe { &*(*data).InstanceContext.cast::<Counts>() };
        counts.callbacks.fetch_add(1, Ordering::SeqCst);
        0
    }

    /// A library that makes a callback before its start returns (projfs.md M7). The handle is the
    /// context.
    unsafe extern "system" fn start_early(
        root: PCWSTR,
        callbacks: *const PRJ_CALLBACKS,
        context: *const c_void,
        options: *const PRJ_STARTVIRTUALIZING_OPTIONS,
        handle: *mut Handle,
    ) -> HRESULT {
        // SAFETY: as `Started::start` calls it.
        unsafe {
            assert_eq!(slice::from_raw_parts(root, 3), [u16::from(b'/'), u16::from(b'r'), 0]);
            assert_eq!((*options).Flags, PRJ_FLAG_USE_NEGATIVE_PATH_CACHE);
            assert_eq!(((*options).PoolThreadCount, (*options).ConcurrentThreadCount), (8, 4));
            assert_eq!((*options).NotificationMappingsCount, 1);
            let mapping = &*(*options).NotificationMappings;
            assert_eq!((mapping.NotificationBitMask, *mapping.NotificationRoot), (0x1484, 0));
            let data = PRJ_CALLBACK_DATA {
                InstanceContext: context.cast_mut(),
                ..PRJ_CALLBACK_DATA::default()
            };
            (*callbacks).QueryFileNameCallback.unwrap()(&raw const data);
            *handle = context.cast_mut();
        }
        0
    }

    unsafe extern "system" fn start_and_fail(
        root: PCWSTR,
        callbacks: *const PRJ_CALLBACKS,
        context: *const c_void,
        options: *const PRJ_STARTVIRTUALIZING_OPTIONS,
        handle: *mut Handle,
    ) -> HRESULT {
        // SAFETY: the same promise.
        unsafe { start_early(root, callbacks, context, options, handle) };
        codes::REPARSE_TAG_MISMATCH
    }

    unsafe extern "system" fn stop(handle: Handle) {
        // SAFETY: the handle is the context, which must still be there.
        let counts = unsafe { &*handle.cast::<Counts>() };
        counts.stops.fetch_add(1, Ordering::SeqCst);
    }

    type StartFunction = unsafe extern "system" fn(
        PCWSTR,
        *const PRJ_CALLBACKS,
        *const c_void,
        *const PRJ_STARTVIRTUALIZING_OPTIONS,
        *mut Handle,
    ) -> HRESULT;

    fn start(function: StartFunction) -> (Arc<Counts>, Result<Started<Counts>, ProjFsError>) {
        let whole = *ProjFsApi::load().unwrap();
        let api = ProjFsApi { PrjStartVirtualizing: function, PrjStopVirtualizing: stop, ..whole };
        let instance = Arc::new(Instance::new(Box::leak(Box::new(api))));
        let counts = Arc::<Counts>::default();
        let start = Start {
            root: Path::new("/r"),
            shared: Arc::clone(&counts),
            notifications: &ASKED,
            pool_threads: 8,
            concurrent_threads: 4,
        };
        // SAFETY: the callbacks take their context to be counts.
        let started = unsafe { Started::start(&instance, &CALLBACKS, start) };
        (counts, started)
    }

    #[test]
    fn m7_callbacks_may_come_before_the_start_returns() {
        let (counts, started) = start(start_early);
        assert_eq!(counts.callbacks.load(Ordering::SeqCst), 1);
        drop(started.unwrap());
        assert_eq!(Arc::strong_count(&counts), 1);
    }

    #[test]
    fn m8_the_library_is_told_to_stop_once() {
        let (counts, started) = start(start_early);
        let started = started.unwrap();
        started.stop();
        started.stop();
        drop(started);
        assert_eq!(counts.stops.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn j13_a_call_that_hangs_does_not_hang_the_stop_and_calls_that_keep_coming_neither() {
        let (counts, started) = start(start_early);
        let started = started.unwrap();
        let (begun, begins) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let hanging = Arc::clone(&started.instance);
        let hangs = thread::spawn(move || {
            hanging.call(|_| {
                begun.send(()).unwrap();
                ends.recv().unwrap();
            })
        });
        begins.recv().unwrap();
        started.stop_within(Duration::from_millis(1));
        assert!(started.instance.call(|_| ()).is_err(), "no more calls");
        drop(started);
        assert_eq!(counts.stops.load(Ordering::SeqCst), 0, "the handle is in use");
        assert_eq!(Arc::strong_count(&counts), 2, "callbacks may still come");
        end.send(()).unwrap();
        hangs.join().unwrap().unwrap();
    }

    #[test]
    fn a_start_that_fails_keeps_nothing_and_stops_nothing() {
        let (counts, started) = start(start_and_fail);
        let error = started.unwrap_err().to_string();
        assert!(error.contains("'/r'") && error.contains("choose another folder"), "{error}");
        assert_eq!(counts.stops.load(Ordering::SeqCst), 0);
        assert_eq!(Arc::strong_count(&counts), 1);
    }
}
