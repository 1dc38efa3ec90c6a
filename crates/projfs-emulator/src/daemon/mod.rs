//! The process that has the engine: roots are mounted with FUSE where they were marked, providers
//! and tests connect over a loopback socket. It outlives providers, as the driver does on Windows:
//! after one was killed, its root goes on without (`projfs.md M9` to `M12`).

mod callers;
mod dead_mounts;
mod error;
mod fuse;
mod mounts;
mod peers;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use error::DaemonError;

use crate::engine::{Driver, TokioRuntime};
use crate::knobs::Knobs;
use mounts::Mounts;
use server::Shared;

/// How long the roots may take to come to rest when the daemon ends, before they are unmounted
/// whatever they do.
const REST: Duration = Duration::from_secs(5);

/// How to run a daemon.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen: 127.0.0.1; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// The settings to begin with.
    pub knobs: Knobs,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into(), knobs: Knobs::default() }
    }
}

/// Removes what daemons that died have mounted at exactly this folder; does nothing if there is
/// none. Waits for nobody but the kernel: call it where that may block.
///
/// # Errors
/// `MountedElsewhere` if a living one has it, `DeadMount` if it cannot be removed.
pub fn clear_dead_mounts(folder: &std::path::Path) -> Result<(), DaemonError> {
    dead_mounts::clear(folder)
}

/// A daemon that runs. Without [`Daemon::stop`], its mounts stay until the process ends, and are
/// dead then.
#[derive(Debug)]
#[must_use = "a daemon is stopped with `stop`"]
pub struct Daemon {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Daemon {
    /// Starts to listen, on the current tokio runtime. It must have several threads, and timers.
    ///
    /// # Errors
    /// Without FUSE, or if the address cannot be had.
    pub async fn start(options: Options) -> Result<Self, DaemonError> {
        let address = options.listen;
        if !address.ip().is_loopback() {
            return Err(DaemonError::NotLoopback { address });
        }
        let device = std::fs::File::options().read(true).write(true).open("/dev/fuse");
        device.map_err(|source| DaemonError::NoFuse { source })?;
        let failed = |source| DaemonError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mounts = Mounts::new(Handle::current());
        let runtime = Arc::new(TokioRuntime(Handle::current()));
        let driver = Driver::new(options.knobs, runtime, Some(Arc::new(mounts.clone())));
        let shared = Arc::new(Shared { driver, mounts });
        let server = tokio::spawn(server::accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, with them all providers, and unmounts all roots; those that are in
    /// use lazily.
    pub async fn stop(self) {
        self.server.abort();
        // Its end is that of all connections.
        let _ = self.server.await;
        let rest = async {
            for root in self.shared.mounts.roots() {
                self.shared.driver.detach(&root).await;
            }
        };
        if tokio::time::timeout(REST, rest).await.is_err() {
            tracing::warn!("roots are still busy after {REST:?}, and are unmounted all the same");
        }
        self.shared.mounts.unmount_all().await;
    }
}
