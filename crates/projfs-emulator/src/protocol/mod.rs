//! The seam over a loopback socket: how a provider's process and the daemon speak.
//!
//! After a greeting that names the version, both sides send frames: a length, bounded, and a
//! message in postcard's format. Calls carry a number and are answered in any order; commands and
//! cancellations come between the answers. A lost connection is the end of the provider's process
//! (`projfs.md M9`): whoever waits gets VIRTUALIZATION_UNAVAILABLE.

mod client;
mod connection;
mod error;
mod frames;
mod greeting;
mod messages;

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;

pub use error::ProtocolError;
pub use frames::MAX_DATA;
pub use greeting::VERSION;

pub(crate) use connection::{Connection, Incoming, NotSent, Waiting};
#[cfg(target_os = "linux")]
pub(crate) use frames::{HEADER, LengthCheck};
#[cfg(target_os = "linux")]
pub(crate) use frames::{decode, encode};
pub(crate) use greeting::Role;
#[cfg(target_os = "linux")]
pub(crate) use greeting::{HELLO_LIMIT, Hello, PRELUDE, Welcome, check_prelude, prelude};
#[cfg(target_os = "linux")]
pub(crate) use messages::{Answer, Call, ToDriver, ToProvider};

use crate::link::Driver;

/// Connects this process, as a provider, to the daemon at `address`, such as `127.0.0.1:4711`.
///
/// # Errors
/// Holds a [`ProtocolError`] that says what to do: nobody listens there, another version, not a
/// loopback address.
pub fn connect(address: impl ToSocketAddrs) -> io::Result<Arc<dyn Driver>> {
    let driver = client::Remote::connect(address)?;
    Ok(Arc::new(driver))
}
