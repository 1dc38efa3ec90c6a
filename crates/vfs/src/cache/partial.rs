//! A large object that arrives in pieces, in any order, from several threads.
//!
//! Bytes are hashed as they arrive: a frontier moves over what is there without a gap, taking bytes
//! from memory when they arrive right at it and from the file when they arrived before. Writing,
//! reading and hashing happen without a lock held; the hasher is taken out while someone uses it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use rusty_attachments_model::{ContentHash, ContentHasher};

use super::error::CacheError;
use super::extents::ExtentSet;
use super::object::{CachedObject, HASH_STEP};
use super::os;
use super::staged::Staged;
use super::stats::count;

/// How much older content one write may hash along, so that no writer pays for all that waits.
const CATCH_UP: u64 = 32 << 20;
/// How long `finish` waits for another thread that hashes or publishes the same object: twice what
/// syncing 64 GiB to a slow disk takes.
const PATIENCE: Duration = Duration::from_secs(1800);

/// An object that is being filled. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct PartialObject {
    staged: Staged,
    hash: ContentHash,
    size: u64,
    state: Mutex<State>,
    /// Told when the hasher is back or the outcome known.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    written: ExtentSet,
    in_flight: Vec<Range<u64>>,
    /// Away while a thread uses it.
    hasher: Option<ContentHasher>,
    /// Where the hasher stands.
    hashed: u64,
    outcome: Option<Result<Arc<CachedObject>, CacheError>>,
}

impl PartialObject {
    pub(super) fn new(staged: Staged, hash: ContentHash, size: u64) -> Self {
        let state = State {
            written: ExtentSet::default(),
            in_flight: Vec::new(),
            hasher: Some(ContentHasher::new()),
            hashed: 0,
            outcome: None,
        };
        Self { staged, hash, size, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Bytes that the object will have.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Writes a piece. After a failure the same piece may be written again.
    ///
    /// # Errors
    /// `Misused` if the piece overlaps another or the end; `Full`, `OutOfSpace`, `Io`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), CacheError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        let range = offset..offset.saturating_add(length);
        self.claim(&range)?;
        let written = self.staged.write_at(offset, bytes, length);
        {
            let mut state = self.state.lock();
            state.in_flight.retain(|other| *other != range);
            written?;
            state.written.insert(range);
        }
        // The piece is written; if older content cannot be read back, `finish` will say so.
        let _ = self.advance(Some((offset, bytes)), length.saturating_mul(4).max(CATCH_UP));
        Ok(())
    }

    fn claim(&self, range: &Range<u64>) -> Result<(), CacheError> {
        let mut state = self.state.lock();
        let overlaps = |other: &Range<u64>| other.start < range.end && range.start < other.end;
        if range.end > self.size
            || state.written.intersects(range)
            || state.in_flight.iter().any(overlaps)
        {
            let reason = format!("bytes {range:?} of {} overlap the end or others", self.size);
            return Err(CacheError::Misused { action: "write", hash: self.hash, reason });
        }
        state.in_flight.push(range.clone());
        Ok(())
    }

    /// Fills `buf` from `offset` on; `false` unless all of these bytes were written. They are not
    /// verified before [`Self::finish`] succeeds.
    ///
    /// # Errors
    /// `Io`.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<bool, CacheError> {
        let range = offset..offset.saturating_add(buf.len() as u64);
        if !self.state.lock().written.contains(&range) {
            return Ok(false);
        }
        let read = os::read_exact_at(self.staged.file(), buf, offset);
        read.map(|()| true).map_err(|error| self.staged.failed("read", &error))
    }

    /// Whether every byte of `range` was written.
    #[must_use]
    pub fn contains(&self, range: &Range<u64>) -> bool {
        self.state.lock().written.contains(range)
    }

