//! The side of the process that serves a root.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::changes::Changed;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::endpoint::{Listener, ServerStream};
use super::message::{Answer, Ask, QUESTION_BYTES_MAX, Question, Reply, SCHEMA};
use super::registry::{Registered, Registry, name_of};
use super::wire::WireChange;
use crate::error::{CliError, chain};

/// How long a client may take to ask, and to take a piece of the answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// Clients that are served at a time; more of them wait.
const CLIENTS_MAX: usize = 16;
/// Bytes that are handed to a client at a time.
const PIECE_BYTES: usize = 1 << 16;
/// After a failure to accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long those who asked for the end may take to hear of it.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);

/// What the mount answers. Called on threads that may block.
pub(crate) trait Answers: Send + Sync + 'static {
    /// What it says of itself, as JSON.
    fn report(&self) -> Result<Value, CliError>;
    /// What differs from the manifest.
    fn changes(&self) -> Result<Vec<Changed>, CliError>;
    /// The canonical text of the manifest that is shown, and the hash that diffs name it by.
    fn base(&self) -> Result<(String, ContentHash), CliError>;
}

/// Answers clients until it is closed.
#[derive(Debug)]
pub(crate) struct Server {
    registry: Registry,
    root: PathBuf,
    handle: Handle,
    stop_asked: watch::Receiver<bool>,
    ended: watch::Sender<Option<Reply>>,
    clients: Arc<Semaphore>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Listens for the root that `entry` names, and notes it in the registry.
    pub(crate) fn start(
        handle: &Handle,
        registry: Registry,
        entry: &Registered,
        answers: Arc<dyn Answers>,
    ) -> Result<Self, CliError> {
        let folder = registry.make()?;
        let inside = handle.enter();
        let listener = Listener::bind(folder, &name_of(&entry.root)).map_err(|error| {
            CliError::caused(format!("answer for '{}'", entry.root.display()), &error)
        })?;
        drop(inside);
        registry.add(entry)?;
        let (stop, stop_asked) = watch::channel(false);
        let (ended, end) = watch::channel(None);
        let clients = Arc::new(Semaphore::new(CLIENTS_MAX));
        let session = Session { answers, stop: Arc::new(stop), end };
        let task = handle.spawn(accept(listener, session, Arc::clone(&clients)));
        Ok(Self {
            registry,
            root: entry.root.clone(),
            handle: handle.clone(),
            stop_asked,
            ended,
            clients,
            task: Mutex::new(Some(task)),
        })
    }

    /// Waits until a client asks for the end of the mount. Not to be called on an async worker.
    pub(crate) fn wait_for_stop(&self) {
        let mut asked = self.stop_asked.clone();
        // Without a sender nobody accepts any more: the mount is ending already.
        let _ = self.handle.block_on(asked.wait_for(|asked| *asked));
    }

    /// Stops to listen, and takes the note out of the registry: before the root is let go, since
    /// whoever serves it next has its note and its socket at the same place.
    pub(crate) fn retire(&self) {
        let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        task.abort();
        self.registry.remove(&self.root);
    }

    /// Tells those who asked for it how the mount has ended, and waits until they know.
    pub(crate) fn close(&self, ended: &Result<(), CliError>) {
        self.retire();
        let reply = match ended {
            Ok(()) => Reply::Stopped,
            Err(error) => Reply::failed(error),
        };
        self.ended.send_replace(Some(reply));
        let clients = Arc::clone(&self.clients);
        let all_told = async {
            timeout(FAREWELL_PATIENCE, clients.acquire_many(CLIENTS_MAX as u32)).await.is_ok()
        };
        if !self.handle.block_on(all_told) {
            tracing::warn!("a client did not wait for the end");
        }
    }
}

/// What every client's task has.
#[derive(Clone)]
struct Session {
    answers: Arc<dyn Answers>,
    stop: Arc<watch::Sender<bool>>,
    end: watch::Receiver<Option<Reply>>,
}

