//! Why the two sides cannot speak.

use std::io;

/// A connection that was not made, or broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The address cannot be used.
    #[error(
        "'{address}' is no address of this machine itself: the daemon can be reached at 127.0.0.1 only"
    )]
    NotLoopback {
        /// As it was given.
        address: String,
    },
    /// Nobody answers.
    #[error(
        "cannot reach the emulator's daemon at {address}: {source}; is `projfs-emulator serve` running?"
    )]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// Something else listens.
    #[error("who answers does not speak the emulator's protocol; is the port the daemon's?")]
    NotOurs,
    /// Builds that do not go together.
    #[error(
        "the other side speaks version {theirs} of the emulator's protocol, this one {ours}: \
         use both from the same build"
    )]
    Version {
        /// This side's.
        ours: u32,
        /// The other side's.
        theirs: u32,
    },
    /// The daemon does not want this connection.
    #[error("the emulator's daemon refused the connection: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// A frame that nobody sends.
    #[error("a message of {length} bytes, where {limit} are the most")]
    TooLong {
        /// Bytes that it claims or takes.
        length: u64,
        /// The most.
        limit: u32,
    },
    /// Bytes that are no message.
    #[error("a message that cannot be read: {0}")]
    Malformed(#[from] postcard::Error),
    /// It was there, and is not any more.
    #[error("the connection is lost: {0}")]
    Lost(#[from] io::Error),
}

impl From<ProtocolError> for io::Error {
    fn from(error: ProtocolError) -> Self {
        Self::other(error)
    }
}