    /// Whether every byte was written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state.lock().written.contains(&(0..self.size))
    }

    /// Publishes the object once all of its bytes are there. Called again, or by several threads, it
    /// answers the same.
    ///
    /// # Errors
    /// `Corrupt` if the bytes have another hash: nothing is published. `Misused` while bytes are
    /// missing. `OutOfSpace` and `Io`, after which it may be called again.
    pub fn finish(&self) -> Result<Arc<CachedObject>, CacheError> {
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = &state.outcome {
                return outcome.clone();
            }
            if !state.written.contains(&(0..self.size)) {
                return Err(self.misused("bytes are missing"));
            }
            if state.hasher.is_none() {
                if self.changed.wait_for(&mut state, PATIENCE).timed_out() {
                    return Err(self.misused("another thread does not come to an end with it"));
                }
            } else if state.hashed < self.size {
                drop(state);
                self.advance(None, self.size)?;
                state = self.state.lock();
            } else if let Some(hasher) = state.hasher.take() {
                return self.conclude(state, hasher);
            }
        }
    }

    /// Publishes or condemns what was hashed to the end.
    fn conclude(
        &self,
        state: MutexGuard<'_, State>,
        hasher: ContentHasher,
    ) -> Result<Arc<CachedObject>, CacheError> {
        drop(state);
        let result = if hasher.finish() == self.hash {
            self.publish()
        } else {
            count(&self.staged.cache().counters.corrupt, 1);
            self.staged.abandon();
            Err(CacheError::Corrupt {
                hash: self.hash,
                path: self.staged.cache().layout.object_path(self.hash),
                reason: "the bytes that arrived have another hash; nothing was kept".to_owned(),
            })
        };
        let mut state = self.state.lock();
        state.hasher = Some(hasher);
        if matches!(result, Ok(_) | Err(CacheError::Corrupt { .. })) {
            state.outcome = Some(result.clone());
        }
        drop(state);
        self.changed.notify_all();
        result
    }

    fn publish(&self) -> Result<Arc<CachedObject>, CacheError> {
        // Opened before others can see it, because it might be evicted right after.
        let object = CachedObject::hashed(self.staged.cache(), self.hash, self.staged.reopen()?)
            .map_err(|error| self.staged.failed("inspect", &error))?;
        self.staged.publish(self.size)?;
        Ok(Arc::new(object))
    }

    /// Moves the frontier over what is there, `fresh` from memory and at most `budget` bytes from
    /// the file. Returns at once if another thread is at it: that one sees what was written since.
    fn advance(&self, fresh: Option<(u64, &[u8])>, mut budget: u64) -> Result<(), CacheError> {
        let mut buffer = Vec::new();
        loop {
            let mut state = self.state.lock();
            let from = state.hashed;
            let run = state.written.run_end(from) - from;
            if run == 0 || budget == 0 {
                return Ok(());
            }
            let Some(mut hasher) = state.hasher.take() else { return Ok(()) };
            drop(state);
            let fed = match fresh {
                Some((offset, bytes)) if offset == from => {
                    hasher.update(bytes);
                    Ok(bytes.len() as u64)
                }
                _ => self
                    .feed(&mut hasher, from, run.min(HASH_STEP), &mut buffer)
                    .inspect(|length| budget = budget.saturating_sub(*length)),
            };
            let mut state = self.state.lock();
            state.hasher = Some(hasher);
            if let Ok(length) = fed {
                state.hashed = from + length;
            }
            drop(state);
            self.changed.notify_all();
            fed?;
        }
    }

    /// Hashes `length` bytes of the file; on failure the hasher is as it was.
    fn feed(
        &self,
        hasher: &mut ContentHasher,
        offset: u64,
        length: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<u64, CacheError> {
        buffer.resize(usize::try_from(length).unwrap_or(0), 0);
        os::read_exact_at(self.staged.file(), buffer, offset)
            .map_err(|error| self.staged.failed("read", &error))?;
        hasher.update(buffer);
        Ok(length)
    }

    fn misused(&self, reason: &str) -> CacheError {
        CacheError::Misused { action: "finish", hash: self.hash, reason: reason.to_owned() }
    }
}
