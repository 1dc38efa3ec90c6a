//! The data streams of files that are being hydrated: where PrjWriteFileData may write (projfs.md
//! J5, J6).

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::extents::Extents;
use crate::contract::{Guid, HResult};
use crate::engine::failure::io_failed;
use crate::engine::session::Session;

/// Tells identifiers of streams from those of other things.
const KIND: u32 = u32::from_le_bytes(*b"data");

/// How many streams are remembered that refused a write.
const REFUSED_KEPT: usize = 1000;

/// How many writes to a stream may have been under way, or on their way, when it closed.
const UNDER_WAY: usize = 64;

/// The streams that want data.
#[derive(Debug, Default)]
pub(super) struct Streams {
    last: AtomicU64,
    open: Mutex<HashMap<Guid, Arc<Stream>>>,
    /// Those of which a provider has been told that they want nothing more, and the offsets of the
    /// writes that were told so.
    refused: Mutex<VecDeque<(Guid, Vec<u64>)>>,
}

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The hydration is over or was given up: expected (T10).
    Closed,
    /// The same again, to what was refused before or to more than can have been under way.
    ClosedAgain,
    /// Never was a stream.
    NoStream,
    /// Goes beyond the end.
    BeyondEnd,
    /// Neither aligned nor ragged only at the end.
    Misaligned,
    /// The lower file cannot be written.
    Failed(HResult),
}

impl Refusal {
    /// What the call gives.
    pub(super) const fn code(self) -> HResult {
        match self {
            Self::Closed | Self::ClosedAgain | Self::NoStream => HResult::HANDLE,
            Self::BeyondEnd => HResult::INVALID_ARGUMENT,
            Self::Misaligned => HResult::OFFSET_ALIGNMENT_VIOLATION,
            Self::Failed(code) => code,
        }
    }

    /// The rule that the provider broke, and what is right.
    pub(super) const fn broken_rule(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Closed | Self::BeyondEnd | Self::Failed(_) => None,
            Self::ClosedAgain => Some((
                "J6",
                "the stream answered E_HANDLE before: stop writing and complete with that code",
            )),
            Self::NoStream => {
                Some(("J3", "that is no stream: PrjWriteFileData takes the DataStreamId"))
            }
            Self::Misaligned => Some((
                "J5",
                "offset and length must be multiples of the write alignment; only the end of the \
                 file may be ragged",
            )),
        }
    }
}

impl Streams {
    /// A new stream into `file`, of which `size` bytes are projected.
    pub(super) fn open(
        &self,
        session: &Arc<Session>,
        size: u64,
        alignment: u64,
        file: Arc<File>,
    ) -> Arc<Stream> {
        let id = Guid::numbered(KIND, self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let (session, open, written) = (session.clone(), RwLock::new(true), Mutex::default());
        let stream = Arc::new(Stream { id, session, size, alignment, file, open, written });
        self.open.lock().insert(id, stream.clone());
        stream
    }

    /// Writes to a stream of this session.
    pub(super) fn write(
        &self,
        session: &Session,
        id: Guid,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Refusal> {
        let stream = self.open.lock().get(&id).cloned();
        match stream.filter(|stream| std::ptr::eq(&*stream.session, session)) {
            Some(stream) => stream.write(offset, data),
            None if is_stream(id) => Err(Refusal::Closed),
            None => Err(Refusal::NoStream),
        }
        .map_err(|refusal| match refusal {
            Refusal::Closed => self.refuse(id, offset),
            refusal => refusal,
        })
    }

    /// The stream wants no more data. When this returns, nothing is being written to it. False if
    /// it was closed before.
    pub(super) fn close(&self, stream: &Stream) -> bool {
        self.open.lock().remove(&stream.id);
        std::mem::replace(&mut *stream.open.write(), false)
    }

    /// Several writes at a time are allowed (J4): each of them may be refused once.
    fn refuse(&self, id: Guid, offset: u64) -> Refusal {
        let mut refused = self.refused.lock();
        if let Some((_, offsets)) = refused.iter_mut().find(|(stream, _)| *stream == id) {
            if offsets.contains(&offset) || offsets.len() >= UNDER_WAY {
                return Refusal::ClosedAgain;
            }
            offsets.push(offset);
            return Refusal::Closed;
        }
        if refused.len() == REFUSED_KEPT {
            refused.pop_front();
        }
        refused.push_back((id, vec![offset]));
        Refusal::Closed
    }
}

/// Whether it is, or was, the identifier of a stream.
fn is_stream(id: Guid) -> bool {
    let Guid([a, b, c, d, ..]) = id;
    u32::from_le_bytes([a, b, c, d]) == KIND
}

/// Where the data of one hydration goes.
#[derive(Debug)]
pub(super) struct Stream {
    id: Guid,
    session: Arc<Session>,
    size: u64,
    alignment: u64,
    file: Arc<File>,
    /// Held during the write to the lower file, which waits for nobody: after [`Streams::close`] no
    /// late write may land in data that was dropped, or is another hydration's.
    open: RwLock<bool>,
    written: Mutex<Extents>,
}

impl Stream {
    /// DataStreamId.
    pub(super) const fn id(&self) -> Guid {
        self.id
    }

    /// Bytes that are projected.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Whether nothing was written.
    pub(super) fn is_untouched(&self) -> bool {
        self.written.lock().is_empty()
    }

    /// Whether all of a range was written.
    pub(super) fn covers(&self, offset: u64, length: u32) -> bool {
        self.written.lock().cover(offset, offset.saturating_add(length.into()))
    }

    pub(super) fn write(&self, offset: u64, data: &[u8]) -> Result<(), Refusal> {
        let end = self.end(offset, data.len()).ok_or(Refusal::BeyondEnd)?;
        let aligned = |at: u64| at.is_multiple_of(self.alignment);
        if !aligned(offset) || (end != self.size && !aligned(end)) {
            return Err(Refusal::Misaligned);
        }
        let open = self.open.read();
        if !*open {
            return Err(Refusal::Closed);
        }
        let written = self.file.write_all_at(data, offset);
        written.map_err(|error| Refusal::Failed(io_failed("writing a file's data", &error)))?;
        self.written.lock().add(offset, end);
        Ok(())
    }

    /// Where a write ends, if that is within the file.
    fn end(&self, offset: u64, length: usize) -> Option<u64> {
        let end = offset.checked_add(u64::try_from(length).ok()?)?;
        (end <= self.size).then_some(end)
    }
}
