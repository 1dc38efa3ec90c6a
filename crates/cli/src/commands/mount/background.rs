//! A mount that outlives the command: a child of our own, and its verdict over a pipe.
//!
//! The parent starts this program again with the same arguments. The child leaves the terminal's
//! session, mounts, asks its own mount for the root, and says on its stdout how that went: one
//! line of JSON. The parent waits for that line, not for ever, and ends with the child's word.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{CliError, Exit};
use crate::front_end::Remarks;
use crate::system;

/// Set for the child, so that it knows that it is one.
const CHILD_VARIABLE: &str = "RUSTY_ATTACHMENTS_BACKGROUND_CHILD";
/// How long a silent child may take to unmount and end, and how often it is looked at.
const END_PATIENCE: Duration = Duration::from_secs(5);
const END_POLL: Duration = Duration::from_millis(50);
/// Longest verdict that is read: a remark on each of many names.
const VERDICT_BYTES_MAX: u64 = 256 << 20;

/// How the mount went.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The mount answers.
    Ready {
        /// The process that serves it.
        pid: u32,
        /// What whoever mounts it should know.
        remarks: Remarks,
    },
    /// It does not, and the child has cleaned up.
    Failed {
        /// The finished error line.
        message: String,
        /// The exit code.
        code: u8,
    },
}

/// Whether this process was started by [`start`].
pub(crate) fn is_child() -> bool {
    env::var_os(CHILD_VARIABLE).is_some_and(|value| value == *OsStr::new("1"))
}

/// Starts the child and waits up to `patience` for its verdict; gives its process id and
/// what it remarked.
///
/// Whatever the child prints on stderr, a panic for one, goes to `log_file`.
pub(crate) fn start(log_file: &Path, patience: Duration) -> Result<(u32, Remarks), CliError> {
    let failed = |error: &io::Error| CliError::caused("start the mount in the background", error);
    let log = open_log(log_file).map_err(|error| {
        CliError::caused(format!("open the log '{}'", log_file.display()), &error)
    })?;
    let mut command = Command::new(env::current_exe().map_err(|error| failed(&error))?);
    system::prepare_background(&mut command);
    let mut child = command
        .args(env::args_os().skip(1))
        .env(CHILD_VARIABLE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| failed(&error))?;
    match wait_for_verdict(&mut child, patience) {
        Some(Verdict::Ready { pid, remarks }) => Ok((pid, remarks)),
        Some(Verdict::Failed { message, code }) => {
            let _ = child.wait();
            Err(CliError::told(message, Exit::from_code(code)))
        }
        None => {
            let ended = child.try_wait().ok().flatten();
            end(&mut child);
            let reason = match ended {
                Some(status) => format!("the background process ended early ({status})"),
                None => format!("it gave no sign within {} s", patience.as_secs()),
            };
            Err(CliError::runtime("mount", reason)
                .advise(format!("Read '{}', or try --foreground.", log_file.display())))
        }
    }
}

/// Ends a child that did not get there: politely, so that it takes its mount with it, then not.
fn end(child: &mut Child) {
    system::terminate(child);
    let deadline = Instant::now() + END_PATIENCE;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(END_POLL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn wait_for_verdict(child: &mut Child, patience: Duration) -> Option<Verdict> {
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    // Not joined: it ends with the child, which the caller kills if it stays silent.
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout.take(VERDICT_BYTES_MAX)).read_line(&mut line);
        let _ = sender.send(read.map(|_| line));
    });
    let line = receiver.recv_timeout(patience).ok()?.ok()?;
    serde_json::from_str(&line).ok()
}

fn open_log(path: &Path) -> io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// The child's side: tells the parent, and lets go of its pipe.
///
/// An error means that the parent has gone away, so nobody knows of the mount.
pub(crate) fn tell_parent(verdict: &Verdict) -> io::Result<()> {
    let mut line = serde_json::to_string(verdict)?;
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
