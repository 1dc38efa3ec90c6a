//! Unix domain sockets in the registry's folder, which is this user's alone.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

pub(super) type ServerStream = UnixStream;
pub(super) type ClientStream = UnixStream;

/// Where clients connect to.
#[derive(Debug)]
pub(super) struct Listener(UnixListener);

impl Listener {
    /// Begins to listen. Whoever listened there before is gone: the caller has the root's lock.
    pub(super) fn bind(folder: &Path, name: &str) -> io::Result<Self> {
        remove(folder, name);
        let place = Place::of(folder, name)?;
        UnixListener::bind(&place.short).map(Self)
    }

    pub(super) async fn accept(&mut self) -> io::Result<ServerStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Connects to whoever listens.
pub(super) async fn connect(folder: &Path, name: &str) -> io::Result<ClientStream> {
    let place = Place::of(folder, name)?;
    UnixStream::connect(&place.short).await
}

/// Whether an error of [`connect`] says that nobody listens.
pub(super) fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Removes what a listener has left.
pub(super) fn remove(folder: &Path, name: &str) {
    let _ = fs::remove_file(folder.join(name).with_extension("sock"));
}

/// A socket's path, however long: an address holds 107 bytes only.
struct Place {
    short: PathBuf,
    /// What the short path goes through.
    _folder: Option<File>,
}

impl Place {
    fn of(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name).with_extension("sock");
        if path.as_os_str().len() < 100 || !cfg!(target_os = "linux") {
            return Ok(Self { short: path, _folder: None });
        }
        let folder = File::open(folder)?;
        let short = format!("/proc/self/fd/{}/{name}.sock", folder.as_raw_fd());
        Ok(Self { short: short.into(), _folder: Some(folder) })
    }
}
