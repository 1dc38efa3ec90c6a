//! The kernel's table of mounts, `/proc/self/mountinfo`.
//!
//! Reading it asks no file system anything, so it works whatever state a mount is in.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::error::FuseError;
use crate::options::SUBTYPE;

const TABLE: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Unique while the mount lives.
    pub(super) id: u64,
    /// `MAJOR:MINOR`; the minor number of a FUSE mount names its connection.
    pub(super) device: String,
    pub(super) point: PathBuf,
    /// The file system type, such as `ext4` or `fuse.sshfs`.
    pub(super) kind: String,
    pub(super) source: OsString,
}

impl Mount {
    /// Whether a program of ours made it.
    pub(super) fn is_ours(&self) -> bool {
        self.kind.strip_prefix("fuse.") == Some(SUBTYPE)
    }
}

/// All mounts, in the order in which they hide each other.
pub(super) fn read() -> Result<Vec<Mount>, FuseError> {
    let text = std::fs::read(TABLE).map_err(|source| FuseError::System { path: TABLE, source })?;
    Ok(text.split(|&byte| byte == b'\n').filter_map(parse).collect())
}

/// What is visible at a path that is absolute and free of links, if anything is mounted there.
pub(super) fn top_at(path: &Path) -> Result<Option<Mount>, FuseError> {
    Ok(read()?.into_iter().rfind(|mount| mount.point == path))
}

/// `ID PARENT MAJ:MIN ROOT POINT OPTIONS TAG... - TYPE SOURCE SUPER_OPTIONS`
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = String::from_utf8(fields.nth(1)?.to_vec()).ok()?;
    let point = PathBuf::from(OsString::from_vec(unescape(fields.nth(1)?)));
    fields.find(|&field| field == b"-")?;
    let kind = String::from_utf8_lossy(&unescape(fields.next()?)).into_owned();
    let source = OsString::from_vec(unescape(fields.next()?));
    Some(Mount { id, device, point, kind, source })
}

/// Undoes the octal escapes (`\040` for a space) of the kernel.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            _ => {
                bytes.push(first);
                tail
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let line = b"97 28 0:52 / /mnt/a\\040b\\134\\012\xff ro,nosuid shared:4 master:1 - \
                     fuse.rusty-attachments rusty-attachments:job\\0401 ro,user_id=0";
        let mount = parse(line).unwrap();
        assert_eq!((mount.id, mount.device.as_str()), (97, "0:52"));
        let point = OsString::from_vec(b"/mnt/a b\\\n\xff".to_vec());
        assert_eq!(mount.point, PathBuf::from(point));
        assert_eq!(mount.source, "rusty-attachments:job 1");
        assert!(mount.is_ours());
    }

    #[test]
    fn other_lines_are_not_ours() {
        let line = b"36 35 98:0 /mnt1 /mnt2 rw,noatime - ext3 /dev/root rw,errors=continue";
        assert!(!parse(line).unwrap().is_ours());
        for broken in [&b""[..], b"x", b"1 2 3 4 5 6 7", b"36 35 98:0 / / rw -"] {
            assert_eq!(parse(broken), None);
        }
    }

    #[test]
    fn this_machine_has_a_proc() {
        let mounts = read().unwrap();
        assert!(mounts.iter().any(|mount| mount.kind == "proc"));
    }
}
