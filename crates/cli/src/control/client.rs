//! The side of commands.

use std::io;
use std::time::Duration;

use rusty_attachments_model::{ContentHash, Manifest};
use rusty_attachments_vfs::changes::Changed;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::endpoint::{self, ClientStream};
use super::message::{Answer, Ask, LINE_BYTES_MAX, Question, Reply, SCHEMA};
use super::registry::{Registered, Registry, name_of};
use super::wire::WireChange;
use crate::error::{CliError, chain};

/// How long it may take to be connected.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a mount may take to end: it waits for content on its way, ten seconds by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// The manifest that changes are told against.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) manifest: Manifest,
    /// What diffs name it by.
    pub(crate) hash: ContentHash,
}

/// A question that a mount has been asked.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<ClientStream>,
    action: String,
}

impl Connection {
    /// Whether a process serves the root. Says no only if nobody can be there.
    pub(crate) async fn is_served(registry: &Registry, entry: &Registered) -> bool {
        let name = name_of(&entry.root);
        let connecting = endpoint::connect(registry.folder(), &name);
        match timeout(CONNECT_PATIENCE, connecting).await {
            Ok(Err(error)) => !endpoint::is_nobody(&error),
            Ok(Ok(_)) | Err(_) => true,
        }
    }

    /// What the mount says of itself. Waits for as long as the mount likes.
    pub(crate) async fn report(registry: &Registry, entry: &Registered) -> Result<Value, CliError> {
        let (connection, reply) = Self::ask(registry, entry, Ask::Report).await?;
        match reply {
            Reply::Report { report } => Ok(report),
            other => Err(connection.odd(&other)),
        }
    }

    /// Ends the mount, and waits until it has ended.
    pub(crate) async fn stop(registry: &Registry, entry: &Registered) -> Result<(), CliError> {
        let asked = timeout(STOP_PATIENCE, Self::ask(registry, entry, Ask::Stop)).await;
        let (connection, reply) = asked.map_err(|_| {
            let action = format!("unmount '{}'", entry.root.display());
            let reason = format!("it has not ended within {} s", STOP_PATIENCE.as_secs());
            CliError::runtime(action, reason).advise(format!(
                "End its process: {}. What was changed is kept.",
                crate::system::kill_command(entry.pid)
            ))
        })??;
        match reply {
            Reply::Stopped => Ok(()),
            other => Err(connection.odd(&other)),
        }
    }

    /// What differs from the manifest.
    pub(crate) async fn changes(
        registry: &Registry,
        entry: &Registered,
    ) -> Result<Vec<Changed>, CliError> {
        let (mut connection, reply) = Self::ask(registry, entry, Ask::Changes).await?;
        let count = match reply {
            Reply::Changes { count } => count,
            other => return Err(connection.odd(&other)),
        };
        let mut changes = Vec::new();
        for _ in 0..count {
            let line = connection.line().await?;
            let change = serde_json::from_slice::<WireChange>(&line)
                .map_err(|error| connection.failed(chain(&error)))?;
            let change = change.read().ok_or_else(|| connection.failed("a hash is no hash"))?;
            changes.push(change);
        }
        Ok(changes)
    }

    /// The manifest that changes are told against.
    pub(crate) async fn base(registry: &Registry, entry: &Registered) -> Result<Base, CliError> {
        let (mut connection, reply) = Self::ask(registry, entry, Ask::Base).await?;
        let (length, hash) = match reply {
            Reply::Base { bytes, hash } => (bytes, hash),
            other => return Err(connection.odd(&other)),
        };
        let hash = hash.parse().map_err(|_| connection.failed("a hash is no hash"))?;
        let mut bytes = Vec::new();
        let read = (&mut connection.stream).take(length).read_to_end(&mut bytes).await;
        read.map_err(|error| connection.failed(chain(&error)))?;
        if bytes.len() as u64 != length {
            return Err(connection.failed("the answer ended early"));
        }
        let manifest =
            Manifest::decode_bytes(&bytes).map_err(|error| connection.failed(chain(&error)))?;
        Ok(Base { manifest, hash })
    }

    /// Asks, and gives the first line of the answer.
    async fn ask(
        registry: &Registry,
        entry: &Registered,
        ask: Ask,
    ) -> Result<(Self, Reply), CliError> {
        let action = format!("ask the mount at '{}'", entry.root.display());
        let name = name_of(&entry.root);
        let connecting = endpoint::connect(registry.folder(), &name);
        let stream = match timeout(CONNECT_PATIENCE, connecting).await {
            Ok(Ok(stream)) => BufReader::new(stream),
            Ok(Err(error)) if endpoint::is_nobody(&error) => {
                return Err(CliError::environment(action, "its process is gone"));
            }
            Ok(Err(error)) => return Err(CliError::caused(action, &error)),
            Err(_) => return Err(CliError::runtime(action, "it does not answer")),
        };
        let mut connection = Self { stream, action };
        let question = Question { schema: SCHEMA.to_owned(), ask };
        let mut line =
            serde_json::to_vec(&question).map_err(|error| connection.failed(chain(&error)))?;
        line.push(b'\n');
        let sent = connection.stream.write_all(&line).await;
        sent.map_err(|error| connection.lost(&error))?;
        let line = connection.line().await?;
        let answer: Answer =
            serde_json::from_slice(&line).map_err(|error| connection.failed(chain(&error)))?;
        if answer.schema != SCHEMA {
            let reason = format!("it answers in '{}', not in '{SCHEMA}'", answer.schema);
            return Err(connection
                .failed(reason)
                .advise("Use the version of rusty-attachments that has mounted it."));
        }
        Ok((connection, answer.reply.or_error()?))
    }

    async fn line(&mut self) -> Result<Vec<u8>, CliError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut line).await;
        read.map_err(|error| self.lost(&error))?;
        if line.pop() == Some(b'\n') {
            return Ok(line);
        }
        Err(CliError::environment(&self.action, "its process ended before it answered"))
    }

    /// A process that ends while it is asked resets the connection.
    fn lost(&self, error: &io::Error) -> CliError {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                CliError::environment(&self.action, "its process is gone")
            }
            _ => CliError::caused(&self.action, error),
        }
    }

    fn failed(&self, reason: impl AsRef<str>) -> CliError {
        CliError::runtime(&self.action, reason)
    }

    fn odd(&self, reply: &Reply) -> CliError {
        self.failed(format!("it gave an answer to another question: {reply:?}"))
    }
}
