//! How a volume's attributes look to the kernel, and `getattr`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, ReplyAttr};
use rusty_attachments_vfs::{Attributes, NodeId, NodeKind};

use super::{Frontend, refusal};
use crate::options::MountOptions;

/// What a volume does not know and a mount decides: owners, and how long answers hold.
#[derive(Debug)]
pub(super) struct Presentation {
    uid: u32,
    gid: u32,
    pub(super) ttl: Duration,
}

impl Presentation {
    pub(super) fn new(options: &MountOptions) -> Self {
        Self {
            uid: options.uid.unwrap_or_else(|| rustix::process::getuid().as_raw()),
            gid: options.gid.unwrap_or_else(|| rustix::process::getgid().as_raw()),
            ttl: options.ttl,
        }
    }

    pub(super) fn attributes(&self, of: &Attributes) -> FileAttr {
        let mtime = system_time(of.mtime_us);
        let perm = match of.kind {
            NodeKind::Directory => 0o555,
            NodeKind::File if of.executable => 0o555,
            NodeKind::File => 0o444,
            // What every link has on Linux.
            NodeKind::Symlink => 0o777,
        };
        FileAttr {
            ino: INodeNo(of.node.0),
            size: of.size,
            blocks: of.size.div_ceil(512),
            atime: mtime,
            mtime,
            ctime: mtime,
            crtime: mtime,
            kind: file_type(of.kind),
            perm,
            // Also for folders: it tells `find` not to guess the number of subfolders from it.
            nlink: 1,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    /// The answer that makes the kernel remember that a name does not exist: inode zero.
    pub(super) fn nothing(&self) -> FileAttr {
        let attributes = Attributes {
            node: NodeId(0),
            kind: NodeKind::File,
            size: 0,
            mtime_us: 0,
            executable: false,
        };
        self.attributes(&attributes)
    }
}

pub(super) const fn file_type(kind: NodeKind) -> FileType {
    match kind {
        NodeKind::Directory => FileType::Directory,
        NodeKind::File => FileType::RegularFile,
        NodeKind::Symlink => FileType::Symlink,
    }
}

fn system_time(microseconds: i64) -> SystemTime {
    let distance = Duration::from_micros(microseconds.unsigned_abs());
    let time = if microseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    // Linux counts seconds in 64 bits, so no microsecond is out of reach.
    time.unwrap_or(UNIX_EPOCH)
}

impl Frontend {
    pub(super) fn answer_getattr(&self, node: NodeId, reply: ReplyAttr) {
        let found = self.status.attributes(node).map_or_else(|| self.volume.attributes(node), Ok);
        match found {
            Ok(found) => {
                reply.attr(&self.presentation.ttl, &self.presentation.attributes(&found));
            }
            Err(error) => reply.error(refusal(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_microseconds() {
        assert_eq!(system_time(-1), UNIX_EPOCH - Duration::from_micros(1));
        assert_eq!(system_time(-1_500_000), UNIX_EPOCH - Duration::from_millis(1500));
        assert!(system_time(i64::MIN) < UNIX_EPOCH);
        assert!(system_time(i64::MAX) > UNIX_EPOCH);
    }
}
