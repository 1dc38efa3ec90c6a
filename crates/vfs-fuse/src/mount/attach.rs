//! Puts a mount into the tree: directly where this process may, else with `fusermount3`.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::error::FuseError;
use crate::options::{MountOptions, SUBTYPE};

const DEVICE: &str = "/dev/fuse";

/// The helper for users without privileges, in the order of preference.
pub(super) const HELPERS: [&str; 3] = ["fusermount3", "/usr/bin/fusermount3", "/bin/fusermount3"];

/// How long the helper may take. It asks no network, only the local tables.
const HELPER_LIMIT: Duration = Duration::from_secs(20);
const HELPER_PAUSE: Duration = Duration::from_millis(1);

/// Mounts at `point` and returns the kernel's end of the conversation.
pub(super) fn attach(point: &Path, options: &MountOptions) -> Result<OwnedFd, FuseError> {
    let device = match open_device() {
        Ok(device) => device,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return attach_with_helper(point, options);
        }
        Err(source) => return Err(FuseError::DeviceMissing { source }),
    };
    match attach_directly(&device, point, options) {
        Ok(()) => Ok(device.into()),
        Err(Errno::PERM) => attach_with_helper(point, options),
        Err(Errno::NODEV) => Err(FuseError::DeviceMissing { source: Errno::NODEV.into() }),
        Err(error) => Err(FuseError::MountRefused {
            path: point.into(),
            reason: io::Error::from(error).to_string(),
        }),
    }
}

/// Whether each thread can have a channel of its own to the kernel.
pub(super) fn can_open_device() -> bool {
    open_device().is_ok()
}

fn open_device() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(DEVICE)
}

fn attach_directly(device: &File, point: &Path, options: &MountOptions) -> Result<(), Errno> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    let shared = if options.allow_other { ",allow_other" } else { "" };
    let data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions{shared}",
        device.as_raw_fd(),
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let data = CString::new(data).map_err(|_| Errno::INVAL)?;
    rustix::mount::mount(options.source(), point, format!("fuse.{SUBTYPE}"), flags, data.as_c_str())
}

fn attach_with_helper(point: &Path, options: &MountOptions) -> Result<OwnedFd, FuseError> {
    let refused = |reason: String| {
        if reason.contains("user_allow_other") {
            FuseError::AllowOtherRefused
        } else if reason.contains(DEVICE) {
            FuseError::DeviceMissing { source: io::Error::other(reason) }
        } else {
            FuseError::MountRefused { path: point.into(), reason }
        }
    };
    let failed = |error: io::Error| refused(format!("fusermount3: {error}"));
    let shared = if options.allow_other { ",allow_other" } else { "" };
    let list = format!(
        "ro,nosuid,nodev,noatime,default_permissions,subtype={SUBTYPE},fsname={}{shared}",
        options.source(),
    );
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    ours.set_read_timeout(Some(HELPER_LIMIT)).map_err(failed)?;
    let mut child = spawn_helper(|command| {
        // The helper sends the device through the descriptor that this names; its standard input
        // is one that needs no tricks to pass on.
        let socket = theirs.try_clone()?;
        command.env("_FUSE_COMMFD", "0").stdin(OwnedFd::from(socket));
        command.arg("-o").arg(&list).arg("--").arg(point);
        Ok(())
    })?;
    drop(theirs);
    let device = receive_device(&ours);
    // It ends by itself once it has sent the device, or failed to.
    drop(ours);
    let said = complaint(&mut child).map_err(failed)?;
    match device {
        Ok(Some(device)) => Ok(device),
        Ok(None) => Err(refused(said)),
        Err(error) => Err(failed(error.into())),
    }
}

/// Starts the first helper that is installed.
pub(super) fn spawn_helper(
    prepare: impl Fn(&mut Command) -> io::Result<()>,
) -> Result<Child, FuseError> {
    for helper in HELPERS {
        let mut command = Command::new(helper);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = prepare(&mut command).and_then(|()| command.spawn());
        match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(child) => return Ok(child),
            Err(_) => break,
        }
    }
    Err(FuseError::HelperMissing)
}

/// Waits for a helper and returns what it complained about; empty if it succeeded.
pub(super) fn complaint(child: &mut Child) -> io::Result<String> {
    let deadline = Instant::now() + HELPER_LIMIT;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            child.kill()?;
            break;
        }
        std::thread::sleep(HELPER_PAUSE);
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        // A line or two; whatever is longer is no message for people.
        let _ = stderr.take(4096).read_to_string(&mut said);
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(String::new());
    }
    let said = said.trim().replace('\n', "; ");
    Ok(if said.is_empty() { format!("fusermount3 ended with {status}") } else { said })
}

/// The descriptor that the helper sends; nothing if it ends without.
fn receive_device(socket: &UnixStream) -> Result<Option<OwnedFd>, Errno> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    loop {
        let parts = &mut [IoSliceMut::new(&mut byte)];
        match recvmsg(socket, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(descriptors.flatten().next())
}
