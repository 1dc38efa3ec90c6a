//! A test's connection: what it asks of the daemon, and operations in the name of any process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::AbortHandle;

use super::wire::{Incoming, Outgoing};
use super::{Shared, read_all};
use crate::contract::{HResult, Result, Wide};
use crate::control::{Answer, FromDaemon, Operation, Question, RootState, ToDaemon};
use crate::engine::{HandleId, ItemId, Root};
use crate::protocol::{MAX_DATA, ProtocolError};

/// Answers a test until it is gone.
pub(super) async fn serve(
    incoming: Incoming,
    outgoing: OwnedWriteHalf,
    shared: &Arc<Shared>,
) -> std::result::Result<(), ProtocolError> {
    let outgoing = Outgoing::start(outgoing);
    let (shared, state) = (Arc::clone(shared), Mutex::new(Some(State::default())));
    let line = Arc::new(Line { shared, outgoing: outgoing.clone(), state });
    let _ends = Ends(Arc::clone(&line));
    read_all(incoming, &outgoing, |message, permit| match message {
        ToDaemon::Cancel { id } => line.cancel(id),
        ToDaemon::Ask { id, question } => {
            let asked = Arc::clone(&line);
            // Under the lock, so that the task cannot be over before it is known.
            let mut state = line.state.lock();
            let Some(state) = state.as_mut() else { return };
            let task = tokio::spawn(async move {
                let answer = asked.answer(question).await.unwrap_or_else(Answer::Failed);
                asked.done(id, answer);
                drop(permit);
            });
            state.running.insert(id, task.abort_handle());
        }
    })
    .await
}

/// A test's connection.
struct Line {
    shared: Arc<Shared>,
    outgoing: Outgoing,
    /// `None` once the connection is gone.
    state: Mutex<Option<State>>,
}

#[derive(Default)]
struct State {
    running: HashMap<u64, AbortHandle>,
    /// What was opened here, by root and handle.
    open: HashMap<(Wide, HandleId), (Arc<Root>, ItemId)>,
}

/// Cancels what runs and closes what is open when the connection ends.
struct Ends(Arc<Line>);

impl Drop for Ends {
    fn drop(&mut self) {
        let Some(state) = self.0.state.lock().take() else { return };
        for task in state.running.into_values() {
            task.abort();
        }
        for ((_, handle), (root, _)) in state.open {
            close_later(root, handle);
        }
    }
}

fn close_later(root: Arc<Root>, handle: HandleId) {
    // Outside of a runtime the engine is gone too.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { root.close(handle).await });
    }
}

impl Line {
    fn done(&self, id: u64, answer: Answer) {
        if let Some(state) = self.state.lock().as_mut() {
            state.running.remove(&id);
        }
        self.send(id, answer);
    }

    fn send(&self, id: u64, answer: Answer) {
        if !self.outgoing.send(&FromDaemon { id, answer }) {
            let answer = Answer::Failed(HResult::INSUFFICIENT_BUFFER);
            self.outgoing.send(&FromDaemon { id, answer });
        }
    }

    fn cancel(&self, id: u64) {
        let task = self.state.lock().as_mut().and_then(|state| state.running.remove(&id));
        if let Some(task) = task {
            task.abort();
            self.send(id, Answer::Failed(HResult::OPERATION_ABORTED));
        }
    }

    async fn answer(&self, question: Question) -> Result<Answer> {
        let driver = &self.shared.driver;
        Ok(match question {
            Question::Knobs => Answer::Knobs(Box::new(driver.knobs().as_ref().clone())),
            Question::SetKnobs(knobs) => {
                driver.set_knobs(*knobs);
                Answer::Done
            }
            Question::TakeViolations => Answer::Violations(driver.take_violations()),
            Question::TakeTrace => Answer::Trace(driver.take_trace()),
            Question::Roots => {
                let roots = self.shared.mounts.roots();
                Answer::Roots(roots.iter().map(|root| state_of(root)).collect())
            }
            Question::Detach { root } => {
                driver.detach(&*self.shared.root(&root).await?).await;
                Answer::Done
            }
            Question::OnDiskState { path } => Answer::State(driver.on_disk_state(&path).await?),
            Question::ReleaseCloses { root } => {
                self.shared.root(&root).await?.release_closes().await;
                Answer::Done
            }
            Question::On { root, operation } => {
                let root = self.shared.root(&root).await?;
                self.operate(&root, operation).await?
            }
        })
    }

