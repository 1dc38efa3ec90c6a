//! A provider's process: its calls, and the commands for its instances.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;

use super::wire::{Incoming, Outgoing};
use super::{Shared, read_all};
use crate::contract::{FailureCauses, HResult, Result};
use crate::engine::{Refused, Root, Session};
use crate::knobs::Compare;
use crate::link::{Command, InstanceInfo, LibraryKnobs, Process, Provider, StartRequest};
use crate::protocol::{Answer, Call, ProtocolError, ToDriver, ToProvider};

/// Answers a provider's process until it is gone.
pub(super) async fn serve(
    incoming: Incoming,
    outgoing: OwnedWriteHalf,
    shared: &Arc<Shared>,
    process: Option<u32>,
) -> std::result::Result<(), ProtocolError> {
    let outgoing = Outgoing::start(outgoing);
    let (shared, instances) = (Arc::clone(shared), Mutex::new(Some(HashMap::new())));
    let line = Arc::new(Line { shared, outgoing: outgoing.clone(), process, instances });
    let _ends = Ends(Arc::clone(&line));
    read_all(incoming, &outgoing, |message, permit| match message {
        ToDriver::Report(violation) => line.shared.driver.report(violation),
        ToDriver::Call { id, call } => {
            // Before the next message is read: it may be about this instance.
            let starting = line.announce(&call);
            let line = Arc::clone(&line);
            tokio::spawn(async move {
                let answer = line.call(call, starting).await;
                // None of them is long.
                let _ = line.outgoing.send(&ToProvider::Answer { id, answer });
                drop(permit);
            });
        }
    })
    .await
}

/// How far the start of an instance has come; calls for it wait meanwhile (M7).
type Starting = Option<Result<Running>>;

#[derive(Clone, Debug)]
struct Running {
    root: Arc<Root>,
    session: Arc<Session>,
}

/// A connected process.
struct Line {
    shared: Arc<Shared>,
    outgoing: Outgoing,
    /// Its number as the kernel knows it, by which it is told from those that use its roots (K12).
    process: Option<u32>,
    /// By the numbers that the process gave them; `None` once it is gone.
    instances: Mutex<Option<HashMap<u64, watch::Receiver<Starting>>>>,
}

/// Ends what a process has running when its connection does (M9).
struct Ends(Arc<Line>);

impl Drop for Ends {
    fn drop(&mut self) {
        let instances = self.0.instances.lock().take();
        for instance in instances.into_iter().flatten() {
            if let Some(Ok(running)) = &*instance.1.borrow() {
                running.session.died(&running.root);
            }
        }
    }
}

impl Line {
    fn announce(&self, call: &Call) -> Option<watch::Sender<Starting>> {
        let Call::Start { instance, .. } = call else { return None };
        let (sender, receiver) = watch::channel(None);
        if let Some(instances) = self.instances.lock().as_mut() {
            instances.insert(*instance, receiver);
        }
        Some(sender)
    }

    fn identify(&self, process: &mut Process) {
        if let Some(id) = self.process {
            process.id = id;
        }
    }

    async fn call(&self, call: Call, starting: Option<watch::Sender<Starting>>) -> Answer {
        let driver = &self.shared.driver;
        match call {
            Call::Mark(mut request) => {
                self.identify(&mut request.process);
                if let Err(code) = self.shared.prepare(&request.root).await {
                    return Answer::Done(code);
                }
                Answer::Done(driver.mark(request).await.into())
            }
            Call::Start { instance, request } => {
                Answer::Started(self.start(instance, request, starting).await)
            }
            Call::OnDiskState(path) => Answer::State(driver.on_disk_state(&path).await),
            Call::Knobs => {
                let knobs = driver.knobs();
                Answer::Knobs(LibraryKnobs {
                    strict: knobs.strict,
                    hide_symlink_functions: knobs.hide_symlink_functions,
                    legacy_compare: knobs.compare == Compare::LegacyLower,
                })
            }
            Call::Stop { instance } => Answer::Done(self.stop(instance).await.into()),
            Call::ClearNegativePathCache { instance } => {
                let running = self.running(instance).await;
                Answer::Cleared(running.map(|running| running.root.clear_negative_path_cache()))
            }
            Call::WritePlaceholder { instance, .. }
            | Call::UpdateFile { instance, .. }
            | Call::DeleteFile { instance, .. }
            | Call::WriteFileData { instance, .. }
            | Call::Complete { instance, .. } => match self.running(instance).await {
                Ok(running) => self.call_on(&running, call).await,
                Err(code) => refused(&call, code),
            },
        }
    }

