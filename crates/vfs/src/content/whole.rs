//! Objects that are fetched whole and verified before a byte of them is shown.

use std::ops::Range;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use rusty_attachments_model::ContentHasher;

use super::body::ObjectRef;
use super::flight::Leader;
use super::kept::HASHED_ON_READ_MAX;
use super::{Answer, BlockResult, ContentFetch, Origin};
use crate::cache::CachedObject;
use crate::error::{VfsError, VfsErrorKind};
use crate::pool::{Block, BlockKey, Reservation};
use crate::volume::{Outcome, ReadData};

/// Bytes in one ranged GET of an object that needs several.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// How often a read starts over because whoever fetched for it went away.
pub(super) const ATTEMPTS: usize = 4;

/// Where a whole object is at hand.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// In memory.
    Memory(Block),
    /// In a verified file.
    Disk(Arc<CachedObject>),
}

type WholeLeader = Leader<ObjectRef, Result<Held, VfsError>>;

const fn key(object: ObjectRef) -> BlockKey {
    BlockKey { object: object.hash, index: 0 }
}

/// The part of a block that lies in `range`.
fn slice(block: Block, range: &Range<u64>) -> ReadData {
    let len = block.as_ref().len();
    ReadData::shared(Arc::new(block), super::part_of(range, 0, len))
}

impl ContentFetch {
    pub(super) fn read_whole(self: &Arc<Self>, object: ObjectRef, range: Range<u64>) -> Answer {
        if let Some((held, origin)) = self.held(object) {
            return Answer { outcome: Outcome::Ready(self.serve(&held, &range)), origin };
        }
        let this = Arc::clone(self);
        let outcome = Outcome::Pending(Box::pin(async move {
            let held = this.obtain_whole(object).await?;
            match held {
                Held::Memory(block) => Ok(slice(block, &range)),
                Held::Disk(_) => {
                    let reader = Arc::clone(&this);
                    this.blocking(move || reader.serve(&held, &range)).await?
                }
            }
        }));
        Answer { outcome, origin: Origin::Elsewhere }
    }

    /// Fetches an object into memory or cache because somebody may soon ask for it. Does nothing
    /// when it is there already, or when memory or requests are scarce.
    pub(crate) fn prefetch_whole(self: &Arc<Self>, object: ObjectRef) {
        let Ok(permit) = Arc::clone(&self.prefetches).try_acquire_owned() else { return };
        if self.in_memory(&key(object), object.size).is_some() {
            return;
        }
        let Some(reservation) = self.try_reserve(object.size) else { return };
        let Some(leader) = self.whole.lead(object) else { return };
        let this = Arc::clone(self);
        self.stats.prefetched_objects.add(1);
        self.spawn(async move {
            let held = this.produce_whole(object, Some(reservation)).await;
            leader.land(held);
            drop(permit);
        });
    }

    /// Whether another prefetch would be started now.
    pub(crate) fn may_prefetch(&self) -> bool {
        self.prefetches.available_permits() > 0
    }

    /// What is at hand without asking the store, or hashing more than a small file.
    fn held(&self, object: ObjectRef) -> Option<(Held, Origin)> {
        if let Some(block) = self.in_memory(&key(object), object.size) {
            return Some((Held::Memory(block), Origin::Memory));
        }
        if object.size > HASHED_ON_READ_MAX {
            return self.kept.verified(object).map(|file| (Held::Disk(file), Origin::Disk));
        }
        self.kept.cache()?;
        let reservation = self.try_reserve(object.size)?;
        let bytes = self.kept.load(object)?;
        Some((Held::Memory(reservation.insert(key(object), bytes)), Origin::Disk))
    }

    fn serve(&self, held: &Held, range: &Range<u64>) -> Result<ReadData, VfsError> {
        match held {
            Held::Memory(block) => {
                self.stats.pool_bytes.add(range.end - range.start);
                Ok(slice(block.clone(), range))
            }
            Held::Disk(file) => self.kept.read(file, range).map(ReadData::from),
        }
    }

