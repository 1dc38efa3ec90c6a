//! Named pipes. By default only their owner, administrators and the system may write to one;
//! other users, who may read, cannot ask anything.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};

pub(super) type ServerStream = NamedPipeServer;
pub(super) type ClientStream = NamedPipeClient;

/// All instances of the pipe are taken for the moment.
const ERROR_PIPE_BUSY: i32 = 231;
const BUSY_POLL: Duration = Duration::from_millis(20);
const BUSY_POLLS_MAX: u32 = 100;

/// Where clients connect to.
#[derive(Debug)]
pub(super) struct Listener {
    name: OsString,
    next: NamedPipeServer,
}

impl Listener {
    /// Begins to listen; fails if somebody else has the name. Whoever served the root before may
    /// still be saying goodbye to its clients.
    pub(super) fn bind(_folder: &Path, name: &str) -> io::Result<Self> {
        let name = pipe_name(name);
        let mut polls = 0;
        loop {
            match ServerOptions::new().first_pipe_instance(true).create(&name) {
                Ok(next) => return Ok(Self { name, next }),
                Err(error) if polls >= BUSY_POLLS_MAX => return Err(error),
                Err(_) => {
                    polls += 1;
                    std::thread::sleep(BUSY_POLL);
                }
            }
        }
    }

    pub(super) async fn accept(&mut self) -> io::Result<ServerStream> {
        self.next.connect().await?;
        let next = ServerOptions::new().create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Connects to whoever listens.
pub(super) async fn connect(_folder: &Path, name: &str) -> io::Result<ClientStream> {
    let name = pipe_name(name);
    let mut polls = 0;
    loop {
        match ClientOptions::new().open(&name) {
            Err(error)
                if error.raw_os_error() == Some(ERROR_PIPE_BUSY) && polls < BUSY_POLLS_MAX =>
            {
                polls += 1;
                tokio::time::sleep(BUSY_POLL).await;
            }
            opened => return opened,
        }
    }
}

/// Whether an error of [`connect`] says that nobody listens.
pub(super) fn is_nobody(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// A pipe is gone with its process.
pub(super) fn remove(_folder: &Path, _name: &str) {}

fn pipe_name(name: &str) -> OsString {
    format!(r"\\.\pipe\rusty-attachments-{name}").into()
}