    /// Calls on a running instance.
    async fn call_on(&self, running: &Running, call: Call) -> Answer {
        let Running { root, session } = running;
        match call {
            Call::WritePlaceholder { path, info, .. } => {
                Answer::Done(root.write_placeholder(session, &path, *info).await.into())
            }
            Call::UpdateFile { path, info, flags, .. } => {
                let updated = root.update_file(session, &path, *info, flags).await;
                self.shared.mounts.changed(root, &path).await;
                changed(updated)
            }
            Call::DeleteFile { path, flags, .. } => {
                let deleted = root.delete_file(session, &path, flags).await;
                self.shared.mounts.changed(root, &path).await;
                changed(deleted)
            }
            Call::WriteFileData { stream, offset, data, .. } => {
                Answer::Done(root.write_file_data(session, stream, offset, &data).into())
            }
            Call::Complete { completion, .. } => {
                Answer::Done(session.complete(root, completion).into())
            }
            other => refused(&other, HResult::INVALID_ARGUMENT),
        }
    }

    async fn start(
        &self,
        instance: u64,
        mut request: StartRequest,
        starting: Option<watch::Sender<Starting>>,
    ) -> Result<InstanceInfo> {
        self.identify(&mut request.process);
        let provider = Arc::new(Remote { instance, outgoing: self.outgoing.clone() });
        let started = match self.shared.prepare(&request.root).await {
            Ok(()) => self.shared.driver.start(request, provider).await,
            Err(code) => Err(code),
        };
        let started = started.map(|(root, session)| Running { root, session });
        if let Some(starting) = starting {
            starting.send_replace(Some(started.clone()));
        }
        let running = match started {
            Ok(running) => running,
            Err(code) => {
                self.forget(instance);
                return Err(code);
            }
        };
        if self.instances.lock().is_none() {
            // The process died while its provider started.
            running.session.died(&running.root);
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        let write_alignment = self.shared.driver.knobs().write_alignment;
        Ok(InstanceInfo { instance: running.root.instance(), write_alignment })
    }

    async fn stop(&self, instance: u64) -> Result<()> {
        let running = self.running(instance).await?;
        running.session.stop(&running.root).await;
        self.forget(instance);
        Ok(())
    }

    fn forget(&self, instance: u64) {
        if let Some(instances) = self.instances.lock().as_mut() {
            instances.remove(&instance);
        }
    }

    /// A running instance, once its start is over.
    async fn running(&self, instance: u64) -> Result<Running> {
        let known = self.instances.lock().as_ref().and_then(|known| known.get(&instance).cloned());
        let mut known = known.ok_or(HResult::INVALID_ARGUMENT)?;
        let started = known.wait_for(Option::is_some).await;
        match started.as_deref() {
            Ok(Some(started)) => started.clone(),
            _ => Err(HResult::VIRTUALIZATION_UNAVAILABLE),
        }
    }
}

fn changed(done: std::result::Result<(), Refused>) -> Answer {
    match done {
        Ok(()) => Answer::Changed(HResult::OK, FailureCauses::empty()),
        Err((code, causes)) => Answer::Changed(code, causes),
    }
}

/// The answer to a call on an instance that there is not.
fn refused(call: &Call, code: HResult) -> Answer {
    match call {
        Call::UpdateFile { .. } | Call::DeleteFile { .. } => {
            Answer::Changed(code, FailureCauses::empty())
        }
        _ => Answer::Done(code),
    }
}

/// An instance as the engine calls it.
struct Remote {
    instance: u64,
    outgoing: Outgoing,
}

impl Provider for Remote {
    fn invoke(&self, command: Command) {
        let (instance, command) = (self.instance, Box::new(command));
        self.outgoing.send(&ToProvider::Invoke { instance, command });
    }

    fn cancel(&self, id: i32) {
        self.outgoing.send(&ToProvider::Cancel { instance: self.instance, command: id });
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remote").field("instance", &self.instance).finish_non_exhaustive()
    }
}
