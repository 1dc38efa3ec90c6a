//! One GET: exactly the bytes that were asked for, or an error that tells the truth.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::{StorageClient, StorageError, cas};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{VfsError, VfsErrorKind};
use crate::stats::Stats;

/// An object of the CAS: its hash, and the size that the manifest states for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectRef {
    pub(crate) hash: ContentHash,
    pub(crate) size: u64,
}

/// How long a store may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchTimeouts {
    /// From the request to the first answer, the client's own retries included.
    pub(crate) answer: Duration,
    /// Between two pieces of a body.
    pub(crate) stall: Duration,
}

/// Opens bodies, a bounded number at a time.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: Arc<dyn StorageClient>,
    permits: Arc<Semaphore>,
    timeouts: FetchTimeouts,
    stats: Arc<Stats>,
}

impl Fetcher {
    pub(crate) fn new(
        client: Arc<dyn StorageClient>,
        max_requests: usize,
        timeouts: FetchTimeouts,
        stats: Arc<Stats>,
    ) -> Self {
        Self { client, permits: Arc::new(Semaphore::new(max_requests)), timeouts, stats }
    }

    /// Starts to read `range` of `object`; it lies within the object.
    pub(crate) async fn open(
        &self,
        object: ObjectRef,
        range: Range<u64>,
    ) -> Result<Body, VfsError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| shut_down())?;
        let wanted = range.end - range.start;
        let partial = (wanted < object.size).then_some(range);
        self.stats.store_requests.add(1);
        let answer = timeout(self.timeouts.answer, cas::get(&*self.client, object.hash, partial));
        let answer = match answer.await {
            Ok(answer) => answer.map_err(|error| self.failed(object, error))?,
            Err(_) => return Err(self.too_slow(object, self.timeouts.answer)),
        };
        if answer.size != object.size {
            return Err(self.corrupt(
                object,
                format!("the manifest says {} bytes, the object has {}", object.size, answer.size),
            ));
        }
        Ok(Body {
            stream: answer.body,
            remaining: wanted,
            object,
            stall: self.timeouts.stall,
            stats: Arc::clone(&self.stats),
            _permit: permit,
        })
    }

    /// Reads `range` of `object` into `buffer`, which is as long as the range.
    pub(crate) async fn read_into(
        &self,
        object: ObjectRef,
        range: Range<u64>,
        mut buffer: &mut [u8],
    ) -> Result<(), VfsError> {
        let mut body = self.open(object, range).await?;
        while let Some(piece) = body.next().await? {
            let Some((now, later)) = buffer.split_at_mut_checked(piece.len()) else {
                return Err(self.corrupt(object, "more bytes than were asked for".to_owned()));
            };
            now.copy_from_slice(&piece);
            buffer = later;
        }
        Ok(())
    }

    /// Counts and names bytes that do not have the object's hash.
    pub(crate) fn mismatch(&self, object: ObjectRef, actual: ContentHash) -> VfsError {
        self.stats.corrupt_objects.add(1);
        mismatch(object, actual)
    }

    fn corrupt(&self, object: ObjectRef, reason: String) -> VfsError {
        self.stats.corrupt_objects.add(1);
        corrupt(object, reason)
    }

    fn failed(&self, object: ObjectRef, error: StorageError) -> VfsError {
        self.stats.store_failures.add(1);
        VfsError::from_storage(&format!("fetch object {}", object.hash), error)
    }

    fn too_slow(&self, object: ObjectRef, limit: Duration) -> VfsError {
        self.stats.store_failures.add(1);
        too_slow(object, limit)
    }
}

/// The bytes of one GET as they arrive.
pub(crate) struct Body {
    stream: BoxStream<'static, Result<Bytes, StorageError>>,
    remaining: u64,
    object: ObjectRef,
    stall: Duration,
    stats: Arc<Stats>,
    _permit: OwnedSemaphorePermit,
}

impl Body {
    /// The next piece, never empty; `None` once every byte of the range has come.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, VfsError> {
        while self.remaining > 0 {
            let piece = match timeout(self.stall, self.stream.next()).await {
                Err(_) => return Err(self.count(too_slow(self.object, self.stall))),
                Ok(None) => return Err(self.count(self.cut())),
                Ok(Some(Err(error))) => {
                    let action = format!("fetch object {}", self.object.hash);
                    return Err(self.count(VfsError::from_storage(&action, error)));
                }
                Ok(Some(Ok(piece))) => piece,
            };
            let Some(remaining) = self.remaining.checked_sub(piece.len() as u64) else {
                self.stats.corrupt_objects.add(1);
                return Err(corrupt(self.object, "more bytes than were asked for".to_owned()));
            };
            self.remaining = remaining;
            self.stats.store_bytes.add(piece.len() as u64);
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn count(&self, error: VfsError) -> VfsError {
        self.stats.store_failures.add(1);
        error
    }

    fn cut(&self) -> VfsError {
        VfsError::new(
            VfsErrorKind::Offline,
            format!(
                "cannot fetch object {}: the connection ended {} bytes early",
                self.object.hash, self.remaining
            ),
        )
    }
}

/// The error for bytes that do not have the object's hash, uncounted.
pub(crate) fn mismatch(object: ObjectRef, actual: ContentHash) -> VfsError {
    corrupt(object, format!("its {} bytes hash to {actual}", object.size))
}

fn corrupt(object: ObjectRef, reason: String) -> VfsError {
    VfsError::new(
        VfsErrorKind::Corrupt,
        format!(
            "object {} in the store is corrupt: {reason}. Upload it again from its source",
            object.hash
        ),
    )
}

fn too_slow(object: ObjectRef, limit: Duration) -> VfsError {
    VfsError::new(
        VfsErrorKind::TimedOut,
        format!(
            "cannot fetch object {}: the store sent nothing for {} s",
            object.hash,
            limit.as_secs()
        ),
    )
}

fn shut_down() -> VfsError {
    VfsError::new(VfsErrorKind::Cancelled, "the volume is shutting down")
}