    async fn operate(&self, root: &Arc<Root>, operation: Operation) -> Result<Answer> {
        match operation {
            Operation::Open { caller, target, how } => {
                let opened = root.open(&caller, &target, how).await?;
                self.opened(root, opened.handle, opened.attributes.item);
                return Ok(Answer::Opened(opened));
            }
            Operation::Lookup { caller, parent, name } => {
                return Ok(Answer::Attributes(root.lookup(&caller, parent, &name).await?));
            }
            Operation::Attributes { item } => {
                return Ok(Answer::Attributes(root.attributes(item)?));
            }
            Operation::Read { length, .. } if length as usize > MAX_DATA => {
                return Err(HResult::INVALID_ARGUMENT);
            }
            Operation::Read { handle, offset, length } => {
                return Ok(Answer::Data(root.read(handle, offset, length).await?));
            }
            Operation::Extended { handle } => {
                return Ok(Answer::Extended(root.extended(handle).await?));
            }
            Operation::QueryDirectory { caller, handle, query } => {
                let entries = root.query_directory(&caller, handle, query).await?;
                return Ok(Answer::Entries(entries));
            }
            Operation::Write { handle, offset, data } => {
                root.write(handle, offset, &data).await?;
                self.changed(root, handle).await;
            }
            Operation::SetSize { handle, size } => {
                root.set_size(handle, size).await?;
                self.changed(root, handle).await;
            }
            other => self.change(root, other).await?,
        }
        Ok(Answer::Done)
    }

    /// Operations that answer nothing and change no bytes.
    async fn change(&self, root: &Arc<Root>, operation: Operation) -> Result<()> {
        match operation {
            Operation::SetBasic { handle, change } => root.set_basic(handle, change).await,
            Operation::SetExtended { handle, name, value } => {
                root.set_extended(handle, &name, value.as_deref()).await
            }
            Operation::Flush { handle } => root.flush(handle).await,
            Operation::SetDisposition { handle, delete } => {
                root.set_disposition(handle, delete).await
            }
            Operation::Rename { handle, to, replace } => root.rename(handle, &to, replace).await,
            Operation::Link { handle, to } => root.link(handle, &to).await,
            Operation::MoveIn { caller, from, to, replace } => {
                root.move_in(&caller, Path::new(&from), &to, replace).await
            }
            Operation::MoveOut { handle, to } => root.move_out(handle, Path::new(&to)).await,
            Operation::LinkIn { caller, from, to } => {
                root.link_in(&caller, Path::new(&from), &to).await
            }
            Operation::LinkOut { handle, to } => root.link_out(handle, Path::new(&to)).await,
            Operation::Close { handle } => {
                self.forget(root, handle);
                root.close(handle).await
            }
            _ => Err(HResult::INVALID_ARGUMENT),
        }
    }

    fn opened(&self, root: &Arc<Root>, handle: HandleId, item: ItemId) {
        let root = Arc::clone(root);
        match self.state.lock().as_mut() {
            Some(state) => {
                state.open.insert((root.path().clone(), handle), (root, item));
            }
            None => close_later(root, handle),
        }
    }

    fn forget(&self, root: &Root, handle: HandleId) {
        if let Some(state) = self.state.lock().as_mut() {
            state.open.remove(&(root.path().clone(), handle));
        }
    }

    /// The kernel knows nothing of bytes that were changed here.
    async fn changed(&self, root: &Root, handle: HandleId) {
        let item = self.state.lock().as_ref().and_then(|state| {
            state.open.get(&(root.path().clone(), handle)).map(|(_, item)| *item)
        });
        if let Some(item) = item {
            self.shared.mounts.item_changed(root, item).await;
        }
    }
}

fn state_of(root: &Root) -> RootState {
    RootState { path: root.path().clone(), instance: root.instance(), provider: root.provider() }
}
