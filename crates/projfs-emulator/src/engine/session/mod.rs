//! The running provider of a root: commands and their answers, cancellation, notifications, the
//! draining stop.
//!
//! * `commands`: what was asked and is not answered yet.
//! * `answers`: what an answer is worth, and which rules it breaks.
//! * `mappings`: who is told what. `notifications`: telling it. `closes`: the queue of what is told
//!   without anybody waiting.
//! * `outstanding`: counts what a stop waits for.

mod answers;
mod closes;
mod commands;
mod mappings;
mod notifications;
mod outstanding;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;

use self::closes::Closes;
use self::commands::Commands;
use self::mappings::Mappings;
pub(super) use self::mappings::validate;
pub(super) use self::notifications::Event;
use super::root::{Root, Shared};
use crate::contract::{Guid, Result, VersionInfo, Wide};
use crate::link::{Completion, Process, Provider, Reply, Request, StartRequest};

/// For how long a stop waits for what runs (M8).
const DRAIN: Duration = Duration::from_secs(10);

/// A provider that runs.
#[derive(Debug)]
pub struct Session {
    request: StartRequest,
    mappings: Mappings,
    commands: Arc<Commands>,
    closes: Arc<Closes>,
}

/// The item that a command is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) path: Wide,
    pub(super) version: Option<Arc<VersionInfo>>,
    pub(super) file: Guid,
    pub(super) stream: Guid,
}

impl Session {
    /// A session that takes commands at once (M7). [`validate`] has accepted the request.
    pub(super) fn new(request: StartRequest, provider: Arc<dyn Provider>) -> Self {
        let commands = Arc::new(Commands::new(request.root.clone(), request.cancels, provider));
        Self {
            mappings: Mappings::new(request.notifications.as_deref()),
            closes: Arc::new(Closes::new(commands.clone())),
            commands,
            request,
        }
    }

    /// The provider's process.
    pub(super) const fn process(&self) -> &Process {
        &self.request.process
    }

    /// What the provider was started with.
    pub(super) const fn request(&self) -> &StartRequest {
        &self.request
    }

    /// Asks the provider and waits for its answer, whatever its code, translated for applications
    /// (D8). VIRTUALIZATION_UNAVAILABLE if it is stopping, dies meanwhile or takes too long.
    /// Dropping the future cancels the command.
    pub(super) async fn ask(
        &self,
        root: &Root,
        caller: &Process,
        about: About,
        request: Request,
    ) -> Result<Reply> {
        self.commands.ask(&root.shared, caller, about, request).await
    }

    /// The provider's answer to a command (B14).
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is not pending and was not cancelled (L4).
    pub fn complete(&self, root: &Root, completion: Completion) -> Result<()> {
        self.commands.complete(&root.shared, completion)
    }

    /// The mask of a file is that of its mapping again: its last handle was closed (K11), or an
    /// open failed after its notification. Comes after the last [`Root::notify_close`].
    pub(super) fn forget_mask(&self, item: super::ItemId) {
        self.mappings.forget(item);
    }

    /// No new commands; waits for those that run, and for queued close notifications (M8), ten
    /// seconds at most. What is still pending then is given up.
    pub async fn stop(&self, root: &Root) {
        self.drain(&root.shared).await;
        root.forget_session(self);
    }

    /// The provider's process is gone (M9): whoever waits gets VIRTUALIZATION_UNAVAILABLE.
    pub fn died(&self, root: &Root) {
        self.end();
        root.forget_session(self);
    }

    async fn drain(&self, shared: &Arc<Shared>) {
        self.commands.refuse_new();
        let drained = async {
            self.closes.drain(shared).await;
            self.commands.none_pending().await;
        };
        select(pin!(drained), shared.runtime.sleep(DRAIN)).await;
        // The library knows which of them the provider has left pending, and which still run (M8).
        for command in self.end() {
            tracing::warn!("{command} (command {}) is given up: the provider stops", command.id);
        }
    }

    /// Takes no command and no close notification any more; gives what was pending.
    fn end(&self) -> Vec<Arc<crate::link::Command>> {
        let pending = self.commands.end();
        self.closes.end();
        pending
    }
}