    async fn obtain_whole(self: &Arc<Self>, object: ObjectRef) -> Result<Held, VfsError> {
        for _ in 0..ATTEMPTS {
            let (ticket, leader) = self.whole.join(object);
            if let Some(leader) = leader {
                self.start_whole(object, leader);
            }
            if let Some(held) = ticket.await {
                return held;
            }
        }
        Err(gave_up(object))
    }

    fn start_whole(self: &Arc<Self>, object: ObjectRef, leader: WholeLeader) {
        let this = Arc::clone(self);
        self.spawn(async move {
            if let Some(block) = this.in_memory(&key(object), object.size) {
                return leader.land(Ok(Held::Memory(block)));
            }
            let abandoned = leader.abandoned();
            tokio::select! {
                held = this.produce_whole(object, None) => leader.land(held),
                () = abandoned => drop(leader),
            }
        });
    }

    /// Gets an object from the cache or the store.
    async fn produce_whole(
        self: &Arc<Self>,
        object: ObjectRef,
        reservation: Option<Reservation>,
    ) -> Result<Held, VfsError> {
        if self.kept.cache().is_some() && object.size > HASHED_ON_READ_MAX {
            let kept = Arc::clone(&self.kept);
            if let Some(file) = self.blocking(move || kept.verify(object)).await? {
                return Ok(Held::Disk(file));
            }
        }
        let reservation = match reservation {
            Some(reservation) => reservation,
            None => self.reserve(object.size).await?,
        };
        if self.kept.cache().is_some() && object.size <= HASHED_ON_READ_MAX {
            let kept = Arc::clone(&self.kept);
            if let Some(bytes) = self.blocking(move || kept.load(object)).await? {
                return Ok(Held::Memory(reservation.insert(key(object), bytes)));
            }
        }
        let block = self.fetch_whole(object, reservation).await?;
        self.kept.keep(object, block.clone());
        Ok(Held::Memory(block))
    }

    async fn fetch_whole(&self, object: ObjectRef, reservation: Reservation) -> BlockResult {
        let size = usize::try_from(object.size).map_err(|_| gave_up(object))?;
        let mut hasher = ContentHasher::new();
        let mut bytes = reservation.buffer();
        if size <= PART_BYTES {
            let mut body = self.fetcher.open(object, 0..object.size).await?;
            while let Some(piece) = body.next().await? {
                hasher.update(&piece);
                bytes.extend_from_slice(&piece);
            }
        } else {
            // Fresh zeroed pages cost nothing until the parts fill them.
            bytes = vec![0; size];
            let mut parts = FuturesOrdered::new();
            let mut start = 0;
            for part in bytes.chunks_mut(PART_BYTES) {
                let range = start..start + part.len() as u64;
                start = range.end;
                parts.push_back(async move {
                    self.fetcher.read_into(object, range, part).await.map(|()| part)
                });
            }
            while let Some(part) = parts.next().await {
                hasher.update(part?);
            }
        }
        let actual = hasher.finish();
        if actual != object.hash {
            return Err(self.fetcher.mismatch(object, actual));
        }
        Ok(reservation.insert(key(object), bytes))
    }

    /// Runs disk work off the runtime's workers.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, VfsError> {
        self.executor.spawn_blocking(work).await.map_err(VfsError::from)
    }

    /// Starts work that nobody waits for directly. An executor that is shutting down drops it,
    /// and with it its leaders: whoever waits for them learns of that.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.executor.spawn(work).is_err() {
            tracing::debug!("a fetch was not started: the executor is shutting down");
        }
    }
}

/// The error for a fetch whose leaders kept going away.
pub(super) fn gave_up(object: ObjectRef) -> VfsError {
    VfsError::new(
        VfsErrorKind::Cancelled,
        format!("the fetch of object {} was cancelled: the volume is shutting down", object.hash),
    )
}
