//! Frames over tokio's sockets.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};

use crate::protocol::{
    HEADER, Hello, LengthCheck, PRELUDE, ProtocolError, check_prelude, decode, encode, prelude,
};

/// Messages that may wait to be sent. A process that does not read so many is as good as dead.
const QUEUE: usize = 16 * 1024;

/// What comes in.
pub(super) type Incoming = BufReader<OwnedReadHalf>;

/// Both directions of a connection.
pub(super) fn halves(stream: TcpStream) -> (Incoming, OwnedWriteHalf) {
    let (incoming, outgoing) = stream.into_split();
    (BufReader::new(incoming), outgoing)
}

/// The greeting, up to the client's hello.
pub(super) async fn greet(
    incoming: &mut Incoming,
    outgoing: &mut OwnedWriteHalf,
) -> Result<Hello, ProtocolError> {
    // First: whatever the other side is, it can then say what does not go together.
    outgoing.write_all(&prelude()).await?;
    let mut theirs = [0; PRELUDE];
    incoming.read_exact(&mut theirs).await?;
    check_prelude(theirs)?;
    read_frame(incoming, LengthCheck::Greeting).await
}

/// Waits for a message. Not to be given up half way and taken up again.
pub(super) async fn read<M: DeserializeOwned>(incoming: &mut Incoming) -> Result<M, ProtocolError> {
    read_frame(incoming, LengthCheck::Message).await
}

async fn read_frame<M: DeserializeOwned>(
    incoming: &mut Incoming,
    check: LengthCheck,
) -> Result<M, ProtocolError> {
    let mut header = [0; HEADER];
    incoming.read_exact(&mut header).await?;
    let length = check.length(header)?;
    // Grows as bytes come: a length that is only claimed takes no memory.
    let mut frame = Vec::new();
    if incoming.take(length.into()).read_to_end(&mut frame).await? < length as usize {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    decode(&frame)
}

/// Sends a message at once.
pub(super) async fn write(
    outgoing: &mut OwnedWriteHalf,
    message: &impl Serialize,
) -> Result<(), ProtocolError> {
    Ok(outgoing.write_all(&encode(message)?).await?)
}

/// What goes out: a queue, so that whoever sends never waits.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    frames: mpsc::Sender<Vec<u8>>,
    broken: Arc<Notify>,
}

impl Outgoing {
    /// Starts to write.
    pub(super) fn start(mut to: OwnedWriteHalf) -> Self {
        let (frames, mut queued) = mpsc::channel::<Vec<u8>>(QUEUE);
        let broken = Arc::new(Notify::new());
        let ended = Arc::clone(&broken);
        tokio::spawn(async move {
            while let Some(frame) = queued.recv().await {
                if to.write_all(&frame).await.is_err() {
                    break;
                }
            }
            ended.notify_one();
        });
        Self { frames, broken }
    }

    /// Queues a message. If the queue is full, the connection ends. False if the message is longer
    /// than a frame may be, and was not queued for that.
    pub(super) fn send(&self, message: &impl Serialize) -> bool {
        match encode(message) {
            Ok(frame) => {
                if self.frames.try_send(frame).is_err() {
                    self.broken.notify_one();
                }
                true
            }
            Err(error) => {
                tracing::error!("an answer cannot be sent: {error}");
                false
            }
        }
    }

    /// Ends when nothing can be sent any more.
    pub(super) async fn broken(&self) {
        self.broken.notified().await;
    }

    /// Why that is.
    pub(super) fn why(&self) -> ProtocolError {
        let why = if self.frames.capacity() == 0 {
            io::Error::other(format!("it has left {QUEUE} messages unread"))
        } else {
            io::ErrorKind::BrokenPipe.into()
        };
        why.into()
    }
}
