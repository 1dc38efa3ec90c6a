//! What the operating system must do for a command: folders of the user, processes, disks.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(any(target_os = "linux", windows)))]
mod other;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(not(any(target_os = "linux", windows)))]
pub(crate) use other::*;
#[cfg(windows)]
pub(crate) use windows::*;

use std::env;
use std::path::{Path, PathBuf};

/// What a folder of the user is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserFolder {
    /// Settings.
    Config,
    /// What can be fetched again.
    Cache,
    /// What must outlive a process: logs, the registry of mounts, what was changed in them.
    State,
}

/// Our folder for something; `None` without a home.
pub(crate) fn user_folder(folder: UserFolder) -> Option<PathBuf> {
    let place = place_of(folder);
    // The XDG specification says that relative values are to be ignored.
    let base = env::var_os(place.variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::home_dir().map(|home| home.join(place.below_home)))?;
    Some(base.join(place.name))
}

/// Where a user's folder is: named by a variable, else below the home folder.
struct Place {
    variable: &'static str,
    below_home: &'static str,
    name: &'static str,
}

/// A command of ours for a path, fit for the system's shell.
pub(crate) fn command_line(command: &str, path: &Path) -> String {
    format!("rusty-attachments {command} {}", quoted(&path.to_string_lossy()))
}
