//! Extended attributes: `getxattr`, `listxattr`.
//!
//! There is one, on the root, and it is not listed, so that tools that copy attributes copy none.

use std::ffi::OsStr;

use fuser::{Errno, ReplyXattr};
use rusty_attachments_vfs::NodeId;

use super::Frontend;

/// The extended attribute of a mount's root that holds the volume's report, one JSON object.
pub const STATUS_XATTR: &str = "user.rusty-attachments.status";

impl Frontend {
    pub(super) fn answer_getxattr(&self, node: NodeId, name: &OsStr, room: u32, reply: ReplyXattr) {
        if node != NodeId::ROOT || name != STATUS_XATTR {
            return reply.error(Errno::NO_XATTR);
        }
        send(self.volume.report().as_bytes(), room, reply);
    }
}

/// Sends a value, or its size to who asks with no room.
fn send(value: &[u8], room: u32, reply: ReplyXattr) {
    match (u32::try_from(value.len()), room) {
        (Ok(size), 0) => reply.size(size),
        (Ok(size), room) if size <= room => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}