async fn accept(mut listener: Listener, session: Session, clients: Arc<Semaphore>) {
    loop {
        // Never closed, so there is always another permit.
        let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let session = session.clone();
                tokio::spawn(async move {
                    if let Err(error) = session.serve(stream).await {
                        tracing::debug!(%error, "a client went away");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Session {
    async fn serve(mut self, stream: ServerStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        let mut limited = (&mut stream).take(QUESTION_BYTES_MAX);
        timeout(CLIENT_PATIENCE, limited.read_until(b'\n', &mut line)).await??;
        let mut client = Client { stream: stream.into_inner(), piece: Vec::new() };
        match understand(&line) {
            Ok(Ask::Report) => self.report(&mut client).await?,
            Ok(Ask::Changes) => self.changes(&mut client).await?,
            Ok(Ask::Base) => self.base(&mut client).await?,
            Ok(Ask::Stop) => {
                self.stop.send_replace(true);
                // Without a sender the process is ending without a word to say.
                let ended = self.end.wait_for(Option::is_some).await.map(|ended| ended.clone());
                if let Ok(Some(reply)) = ended {
                    client.line(&Answer::new(reply)).await?;
                }
            }
            Err(error) => client.line(&Answer::new(Reply::failed(&error))).await?,
        }
        client.flush().await
    }

    async fn report(&self, client: &mut Client) -> io::Result<()> {
        let reply = match self.ask(|answers| answers.report()).await {
            Ok(report) => Reply::Report { report },
            Err(error) => Reply::failed(&error),
        };
        client.line(&Answer::new(reply)).await
    }

    async fn changes(&self, client: &mut Client) -> io::Result<()> {
        let changes = match self.ask(|answers| answers.changes()).await {
            Ok(changes) => changes,
            Err(error) => return client.line(&Answer::new(Reply::failed(&error))).await,
        };
        client.line(&Answer::new(Reply::Changes { count: changes.len() as u64 })).await?;
        for changed in &changes {
            client.line(&WireChange::from(changed)).await?;
        }
        Ok(())
    }

    async fn base(&self, client: &mut Client) -> io::Result<()> {
        match self.ask(|answers| answers.base()).await {
            Ok((text, hash)) => {
                let reply = Reply::Base { bytes: text.len() as u64, hash: hash.to_string() };
                client.line(&Answer::new(reply)).await?;
                client.write(text.as_bytes()).await
            }
            Err(error) => client.line(&Answer::new(Reply::failed(&error))).await,
        }
    }

    /// Lets the mount answer where that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Answers) -> Result<T, CliError> + Send + 'static,
    ) -> Result<T, CliError> {
        let answers = Arc::clone(&self.answers);
        let answer = spawn_blocking(move || question(answers.as_ref())).await;
        answer.unwrap_or_else(|panic| Err(CliError::runtime("answer", chain(&panic))))
    }
}

fn understand(line: &[u8]) -> Result<Ask, CliError> {
    let action = "understand the question";
    let question: Question =
        serde_json::from_slice(line).map_err(|error| CliError::caused(action, &error))?;
    if question.schema == SCHEMA {
        return Ok(question.ask);
    }
    let reason = format!("it is in '{}', this process speaks '{SCHEMA}'", question.schema);
    Err(CliError::runtime(action, reason)
        .advise("Use the version of rusty-attachments that has mounted it."))
}

/// A client that takes its answer piece by piece, each in time.
struct Client {
    stream: ServerStream,
    piece: Vec<u8>,
}

impl Client {
    async fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.piece, line)?;
        self.piece.push(b'\n');
        if self.piece.len() >= PIECE_BYTES { self.send().await } else { Ok(()) }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.piece.extend_from_slice(piece);
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> io::Result<()> {
        timeout(CLIENT_PATIENCE, self.stream.write_all(&self.piece)).await??;
        self.piece.clear();
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.send().await?;
        timeout(CLIENT_PATIENCE, self.stream.shutdown()).await?
    }
}
