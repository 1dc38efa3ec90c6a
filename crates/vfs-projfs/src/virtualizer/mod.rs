//! Layer 3: the eight callbacks of ProjFS over Layer 2.
//!
//! Callbacks are thin (`thunks`): null checks, a guard against panics, decoding, one call into the
//! layer below, an HRESULT from the one table (`hresult`). Listings, placeholders and names are
//! answered at once from memory; content that is not at hand is answered later, so that a slow
//! download never holds a thread of ProjFS.

mod buffers;
mod commands;
mod enumeration;
#[cfg(test)]
mod fake_sink;
mod hresult;
mod hydration;
mod notifications;
mod sessions;
mod shared;
mod sink;
mod thunks;
mod transfer;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_vfs::{AsyncExecutor, VfsErrorKind};

use self::commands::Commands;
pub use self::enumeration::{ActiveEnumeration, Added, Filled};
use self::hydration::Hydrator;
use self::sessions::Sessions;
use self::shared::{GetRequest, Shared};
pub(crate) use self::sink::{DataBuffer, DataSink};
use crate::api::{Instance, ProjFsApi, Start, Started, codes};
use crate::callbacks::VfsCallbacks;
use crate::error::ProjFsError;
use crate::projection::probe;
use crate::stats::ProjFsStats;

/// How long a stop waits for answers that are on their way to ProjFS: after it, they would not
/// arrive.
const ANSWERS_PATIENCE: Duration = Duration::from_secs(5);

/// How an instance runs.
#[derive(Clone, Debug)]
pub(crate) struct VirtualizerOptions {
    pub(crate) root: PathBuf,
    pub(crate) pool_threads: u32,
    pub(crate) concurrent_threads: u32,
    pub(crate) command_timeout: Duration,
    pub(crate) max_enumerations: usize,
}

/// A running instance of ProjFS over a projection; stopped when dropped.
#[derive(Debug)]
pub struct ProjFsVirtualizer {
    running: Started<Shared>,
}

impl ProjFsVirtualizer {
    /// Starts answering for a marked root (projfs.md M1, M7). Nothing is left behind if it fails.
    pub(crate) fn start(
        api: &'static ProjFsApi,
        callbacks: Arc<VfsCallbacks>,
        executor: Arc<AsyncExecutor>,
        stats: Arc<ProjFsStats>,
        options: VirtualizerOptions,
    ) -> Result<Self, ProjFsError> {
        if let Some(disagreement) = probe(|a, b| api.compare(a, b)) {
            tracing::warn!("{disagreement}; listings are in the order of NTFS (projfs.md G2)");
        }
        let instance = Arc::new(Instance::new(api));
        let commands = Arc::new(Commands::new(Arc::clone(&stats)));
        let hydrator = Hydrator::new(
            Arc::clone(&callbacks),
            executor,
            Arc::clone(&stats),
            Arc::clone(&commands),
            options.command_timeout,
        );
        let start = Start {
            root: &options.root,
            notifications: notifications::wanted(callbacks.has_policy()),
            pool_threads: threads(options.pool_threads),
            concurrent_threads: match options.concurrent_threads {
                0 => threads(options.pool_threads),
                asked => asked,
            },
            shared: Arc::new(Shared {
                sink: Arc::clone(&instance) as _,
                instance: Arc::clone(&instance),
                callbacks,
                sessions: Sessions::new(options.max_enumerations, Arc::clone(&stats)),
                stats,
                commands,
                hydrator,
            }),
        };
        let running = thunks::start(&instance, start)?;
        // It outlives processes, and hides what a newer manifest has (projfs.md H10).
        instance.clear_negative_path_cache().map_err(|failure| ProjFsError::Api {
            action: "forget what was not there in",
            path: options.root.clone(),
            function: "PrjClearNegativePathCache",
            hresult: failure.0.cast_unsigned(),
            advice: codes::advice(failure.0),
        })?;
        Ok(Self { running })
    }

    /// The started root, for calls outside of callbacks.
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.running.shared().instance
    }

    /// Lets content on its way arrive for at most `patience`, cancels the rest, and stops: no
    /// callback runs after this (projfs.md M8). Does nothing the second time. Never from a
    /// callback.
    pub(crate) fn stop(&self, patience: Duration) {
        let commands = &self.running.shared().commands;
        if !commands.drain(patience) {
            let cancelled = hresult::of_kind(VfsErrorKind::Cancelled);
            if !commands.cancel_all(cancelled, ANSWERS_PATIENCE) {
                tracing::warn!("an answer does not arrive at ProjFS; stopping all the same");
            }
        }
        self.running.stop();
    }
}

impl Drop for ProjFsVirtualizer {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// As many threads as were asked for; for 0 two for each processor, and five for small machines,
/// as production providers have them (projfs.md L1). Callbacks do not wait for downloads, but they
/// do wait for the disk.
fn threads(asked: u32) -> u32 {
    const FEWEST: u32 = 5;
    if asked > 0 {
        return asked;
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(processors).unwrap_or(u32::MAX).saturating_mul(2).max(FEWEST)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
