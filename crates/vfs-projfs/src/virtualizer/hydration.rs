//! Content into placeholders (projfs.md J).
//!
//! Hydration is permanent: what is written once is never asked for again. So a request succeeds
//! only if all of it was written and verified. All but large files are verified before a byte of
//! them is written. Of a large one that turns out wrong on its way, the end is never written, its
//! reader gets an error, and what is there is thrown away (projfs.md J10).

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::Abortable;
use parking_lot::Mutex;
use rusty_attachments_vfs::{AsyncExecutor, ContentIdentity, Outcome};
use tokio::sync::Semaphore;

use super::buffers::{BUFFER_BYTES, Buffers};
use super::commands::{Commands, PendingCommand};
use super::sink::DataSink;
use super::transfer::{Pieces, Progress, Transfer, TransferError, aligned};
use crate::api::{StreamId, codes};
use crate::callbacks::{CONTENT_ID_BYTES, Hint, OnDisk, VfsCallbacks, decode_content_id};
use crate::stats::{Callback, ProjFsStats};

/// Files larger than this are written as they arrive, and pass once; smaller ones are verified before
/// a byte of them is written, which costs them little, and are kept in the cache for other roots.
const COPIED_FROM: u64 = 64 << 20;

/// Commands whose content is fetched at a time; more wait for their turn, and hold no memory
/// meanwhile.
const TRANSFERS: usize = 64;

/// Paths whose faults are remembered.
const FAULTS_MAX: usize = 1024;

/// What a GetFileData callback asks for; nothing in it outlives the callback otherwise (projfs.md
/// L2).
#[derive(Clone, Debug)]
pub(crate) struct DataRequest {
    pub(crate) command: i32,
    pub(crate) stream: StreamId,
    /// The path at which the placeholder was made, whatever it is called now (projfs.md J3).
    pub(crate) path: Vec<u16>,
    /// What the placeholder says that its content is; `None` if it says nothing (projfs.md C2).
    pub(crate) content_id: Option<[u8; CONTENT_ID_BYTES]>,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// Answers requests for content.
pub(crate) struct Hydrator {
    callbacks: Arc<VfsCallbacks>,
    executor: Arc<AsyncExecutor>,
    stats: Arc<ProjFsStats>,
    commands: Arc<Commands>,
    command_timeout: Duration,
    buffers: Buffers,
    turns: Arc<Semaphore>,
    copied_from: u64,
    faults: Arc<Faults>,
}

impl fmt::Debug for Hydrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hydrator").field("buffers", &self.buffers).finish_non_exhaustive()
    }
}

impl Hydrator {
    pub(crate) fn new(
        callbacks: Arc<VfsCallbacks>,
        executor: Arc<AsyncExecutor>,
        stats: Arc<ProjFsStats>,
        commands: Arc<Commands>,
        command_timeout: Duration,
    ) -> Self {
        let (buffers, faults) = Default::default();
        Self {
            callbacks,
            executor,
            stats,
            commands,
            command_timeout,
            buffers,
            turns: Arc::new(Semaphore::new(TRANSFERS)),
            copied_from: COPIED_FROM,
            faults,
        }
    }

    /// Answers a request: with content that is at hand at once, else later (IO_PENDING). Gives what
    /// the callback returns; what is answered later is counted then.
    pub(crate) fn answer(&self, sink: &Arc<dyn DataSink>, request: DataRequest) -> i32 {
        let content = request.content_id.as_ref().and_then(decode_content_id);
        let mut job = Job {
            callbacks: Arc::clone(&self.callbacks),
            stats: Arc::clone(&self.stats),
            faults: Arc::clone(&self.faults),
            path: request.path,
            ends_at: request.offset.saturating_add(u64::from(request.length)),
            progress: Progress::default(),
            is_unsound: false,
            settled: false,
        };
        // Also a placeholder of another size than its content is none of ours.
        let Some(content) = content.filter(|content| job.ends_at <= content.size) else {
            return job.misses_its_content();
        };
        job.takes_over_repair();
        if request.length == 0 {
            return job.settle(content, Ok(()));
        }
        let range = aligned(request.offset..job.ends_at, content.size, sink.write_alignment());
        let transfer = Transfer {
            callbacks: Arc::clone(&self.callbacks),
            executor: Arc::clone(&self.executor),
            buffers: self.buffers.clone(),
            sink: Arc::clone(sink),
            stream: request.stream,
            content,
            range,
            patience: self.command_timeout,
        };
        self.begin(request.command, transfer, job)
    }

    /// Small content that is at hand is written here and now; all else later.
    fn begin(&self, command: i32, transfer: Transfer, mut job: Job) -> i32 {
        let piece = transfer.piece(transfer.range.start);
        if piece != transfer.range {
            let size = transfer.content.size;
            let copied = size > self.copied_from && transfer.range == (0..size);
            let pieces = if copied { Transfer::copies } else { Transfer::read_anew };
            return self.later(command, transfer, pieces, job);
        }
        let length = usize::try_from(piece.end - piece.start).unwrap_or(BUFFER_BYTES);
        let content = transfer.content;
        match self.callbacks.read(content, piece.start, length) {
            Outcome::Pending(first) => {
                let pieces = |transfer: &Transfer| transfer.reads(Some(first));
                self.later(command, transfer, pieces, job)
            }
            Outcome::Ready(Err(error)) => job.settle(content, Err(error.into())),
            Outcome::Ready(Ok(data)) => match transfer.write_now(&data, &mut job.progress) {
                Some(result) => job.settle(content, result),
                // Read again then: memory of the volume that waits could be what others wait for.
                None => {
                    drop(data);
                    self.later(command, transfer, Transfer::read_anew, job)
                }
            },
        }
    }

