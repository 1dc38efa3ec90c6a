//! FUSE.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rusty_attachments_vfs::{AsyncExecutor, ExecutorConfig, ManifestVolume, Volume};
use rusty_attachments_vfs_fuse::{
    FuseError, FuseMount, MountOptions, STATUS_FILE, list_mounts, unmount_path,
};

use super::{Listed, MountPlan, Remarks, Served};
use crate::commands::doctor::Check;
use crate::error::{CliError, Exit, chain};

/// How long a new mount may take to answer for its root: it answers from memory.
const ROOT_PATIENCE: Duration = Duration::from_secs(10);
/// After a signal, how long programs may keep files open in the detached mount.
const HOLDER_PATIENCE: Duration = Duration::from_secs(10);
/// How long fetches may take to stop once the mount is gone.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// A manifest that this process shows.
struct FuseServed {
    mount: FuseMount,
    volume: Arc<ManifestVolume>,
    executor: Arc<AsyncExecutor>,
}

/// Shows a manifest.
pub(super) fn serve(plan: MountPlan) -> Result<Box<dyn Served>, CliError> {
    let mut config = ExecutorConfig::default();
    if let Some(threads) = plan.threads {
        config.worker_threads = threads;
    }
    let executor = AsyncExecutor::new(config)
        .map_err(|error| CliError::caused("start the I/O threads", &error))?;
    let executor = Arc::new(executor);
    let volume =
        ManifestVolume::new(&plan.manifest, plan.client, plan.volume, Arc::clone(&executor))
            .map_err(|error| CliError::sentence("mount the manifest", &error))?;
    drop(plan.manifest);
    let shown = Arc::clone(&volume);
    let mount = mount(shown, &executor, &plan.mount_point, plan.label, plan.allow_other)?;
    Ok(Box::new(FuseServed { mount, volume, executor }))
}

impl Served for FuseServed {
    fn mount_point(&self) -> &Path {
        self.mount.mount_point()
    }

    fn remarks(&self) -> Remarks {
        Remarks::default()
    }

    fn wait(&self) -> Result<(), CliError> {
        self.mount.wait().map_err(|error| fuse_error(&error))
    }

    /// Programs that have files open get a moment to close them; the folder is free at once.
    fn end(&self) -> Result<(), CliError> {
        let ended = self.unmount();
        if let Err(error) = self.volume.save_trace() {
            tracing::warn!(%error, "the next mount of this job will know less");
        }
        if let Err(error) = self.executor.shutdown(SHUTDOWN_PATIENCE) {
            tracing::warn!(%error, "fetches did not stop in time");
        }
        ended
    }
}

impl FuseServed {
    fn unmount(&self) -> Result<(), CliError> {
        if !self.mount.is_running() {
            return Ok(());
        }
        let Err(busy) = self.mount.unmount() else { return Ok(()) };
        tracing::warn!(error = %busy, "detaching while in use");
        self.mount.unmount_lazy().map_err(|error| fuse_error(&error))?;
        if !self.mount.wait_timeout(HOLDER_PATIENCE) {
            tracing::warn!("files are still open; their readers get errors from now on");
        }
        Ok(())
    }
}

/// Mounts a volume and waits until it answers.
fn mount(
    volume: Arc<dyn Volume>,
    executor: &Arc<AsyncExecutor>,
    mount_point: &Path,
    label: String,
    allow_other: bool,
) -> Result<FuseMount, CliError> {
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
pub(super) fn unmount(mount_point: &Path, lazy: bool) -> Result<(), CliError> {
    unmount_path(mount_point, lazy).map_err(|error| fuse_error(&error))
}

/// All mounts of ours.
pub(super) fn list() -> Result<Vec<Listed>, CliError> {
    let mounts = list_mounts().map_err(|error| fuse_error(&error))?;
    Ok(mounts
        .into_iter()
        .map(|mount| Listed {
            mount_point: mount.mount_point,
            source: mount.source.to_string_lossy().into_owned(),
            stale: mount.stale,
            pid: None,
        })
        .collect())
}

/// What a mount says of itself, as JSON. Waits for as long as the mount likes.
///
/// A mount whose process is gone is an environment failure.
pub(super) fn report(mount_point: &Path) -> Result<String, CliError> {
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

/// What mounting needs from this machine.
pub(super) fn checks() -> Vec<Check> {
    vec![device_check(), helper_check(), sharing_check()]
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

/// These errors are finished sentences that begin with `cannot`.
fn fuse_error(error: &FuseError) -> CliError {
    let exit = match error {
        _ if error.is_environment() => Exit::Environment,
        FuseError::MountPointMissing { .. }
        | FuseError::MountPointNotDirectory { .. }
        | FuseError::MountPointNotEmpty { .. } => Exit::Usage,
        _ => Exit::Runtime,
    };
    CliError::told(chain(error), exit)
}
