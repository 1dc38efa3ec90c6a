//! Takes a mount out of the tree.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::attach::{complaint, spawn_helper};
use super::holders;
use crate::error::FuseError;

/// How a mount is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// If nobody uses it.
    Plain,
    /// Out of the tree now, out of the kernel with the last user.
    Lazy,
    /// Now: whoever uses it gets errors.
    Abort,
}

/// A process that has just ended may still be closing its files.
const BUSY_RETRIES: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Takes what is mounted at `point` out of the tree.
pub(super) fn detach(point: &Path, how: How) -> Result<(), FuseError> {
    for attempt in 0.. {
        match detach_directly(point, how) {
            Ok(()) => return Ok(()),
            Err(Errno::BUSY) if attempt < BUSY_RETRIES => std::thread::sleep(BUSY_PAUSE),
            Err(Errno::BUSY) => break,
            Err(Errno::PERM) => return detach_with_helper(point, how),
            Err(Errno::INVAL | Errno::NOENT) => {
                return Err(FuseError::NotMounted { path: point.into() });
            }
            Err(error) => {
                let reason = io::Error::from(error).to_string();
                return Err(FuseError::UnmountRefused { path: point.into(), reason });
            }
        }
    }
    Err(FuseError::Busy { path: point.into(), holders: holders::find(point) })
}

fn detach_directly(point: &Path, how: How) -> Result<(), Errno> {
    let flags = match how {
        How::Plain => UnmountFlags::empty(),
        How::Lazy => UnmountFlags::DETACH,
        // FUSE takes `FORCE` as an order to abort the connection.
        How::Abort => UnmountFlags::DETACH | UnmountFlags::FORCE,
    };
    rustix::mount::unmount(point, flags | UnmountFlags::NOFOLLOW)
}

fn detach_with_helper(point: &Path, how: How) -> Result<(), FuseError> {
    let mut child = spawn_helper(|command| {
        command.arg("-u");
        if how != How::Plain {
            command.arg("-z");
        }
        command.arg("--").arg(point);
        Ok(())
    })?;
    let refused = |reason| FuseError::UnmountRefused { path: point.to_path_buf(), reason };
    let said = complaint(&mut child).map_err(|error| refused(error.to_string()))?;
    match said {
        none if none.is_empty() => Ok(()),
        // The helper does not translate what the system says.
        busy if busy.contains("busy") => {
            Err(FuseError::Busy { path: point.into(), holders: holders::find(point) })
        }
        other => Err(refused(other)),
    }
}

/// Cuts a FUSE connection, if the kernel shows its switch to this user: all its requests fail.
pub(super) fn abort_connection(device: &str) {
    let Some((_, minor)) = device.split_once(':') else { return };
    let switch = format!("/sys/fs/fuse/connections/{minor}/abort");
    if let Err(error) = std::fs::write(&switch, "1") {
        tracing::debug!("cannot write '{switch}': {error}");
    }
}
