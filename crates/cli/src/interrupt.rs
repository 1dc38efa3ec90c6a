//! SIGINT and SIGTERM (Ctrl-C on Windows) as a value: work looks at it and cleans up after itself.

use std::future::Future;
use std::io;
use std::process;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::{CliError, Exit};

/// Whether someone asked this process to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. A second signal ends the process at once, should cleaning up hang.
    pub(crate) fn listen(handle: &Handle) -> Result<Self, CliError> {
        let (sender, receiver) = watch::channel(false);
        let _inside = handle.enter();
        let mut signals =
            Signals::new().map_err(|error| CliError::caused("listen for signals", &error))?;
        handle.spawn(async move {
            signals.next().await;
            sender.send_replace(true);
            signals.next().await;
            process::exit(i32::from(Exit::Runtime.code()));
        });
        Ok(Self(receiver))
    }

    /// Whether the signal has come.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Fails once the signal has come.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.is_set() { Err(interrupted()) } else { Ok(()) }
    }

    /// Ends when the signal comes.
    pub(crate) async fn wait(&self) {
        let mut receiver = self.0.clone();
        // The sender lives as long as the runtime; without it no signal can come any more.
        if receiver.wait_for(|set| *set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work`, or drops it when the signal comes.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, CliError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.wait() => Err(interrupted()),
        }
    }
}

/// The failure of work that was interrupted.
pub(crate) fn interrupted() -> CliError {
    CliError::runtime("finish", "interrupted by a signal")
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
