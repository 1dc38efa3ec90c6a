//! Why the daemon cannot start, or cannot mount.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What stands in the daemon's way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// There is no FUSE here.
    #[error(
        "cannot open /dev/fuse: {source}; load the kernel's module (`modprobe fuse`), or give the \
         container the device (`--device /dev/fuse --cap-add SYS_ADMIN`)"
    )]
    NoFuse {
        /// What the system says.
        source: io::Error,
    },
    /// Others could reach it.
    #[error(
        "refusing to listen at {address}: whoever connects may do what this process may, so only \
         127.0.0.1 will do"
    )]
    NotLoopback {
        /// As it was given.
        address: SocketAddr,
    },
    /// The port cannot be had.
    #[error("cannot listen at {address}: {source}; port 0 takes one that is free")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A root cannot be mounted.
    #[error("cannot mount '{}': {source}; {}", path.display(), hint(source))]
    MountRefused {
        /// The root.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else has mounted the root.
    #[error(
        "'{}' is mounted by another projfs-emulator that still runs; end it, or detach the root there",
        path.display()
    )]
    MountedElsewhere {
        /// The root.
        path: PathBuf,
    },
    /// What was mounted by a daemon that died cannot be cleared away.
    #[error("a dead mount at '{}' cannot be removed: {source}; try `umount -l`", path.display())]
    DeadMount {
        /// The root.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "mounting takes CAP_SYS_ADMIN, or the program fusermount3"
        }
        io::ErrorKind::NotFound => "does the folder exist, and is fusermount3 installed?",
        _ => "is it a folder of a local file system?",
    }
}
