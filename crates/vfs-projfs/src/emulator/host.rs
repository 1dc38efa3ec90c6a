//! The daemon in a process of its own, which is this program again.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::{Here, STEP};

/// Tells a program to be the daemon.
const ROLE: &str = "RUSTY_ATTACHMENTS_EMULATOR_DAEMON";
/// Longer than a daemon needs to unmount what is busy.
const END: std::time::Duration = std::time::Duration::from_secs(10);

/// Whether this program begins with [`host_daemon`].
static HOSTS: AtomicBool = AtomicBool::new(false);

/// Lets [`Emulator`](super::Emulator) run this program again as its daemon. To be called first in
/// `main`. In that other process it does not return: it serves until its input ends, which is when
/// the one that started it does.
pub fn host_daemon() {
    if std::env::var_os(ROLE).is_none() {
        return HOSTS.store(true, Ordering::Relaxed);
    }
    let served = Here::start().and_then(|here| {
        let announced = announce(here.daemon.address());
        // An error is an end too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        here.stop();
        announced.map_err(|error| error.to_string())
    });
    if let Err(reason) = &served {
        // The other side tells it.
        let _ = announce(reason);
    }
    std::process::exit(i32::from(served.is_err()));
}

fn announce(what: impl std::fmt::Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{what}")?;
    output.flush()
}

/// A daemon in a process of its own.
#[derive(Debug)]
pub(super) struct Hosted {
    process: Child,
    /// The daemon ends when this closes, so also with a process that is killed.
    input: ChildStdin,
    address: SocketAddr,
}

impl Hosted {
    /// Starts one; `None` if this program is not made for that.
    pub(super) fn start() -> Option<Result<Self, String>> {
        HOSTS.load(Ordering::Relaxed).then(|| {
            let mut process = Command::new("/proc/self/exe")
                .env(ROLE, "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // A Ctrl-C is for this process, which ends it in its turn.
                .process_group(0)
                .spawn()
                .map_err(|error| format!("the emulator cannot be started: {error}"))?;
            let (input, output) = (process.stdin.take(), process.stdout.take());
            let mut line = String::new();
            if let Some(output) = output {
                // What cannot be read is no address.
                let _ = BufReader::new(output.take(4096)).read_line(&mut line);
            }
            match (input, line.trim().parse()) {
                (Some(input), Ok(address)) => Ok(Self { process, input, address }),
                _ => {
                    let _ = process.kill();
                    let _ = process.wait();
                    Err(format!("the emulator cannot be started: {}", line.trim()))
                }
            }
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stop(self) {
        let Self { mut process, input, .. } = self;
        drop(input);
        let deadline = Instant::now() + END;
        while matches!(process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                tracing::error!("the emulator does not end and is killed");
                let _ = process.kill();
                let _ = process.wait();
                return;
            }
            thread::sleep(STEP);
        }
    }
}
