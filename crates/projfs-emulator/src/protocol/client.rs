//! The driver as a provider's process has it: every call is a message to the daemon.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::connection::{Connection, Incoming, NotSent};
use super::error::ProtocolError;
use super::frames::MAX_DATA;
use super::greeting::Role;
use super::messages::{Answer, Call, ToDriver, ToProvider};
use crate::contract::{
    FailureCauses, FileState, Guid, HResult, PlaceholderInfo, Result, UpdateFlags, Wide,
};
use crate::link::{
    Completion, Driver, Instance, InstanceInfo, LibraryKnobs, MarkRequest, Provider, StartRequest,
};
use crate::violation::Violation;

/// The providers of this process, by the numbers of their instances.
type Providers = Arc<Mutex<HashMap<u64, Arc<dyn Provider>>>>;

type ToDaemon = Connection<ToDriver, Answer>;

/// The driver behind a connection.
#[derive(Debug)]
pub(super) struct Remote {
    connection: Arc<ToDaemon>,
    providers: Providers,
    next: AtomicU64,
}

/// A running instance behind a connection.
#[derive(Debug)]
struct RemoteInstance {
    connection: Arc<ToDaemon>,
    providers: Providers,
    number: u64,
    info: InstanceInfo,
}

impl Remote {
    pub(super) fn connect(address: impl ToSocketAddrs) -> std::result::Result<Self, ProtocolError> {
        let providers = Providers::default();
        let (called, ended) = (Arc::clone(&providers), Arc::clone(&providers));
        let receive = move |message| receive(&called, message);
        let connection =
            Connection::open(address, Role::Provider, receive, move || ended.lock().clear())?;
        Ok(Self { connection: Arc::new(connection), providers, next: AtomicU64::new(1) })
    }
}

fn receive(
    providers: &Mutex<HashMap<u64, Arc<dyn Provider>>>,
    message: ToProvider,
) -> Incoming<Answer> {
    let provider = |instance| providers.lock().get(&instance).cloned();
    match message {
        ToProvider::Answer { id, answer } => return Incoming::Answer(id, answer),
        ToProvider::Invoke { instance, command } => {
            if let Some(provider) = provider(instance) {
                provider.invoke(*command);
            }
        }
        ToProvider::Cancel { instance, command } => {
            if let Some(provider) = provider(instance) {
                provider.cancel(command);
            }
        }
    }
    Incoming::Handled
}

/// Calls and waits. A lost connection is what a driver without virtualization would answer.
fn call(connection: &ToDaemon, call: Call) -> Result<Answer> {
    let sent = connection.begin(|id| ToDriver::Call { id, call });
    let waiting = sent.map_err(|not_sent| match not_sent {
        NotSent::TooLong => HResult::INVALID_ARGUMENT,
        NotSent::Lost => HResult::VIRTUALIZATION_UNAVAILABLE,
    })?;
    waiting.wait().ok_or(HResult::VIRTUALIZATION_UNAVAILABLE)
}

/// A call that gives nothing but a code.
fn done(connection: &ToDaemon, what: Call) -> Result<()> {
    match call(connection, what)? {
        Answer::Done(code) => code.ok(),
        other => Err(unexpected(&other)),
    }
}

/// An answer of another kind than the call's.
fn unexpected(answer: &Answer) -> HResult {
    tracing::error!("the daemon answered something else than was asked: {answer:?}");
    HResult::INTERNAL_ERROR
}

impl Driver for Remote {
    fn mark(&self, request: MarkRequest) -> Result<()> {
        done(&self.connection, Call::Mark(request))
    }

    fn start(
        &self,
        request: StartRequest,
        provider: Arc<dyn Provider>,
    ) -> Result<Arc<dyn Instance>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Before the call: commands may come before its answer (M7).
        self.providers.lock().insert(number, provider);
        let started = match call(&self.connection, Call::Start { instance: number, request }) {
            Ok(Answer::Started(started)) => started,
            Ok(other) => Err(unexpected(&other)),
            Err(code) => Err(code),
        };
        let info = started.inspect_err(|_| {
            self.providers.lock().remove(&number);
        })?;
        let (connection, providers) = (Arc::clone(&self.connection), Arc::clone(&self.providers));
        Ok(Arc::new(RemoteInstance { connection, providers, number, info }))
    }

    fn on_disk_state(&self, path: &Wide) -> Result<FileState> {
        match call(&self.connection, Call::OnDiskState(path.clone()))? {
            Answer::State(state) => state,
            other => Err(unexpected(&other)),
        }
    }

    fn knobs(&self) -> LibraryKnobs {
        let strict =
            LibraryKnobs { strict: true, hide_symlink_functions: false, legacy_compare: false };
        match call(&self.connection, Call::Knobs) {
            Ok(Answer::Knobs(knobs)) => knobs,
            Ok(other) => {
                unexpected(&other);
                strict
            }
            Err(_) => strict,
        }
    }

    fn report(&self, violation: Violation) {
        if self.connection.send(&ToDriver::Report(violation.clone())).is_err() {
            tracing::error!("contract broken, and no daemon to tell: {violation}");
        }
    }
}

impl RemoteInstance {
    fn changed(&self, what: Call) -> (HResult, FailureCauses) {
        match call(&self.connection, what) {
            Ok(Answer::Changed(code, causes)) => (code, causes),
            Ok(other) => (unexpected(&other), FailureCauses::empty()),
            Err(code) => (code, FailureCauses::empty()),
        }
    }
}

impl Instance for RemoteInstance {
    fn stop(&self) {
        // If the connection is lost, there is nothing left to stop.
        let _ = done(&self.connection, Call::Stop { instance: self.number });
        self.providers.lock().remove(&self.number);
    }

    fn clear_negative_path_cache(&self) -> Result<u32> {
        let what = Call::ClearNegativePathCache { instance: self.number };
        match call(&self.connection, what)? {
            Answer::Cleared(count) => count,
            other => Err(unexpected(&other)),
        }
    }

    fn info(&self) -> InstanceInfo {
        self.info
    }

    fn write_placeholder(&self, path: &Wide, info: PlaceholderInfo) -> Result<()> {
        let (instance, path, info) = (self.number, path.clone(), Box::new(info));
        done(&self.connection, Call::WritePlaceholder { instance, path, info })
    }

    fn update_file(
        &self,
        path: &Wide,
        info: PlaceholderInfo,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses) {
        let (instance, path, info) = (self.number, path.clone(), Box::new(info));
        self.changed(Call::UpdateFile { instance, path, info, flags })
    }

    fn delete_file(&self, path: &Wide, flags: UpdateFlags) -> (HResult, FailureCauses) {
        self.changed(Call::DeleteFile { instance: self.number, path: path.clone(), flags })
    }

    fn write_file_data(&self, stream: Guid, offset: u64, data: &[u8]) -> Result<()> {
        // All pieces but the last end aligned, so that the rules of J5 hold for them together if and
        // only if they hold for the whole.
        let (mut offset, mut rest) = (offset, data);
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(MAX_DATA));
            let (instance, data) = (self.number, piece.to_vec());
            done(&self.connection, Call::WriteFileData { instance, stream, offset, data })?;
            if behind.is_empty() {
                return Ok(());
            }
            (offset, rest) = (offset.saturating_add(piece.len() as u64), behind);
        }
    }

    fn complete(&self, completion: Completion) -> Result<()> {
        done(&self.connection, Call::Complete { instance: self.number, completion })
    }
}
