//! Checks of the folder that is to be mounted over.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;

use super::detach::{self, How};
use super::{stale, table};
use crate::error::FuseError;

/// How many dead mounts of ours are cleared from one place: each crash leaves one.
const MAX_DEAD: usize = 16;

/// The absolute path of a mount point that can be used, after clearing dead mounts of ours.
pub(super) fn prepare(path: &Path, allow_nonempty: bool) -> Result<PathBuf, FuseError> {
    let point = resolve(path).map_err(|error| refusal(path, error))?;
    for _ in 0..MAX_DEAD {
        let Some(top) = table::top_at(&point)? else { break };
        if !top.is_ours() || !stale::is_dead(&point) {
            return Err(FuseError::AlreadyMounted { path: point, holder: top.source });
        }
        tracing::info!(mount_point = %point.display(), "clearing the mount of a process that died");
        detach::detach(&point, How::Lazy)?;
    }
    check(&point, allow_nonempty)?;
    Ok(point)
}

/// The absolute path without links, also when what is mounted there is dead.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTCONN) => {
            let name = path.file_name().ok_or(error)?;
            let parent = path.parent().filter(|parent| *parent != OsStr::new(""));
            Ok(parent.unwrap_or(Path::new(".")).canonicalize()?.join(name))
        }
        other => other,
    }
}

fn check(point: &Path, allow_nonempty: bool) -> Result<(), FuseError> {
    let refuse = |error| refusal(point, error);
    if !point.metadata().map_err(refuse)?.is_dir() {
        return Err(FuseError::MountPointNotDirectory { path: point.into() });
    }
    let first = point.read_dir().map_err(refuse)?.next().transpose().map_err(refuse)?;
    if first.is_some() && !allow_nonempty {
        return Err(FuseError::MountPointNotEmpty { path: point.into() });
    }
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // The helper asks for this too, but says it less clearly.
    rustix::fs::access(point, Access::WRITE_OK).map_err(|error| refusal(point, error.into()))
}

fn refusal(path: &Path, error: io::Error) -> FuseError {
    let path = path.to_path_buf();
    match error.kind() {
        io::ErrorKind::NotFound => FuseError::MountPointMissing { path },
        io::ErrorKind::NotADirectory => FuseError::MountPointNotDirectory { path },
        _ => FuseError::MountPointNotAccessible { path, source: error },
    }
}
