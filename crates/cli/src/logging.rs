//! Where the libraries' `tracing` events go while a mount is served.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::error::CliError;

/// A log file is set aside as `FILE.1`, replacing the one before, when it reaches this size: the
/// worker agent reads logs whole, and disks are finite.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// Sends events of `level` (a `tracing` filter) to stderr.
pub(crate) fn to_stderr(level: &str) -> Result<(), CliError> {
    init(level, io::stderr)
}

/// Sends events of `level` to the file `path`, appending.
pub(crate) fn to_file(level: &str, path: &Path) -> Result<(), CliError> {
    let log = CappedLog::open(path, LOG_BYTES_MAX)
        .map_err(|error| CliError::caused(format!("open the log '{}'", path.display()), &error))?;
    init(level, log)
}

fn init(
    level: &str,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        CliError::usage(format!("use the log level '{level}'"), error.to_string())
            .advise("Use error, warn, info, debug or trace.")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(writer)
        .try_init()
        .map_err(|error| CliError::runtime("start the log", error.to_string()))
}

/// A file that never grows past its cap. Shared by all threads; the lock is held while a line is
/// written, because lines must not mix.
#[derive(Clone, Debug)]
struct CappedLog(Arc<Mutex<Capped>>);

#[derive(Debug)]
struct Capped {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl CappedLog {
    fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = append_to(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Capped { path: path.to_owned(), file, bytes, bytes_max }))))
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes + bytes.len() as u64 > self.bytes_max {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            fs::rename(&self.path, aside)?;
            self.file = append_to(&self.path)?;
            self.bytes = 0;
        }
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Write for &CappedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl<'a> MakeWriter<'a> for CappedLog {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_grows_past_its_cap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let log = CappedLog::open(&path, 100).unwrap();
        for line in 0..50 {
            (&log).write_all(format!("line {line:03}\n").as_bytes()).unwrap();
        }
        let last = fs::read_to_string(&path).unwrap();
        assert!(last.len() <= 100 && last.ends_with("line 049\n"), "{last}");
        assert_eq!(fs::metadata(folder.path().join("logs/a.log.1")).unwrap().len(), 99);
        drop(log);
        let reopened = CappedLog::open(&path, 100).unwrap();
        (&reopened).write_all(b"more\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), last + "more\n");
    }
}
