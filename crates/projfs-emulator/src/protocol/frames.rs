//! Frames: how long a message is, then the message.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ProtocolError;

/// The most bytes of file data that one message carries: a multiple of all write alignments, so
/// that what a provider writes in one call can travel in several (`projfs.md J5`).
pub const MAX_DATA: usize = 64 << 20;

/// What a message may take beside its data.
const SLACK: usize = 1 << 20;

const MAX_FRAME: u32 = (MAX_DATA + SLACK) as u32;

/// Bytes of the length in front of each message.
pub(crate) const HEADER: usize = 4;

/// The most that a frame may be, while the other side is not known yet.
const MAX_GREETING: u32 = 64 << 10;

/// How long a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthCheck {
    /// Before the greeting is over.
    Greeting,
    /// Later.
    Message,
}

impl LengthCheck {
    /// The length that a header gives.
    pub(crate) const fn length(self, header: [u8; HEADER]) -> Result<u32, ProtocolError> {
        let length = u32::from_le_bytes(header);
        self.fits(length as u64)
    }

    const fn fits(self, length: u64) -> Result<u32, ProtocolError> {
        let limit = match self {
            Self::Greeting => MAX_GREETING,
            Self::Message => MAX_FRAME,
        };
        if length > limit as u64 {
            return Err(ProtocolError::TooLong { length, limit });
        }
        Ok(length as u32)
    }
}

/// A message as a frame.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, ProtocolError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER])?;
    let length = LengthCheck::Message.fits((frame.len() - HEADER) as u64)?;
    for (byte, of_length) in frame.iter_mut().zip(length.to_le_bytes()) {
        *byte = of_length;
    }
    Ok(frame)
}

/// The message of a frame, without its header. Bytes behind it are an error too.
pub(crate) fn decode<M: DeserializeOwned>(frame: &[u8]) -> Result<M, ProtocolError> {
    let (message, rest) = postcard::take_from_bytes(frame)?;
    if !rest.is_empty() {
        return Err(ProtocolError::Malformed(postcard::Error::DeserializeBadEncoding));
    }
    Ok(message)
}

/// Sends a message.
pub(super) fn write(mut to: impl Write, message: &impl Serialize) -> Result<(), ProtocolError> {
    Ok(to.write_all(&encode(message)?)?)
}

/// Waits for a message.
pub(super) fn read<M: DeserializeOwned>(
    mut from: impl Read,
    check: LengthCheck,
) -> Result<M, ProtocolError> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header)?;
    let length = check.length(header)?;
    // Grows as bytes come: a length that is only claimed takes no memory.
    let mut frame = Vec::new();
    if from.take(length.into()).read_to_end(&mut frame)? < length as usize {
        return Err(ProtocolError::Lost(std::io::ErrorKind::UnexpectedEof.into()));
    }
    decode(&frame)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::contract::{Guid, HResult};
    use crate::protocol::messages::{Answer, Call, ToDriver, ToProvider};

    /// Gives its bytes in pieces of the sizes that are wanted.
    struct Pieces<'a>(&'a [u8], std::vec::IntoIter<usize>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = self.1.next().unwrap_or(usize::MAX).min(buffer.len());
            (&mut self.0).take(most as u64).read(buffer)
        }
    }

    fn a_write(data: Vec<u8>) -> ToDriver {
        let call = Call::WriteFileData { instance: 1, stream: Guid([7; 16]), offset: 9, data };
        ToDriver::Call { id: 3, call }
    }

    proptest! {
        #[test]
        fn a_message_survives_reads_of_any_size(
            data in prop::collection::vec(any::<u8>(), 0..2000),
            sizes in prop::collection::vec(1_usize..50, 0..200),
        ) {
            let sent = a_write(data);
            let frame = encode(&sent).unwrap();
            let received = read(Pieces(&frame, sizes.into_iter()), LengthCheck::Message);
            prop_assert_eq!(sent, received.unwrap());
        }

        #[test]
        fn garbage_is_an_error_and_nothing_worse(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            // Whatever it decodes to is a message; what matters is that it returns.
            let _ = read::<ToDriver>(Cursor::new(&bytes), LengthCheck::Message);
            let _ = decode::<ToDriver>(&bytes);
            let _ = decode::<ToProvider>(&bytes);
        }

        #[test]
        fn a_cut_message_is_an_error(cut in 0_usize..100) {
            let frame = encode(&a_write(vec![5; 100])).unwrap();
            let frame = frame.get(..cut).unwrap();
            prop_assert!(read::<ToDriver>(Cursor::new(frame), LengthCheck::Message).is_err());
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_read() {
        let mut frame = Cursor::new((MAX_FRAME + 1).to_le_bytes());
        let error = read::<ToDriver>(&mut frame, LengthCheck::Message).unwrap_err();
        assert!(matches!(error, ProtocolError::TooLong { .. }), "{error}");
        let mut frame = Cursor::new((MAX_GREETING + 1).to_le_bytes());
        let error = read::<ToDriver>(&mut frame, LengthCheck::Greeting).unwrap_err();
        assert!(matches!(error, ProtocolError::TooLong { .. }), "{error}");
    }

    #[test]
    fn bytes_behind_a_message_are_refused() {
        let answer = ToProvider::Answer { id: 1, answer: Answer::Done(HResult::OK) };
        let mut frame = encode(&answer).unwrap();
        frame.push(0);
        assert!(decode::<ToProvider>(frame.get(HEADER..).unwrap()).is_err());
    }

    #[test]
    fn the_most_data_fits() {
        assert!(encode(&a_write(vec![1; MAX_DATA])).is_ok());
        assert!(encode(&a_write(vec![1; MAX_DATA + SLACK])).is_err());
    }
}
