//! Linux: FUSE, unless the ProjFS emulator is asked for.

use std::path::Path;

pub(crate) use rusty_attachments_vfs_projfs::NAME_RULE;
use rusty_attachments_vfs_projfs::emulator::Emulator;

use super::{Listed, MountPlan, Served, fuse, mounts_check, projfs};
use crate::commands::doctor::Check;
use crate::error::CliError;
use crate::files::absolute;

/// Shows a manifest.
pub(crate) fn serve(plan: MountPlan) -> Result<Box<dyn Served>, CliError> {
    if !plan.projfs.emulator {
        return fuse::serve(plan);
    }
    let root = absolute(&plan.mount_point)?;
    let emulator = Emulator::serve(&root).map_err(|error| projfs::projfs_error(&root, &error))?;
    projfs::serve(plan, root, Some(Box::new(emulator)))
}

/// Ends any mount of ours.
pub(crate) fn unmount(mount_point: &Path, lazy: bool) -> Result<(), CliError> {
    let Some(mount) = projfs::find(mount_point)? else {
        return fuse::unmount(mount_point, lazy);
    };
    if projfs::unmount(&mount, lazy)? {
        return Ok(());
    }
    Emulator::clear(&mount.root).map_err(|error| projfs::projfs_error(&mount.root, &error))
}

/// All mounts of ours.
pub(crate) fn list() -> Result<Vec<Listed>, CliError> {
    let mut mounts = fuse::list()?;
    mounts.extend(projfs::list()?);
    Ok(mounts)
}

/// What a mount says of itself, as JSON. Waits for as long as the mount likes.
///
/// A mount whose process is gone is an environment failure.
pub(crate) fn report(mount_point: &Path) -> Result<String, CliError> {
    match projfs::find(mount_point)? {
        Some(mount) => projfs::report(&mount),
        None => fuse::report(mount_point),
    }
}

/// What mounting needs from this machine.
pub(crate) fn checks() -> Vec<Check> {
    let mut checks = fuse::checks();
    checks.push(mounts_check(list()));
    checks
}
