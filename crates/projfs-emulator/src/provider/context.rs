//! A virtualization instance in the provider's process: from PrjStartVirtualizing to
//! PrjStopVirtualizing.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use super::callbacks::{Callbacks, Commands, Intake, Quarantine};
use super::entries::Listings;
use super::handles::{Handle, Handles, INSTANCE, Lookup};
use super::mappings::WatchedMappings;
use super::misuse::{CallbackThread, allowed_here, broke, broke_somewhere, waiting};
use super::pool::Pool;
use crate::contract::{HResult, Result};
use crate::link::{Driver, Instance, LibraryKnobs, StartRequest};

static CONTEXTS: Handles<Context> = Handles::new(INSTANCE);

/// Most threads of a pool, whatever the provider asks for.
const MOST_THREADS: usize = 256;

/// How long a stop waits for callbacks that nobody waits for any more, before it says so.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// PRJ_NAMESPACE_VIRTUALIZATION_CONTEXT.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) handle: Handle,
    pub(super) driver: Arc<dyn Driver>,
    /// As they were at the start: which functions there are does not change under a provider.
    pub(super) knobs: LibraryKnobs,
    /// Set before the first callback.
    instance: OnceLock<Arc<dyn Instance>>,
    pub(super) callbacks: Callbacks,
    pub(super) commands: Commands,
    pub(super) listings: Listings,
    pub(super) quarantine: Quarantine,
    pub(super) pool: Arc<Pool>,
    /// One thread beside the pool for CancelCommand, if there is such a callback (L5).
    pub(super) cancels: Option<Arc<Pool>>,
    mappings: WatchedMappings,
    stopping: AtomicBool,
}

/// What PrjStartVirtualizing was given, besides what goes to the driver.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) callbacks: Callbacks,
    /// 0: twice `concurrent_threads` (L1).
    pub(super) pool_threads: u32,
    /// 0: one per processor (L1).
    pub(super) concurrent_threads: u32,
    pub(super) mappings: WatchedMappings,
}

impl Context {
    /// Starts an instance; its callbacks begin before this returns (M7).
    ///
    /// # Errors
    /// What the driver says (M7); OUT_OF_MEMORY if there are no more threads.
    pub(super) fn start(
        driver: Arc<dyn Driver>,
        request: StartRequest,
        settings: Settings,
    ) -> Result<Arc<Self>> {
        let (threads, concurrent) = thread_counts(&settings);
        let pool = start_pool("projfs", threads, concurrent, &driver)?;
        let has_cancel = settings.callbacks.functions.CancelCommandCallback.is_some();
        let cancels = match has_cancel.then(|| start_pool("projfs-cancel", 1, 1, &driver)) {
            Some(Err(error)) => {
                pool.close(STOP_LIMIT);
                return Err(error);
            }
            cancels => cancels.and_then(Result::ok),
        };
        let context = Arc::new(Self {
            handle: CONTEXTS.reserve(),
            knobs: driver.knobs(),
            driver,
            instance: OnceLock::new(),
            callbacks: settings.callbacks,
            commands: Commands::default(),
            listings: Listings::default(),
            quarantine: Quarantine::default(),
            pool,
            cancels,
            mappings: settings.mappings,
            stopping: AtomicBool::new(false),
        });
        let intake = Arc::new(Intake(Arc::downgrade(&context)));
        match waiting(|| context.driver.start(request, intake)) {
            Ok(instance) => {
                // Nobody else has the context yet: it was not set before.
                let _ = context.instance.set(instance);
                CONTEXTS.insert(context.handle, context.clone());
                context.pool.open();
                context.cancels.iter().for_each(|cancels| cancels.open());
                Ok(context)
            }
            Err(error) => {
                context.close_pools();
                Err(error)
            }
        }
    }

    /// The instance of a handle.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is none, or was stopped (M8).
    pub(super) fn find(handle: Handle) -> Result<Arc<Self>> {
        match CONTEXTS.find(handle) {
            Lookup::Live(context) => return Ok(context),
            Lookup::Ended(Some(driver)) => {
                // Windows would fault: there is nothing to go on with, strict or not.
                let _ = broke(&driver, "M8", "an instance was used after it was stopped");
            }
            Lookup::Ended(None) | Lookup::Unknown => {
                broke_somewhere("M8", "what is no instance was used as one");
            }
        }
        Err(HResult::INVALID_ARGUMENT)
    }

    /// The driver's side of it.
    ///
    /// # Errors
    /// VIRTUALIZATION_UNAVAILABLE before it has started.
    pub(super) fn instance(&self) -> Result<&Arc<dyn Instance>> {
        self.instance.get().ok_or(HResult::VIRTUALIZATION_UNAVAILABLE)
    }

    /// PrjStopVirtualizing (M8): when it returns, no callback runs and none comes.
    pub(super) fn stop(&self) {
        if !allowed_here(&self.driver, "M8", "PrjStopVirtualizing") {
            return;
        }
        if self.stopping.swap(true, Ordering::AcqRel) {
            // The other one goes on, strict or not.
            let _ = broke(&self.driver, "M8", "an instance was stopped by two threads");
            return;
        }
        if let Ok(instance) = self.instance() {
            waiting(|| instance.stop());
        }
        self.close_pools();
        CONTEXTS.end(self.handle, &self.driver);
        for id in self.commands.end() {
            let what =
                "was still pending when the instance had stopped; complete or cancel it before";
            // The stop is over, and whoever waited got an error.
            let _ = broke(&self.driver, "M8", format_args!("command {id} {what}"));
        }
        self.quarantine.empty(&self.driver);
        self.mappings.check(&self.driver);
    }

    /// Waits for the callbacks that run, however long: what they use is freed by the provider as
    /// soon as the stop returns (M8).
    fn close_pools(&self) {
        for pool in [Some(&self.pool), self.cancels.as_ref()].into_iter().flatten() {
            while !pool.close(STOP_LIMIT) {
                tracing::error!("an instance is being stopped while a callback still runs");
                // A callback that stops its own instance would wait for itself.
                if CallbackThread::current().is_some() {
                    break;
                }
            }
        }
    }
}

fn thread_counts(settings: &Settings) -> (usize, usize) {
    let bounded = |count: u32| usize::try_from(count).unwrap_or(MOST_THREADS).min(MOST_THREADS);
    let concurrent = match bounded(settings.concurrent_threads) {
        0 => available_parallelism().map_or(1, NonZero::get),
        count => count,
    };
    match bounded(settings.pool_threads) {
        0 => (2 * concurrent, concurrent),
        count => (count, concurrent),
    }
}

fn start_pool(
    name: &str,
    threads: usize,
    concurrent: usize,
    driver: &Arc<dyn Driver>,
) -> Result<Arc<Pool>> {
    let driver = driver.clone();
    let enter = move |pool: &Arc<Pool>| {
        CallbackThread { driver: driver.clone(), pool: pool.clone() }.enter();
    };
    Pool::start(name, threads, concurrent, enter).map_err(|error| {
        tracing::error!("the threads of an instance cannot be started: {error}");
        HResult::OUT_OF_MEMORY
    })
}
