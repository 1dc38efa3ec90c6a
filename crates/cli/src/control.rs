//! How commands talk to the process that serves a projected root: over a local socket of the
//! user's own, whose name follows from the root.
//!
//! A client sends one line of JSON and gets one back; long answers (changes, a manifest) follow
//! that line. Each process that serves a root notes it in the user's state folder, so that
//! `status` finds all of them.

mod client;
#[cfg(windows)]
#[path = "control/pipe.rs"]
mod endpoint;
#[cfg(unix)]
#[path = "control/socket.rs"]
mod endpoint;
mod message;
mod registry;
#[cfg_attr(
    not(any(target_os = "linux", windows)),
    expect(dead_code, unused_imports, reason = "without a front end nothing is served")
)]
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use self::client::Connection;
pub(crate) use self::registry::{Registered, Registry};
pub(crate) use self::server::{Answers, Server};
