//! Contents: `open`, `read`, `release`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use fuser::{
    BackingId, Errno, FileHandle, FopenFlags, OpenAccMode, ReplyData, ReplyEmpty, ReplyOpen,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusty_attachments_vfs::{NodeId, Outcome, ReadData, VfsError, VfsErrorKind};

use super::open_files::Mode;
use super::{Frontend, refusal};
use crate::health::Health;

/// Files need no handle: reads go by inode.
const NO_HANDLE: FileHandle = FileHandle(0);

impl Frontend {
    pub(super) fn answer_open(&self, node: NodeId, mode: OpenAccMode, reply: ReplyOpen) {
        if mode != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        if self.negotiated.stateless_open() {
            // The kernel remembers this and opens by itself from now on, with its cache kept.
            return reply.error(Errno::ENOSYS);
        }
        let mode = self.files.join(node).unwrap_or_else(|| {
            let backing = self.backing_file(node, &reply).map(Arc::new);
            self.files.open(node, backing.map_or(Mode::Cached, Mode::Passthrough))
        });
        match mode {
            // Bytes never change, so what the kernel has it may keep.
            Mode::Cached => {
                reply.opened(NO_HANDLE, FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH)
            }
            Mode::Passthrough(backing) => {
                self.health.passed_through();
                reply.opened_passthrough(NO_HANDLE, FopenFlags::FOPEN_NOFLUSH, &backing);
            }
        }
    }

    /// Registers the local file of a node with the kernel, if there is one and it pays.
    fn backing_file(&self, node: NodeId, reply: &ReplyOpen) -> Option<BackingId> {
        if !self.negotiated.passthrough() {
            return None;
        }
        let size = self.volume.attributes(node).ok()?.size;
        if size < self.passthrough_min_bytes {
            return None;
        }
        let file = self.volume.local_file(node)?;
        // The kernel would show the end of the backing file as the end of this one.
        if file.metadata().ok()?.len() != size {
            return None;
        }
        match reply.open_backing(&*file) {
            Ok(backing) => Some(backing),
            Err(error) => {
                // Nearly always the privileges or the kind of the cache's file system: true for
                // all files.
                self.negotiated.no_passthrough();
                tracing::info!(%error, "the kernel takes no passthrough files; doing without");
                None
            }
        }
    }

    pub(super) fn answer_release(&self, node: NodeId, reply: ReplyEmpty) {
        self.files.close(node);
        reply.ok();
    }

    pub(super) fn answer_read(&self, node: NodeId, offset: u64, length: u32, reply: ReplyData) {
        let Some(reply) = self.answer_status_read(node, offset, length, reply) else { return };
        let size = match self.volume.attributes(node) {
            Ok(attributes) => attributes.size,
            Err(error) => return reply.error(refusal(&error)),
        };
        let expected = size.saturating_sub(offset).min(u64::from(length));
        let Ok(expected) = usize::try_from(expected) else { return reply.error(Errno::EINVAL) };
        if expected == 0 {
            return reply.data(&[]);
        }
        let answer = ReadAnswer { node, offset, expected, health: Arc::clone(&self.health), reply };
        match self.volume.read(node, offset, expected) {
            Outcome::Ready(result) => answer.send(result),
            Outcome::Pending(future) => self.answer_later(answer, future),
        }
    }

    /// Waits for the store on the executor, and no longer than the mount lives.
    fn answer_later(
        &self,
        answer: ReadAnswer,
        future: BoxFuture<'static, Result<ReadData, VfsError>>,
    ) {
        let mut ending = self.ending.clone();
        let spawned = self.executor.spawn(async move {
            let result = tokio::select! {
                biased;
                result = AssertUnwindSafe(future).catch_unwind() => result,
                // Also when the sender is gone.
                _ = ending.wait_for(|ending| *ending) => {
                    Ok(Err(VfsError::new(VfsErrorKind::Cancelled, "the mount is being ended")))
                }
            };
            match result {
                Ok(result) => answer.send(result),
                Err(_panic) => {
                    answer.health.panicked("read");
                    answer.reply.error(Errno::EIO);
                }
            }
        });
        // Without an executor the reply was dropped with its task, which answers EIO.
        if let Err(error) = spawned {
            tracing::error!("cannot read from the store: {error}");
        }
    }
}

/// One read that the kernel waits for.
struct ReadAnswer {
    node: NodeId,
    offset: u64,
    /// How many bytes there must be.
    expected: usize,
    health: Arc<Health>,
    reply: ReplyData,
}

impl ReadAnswer {
    fn send(self, result: Result<ReadData, VfsError>) {
        let complete = result.and_then(|data| match data.get(..self.expected) {
            Some(_) => Ok(data),
            // The kernel would fill the gap with zeros or cut the file: a black texture.
            None => Err(VfsError::new(
                VfsErrorKind::Internal,
                format!("got {} bytes of {} at offset {}", data.len(), self.expected, self.offset),
            )),
        });
        match complete {
            Ok(data) => self.reply.data(data.get(..self.expected).unwrap_or_default()),
            Err(error) => {
                self.health.read_failed(self.node, self.offset, &error);
                self.reply.error(refusal(&error));
            }
        }
    }
}
