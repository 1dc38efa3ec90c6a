//! No front end on this system.

use std::path::Path;

use rusty_attachments_vfs::changes::NameRule;

use super::{Listed, MountPlan, Served, mounts_check};
use crate::commands::doctor::Check;
use crate::error::CliError;

/// Nothing is shown that names could be compared in.
pub(crate) const NAME_RULE: NameRule = NameRule::Exact;

const REASON: &str = "this version mounts on Linux and Windows only";

pub(crate) fn serve(_plan: MountPlan) -> Result<Box<dyn Served>, CliError> {
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

pub(crate) fn checks() -> Vec<Check> {
    let none = Check::failed("front end", REASON, "use a Linux or Windows machine to mount");
    vec![none, mounts_check(list())]
}
