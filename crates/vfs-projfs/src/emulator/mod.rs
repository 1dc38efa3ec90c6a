//! The emulator that stands in for Windows: development and tests on Linux.
//!
//! The emulator's daemon is what the driver is on Windows. In a process of its own it outlives a
//! provider that is killed; programs whose `main` begins with [`host_daemon`] get one. In the same
//! process it is as good until that is killed: a thread that has asked for a file of the root then
//! waits for a daemon that is gone, and keeps the process from ending until the root is unmounted
//! by force.

mod host;

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use projfs_emulator::contract::Wide;
use projfs_emulator::daemon::{self, Daemon, DaemonError, Options};
use projfs_emulator::protocol;
use projfs_emulator::provider::{DRIVER_VARIABLE, RootGuard, serve_root};
use tokio::runtime::{Builder, Runtime};

use self::host::Hosted;
pub use self::host::host_daemon;
use crate::error::ProjFsError;
use crate::root;

/// Threads of a daemon; it must have several.
const THREADS: usize = 2;
/// How long the daemon of a process that was just killed may take to end.
const HANDOVER: Duration = Duration::from_secs(2);
/// How often is looked whether it has.
const STEP: Duration = Duration::from_millis(20);

/// Lets the emulator answer for a root while it lives: the daemon that `PROJFS_EMULATOR` names, or
/// one of its own. Stop the root before this is dropped.
#[derive(Debug)]
#[must_use = "the root is served until this is dropped"]
pub struct Emulator {
    /// `None` if the environment names a daemon.
    own: Option<Own>,
}

/// A daemon for this root alone.
#[derive(Debug)]
struct Own {
    served: RootGuard,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Here(Here),
    Hosted(Hosted),
}

/// A daemon in this process.
#[derive(Debug)]
struct Here {
    runtime: Runtime,
    daemon: Daemon,
}

impl Emulator {
    /// Starts to serve `root`, which need not exist yet. What a process that was killed has left
    /// mounted there is cleared away.
    ///
    /// # Errors
    /// No daemon can be started.
    pub fn serve(root: &Path) -> Result<Self, ProjFsError> {
        let root = root::resolve(root)?;
        let is_elsewhere = std::env::var_os(DRIVER_VARIABLE).is_some();
        let own = apart(|| {
            take_over(&root)?;
            if is_elsewhere { Ok(None) } else { Own::start(&root).map(Some) }
        });
        match own.and_then(|own| own) {
            Ok(own) => Ok(Self { own }),
            Err(reason) => Err(ProjFsError::root(root, reason)),
        }
    }

    /// Removes what a process that died has left mounted at `root`; does nothing if there is none.
    ///
    /// # Errors
    /// It is served by a living process, or cannot be removed.
    pub fn clear(root: &Path) -> Result<(), ProjFsError> {
        let root = root::resolve(root)?;
        daemon::clear_dead_mounts(&root).map_err(|error| ProjFsError::root(root, error.to_string()))
    }

    /// Where the daemon listens; `None` if the environment names it.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.own.as_ref().map(|own| own.running.address())
    }
}

impl Own {
    fn start(root: &Path) -> Result<Self, String> {
        let spelled = root.to_str().ok_or("its path is not Unicode; choose another folder")?;
        let running = match Hosted::start() {
            Some(hosted) => Running::Hosted(hosted?),
            None => Running::Here(Here::start()?),
        };
        match protocol::connect(running.address()) {
            Ok(driver) => Ok(Self { served: serve_root(&Wide::from(spelled), driver), running }),
            Err(error) => {
                running.stop();
                Err(error.to_string())
            }
        }
    }

    fn stop(self) {
        let Self { served, running } = self;
        drop(served);
        running.stop();
    }
}

impl Running {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Here(here) => here.daemon.address(),
            Self::Hosted(hosted) => hosted.address(),
        }
    }

    fn stop(self) {
        match self {
            Self::Here(here) => here.stop(),
            Self::Hosted(hosted) => hosted.stop(),
        }
    }
}

impl Here {
    fn start() -> Result<Self, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("projfs-emulator")
            .enable_all()
            .build()
            .map_err(|error| format!("the emulator's threads cannot be started: {error}"))?;
        let daemon = runtime.block_on(Daemon::start(Options::default()));
        Ok(Self { daemon: daemon.map_err(|error| error.to_string())?, runtime })
    }

    fn stop(self) {
        let Self { runtime, daemon } = self;
        runtime.block_on(daemon.stop());
        // Nothing is left to wait for but what hangs.
        runtime.shutdown_background();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(own) = self.own.take()
            && let Err(reason) = apart(|| own.stop())
        {
            tracing::error!("the emulator did not stop as it should: {reason}");
        }
    }
}

/// Clears away a dead mount, and gives the daemon of a process that was just killed the time to
/// end. Whoever still serves the root then also has its lock, by which the start is refused.
fn take_over(root: &Path) -> Result<(), String> {
    let deadline = Instant::now() + HANDOVER;
    loop {
        let is_free = match daemon::clear_dead_mounts(root) {
            // Daemons lock the folders of their roots.
            Ok(()) => File::open(root).is_ok_and(|folder| folder.try_lock().is_ok()),
            Err(DaemonError::MountedElsewhere { .. }) => false,
            Err(error) => return Err(error.to_string()),
        };
        if is_free || !root.exists() || Instant::now() > deadline {
            return Ok(());
        }
        thread::sleep(STEP);
    }
}

/// Runs on a thread of its own, since a thread of an async runtime must not wait for another one.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let running = thread::Builder::new().spawn_scoped(scope, work);
        let running = running.map_err(|error| format!("no thread can be started: {error}"))?;
        running.join().map_err(|_| "it panicked".to_owned())
    })
}
