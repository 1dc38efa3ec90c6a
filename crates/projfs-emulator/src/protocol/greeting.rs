//! The greeting: both sides say who they are before anything else.
//!
//! Each sends the magic and its version, in a form that no version may change; so that both can
//! say what does not go together. Then the client says hello, and is welcome or not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ProtocolError;
use super::frames::{self, LengthCheck};
use crate::link::Process;

/// The version of the protocol; sides of different versions do not speak.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"PRJFSEMU";

/// Bytes of magic and version.
pub(crate) const PRELUDE: usize = 12;

/// How long each step of the greeting may take.
pub(crate) const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// A process with provider instances.
    Provider,
    /// A test that asks beside them.
    Control,
}

/// What a client says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) role: Role,
    /// As it knows itself: under Wine, its number is Wine's.
    pub(crate) process: Process,
}

/// What the daemon says to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Welcome {
    Accepted,
    Refused { reason: String },
}

/// Magic and version of this side.
pub(crate) fn prelude() -> [u8; PRELUDE] {
    let mut bytes = [0; PRELUDE];
    let (magic, version) = bytes.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    version.copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// Whether the other side's magic and version go with ours.
pub(crate) fn check_prelude(theirs: [u8; PRELUDE]) -> Result<(), ProtocolError> {
    let [magic @ .., a, b, c, d] = theirs;
    if magic != MAGIC {
        return Err(ProtocolError::NotOurs);
    }
    match u32::from_le_bytes([a, b, c, d]) {
        VERSION => Ok(()),
        theirs => Err(ProtocolError::Version { ours: VERSION, theirs }),
    }
}

/// Connects to a daemon and greets it.
pub(super) fn greet(address: impl ToSocketAddrs, role: Role) -> Result<TcpStream, ProtocolError> {
    let address = loopback(address)?;
    let stream = TcpStream::connect_timeout(&address, HELLO_LIMIT)
        .map_err(|source| ProtocolError::Unreachable { address: address.to_string(), source })?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HELLO_LIMIT))?;
    (&stream).write_all(&prelude())?;
    let mut theirs = [0; PRELUDE];
    (&stream).read_exact(&mut theirs).map_err(|_| ProtocolError::NotOurs)?;
    check_prelude(theirs)?;
    frames::write(&stream, &Hello { role, process: myself() })?;
    match frames::read(&stream, LengthCheck::Greeting)? {
        Welcome::Accepted => {}
        Welcome::Refused { reason } => return Err(ProtocolError::Refused { reason }),
    }
    stream.set_read_timeout(None)?;
    Ok(stream)
}

/// The first of these addresses, if it is this machine's own: whoever may connect may do anything
/// that the daemon may.
fn loopback(address: impl ToSocketAddrs) -> Result<SocketAddr, ProtocolError> {
    let refused = |address: String| ProtocolError::NotLoopback { address };
    let first = address.to_socket_addrs().map_err(|error| refused(error.to_string()))?.next();
    let first = first.ok_or_else(|| refused(String::new()))?;
    if first.ip().is_loopback() { Ok(first) } else { Err(refused(first.to_string())) }
}

fn myself() -> Process {
    let image = std::env::current_exe().unwrap_or_default();
    Process { id: std::process::id(), image: image.to_string_lossy().as_ref().into() }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Who connects once and gets these bytes, whatever it says.
    fn answering(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(bytes).unwrap();
            // Until the client has had enough.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        address
    }

    #[test]
    fn another_version_is_named() {
        let error = greet(answering(b"PRJFSEMU\x63\0\0\0"), Role::Provider).unwrap_err();
        assert!(matches!(error, ProtocolError::Version { ours: VERSION, theirs: 99 }), "{error}");
        assert!(error.to_string().contains("same build"), "{error}");
    }

    #[test]
    fn who_speaks_something_else_is_not_ours() {
        let error = greet(answering(b"SSH-2.0-OpenSSH_9"), Role::Provider).unwrap_err();
        assert!(matches!(error, ProtocolError::NotOurs), "{error}");
    }

    #[test]
    fn a_refusal_gives_its_reason() {
        // The version, then a frame of 8 bytes: variant 1, a string of 6.
        let error = greet(answering(b"PRJFSEMU\x01\0\0\0\x08\0\0\0\x01\x06closed"), Role::Control);
        let error = error.unwrap_err();
        assert!(
            matches!(&error, ProtocolError::Refused { reason } if reason == "closed"),
            "{error}"
        );
    }

    #[test]
    fn addresses_of_other_machines_are_refused() {
        let error = greet("192.0.2.1:80", Role::Provider).unwrap_err();
        assert!(matches!(error, ProtocolError::NotLoopback { .. }), "{error}");
    }

    #[test]
    fn a_port_without_a_daemon_says_what_to_start() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = greet(address, Role::Provider).unwrap_err();
        assert!(error.to_string().contains("projfs-emulator serve"), "{error}");
    }
}
