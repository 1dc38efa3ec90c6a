//! Names and links: `lookup`, `forget`, `readlink`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use fuser::{Generation, ReplyData, ReplyEntry};
use rusty_attachments_vfs::{NodeId, VfsErrorKind};

use super::{Frontend, refusal};
use crate::names;

/// Node ids are never reused while a volume lives, so all nodes are of the same generation.
pub(super) const GENERATION: Generation = Generation(0);

impl Frontend {
    pub(super) fn answer_lookup(&self, parent: NodeId, name: &OsStr, reply: ReplyEntry) {
        let found = names::from_linux(name.as_bytes(), |name| self.volume.lookup(parent, name));
        let ttl = &self.presentation.ttl;
        match found {
            Ok(found) => {
                // Before the reply: the kernel may give the reference back at once.
                self.volume.retain(found.node);
                reply.entry(ttl, &self.presentation.attributes(&found), GENERATION);
            }
            Err(error) if error.kind() == VfsErrorKind::NotFound => {
                match self.look_up_status(parent, name.as_bytes()) {
                    // Asked for anew each time, because it changes.
                    Some(status) => {
                        let status = self.presentation.attributes(&status);
                        reply.entry(&Duration::ZERO, &status, GENERATION);
                    }
                    None => reply.entry(ttl, &self.presentation.nothing(), GENERATION),
                }
            }
            Err(error) => reply.error(refusal(&error)),
        }
    }

    pub(super) fn take_forget(&self, node: NodeId, count: u64) {
        if !self.status.forget(node) {
            self.volume.release(node, count);
        }
    }

    pub(super) fn answer_readlink(&self, node: NodeId, reply: ReplyData) {
        match self.volume.link_target(node) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(refusal(&error)),
        }
    }
}
