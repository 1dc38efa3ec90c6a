//! Connections of providers and of tests: one task each, and one for each call.

mod control;
mod provider;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::mounts::Mounts;
use super::peers;
use crate::contract::{HResult, Result, Wide};
use crate::engine::{Driver, Root, host_path};
use crate::protocol::{HELLO_LIMIT, Hello, ProtocolError, Role, Welcome};
use wire::{Incoming, Outgoing};

/// How many may be connected at once.
const CONNECTIONS: usize = 1024;

/// Calls of one connection that may run at once. A process has a thread for each.
const CALLS: usize = 4096;

/// What connections are for.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) driver: Arc<Driver>,
    pub(super) mounts: Mounts,
}

impl Shared {
    /// Makes a folder fit to be marked or started: what is in the way of it, and of nobody else, is
    /// cleared away.
    ///
    /// # Errors
    /// As [`Mounts::clear`].
    async fn prepare(&self, root: &Wide) -> Result<()> {
        for bare in self.mounts.bare() {
            tracing::warn!(root = %bare.path(), "somebody else has unmounted it: it is forgotten");
            self.driver.detach(&bare).await;
        }
        self.mounts.clear(root).await
    }

    /// A root by its full path.
    ///
    /// # Errors
    /// PATH_NOT_FOUND.
    async fn root(self: &Arc<Self>, path: &Wide) -> Result<Arc<Root>> {
        if let Some(root) = self.mounts.roots().into_iter().find(|root| root.path() == path) {
            return Ok(root);
        }
        let (shared, folder) = (Arc::clone(self), host_path(path)?);
        // Spelled otherwise, it may lead through one of our own mounts.
        let found = tokio::task::spawn_blocking(move || shared.driver.root(&folder)).await;
        found.ok().flatten().ok_or(HResult::PATH_NOT_FOUND)
    }
}

/// Takes connections until dropped; then all of them end.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Such as too many open files: that may pass.
                    tracing::warn!("a connection is not accepted: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
            // Forgets those that are over.
            Some(_) = connections.join_next() => continue,
        };
        let place = Arc::clone(&places).try_acquire_owned().ok();
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let served = serve(stream, peer, &shared, place.is_some()).await;
            match served {
                Ok(()) | Err(ProtocolError::Lost(_)) => tracing::debug!("{peer} is gone"),
                Err(error) => tracing::warn!("the connection from {peer} ends: {error}"),
            }
            drop(place);
        });
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    place: bool,
) -> std::result::Result<(), ProtocolError> {
    stream.set_nodelay(true)?;
    let own = stream.local_addr()?;
    let (mut incoming, mut greeting) = wire::halves(stream);
    let hello = timeout(HELLO_LIMIT, wire::greet(&mut incoming, &mut greeting));
    let hello: Hello =
        hello.await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    if !place {
        let reason = format!("{CONNECTIONS} connections are open already");
        return wire::write(&mut greeting, &Welcome::Refused { reason }).await;
    }
    wire::write(&mut greeting, &Welcome::Accepted).await?;
    let process = identify(own, peer).await;
    tracing::debug!(said = ?hello.process, found = process, role = ?hello.role, "connected from {peer}");
    match hello.role {
        Role::Provider => provider::serve(incoming, greeting, shared, process).await,
        Role::Control => control::serve(incoming, greeting, shared).await,
    }
}

/// The process at the other end, if it can be told.
async fn identify(own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    tokio::task::spawn_blocking(move || peers::process(own, peer)).await.ok().flatten()
}

/// Reads messages until the connection ends, and hands them on. What `take` starts counts as a
/// call while it holds the permit.
async fn read_all<M: serde::de::DeserializeOwned>(
    mut incoming: Incoming,
    outgoing: &Outgoing,
    mut take: impl FnMut(M, tokio::sync::OwnedSemaphorePermit),
) -> std::result::Result<(), ProtocolError> {
    let calls = Arc::new(Semaphore::new(CALLS));
    loop {
        let message = tokio::select! {
            message = wire::read(&mut incoming) => message?,
            () = outgoing.broken() => return Err(outgoing.why()),
        };
        // Waiting here could keep an answer from being read that a running call needs.
        let Ok(permit) = Arc::clone(&calls).try_acquire_owned() else {
            return Err(std::io::Error::other(format!("more than {CALLS} calls at once")).into());
        };
        take(message, permit);
    }
}
