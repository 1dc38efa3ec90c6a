//! The commands of one provider that are not answered yet, and those that nobody waits for any
//! more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::About;
use super::answers::judge;
use super::outstanding::{Outstanding, Token};
use crate::contract::{HResult, Notification, Result, Wide};
use crate::engine::root::Shared;
use crate::engine::runtime::Runtime;
use crate::link::{Command, Completion, Process, Provider, Reply, Request};

/// How many can be pending; VIRTUALIZATION_BUSY beyond.
pub(super) const MOST_PENDING: usize = 100_000;

/// How many given-up commands are remembered, so that late answers to them are harmless (L4).
pub(super) const GIVEN_UP_KEPT: usize = 10_000;

/// The commands of one provider.
#[derive(Debug)]
pub(super) struct Commands {
    root: Wide,
    /// Whether the provider wants to hear of cancellations.
    cancels: bool,
    provider: Arc<dyn Provider>,
    table: Mutex<Table>,
    outstanding: Outstanding,
}

#[derive(Debug, Default)]
struct Table {
    phase: Phase,
    /// The id given last.
    last: i32,
    /// In the order of ids, so that they end in the same order in each run.
    pending: BTreeMap<i32, Pending>,
    /// The smallest is the oldest.
    given_up: BTreeSet<i32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    /// Only close notifications, which were queued before.
    Draining,
    Over,
}

#[derive(Debug)]
struct Pending {
    command: Arc<Command>,
    /// `None` if nobody waits, and the provider does not hear of that (L5).
    waiter: Option<oneshot::Sender<Completion>>,
    _counted: Token,
}

impl Commands {
    pub(super) fn new(root: Wide, cancels: bool, provider: Arc<dyn Provider>) -> Self {
        let (table, outstanding) = Default::default();
        Self { root, cancels, provider, table, outstanding }
    }

    /// As [`Session::ask`](super::Session::ask).
    pub(super) async fn ask(
        &self,
        shared: &Shared,
        caller: &Process,
        about: About,
        request: Request,
    ) -> Result<Reply> {
        let answer = self.ask_if_running(shared, caller, about, request).await;
        answer.unwrap_or(Err(HResult::VIRTUALIZATION_UNAVAILABLE))
    }

    /// As [`Self::ask`], but `None` if it was not even sent because the provider stops or is gone.
    pub(super) async fn ask_if_running(
        &self,
        shared: &Shared,
        caller: &Process,
        about: About,
        request: Request,
    ) -> Option<Result<Reply>> {
        let command = Command {
            id: 0,
            path: about.path,
            version: about.version.map(|version| Box::new(*version)),
            process: caller.clone(),
            file: about.file,
            stream: about.stream,
            request,
        };
        let Begun { command, answer } = match self.begin(command)? {
            Ok(begun) => begun,
            Err(code) => return Some(Err(code)),
        };
        let place = shared.trace.sent(&self.root, &command);
        let _waiting = Waiting { commands: self, id: command.id };
        // After it is in the table: the answer may come before this returns (L2).
        self.provider.invoke((*command).clone());
        let Some(completion) = within(&*shared.runtime, limit(shared), answer).await else {
            return Some(Err(HResult::VIRTUALIZATION_UNAVAILABLE));
        };
        shared.trace.answered(place, completion.result, entries(&completion.reply));
        Some(judge(shared, &command, completion))
    }

    /// The provider's answer.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the command is not pending (L4).
    pub(super) fn complete(&self, shared: &Shared, completion: Completion) -> Result<()> {
        let id = completion.id;
        let taken = self.table.lock().take(id);
        match taken {
            Some(Taken::Pending(pending)) => {
                if let Some(waiter) = pending.waiter {
                    // Fails if the waiter is just being dropped: then it is a late answer.
                    let _ = waiter.send(completion);
                }
                Ok(())
            }
            Some(Taken::GivenUp) => Ok(()),
            None => {
                let _ = shared.broke(
                    "L2",
                    format_args!(
                        "command {id} was completed with {}, but is not pending; each command is \
                         to be completed exactly once",
                        completion.result
                    ),
                );
                Err(HResult::INVALID_ARGUMENT)
            }
        }
    }

    /// From now on only close notifications are sent.
    pub(super) fn refuse_new(&self) {
        let mut table = self.table.lock();
        if table.phase == Phase::Running {
            table.phase = Phase::Draining;
        }
    }

