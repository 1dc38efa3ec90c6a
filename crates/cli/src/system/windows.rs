//! Windows.

use std::env;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use super::{Place, UserFolder};

/// `DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP`: no console whose Ctrl-C or end reaches it.
const BACKGROUND: u32 = 0x0000_0008 | 0x0000_0200;

pub(super) fn place_of(folder: UserFolder) -> Place {
    let (variable, below_home, name) = match folder {
        UserFolder::Config => ("APPDATA", r"AppData\Roaming", "rusty-attachments"),
        UserFolder::Cache => ("LOCALAPPDATA", r"AppData\Local", r"rusty-attachments\cache"),
        UserFolder::State => ("LOCALAPPDATA", r"AppData\Local", "rusty-attachments"),
    };
    Place { variable, below_home, name }
}

/// As PowerShell reads it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a child that stays in the background is started with.
pub(crate) fn prepare_background(command: &mut Command) {
    command.creation_flags(BACKGROUND);
}

/// The background process never had a console.
pub(crate) fn leave_session() {}

/// Ends a child of ours. There is no asking: what was recorded survives that.
pub(crate) fn terminate(child: &mut Child) {
    let _ = child.kill();
}

/// The command that ends a process that does not answer.
pub(crate) fn kill_command(pid: u32) -> String {
    format!("Stop-Process -Force -Id {pid}")
}

/// Lets go of the working folder, which could not be deleted else.
pub(crate) fn let_go_of_parent() -> std::io::Result<()> {
    env::set_current_dir(env::temp_dir())
}

/// Unknown: it is asked only to warn early.
pub(crate) fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}
