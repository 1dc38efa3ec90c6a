//! FUSE.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rusty_attachments_vfs::{AsyncExecutor, Volume};
use rusty_attachments_vfs_fuse::{
    FuseError, FuseMount, MountOptions, STATUS_FILE, list_mounts, unmount_path,
};

use super::Listed;
use crate::commands::doctor::Check;
use crate::error::{CliError, Exit, chain};

/// How long a new mount may take to answer for its root: it answers from memory.
const ROOT_PATIENCE: Duration = Duration::from_secs(10);

/// A mount that this process serves.
pub(crate) type Mounted = FuseMount;

/// Mounts a volume and waits until it answers.
pub(crate) fn mount(
    volume: Arc<dyn Volume>,
    executor: &Arc<AsyncExecutor>,
    mount_point: &Path,
    label: String,
    allow_other: bool,
) -> Result<Mounted, CliError> {
    let options = MountOptions { label, allow_other, ..MountOptions::default() };
    let mounted =
        rusty_attachments_vfs_fuse::mount(volume, Arc::clone(executor), mount_point, &options)
            .map_err(|error| fuse_error(&error))?;
    look_up_root(mounted.mount_point())?;
    Ok(mounted)
}

/// Asks the mount for its root, as its first user would.
fn look_up_root(mount_point: &Path) -> Result<(), CliError> {
    let (sender, answer) = mpsc::channel();
    let root = mount_point.to_owned();
    // A thread, because a mount that does not answer would hold us too.
    thread::spawn(move || sender.send(fs::read_dir(&root).map(drop)));
    let action = || format!("mount at '{}'", mount_point.display());
    match answer.recv_timeout(ROOT_PATIENCE) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::caused(action(), &error)),
        Err(_) => Err(CliError::runtime(action(), "the new mount does not answer")),
    }
}

/// Ends any mount of ours.
pub(crate) fn unmount(mount_point: &Path, lazy: bool) -> Result<(), CliError> {
    unmount_path(mount_point, lazy).map_err(|error| fuse_error(&error))
}

/// All mounts of ours.
pub(crate) fn list() -> Result<Vec<Listed>, CliError> {
    let mounts = list_mounts().map_err(|error| fuse_error(&error))?;
    Ok(mounts
        .into_iter()
        .map(|mount| Listed {
            mount_point: mount.mount_point,
            source: mount.source.to_string_lossy().into_owned(),
            stale: mount.stale,
        })
        .collect())
}

/// What a mount says of itself, as JSON. Waits for as long as the mount likes.
///
/// A mount whose process is gone is an environment failure.
pub(crate) fn report(mount_point: &Path) -> Result<String, CliError> {
    let action = format!("ask the mount at '{}'", mount_point.display());
    let failed = |reason: String| CliError::runtime(&action, reason);
    let report = fs::read_to_string(mount_point.join(STATUS_FILE));
    let report = report.map_err(|error| match Errno::from_io_error(&error) {
        // The second is what a question gets that was open when the process died.
        Some(Errno::NOTCONN | Errno::CONNABORTED) => {
            CliError::environment(&action, "its process is gone")
        }
        _ => failed(error.to_string()),
    })?;
    Ok(report.trim_end().to_owned())
}

/// Leaves the terminal's session, so that neither Ctrl-C nor its end reaches this process.
pub(crate) fn leave_session() {
    // Fails only for a process that leads a group, which has no terminal to leave.
    let _ = rustix::process::setsid();
}

/// Asks a child of ours to end.
pub(crate) fn terminate(child: &Child) {
    // Fails only if it has ended.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
}

/// Lets go of the pipe to the parent and of the working folder.
pub(crate) fn let_go_of_parent() -> std::io::Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(null)?;
    // Someone may want to unmount the file system that we were started on.
    Ok(rustix::process::chdir("/")?)
}

/// Bytes that a user may still write to the disk of `folder`.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let stats = rustix::fs::statvfs(folder).ok()?;
    stats.f_bavail.checked_mul(stats.f_frsize)
}

/// What mounting needs from this machine.
pub(crate) fn checks() -> Vec<Check> {
    vec![device_check(), helper_check(), sharing_check(), stale_check()]
}

fn device_check() -> Check {
    match fs::OpenOptions::new().read(true).write(true).open("/dev/fuse") {
        Ok(_) => Check::ok("device", "/dev/fuse can be opened"),
        Err(error) => Check::failed(
            "device",
            format!("/dev/fuse cannot be opened: {error}"),
            "sudo modprobe fuse; in a container, give it --device /dev/fuse --cap-add SYS_ADMIN",
        ),
    }
}

fn helper_check() -> Check {
    const FIX: &str = "sudo apt-get install fuse3 (Debian, Ubuntu) or sudo dnf install fuse3";
    match find_program("fusermount3") {
        Some(path) => Check::ok("fusermount3", format!("{} is there", path.display())),
        None if rustix::process::geteuid().is_root() => {
            Check::warning("fusermount3", "missing; root mounts without it, users cannot", FIX)
        }
        None => Check::failed("fusermount3", "missing, and only root mounts without it", FIX),
    }
}

/// The first folder of `PATH` that holds `program`.
fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut files = env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

fn sharing_check() -> Check {
    let allowed = fs::read_to_string("/etc/fuse.conf")
        .is_ok_and(|text| text.lines().any(|line| line.trim() == "user_allow_other"));
    if allowed {
        Check::ok("allow-other", "/etc/fuse.conf allows it")
    } else if rustix::process::geteuid().is_root() {
        Check::ok("allow-other", "root may; /etc/fuse.conf does not allow it to users")
    } else {
        Check::warning(
            "allow-other",
            "/etc/fuse.conf does not allow --allow-other, which only shared mounts need",
            "echo user_allow_other | sudo tee -a /etc/fuse.conf",
        )
    }
}

fn stale_check() -> Check {
    let mounts = match list() {
        Ok(mounts) => mounts,
        Err(error) => return Check::failed("mounts", error.to_string(), "mount /proc"),
    };
    let stale: Vec<_> = mounts.iter().filter(|mount| mount.stale).collect();
    if stale.is_empty() {
        return Check::ok("mounts", format!("{} of ours, none stale", mounts.len()));
    }
    let commands = stale.iter().map(|mount| unmount_command(&mount.mount_point));
    Check::warning(
        "mounts",
        format!("{} lost their process", stale.len()),
        commands.collect::<Vec<_>>().join("; "),
    )
}

/// The command that clears a mount, fit for a shell.
pub(crate) fn unmount_command(mount_point: &Path) -> String {
    let quoted = mount_point.to_string_lossy().replace('\'', r"'\''");
    format!("rusty-attachments unmount '{quoted}'")
}

/// These errors are finished sentences that begin with `cannot`.
pub(crate) fn fuse_error(error: &FuseError) -> CliError {
    let exit = match error {
        _ if error.is_environment() => Exit::Environment,
        FuseError::MountPointMissing { .. }
        | FuseError::MountPointNotDirectory { .. }
        | FuseError::MountPointNotEmpty { .. } => Exit::Usage,
        _ => Exit::Runtime,
    };
    CliError::told(chain(error), exit)
}
