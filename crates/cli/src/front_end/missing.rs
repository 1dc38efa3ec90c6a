//! No front end on this system.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use rusty_attachments_vfs::{AsyncExecutor, Volume};

use super::Listed;
use crate::commands::doctor::Check;
use crate::error::CliError;

const REASON: &str = "this version mounts on Linux only";

/// Never made.
#[derive(Debug)]
pub(crate) struct Mounted(Infallible);

impl Mounted {
    pub(crate) fn mount_point(&self) -> &Path {
        match self.0 {}
    }

    pub(crate) fn wait(&self) -> Result<(), CliError> {
        match self.0 {}
    }

    pub(crate) fn wait_timeout(&self, _limit: std::time::Duration) -> bool {
        match self.0 {}
    }

    pub(crate) fn unmount(&self) -> Result<(), CliError> {
        match self.0 {}
    }

    pub(crate) fn unmount_lazy(&self) -> Result<(), CliError> {
        match self.0 {}
    }
}

pub(crate) fn mount(
    _volume: Arc<dyn Volume>,
    _executor: &Arc<AsyncExecutor>,
    _mount_point: &Path,
    _label: String,
    _allow_other: bool,
) -> Result<Mounted, CliError> {
    Err(CliError::environment("mount", REASON))
}

pub(crate) fn unmount(_mount_point: &Path, _lazy: bool) -> Result<(), CliError> {
    Err(CliError::environment("unmount", REASON))
}

pub(crate) fn list() -> Result<Vec<Listed>, CliError> {
    Ok(Vec::new())
}

pub(crate) fn report(_mount_point: &Path) -> Result<String, CliError> {
    Err(CliError::environment("ask a mount", REASON))
}

pub(crate) fn leave_session() {}

pub(crate) fn terminate(_child: &std::process::Child) {}

pub(crate) fn let_go_of_parent() -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::failed("front end", REASON, "use a Linux machine to mount")]
}

pub(crate) fn unmount_command(mount_point: &Path) -> String {
    format!("rusty-attachments unmount {}", mount_point.display())
}

pub(crate) fn fuse_error(error: &CliError) -> CliError {
    CliError::runtime("use the mount", error.to_string())
}
