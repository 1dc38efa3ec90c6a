//! This test program again, as another process: to be killed (`projfs.md M9`), or to act where the
//! provider's own process must not (K12).
//!
//! Both ends talk over the child's standard input, which is a socket: it ends when the parent does.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{actor, remote};

/// Which role the child plays; unset in the test program itself.
const ROLE: &str = "PROJFS_TEST_ROLE";
/// Far longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child in some role; killed when dropped.
pub(crate) struct Child {
    process: process::Child,
    line: Line,
}

/// One end of the talk: messages with their length in front.
pub(crate) struct Line(UnixStream);

impl Child {
    /// Starts a child. `environment` is added to this process's.
    pub(crate) fn start(role: &str, environment: &[(&str, String)]) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["support::reexec::plays_a_role_if_asked", "--exact", "--nocapture", "--quiet"])
            .env(ROLE, role)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, line: Line(ours) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a message and waits for the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, message: &impl Serialize) -> T {
        self.line.send(message);
        self.line.receive().expect("the child is gone")
    }

    /// Sends a message; the answer is fetched later with [`Self::answer`].
    pub(crate) fn send(&mut self, message: &impl Serialize) {
        self.line.send(message);
    }

    /// The answer to what was sent.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self) -> T {
        self.line.receive().expect("the child is gone")
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Line {
    pub(crate) fn send(&mut self, message: &impl Serialize) {
        let bytes = postcard::to_stdvec(message).unwrap();
        self.0.write_all(&u32::try_from(bytes.len()).unwrap().to_le_bytes()).unwrap();
        self.0.write_all(&bytes).unwrap();
    }

    /// The next message; `None` when the other end is gone.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut bytes).ok()?;
        Some(postcard::from_bytes(&bytes).unwrap())
    }
}

/// Not a test of its own: where children begin.
#[test]
fn plays_a_role_if_asked() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    let line = Line(UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap()));
    match role.to_str().unwrap() {
        "actor" => actor::act(line),
        "provider" => remote::provide(line),
        other => panic!("no such role: {other}"),
    }
    process::exit(0);
}
