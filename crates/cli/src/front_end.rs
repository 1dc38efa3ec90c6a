//! What shows a mount, behind one set of names: FUSE on Linux, ProjFS on Windows and, on Linux, on
//! its emulator for development. Elsewhere manifests, snapshots and caches work, and mounting says
//! that it does not.

#[cfg(target_os = "linux")]
mod fuse;
#[cfg(not(any(target_os = "linux", windows)))]
mod missing;
#[cfg(any(target_os = "linux", windows))]
mod projfs;
#[cfg(target_os = "linux")]
#[path = "front_end/on_linux.rs"]
mod system;
#[cfg(windows)]
#[path = "front_end/on_windows.rs"]
mod system;
#[cfg(any(target_os = "linux", windows))]
mod uploads;
#[cfg(not(any(target_os = "linux", windows)))]
use missing as system;

pub(crate) use self::system::{NAME_RULE, checks, list, report, serve, unmount};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusty_attachments_model::{ContentHash, Manifest};
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs::VolumeOptions;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::commands::doctor::Check;
use crate::error::CliError;
use crate::system::command_line;

/// What to mount, and how.
#[derive(Debug)]
pub(crate) struct MountPlan {
    pub(crate) manifest: Manifest,
    /// What diffs name the manifest by.
    pub(crate) manifest_hash: ContentHash,
    pub(crate) client: Arc<dyn StorageClient>,
    pub(crate) volume: VolumeOptions,
    /// Threads that move content, if somebody said how many.
    pub(crate) threads: Option<usize>,
    pub(crate) mount_point: PathBuf,
    /// What the mount is called.
    pub(crate) label: String,
    pub(crate) allow_other: bool,
    pub(crate) projfs: ProjFsSettings,
    /// Where commands that ask the mount are answered.
    pub(crate) handle: Handle,
}

/// What only ProjFS knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProjFsSettings {
    /// Run on the emulator.
    pub(crate) emulator: bool,
    /// Refuse changes of what the manifest has.
    pub(crate) protect_inputs: bool,
    /// Refuse to mount names that Windows cannot have.
    pub(crate) strict_names: bool,
    /// Where what must outlive the process is kept.
    pub(crate) state_dir: Option<PathBuf>,
    /// Put written files into the store at once.
    pub(crate) upload_on_close: bool,
}

/// A manifest that this process shows.
pub(crate) trait Served: Send + Sync {
    /// Where, as an absolute path without links.
    fn mount_point(&self) -> &Path;

    /// What whoever mounted it should know.
    fn remarks(&self) -> Remarks;

    /// Waits until somebody else has ended the mount, or asks for its end.
    fn wait(&self) -> Result<(), CliError>;

    /// Ends the mount, unless it has ended, and what belongs to it. Called once.
    fn end(&self) -> Result<(), CliError>;
}

/// What is odd about a new mount.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Remarks {
    /// Names that are shown otherwise than they are written, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) names: Vec<String>,
    /// What a newer manifest did to what was on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) remount: Option<Remount>,
}

/// What a newer manifest did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remount {
    /// Items on disk that were brought up to date.
    pub(crate) updated: u64,
    /// Items on disk that the manifest no longer has.
    pub(crate) removed: u64,
    /// What could not be brought up to date, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) failed: Vec<Unrefreshed>,
    /// Paths that were changed here and in the manifest; what was changed here stays.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) conflicts: Vec<String>,
}

/// Something on disk that is as an older manifest has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unrefreshed {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// A mount of ours, whichever process serves it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) mount_point: PathBuf,
    /// The name that the mount has in the system's table.
    pub(crate) source: String,
    /// Whether its process is gone.
    pub(crate) stale: bool,
    /// Its process, where that can be known without asking.
    pub(crate) pid: Option<u32>,
}

/// Whether each mount has its process.
fn mounts_check(mounts: Result<Vec<Listed>, CliError>) -> Check {
    let mounts = match mounts {
        Ok(mounts) => mounts,
        Err(error) => {
            return Check::failed("mounts", error.to_string(), "make readable what is named there");
        }
    };
    let stale: Vec<_> = mounts.iter().filter(|mount| mount.stale).collect();
    if stale.is_empty() {
        return Check::ok("mounts", format!("{} of ours, none stale", mounts.len()));
    }
    let commands = stale.iter().map(|mount| command_line("unmount", &mount.mount_point));
    Check::warning(
        "mounts",
        format!("{} lost their process", stale.len()),
        commands.collect::<Vec<_>>().join("; "),
    )
}
