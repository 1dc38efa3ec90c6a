//! A client's end of a connection: calls from any thread, answers by number.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::marker::PhantomData;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ProtocolError;
use super::frames::{self, LengthCheck};
use super::greeting::{Role, greet};

/// What a message from the daemon is to its receiver.
pub(crate) enum Incoming<A> {
    /// The answer to a call.
    Answer(u64, A),
    /// Something that was dealt with already.
    Handled,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// It is more than one frame takes.
    TooLong,
    /// The connection is lost.
    Lost,
}

/// A connection to the daemon that sends messages `M` and gets answers `A`; closed when dropped.
pub(crate) struct Connection<M, A> {
    /// Held while a frame is written, so that frames do not mix: the socket's own lock.
    stream: Mutex<TcpStream>,
    next: AtomicU64,
    calls: Arc<Calls<A>>,
    sends: PhantomData<fn(M)>,
}

/// Who waits for which answer; `None` once the connection is lost.
struct Calls<A>(Mutex<Option<HashMap<u64, mpsc::SyncSender<A>>>>);

/// An answer to come.
pub(crate) struct Waiting<A> {
    /// The call's number.
    pub(crate) id: u64,
    answer: mpsc::Receiver<A>,
}

impl<A> fmt::Debug for Waiting<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Waiting").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<A> Waiting<A> {
    /// Waits for the answer; `None` if the connection is lost.
    pub(crate) fn wait(self) -> Option<A> {
        self.answer.recv().ok()
    }
}

impl<M: Serialize, A: Send + 'static> Connection<M, A> {
    /// Connects, and starts the thread that reads. `receive` is called there with each message and
    /// must not wait; `lost` is called there at the end.
    pub(crate) fn open<R: DeserializeOwned>(
        address: impl ToSocketAddrs,
        role: Role,
        receive: impl Fn(R) -> Incoming<A> + Send + 'static,
        lost: impl FnOnce() + Send + 'static,
    ) -> Result<Self, ProtocolError> {
        let stream = greet(address, role)?;
        let calls = Arc::new(Calls(Mutex::new(Some(HashMap::new()))));
        let (reading, answered) = (stream.try_clone()?, Arc::clone(&calls));
        let reader = move || {
            if let Err(error) = read_all(&reading, &answered, receive) {
                tracing::debug!("the connection to the emulator's daemon ends: {error}");
            }
            // Nobody writes to a daemon that cannot be understood.
            let _ = reading.shutdown(Shutdown::Both);
            answered.0.lock().take();
            lost();
        };
        std::thread::Builder::new().name("projfs-link".into()).spawn(reader)?;
        Ok(Self { stream: Mutex::new(stream), next: AtomicU64::new(1), calls, sends: PhantomData })
    }

    /// Sends a call, made from its number, and gives the answer to come.
    ///
    /// # Errors
    /// Why it was not sent.
    pub(crate) fn begin(&self, call: impl FnOnce(u64) -> M) -> Result<Waiting<A>, NotSent> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = frames::encode(&call(id)).map_err(|_| NotSent::TooLong)?;
        let (sender, answer) = mpsc::sync_channel(1);
        self.calls.0.lock().as_mut().ok_or(NotSent::Lost)?.insert(id, sender);
        // If this fails, the reader ends too, and with it whoever waits.
        self.stream.lock().write_all(&frame).map_err(|_| NotSent::Lost)?;
        Ok(Waiting { id, answer })
    }

    /// Sends what is not answered.
    ///
    /// # Errors
    /// Why it was not sent.
    pub(crate) fn send(&self, message: &M) -> Result<(), NotSent> {
        let frame = frames::encode(message).map_err(|_| NotSent::TooLong)?;
        self.stream.lock().write_all(&frame).map_err(|_| NotSent::Lost)
    }
}

fn read_all<R: DeserializeOwned, A>(
    stream: &TcpStream,
    calls: &Calls<A>,
    receive: impl Fn(R) -> Incoming<A>,
) -> Result<(), ProtocolError> {
    loop {
        match receive(frames::read(stream, LengthCheck::Message)?) {
            Incoming::Handled => {}
            Incoming::Answer(id, answer) => {
                let waiting = calls.0.lock().as_mut().and_then(|calls| calls.remove(&id));
                // Whoever does not wait any more has been told of a lost connection.
                let _ = waiting.map(|waiting| waiting.send(answer));
            }
        }
    }
}

impl<M, A> Drop for Connection<M, A> {
    fn drop(&mut self) {
        let _ = self.stream.get_mut().shutdown(Shutdown::Both);
    }
}

impl<M, A> fmt::Debug for Connection<M, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}
