//! A bounded number of aligned buffers, used again and again (projfs.md J5).
//!
//! Whoever writes content holds one, so their number also bounds the writes at a time, and the
//! memory that they take.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::sink::{DataBuffer, DataSink};
use crate::api::{Failure, StreamId, codes};

/// Bytes in a buffer: what costs per call is small beside so much (projfs.md J11), and it is a
/// multiple of every alignment.
pub(super) const BUFFER_BYTES: usize = 1 << 20;

/// Writes at a time: enough to keep a disk busy.
const BUFFERS: usize = 8;

/// The buffers of one instance; made when first needed.
#[derive(Clone)]
pub(super) struct Buffers {
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<DataBuffer>>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(BUFFERS)), idle: Arc::default() }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffers({} free)", self.places.available_permits())
    }
}

impl Buffers {
    /// The right to write once; `None` if all buffers are in use.
    pub(super) fn try_turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Turn { idle: Arc::clone(&self.idle), _place: place })
    }

    /// Waits for the right to write once.
    pub(super) async fn turn(&self) -> Result<Turn, Failure> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Failure(codes::VIRTUALIZATION_UNAVAILABLE))?;
        Ok(Turn { idle: Arc::clone(&self.idle), _place: place })
    }
}

/// The right to write once.
pub(super) struct Turn {
    idle: Arc<Mutex<Vec<DataBuffer>>>,
    _place: OwnedSemaphorePermit,
}

impl Turn {
    /// Writes at most [`BUFFER_BYTES`] bytes. May block.
    pub(super) fn write(
        self,
        sink: &dyn DataSink,
        stream: StreamId,
        data: &[u8],
        offset: u64,
    ) -> Result<(), Failure> {
        let idle = self.idle.lock().pop();
        let mut buffer =
            idle.or_else(|| sink.allocate(BUFFER_BYTES)).ok_or(Failure(codes::OUT_OF_MEMORY))?;
        let part = buffer.get_mut(..data.len()).ok_or(Failure(codes::INVALID_ARGUMENT))?;
        part.copy_from_slice(data);
        let written = sink.write(stream, part, offset);
        self.idle.lock().push(buffer);
        written
    }
}