    /// Waits until nothing is pending.
    pub(super) async fn none_pending(&self) {
        self.outstanding.none().await;
    }

    /// Nothing is sent any more, and what is pending is given up: its waiters get
    /// VIRTUALIZATION_UNAVAILABLE. Gives what was pending.
    pub(super) fn end(&self) -> Vec<Arc<Command>> {
        let pending = {
            let mut table = self.table.lock();
            table.phase = Phase::Over;
            let pending = std::mem::take(&mut table.pending);
            pending.keys().for_each(|id| table.give_up(*id));
            pending
        };
        pending.into_values().map(|pending| pending.command).collect()
    }

    /// Enters a command, which gets its id. `None` if none is taken any more.
    fn begin(&self, command: Command) -> Option<Result<Begun>> {
        let counted = self.outstanding.begin();
        let mut table = self.table.lock();
        match table.phase {
            Phase::Running => {}
            Phase::Draining if is_close(&command.request) => {}
            Phase::Draining | Phase::Over => return None,
        }
        if table.pending.len() >= MOST_PENDING {
            return Some(Err(HResult::VIRTUALIZATION_BUSY));
        }
        let id = table.next_id();
        let command = Arc::new(Command { id, ..command });
        let (waiter, answer) = oneshot::channel();
        let pending = Pending { command: command.clone(), waiter: Some(waiter), _counted: counted };
        table.pending.insert(id, pending);
        Some(Ok(Begun { command, answer }))
    }

    /// Nobody waits for a command any more. Nothing to do if it was answered (L5).
    fn give_up(&self, id: i32) {
        let given_up = {
            let mut table = self.table.lock();
            if self.cancels {
                let given_up = table.pending.remove(&id);
                given_up.iter().for_each(|_| table.give_up(id));
                given_up
            } else {
                // It runs to its end although nobody waits.
                if let Some(pending) = table.pending.get_mut(&id) {
                    pending.waiter = None;
                }
                None
            }
        };
        if given_up.is_some() {
            self.provider.cancel(id);
        }
    }
}

#[cfg(test)]
impl Commands {
    /// The id that was given last.
    pub(super) fn start_ids_at(&self, last: i32) {
        self.table.lock().last = last;
    }

    pub(super) fn pending(&self) -> usize {
        self.table.lock().pending.len()
    }
}

/// A command that was entered.
struct Begun {
    command: Arc<Command>,
    answer: oneshot::Receiver<Completion>,
}

/// What an answered id stood for.
enum Taken {
    Pending(Pending),
    GivenUp,
}

impl Table {
    /// An id that is not in use. There are many more ids than commands, so that one is found.
    fn next_id(&mut self) -> i32 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.pending.contains_key(&self.last) && !self.given_up.contains(&self.last) {
                return self.last;
            }
        }
    }

    fn give_up(&mut self, id: i32) {
        if self.given_up.len() == GIVEN_UP_KEPT {
            self.given_up.pop_first();
        }
        self.given_up.insert(id);
    }

    fn take(&mut self, id: i32) -> Option<Taken> {
        if let Some(pending) = self.pending.remove(&id) {
            return Some(Taken::Pending(pending));
        }
        self.given_up.remove(&id).then_some(Taken::GivenUp)
    }
}

/// Somebody waits for a command; gives it up when dropped.
struct Waiting<'a> {
    commands: &'a Commands,
    id: i32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.commands.give_up(self.id);
    }
}

fn limit(shared: &Shared) -> Option<Duration> {
    shared.knobs().command_limit_ms.map(Duration::from_millis)
}

/// The answer, if one comes in time.
async fn within(
    runtime: &dyn Runtime,
    limit: Option<Duration>,
    answer: oneshot::Receiver<Completion>,
) -> Option<Completion> {
    let Some(limit) = limit else { return answer.await.ok() };
    match select(answer, runtime.sleep(limit)).await {
        Either::Left((answer, _)) => answer.ok(),
        Either::Right(_) => None,
    }
}

fn entries(reply: &Reply) -> usize {
    if let Reply::Entries(entries) = reply { entries.len() } else { 0 }
}

const fn is_close(request: &Request) -> bool {
    let Request::Notify { notification, .. } = request else { return false };
    matches!(
        notification,
        Notification::ClosedNoModification
            | Notification::ClosedFileModified
            | Notification::ClosedFileDeleted
    )
}
