//! Mounts of ours whose daemon died: every call on them fails, so that a root could not even be
//! marked again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::error::DaemonError;

/// What the mount table has as the source of our mounts. Their type is `fuse`, or with a subtype,
/// depending on who mounted them for us.
pub(super) const SOURCE: &str = "projfs-emulator";

/// How many dead mounts may lie over each other.
const MOST: usize = 16;

/// Removes what dead daemons have mounted at exactly this folder. Waits for nobody but the kernel:
/// call it where that may block.
///
/// # Errors
/// `MountedElsewhere` if a living one has it, `DeadMount` if it cannot be removed.
pub(super) fn clear(folder: &Path) -> Result<(), DaemonError> {
    for _ in 0..MOST {
        if !is_ours(folder) {
            return Ok(());
        }
        // Not `stat`: the kernel may answer that from memory long after the daemon died.
        if rustix::fs::statfs(folder).err() != Some(Errno::NOTCONN) {
            return Err(DaemonError::MountedElsewhere { path: folder.into() });
        }
        tracing::info!("removing the dead mount at '{}'", folder.display());
        unmount_lazily(folder)
            .map_err(|source| DaemonError::DeadMount { path: folder.into(), source })?;
    }
    Ok(())
}

/// Takes a mount out of the tree; the kernel forgets it with its last user.
pub(super) fn unmount_lazily(folder: &Path) -> std::io::Result<()> {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    match rustix::mount::unmount(folder, flags) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => unmount_with_helper(folder),
        Err(error) => Err(error.into()),
    }
}

fn unmount_with_helper(folder: &Path) -> std::io::Result<()> {
    let run =
        std::process::Command::new("fusermount3").args(["-u", "-z", "--"]).arg(folder).output()?;
    if run.status.success() {
        return Ok(());
    }
    Err(std::io::Error::other(String::from_utf8_lossy(&run.stderr).trim().to_owned()))
}

/// Whether the topmost mount at this folder is one of ours.
fn is_ours(folder: &Path) -> bool {
    let Ok(table) = std::fs::read("/proc/self/mountinfo") else { return false };
    let mut mounts = table.split(|byte| *byte == b'\n').filter_map(parse);
    mounts.rfind(|mount| Path::new(&mount.point) == folder).is_some_and(|mount| mount.ours)
}

/// A line of the mount table.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: OsString,
    ours: bool,
}

fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = unescaped(fields.nth(4)?);
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let (kind, source) = (rest.next()?, rest.next()?);
    let fuse = kind == b"fuse" || kind.starts_with(b"fuse.");
    Some(Mount { point, ours: fuse && source == SOURCE.as_bytes() })
}

/// The table writes spaces, tabs, newlines and backslashes as three octal digits.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_mount_table_is_understood() {
        for (tail, ours) in [
            ("fuse projfs-emulator rw", true),
            ("fuse.projfs-emulator projfs-emulator rw", true),
            ("fuse.sshfs somewhere rw", false),
            ("ext4 projfs-emulator rw", false),
        ] {
            let line = format!(r"36 35 0:52 / /tmp/a\040b\134c rw,nosuid shared:1 - {tail}");
            let expected = Mount { point: r"/tmp/a b\c".into(), ours };
            assert_eq!(parse(line.as_bytes()), Some(expected));
        }
        assert_eq!(parse(b"36 35"), None);
    }

    #[test]
    fn folders_without_mounts_need_no_clearing() {
        let folder = tempfile::tempdir().unwrap();
        clear(folder.path()).unwrap();
        assert!(!is_ours(Path::new("/proc")));
    }
}
