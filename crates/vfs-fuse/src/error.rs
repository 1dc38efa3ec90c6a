//! Why a mount could not be made or ended.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A process, or another mount, that keeps a mount from being ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A process with an open file, a mapping, or its working folder in the mount.
    Process {
        /// Its id.
        pid: u32,
        /// Its name as the kernel knows it.
        command: String,
    },
    /// Something is mounted inside.
    Mount(PathBuf),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command } => write!(f, "process {pid} ({command})"),
            Self::Mount(path) => write!(f, "the mount at '{}'", path.display()),
        }
    }
}

/// A failed mount or unmount: what failed, where, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FuseError {
    /// The mount point does not exist.
    #[error("cannot mount at '{}': the folder does not exist; create it first", path.display())]
    MountPointMissing {
        /// The mount point.
        path: PathBuf,
    },
    /// The mount point is no folder.
    #[error("cannot mount at '{}': it is not a folder; give an empty folder", path.display())]
    MountPointNotDirectory {
        /// The mount point.
        path: PathBuf,
    },
    /// The mount point holds something, which a mount would hide.
    #[error(
        "cannot mount at '{}': the folder is not empty, a mount would hide what it holds; give an \
         empty folder",
        path.display()
    )]
    MountPointNotEmpty {
        /// The mount point.
        path: PathBuf,
    },
    /// This user may not use the mount point.
    #[error(
        "cannot mount at '{}': {source}; the folder must belong to the user who mounts",
        path.display()
    )]
    MountPointNotAccessible {
        /// The mount point.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something is mounted there already.
    #[error(
        "cannot mount at '{}': '{}' is mounted there; unmount it first or give another folder",
        path.display(), holder.to_string_lossy()
    )]
    AlreadyMounted {
        /// The mount point.
        path: PathBuf,
        /// The source of what is mounted.
        holder: OsString,
    },
    /// The volume has a name that no Linux file can have.
    #[error(
        "cannot mount: Linux cannot show the entry '{entry}': {reason}; mount it on the system \
         that it was made on, or rename the file and submit again"
    )]
    UnrepresentableName {
        /// The entry's path in the volume.
        entry: String,
        /// What is wrong with its name.
        reason: &'static str,
    },
    /// The kernel's side of FUSE is not there.
    #[error(
        "cannot mount: /dev/fuse is not usable ({source}); load the module with 'modprobe fuse' \
         and let users open it ('chmod 666 /dev/fuse'), or give the container the device \
         (--device /dev/fuse --cap-add SYS_ADMIN)"
    )]
    DeviceMissing {
        /// What the system said.
        source: io::Error,
    },
    /// An unprivileged mount needs the helper, which is not installed.
    #[error(
        "cannot mount or unmount without privileges: the program 'fusermount3' is missing; \
         install the package 'fuse3' (Debian, Ubuntu, Fedora, Amazon Linux)"
    )]
    HelperMissing,
    /// `/etc/fuse.conf` does not let users share their mounts.
    #[error(
        "cannot mount for other users: /etc/fuse.conf does not allow it; add the line \
         'user_allow_other' there, or mount as root"
    )]
    AllowOtherRefused,
    /// The system refused the mount.
    #[error("cannot mount at '{}': {reason}", path.display())]
    MountRefused {
        /// The mount point.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The mount is in use.
    #[error(
        "cannot unmount '{}': it is in use by {}; close them, or unmount lazily",
        path.display(), list(holders)
    )]
    Busy {
        /// The mount point.
        path: PathBuf,
        /// Who uses it, as far as this user can see.
        holders: Vec<Holder>,
    },
    /// Nothing is mounted there.
    #[error("cannot unmount '{}': nothing is mounted there", path.display())]
    NotMounted {
        /// The path.
        path: PathBuf,
    },
    /// What is mounted there is none of ours.
    #[error("cannot unmount '{}': it is a mount of type {kind}, not one of ours", path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// The file system type.
        kind: String,
    },
    /// The system refused to unmount.
    #[error("cannot unmount '{}': {reason}", path.display())]
    UnmountRefused {
        /// The mount point.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The conversation with the kernel failed.
    #[error("the FUSE session at '{}' failed: {source}", path.display())]
    Session {
        /// The mount point.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system's own tables cannot be read.
    #[error("cannot read '{path}': {source}")]
    System {
        /// The file.
        path: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl FuseError {
    /// Whether the machine lacks something that its administrator can add, as against a wrong
    /// argument or a fault at run time.
    #[must_use]
    pub const fn is_environment(&self) -> bool {
        matches!(self, Self::DeviceMissing { .. } | Self::HelperMissing | Self::AllowOtherRefused)
    }
}

fn list(holders: &[Holder]) -> String {
    // Ten say enough, and an error stays one line.
    let mut text: Vec<String> = holders.iter().take(10).map(Holder::to_string).collect();
    match holders.len() {
        0 => "a process that this user cannot see".into(),
        1..=10 => text.join(", "),
        more => {
            text.push(format!("and {} more", more - 10));
            text.join(", ")
        }
    }
}
