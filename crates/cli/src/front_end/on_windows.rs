//! Windows: ProjFS.

use std::path::Path;

pub(crate) use rusty_attachments_vfs_projfs::NAME_RULE;
use rusty_attachments_vfs_projfs::projfs_available;

use super::{Listed, MountPlan, Served, mounts_check, projfs};
use crate::commands::doctor::Check;
use crate::error::CliError;
use crate::files::absolute;

/// Shows a manifest.
pub(crate) fn serve(plan: MountPlan) -> Result<Box<dyn Served>, CliError> {
    if plan.projfs.emulator {
        return Err(CliError::usage(
            "use --projfs-emulator",
            "it is for Linux; Windows has ProjFS",
        ));
    }
    let root = absolute(&plan.mount_point)?;
    projfs::serve(plan, root, None)
}

/// Ends any mount of ours.
pub(crate) fn unmount(mount_point: &Path, lazy: bool) -> Result<(), CliError> {
    let mount = projfs::find(mount_point)?.ok_or_else(|| {
        let action = format!("unmount '{}'", mount_point.display());
        CliError::runtime(action, "nothing is mounted there")
    })?;
    projfs::unmount(&mount, lazy).map(drop)
}

/// All mounts of ours.
pub(crate) fn list() -> Result<Vec<Listed>, CliError> {
    projfs::list()
}

/// What a mount says of itself, as JSON. Waits for as long as the mount likes.
///
/// A mount whose process is gone is an environment failure.
pub(crate) fn report(mount_point: &Path) -> Result<String, CliError> {
    let mount = projfs::find(mount_point)?.ok_or_else(|| {
        let action = format!("ask the mount at '{}'", mount_point.display());
        CliError::environment(action, "there is none")
    })?;
    projfs::report(&mount)
}

/// What mounting needs from this machine.
pub(crate) fn checks() -> Vec<Check> {
    vec![feature_check(), mounts_check(list())]
}

fn feature_check() -> Check {
    if projfs_available() {
        return Check::ok("projfs", "the Windows feature Client-ProjFS is on");
    }
    Check::failed(
        "projfs",
        "the Windows feature Client-ProjFS is off",
        "as administrator: Enable-WindowsOptionalFeature -Online -FeatureName Client-ProjFS \
         -NoRestart",
    )
}
