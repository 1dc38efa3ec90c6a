//! Systems without a front end: nothing is ever left in the background.

use std::path::Path;
use std::process::{Child, Command};

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

pub(crate) fn prepare_background(_command: &mut Command) {}

pub(crate) fn leave_session() {}

pub(crate) fn terminate(child: &mut Child) {
    let _ = child.kill();
}

pub(crate) fn kill_command(pid: u32) -> String {
    format!("kill -9 {pid}")
}

pub(crate) fn let_go_of_parent() -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}
