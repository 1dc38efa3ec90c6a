//! One request for content on its way: pieces of a volume into a placeholder.
//!
//! Pieces are read ahead while one is written. All that may block runs on threads for blocking work;
//! a step that makes no progress for too long ends the transfer (projfs.md L10). While bytes of the
//! volume arrive, for whomever, waiting for them is progress: each read ends by the volume's own
//! limits then.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt};
use rusty_attachments_vfs::{AsyncExecutor, ContentIdentity, ReadData, VfsError, VfsErrorKind};
use tokio::time::timeout;

use super::buffers::{BUFFER_BYTES, Buffers};
use super::hresult;
use super::sink::DataSink;
use crate::api::{Failure, StreamId, codes};
use crate::callbacks::VfsCallbacks;

/// Pieces that are read while one is written: one that has arrived, and one on its way.
const READ_AHEAD: usize = 2;

/// An answer of the volume that is on its way.
pub(super) type Arriving = BoxFuture<'static, Result<ReadData, VfsError>>;

/// What is to be written, one piece after the other.
pub(super) type Pieces = BoxStream<'static, Result<ReadData, TransferError>>;

/// What becomes of a write.
type Written = BoxFuture<'static, Result<(), TransferError>>;

/// A write that is under way.
struct Writing {
    length: u64,
    written: Written,
}

/// Why content could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    /// The volume could not give it.
    #[error(transparent)]
    Volume(#[from] VfsError),
    /// The volume gave less than there is: what is missing would read as zeros (projfs.md J9). Or
    /// more.
    #[error("the volume gave {given} bytes instead of {wanted} at {offset}")]
    Length { given: usize, wanted: u64, offset: u64 },
    /// ProjFS did not take it.
    #[error("PrjWriteFileData gave {0}")]
    Write(Failure),
    /// Nothing happened for too long.
    #[error("nothing happened for {} s", .0.as_secs())]
    Stalled(Duration),
}

impl TransferError {
    pub(super) fn hresult(&self) -> i32 {
        match self {
            Self::Volume(error) => hresult::of_kind(error.kind()),
            Self::Length { .. } => codes::INTERNAL_ERROR,
            Self::Write(failure) => failure.0,
            Self::Stalled(_) => codes::FILE_NOT_AVAILABLE,
        }
    }

    /// Whether a write that failed so has left no bytes: the reader had gone away before it (projfs.md
    /// J6), there was no memory, or the root is stopped.
    fn has_written_nothing(&self) -> bool {
        let Self::Write(failure) = self else { return false };
        matches!(
            failure.0,
            codes::INVALID_HANDLE | codes::OUT_OF_MEMORY | codes::VIRTUALIZATION_UNAVAILABLE
        )
    }

    /// Whether somebody should look after it: not if the reader has gone away, which is normal
    /// (projfs.md J6), nor while the root stops.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Volume(error) => error.kind() != VfsErrorKind::Cancelled,
            Self::Write(failure) => failure.0 != codes::INVALID_HANDLE,
            Self::Length { .. } | Self::Stalled(_) => true,
        }
    }
}

/// How far a transfer came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Writes that have begun, and of which is not known that they have written nothing.
    in_doubt: usize,
    /// Bytes that were written for sure.
    pub(super) written: u64,
}

impl Progress {
    /// Whether something may have been written.
    pub(super) const fn has_begun(&self) -> bool {
        self.written > 0 || self.in_doubt > 0
    }

    fn ended(&mut self, length: u64, result: &Result<(), TransferError>) {
        match result {
            Ok(()) => self.written += length,
            Err(error) if error.has_written_nothing() => {}
            Err(_) => return,
        }
        self.in_doubt = self.in_doubt.saturating_sub(1);
    }
}

/// What is written where.
#[derive(Clone)]
pub(super) struct Transfer {
    pub(super) callbacks: Arc<VfsCallbacks>,
    pub(super) executor: Arc<AsyncExecutor>,
    pub(super) buffers: Buffers,
    pub(super) sink: Arc<dyn DataSink>,
    pub(super) stream: StreamId,
    pub(super) content: ContentIdentity,
    /// Bytes of the content; begins and ends as ProjFS wants it.
    pub(super) range: Range<u64>,
    pub(super) patience: Duration,
}

/// The smallest range around `range` that can be written (projfs.md J4, J5): what is asked for is
/// aligned as a rule, and may be exceeded up to the end of the file.
pub(super) fn aligned(range: Range<u64>, size: u64, alignment: u32) -> Range<u64> {
    let alignment = u64::from(alignment.max(1));
    let end = range.end.checked_next_multiple_of(alignment).unwrap_or(size);
    range.start / alignment * alignment..end.min(size)
}

impl Transfer {
    /// The piece that begins at `start`.
    pub(super) fn piece(&self, start: u64) -> Range<u64> {
        start..self.range.end.min(start.saturating_add(BUFFER_BYTES as u64))
    }

    /// Reads what is to be written, verified as the volume does. `first` is the first piece, if it
    /// was asked for already.
    pub(super) fn reads(&self, mut first: Option<Arriving>) -> Pieces {
        let this = self.clone();
        let starts = self.range.clone().step_by(BUFFER_BYTES);
        let pieces = stream::iter(starts).map(move |start| {
            let (this, first) = (this.clone(), first.take());
            async move {
                let piece = this.piece(start);
                let data = match first {
                    Some(first) => first.await,
                    None => this.read(piece.clone()).await,
                };
                data.map_err(TransferError::from).and_then(|data| exactly(&piece, data))
            }
        });
        pieces.buffered(READ_AHEAD).boxed()
    }

