//! Linux.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use super::{Place, UserFolder};

pub(super) fn place_of(folder: UserFolder) -> Place {
    let (variable, below_home) = match folder {
        UserFolder::Config => ("XDG_CONFIG_HOME", ".config"),
        UserFolder::Cache => ("XDG_CACHE_HOME", ".cache"),
        UserFolder::State => ("XDG_STATE_HOME", ".local/state"),
    };
    Place { variable, below_home, name: "rusty-attachments" }
}

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What a child that stays in the background is started with: nothing, it leaves by itself.
pub(crate) fn prepare_background(_command: &mut Command) {}

/// Leaves the terminal's session, so that neither Ctrl-C nor its end reaches this process.
pub(crate) fn leave_session() {
    // Fails only for a process that leads a group, which has no terminal to leave.
    let _ = rustix::process::setsid();
}

/// Asks a child of ours to end.
pub(crate) fn terminate(child: &mut Child) {
    // Fails only if it has ended.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
}

/// The command that ends a process that does not answer.
pub(crate) fn kill_command(pid: u32) -> String {
    format!("kill -9 {pid}")
}

/// Lets go of the pipe to the parent and of the working folder.
pub(crate) fn let_go_of_parent() -> std::io::Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(null)?;
    // Someone may want to unmount the file system that we were started on.
    Ok(rustix::process::chdir("/")?)
}

/// Bytes that a user may still write to the disk of `folder`.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let stats = rustix::fs::statvfs(folder).ok()?;
    stats.f_bavail.checked_mul(stats.f_frsize)
}