    /// `pieces` begins the fetch, once the command is registered and its turn has come.
    fn later(
        &self,
        command: i32,
        transfer: Transfer,
        pieces: impl FnOnce(&Transfer) -> Pieces + Send + 'static,
        job: Job,
    ) -> i32 {
        let began = Instant::now();
        let registered = self.commands.register(command, &transfer.sink);
        let Some((command, registration)) = registered else {
            return codes::VIRTUALIZATION_UNAVAILABLE;
        };
        let turns = Arc::clone(&self.turns);
        let work = async move {
            // It may be long in coming, but comes: transfers end. The semaphore is never closed.
            let turn = turns.acquire_owned().await;
            answer_later(command, &transfer, pieces(&transfer), job, began).await;
            drop(turn);
        };
        let work = Abortable::new(work, registration);
        // If the executor is shut down, the command fails as the work for it is dropped.
        let spawned = self.executor.spawn(async move {
            let _ended_or_cancelled = work.await;
        });
        if let Err(error) = spawned {
            tracing::debug!(%error, "content is not fetched any more");
        }
        codes::IO_PENDING
    }
}

async fn answer_later(
    command: PendingCommand,
    transfer: &Transfer,
    pieces: Pieces,
    mut job: Job,
    began: Instant,
) {
    let stats = Arc::clone(&job.stats);
    let result = transfer.run(pieces, &mut job.progress).await;
    let content = transfer.content;
    let code = if result.is_ok() {
        // It may list a folder, which would hold up the content of others here.
        let settled = transfer.executor.spawn_blocking(move || job.settle(content, Ok(())));
        settled.await.unwrap_or(codes::INTERNAL_ERROR)
    } else {
        job.settle(content, result)
    };
    stats.answered(Callback::GetFileData, began, code < 0);
    command.complete(code);
}

/// What has become of one request. Dropped unsettled, it was cancelled or panicked.
struct Job {
    callbacks: Arc<VfsCallbacks>,
    stats: Arc<ProjFsStats>,
    faults: Arc<Faults>,
    path: Vec<u16>,
    ends_at: u64,
    progress: Progress,
    /// Whether wrong bytes may be left from before.
    is_unsound: bool,
    settled: bool,
}

impl Job {
    /// Notes the end, and gives its code.
    fn settle(mut self, content: ContentIdentity, result: Result<(), TransferError>) -> i32 {
        let Err(error) = result else {
            self.settled = true;
            if self.ends_at == content.size {
                self.stats.hydrated_files.add(1);
                self.note_presence(content);
            }
            return codes::OK;
        };
        if error.is_fault() && self.faults.is_news(&self.path) {
            let path = String::from_utf16_lossy(&self.path);
            tracing::warn!(path, %error, "a file cannot be read; told once for each file");
        }
        self.stats.failed_hydrations.add(1);
        error.hresult()
    }

    /// Without an identity there is nothing that could be fetched: fail, and have the placeholder
    /// made again (projfs.md H9, Q18). Trying again by itself would be a storm.
    fn misses_its_content(mut self) -> i32 {
        self.settled = true;
        self.stats.bad_content_ids.add(1);
        self.stats.failed_hydrations.add(1);
        if self.faults.is_news(&self.path) {
            let path = String::from_utf16_lossy(&self.path);
            tracing::warn!(
                path,
                "a placeholder does not say what its content is; it is made again"
            );
        }
        self.ask_for_repair();
        codes::FILE_NOT_AVAILABLE
    }

    /// While right content is on its way the placeholder must not go.
    fn takes_over_repair(&mut self) {
        self.is_unsound = self.faults.unsound.lock().remove(&self.path);
        if self.is_unsound {
            self.callbacks.note(Hint::NoRepair(self.path.clone()));
        }
    }

    fn ask_for_repair(&mut self) {
        insert(&mut self.faults.unsound.lock(), &self.path);
        self.callbacks.note(Hint::Repair(std::mem::take(&mut self.path)));
    }

    fn note_presence(&self, content: ContentIdentity) {
        // A path at which something else is projected by now says nothing.
        let found = self.callbacks.describe(&self.path).ok().flatten();
        if let Some(found) = found.filter(|found| found.content == Some(content)) {
            self.callbacks.presence().set(found.node, OnDisk::Hydrated);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.stats.hydrated_bytes.add(self.progress.written);
        // Half of a file may look like all of it (projfs.md J10).
        if (self.progress.has_begun() || self.is_unsound) && !self.settled {
            self.ask_for_repair();
        }
    }
}

/// What is remembered of files that could not be read.
#[derive(Debug, Default)]
struct Faults {
    /// Whose failures were told: they are retried with each read, and must not be noisy
    /// (projfs.md J8).
    told: Mutex<HashSet<Vec<u16>>>,
    /// Whose placeholders are to be made again.
    unsound: Mutex<HashSet<Vec<u16>>>,
}

impl Faults {
    /// Whether this is the first failure of a file; of those after too many, none is.
    fn is_news(&self, path: &[u16]) -> bool {
        insert(&mut self.told.lock(), path)
    }
}

/// Whether a path is new; after too many, none is.
fn insert(paths: &mut HashSet<Vec<u16>>, path: &[u16]) -> bool {
    paths.len() < FAULTS_MAX && paths.insert(path.to_vec())
}

#[cfg(test)]
mod tests;