    /// Reads what is to be written, from its first piece on.
    pub(super) fn read_anew(&self) -> Pieces {
        self.reads(None)
    }

    /// Takes all of the content as it arrives. What is written is right only if all of it was.
    pub(super) fn copies(&self) -> Pieces {
        let (mut start, this) = (self.range.start, self.clone());
        let checked = move |data: Result<ReadData, VfsError>| {
            let piece = this.piece(start);
            let data = data?;
            start += data.len() as u64;
            // Pieces may be smaller, but not so small that they cannot be written.
            let is_regular = (1..BUFFER_BYTES).contains(&data.len())
                && (data.len() as u64).is_multiple_of(u64::from(this.sink.write_alignment()));
            if is_regular { Ok(data) } else { exactly(&piece, data) }
        };
        self.callbacks.copy(self.content).map(checked).boxed()
    }

    /// Writes everything. When it has ended, nothing is under way any more, unless it hangs.
    pub(super) async fn run(
        &self,
        pieces: Pieces,
        progress: &mut Progress,
    ) -> Result<(), TransferError> {
        let mut last = None;
        let others = self.write_all_but_last(pieces, &mut last, progress).await;
        if matches!(others, Err(TransferError::Stalled(_))) {
            return others;
        }
        let last = self.finished(last, progress).await;
        others.and(last)
    }

    /// Waits for each write once the next one has begun, so that the disk need not wait for us.
    /// Writes may come in any order (projfs.md J4).
    async fn write_all_but_last(
        &self,
        mut pieces: Pieces,
        last: &mut Option<Writing>,
        progress: &mut Progress,
    ) -> Result<(), TransferError> {
        let mut at = self.range.start;
        while let Some(data) = self.arrival(pieces.next()).await? {
            let data = data?;
            let length = data.len() as u64;
            if length > self.range.end.saturating_sub(at) {
                return length_is(&(at..self.range.end), data.len());
            }
            let next = self.in_time(self.begin_write(at, data)).await??;
            progress.in_doubt += 1;
            let before = last.replace(Writing { length, written: next });
            self.finished(before, progress).await?;
            at += length;
        }
        length_is(&(at..self.range.end), 0)
    }

    async fn finished(
        &self,
        writing: Option<Writing>,
        progress: &mut Progress,
    ) -> Result<(), TransferError> {
        let Some(Writing { length, written }) = writing else { return Ok(()) };
        let result = self.in_time(written).await.flatten();
        progress.ended(length, &result);
        result
    }

    /// Writes all of it, which is at hand, on this thread; `None` if nothing can be written just now.
    pub(super) fn write_now(
        &self,
        data: &ReadData,
        progress: &mut Progress,
    ) -> Option<Result<(), TransferError>> {
        let turn = self.buffers.try_turn()?;
        Some(length_is(&self.range, data.len()).and_then(|()| {
            progress.in_doubt += 1;
            let written = turn.write(&*self.sink, self.stream, data, self.range.start);
            let result = written.map_err(TransferError::Write);
            progress.ended(data.len() as u64, &result);
            result
        }))
    }

    async fn read(&self, piece: Range<u64>) -> Result<ReadData, VfsError> {
        let (callbacks, content) = (Arc::clone(&self.callbacks), self.content);
        let length = usize::try_from(piece.end - piece.start).unwrap_or(BUFFER_BYTES);
        let read = move || callbacks.read(content, piece.start, length);
        self.executor.spawn_blocking(read).await.map_err(VfsError::from)?.finish().await
    }

    /// Begins a write, which goes on whether or not anybody waits for it.
    async fn begin_write(&self, at: u64, data: ReadData) -> Result<Written, TransferError> {
        let turn = self.buffers.turn().await.map_err(TransferError::Write)?;
        let (sink, stream) = (Arc::clone(&self.sink), self.stream);
        let write = move || turn.write(&*sink, stream, &data, at);
        let written = self.executor.spawn_blocking(write);
        Ok(async move { written.await.map_err(VfsError::from)?.map_err(TransferError::Write) }
            .boxed())
    }

    /// Waits for the volume as long as bytes of it arrive.
    async fn arrival<T>(&self, arrives: impl Future<Output = T>) -> Result<T, TransferError> {
        let mut arrives = pin!(arrives);
        loop {
            let before = self.callbacks.progress();
            let arrived = self.in_time(&mut arrives).await;
            if arrived.is_ok() || self.callbacks.progress() == before {
                return arrived;
            }
        }
    }

    async fn in_time<T>(&self, step: impl Future<Output = T>) -> Result<T, TransferError> {
        timeout(self.patience, step).await.map_err(|_| TransferError::Stalled(self.patience))
    }
}

/// Data, if it is all of a piece.
fn exactly(piece: &Range<u64>, data: ReadData) -> Result<ReadData, TransferError> {
    length_is(piece, data.len()).map(|()| data)
}

fn length_is(piece: &Range<u64>, given: usize) -> Result<(), TransferError> {
    let (wanted, offset) = (piece.end.saturating_sub(piece.start), piece.start);
    if given as u64 == wanted {
        Ok(())
    } else {
        Err(TransferError::Length { given, wanted, offset })
    }
}
