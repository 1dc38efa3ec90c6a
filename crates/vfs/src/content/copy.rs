//! Whole files in their order, for whoever writes them down elsewhere.
//!
//! Bytes are given as they arrive and hashed on their way, so a large file passes once; the end of
//! each object is held back until the object has proved right. Nothing of it is kept: the copy is
//! what is kept.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, BoxStream, StreamExt};
use rusty_attachments_model::ContentHasher;
use tokio::sync::mpsc;

use super::ContentFetch;
use super::body::ObjectRef;
use super::whole::gave_up;
use crate::cache::CachedObject;
use crate::error::VfsError;
use crate::pool::Block;
use crate::volume::{COPY_PIECE_BYTES, ReadData};

/// Bytes in one part: what is fetched by one request, where objects are as long.
const PART_BYTES: u64 = 8 << 20;

/// The smallest part; what copies are cut into are multiples of it.
const PART_BYTES_MIN: u64 = 4096;

/// Parts of one file that are fetched at a time.
const PARTS_AT_ONCE: usize = 4;

/// Pieces that wait for whoever writes them.
const PIECES_WAITING: usize = 4;

/// The verified local file of an object, if there is one; looked for once.
type LocalFile = Shared<BoxFuture<'static, Result<Option<Arc<CachedObject>>, VfsError>>>;

/// What of an object lies in a part.
struct Section {
    object: ObjectRef,
    local: LocalFile,
    range: Range<u64>,
}

/// Cuts objects into parts, all but the last equally long.
struct Parts {
    content: Arc<ContentFetch>,
    objects: std::vec::IntoIter<ObjectRef>,
    /// What is left of the object that was begun.
    current: Option<Section>,
    part_bytes: u64,
}

impl Iterator for Parts {
    type Item = Vec<Section>;

    fn next(&mut self) -> Option<Vec<Section>> {
        let mut part = Vec::new();
        let mut room = self.part_bytes;
        while room > 0 {
            let Some(Section { object, local, range }) = self.current.take().or_else(|| {
                let object = self.objects.next()?;
                let local = self.content.local_file_of(object);
                Some(Section { object, local, range: 0..object.size })
            }) else {
                break;
            };
            let end = range.end.min(range.start + room);
            room -= end - range.start;
            if end < range.end {
                self.current =
                    Some(Section { object, local: local.clone(), range: end..range.end });
            }
            part.push(Section { object, local, range: range.start..end });
        }
        (!part.is_empty()).then_some(part)
    }
}

type Piece = Result<ReadData, VfsError>;

impl ContentFetch {
    /// The bytes of `objects`, one after the other. Dropping the stream ends the fetch.
    pub(crate) fn copy(self: &Arc<Self>, objects: Vec<ObjectRef>) -> BoxStream<'static, Piece> {
        let (sender, mut receiver) = mpsc::channel::<Piece>(PIECES_WAITING);
        let left: u64 = objects.iter().map(|object| object.size).sum();
        let last = objects.last().copied();
        let this = Arc::clone(self);
        self.spawn(async move {
            let copy = async {
                if let Err(error) = this.send_all(objects, &sender).await {
                    // The error of a copy that nobody takes is of no interest.
                    let _ = sender.send(Err(error)).await;
                }
            };
            tokio::select! {
                () = copy => {}
                () = sender.closed() => {}
            }
        });
        let mut left = Some(left);
        stream::poll_fn(move |context| {
            receiver.poll_recv(context).map(|piece| match (piece, left, last) {
                (Some(Ok(piece)), Some(bytes), _) => {
                    left = bytes.checked_sub(piece.len() as u64);
                    Some(Ok(piece))
                }
                // It ended early, without a reason: whoever fetched went away.
                (None, Some(1..), Some(object)) => {
                    left = None;
                    Some(Err(gave_up(object)))
                }
                (piece, ..) => {
                    left = None;
                    piece
                }
            })
        })
        .boxed()
    }

    async fn send_all(
        self: &Arc<Self>,
        objects: Vec<ObjectRef>,
        sender: &mpsc::Sender<Piece>,
    ) -> Result<(), VfsError> {
        let mut fetches = stream::iter(self.parts(objects))
            .map(|sections| async {
                let block = self.fetch_part(&sections).await?;
                Ok::<_, VfsError>((sections, block))
            })
            .buffered(PARTS_AT_ONCE);
        let mut hasher = ContentHasher::new();
        while let Some(part) = fetches.next().await {
            let (sections, block) = part?;
            self.check_part(&mut hasher, &sections, &block)?;
            let block: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(block);
            let length = (*block).as_ref().len();
            for start in (0..length).step_by(COPY_PIECE_BYTES) {
                let piece = start..length.min(start + COPY_PIECE_BYTES);
                if sender.send(Ok(ReadData::shared(Arc::clone(&block), piece))).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn parts(self: &Arc<Self>, objects: Vec<ObjectRef>) -> Parts {
        // A sixteenth of the budget, so that some copies go on at a time.
        let most = (self.pool.budget() / 16).max(PART_BYTES_MIN);
        let part_bytes = PART_BYTES.min(1 << most.ilog2());
        Parts { content: Arc::clone(self), objects: objects.into_iter(), current: None, part_bytes }
    }

    fn local_file_of(self: &Arc<Self>, object: ObjectRef) -> LocalFile {
        let this = Arc::clone(self);
        async move {
            if this.kept.cache().is_none() {
                return Ok(None);
            }
            let kept = Arc::clone(&this.kept);
            this.blocking(move || kept.verify(object)).await
        }
        .boxed()
        .shared()
    }

    async fn fetch_part(self: &Arc<Self>, sections: &[Section]) -> Result<Block, VfsError> {
        let length = sections.iter().map(|section| section.range.end - section.range.start).sum();
        // Memory comes before requests: whoever has a request needs nothing else to go on.
        let reservation = self.reserve(length).await?;
        let mut bytes = reservation.buffer();
        for Section { object, local, range } in sections {
            if let Some(file) = local.clone().await? {
                let (kept, range) = (Arc::clone(&self.kept), range.clone());
                let read = self.blocking(move || kept.read(&file, &range)).await??;
                bytes.extend_from_slice(&read);
                continue;
            }
            let mut body = self.fetcher.open(*object, range.clone()).await?;
            while let Some(piece) = body.next().await? {
                bytes.extend_from_slice(&piece);
            }
        }
        Ok(reservation.detached(bytes))
    }

    /// Goes on hashing, and compares where an object ends.
    fn check_part(
        &self,
        hasher: &mut ContentHasher,
        sections: &[Section],
        block: &Block,
    ) -> Result<(), VfsError> {
        let mut rest = block.as_ref();
        for Section { object, range, .. } in sections {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let (bytes, later) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            hasher.update(bytes);
            rest = later;
            if range.end == object.size {
                let actual = std::mem::take(hasher).finish();
                if actual != object.hash {
                    return Err(self.fetcher.mismatch(*object, actual));
                }
            }
        }
        Ok(())
    }
}
