//! How far a long command is: one rewritten line on a terminal, sparse lines elsewhere.
//!
//! Workers only bump counters. One thread looks at them ten times a second and writes to stderr,
//! so that progress never slows the work down.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::args::values::{ByteSize, grouped};
use crate::output::Output;

/// How often counters are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Without a terminal: a line at each step of this many percent ...
const STEP_PERCENT: u64 = 10;
/// ... and after so long without one, so that logs of slow work show life.
const SPARSE_INTERVAL: Duration = Duration::from_secs(30);
/// No estimate before this much time: the first files say little.
const ESTIMATE_AFTER: Duration = Duration::from_secs(2);

/// Progress of one piece of work; dropping it ends the display.
#[derive(Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    display: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    what: &'static str,
    files_total: u64,
    bytes_total: u64,
    files: AtomicU64,
    bytes: AtomicU64,
    started: Instant,
    ended: Mutex<bool>,
    wake: Condvar,
}

impl Progress {
    /// Starts to show the progress of `what` ("hashing"), silently if the output is quiet.
    pub(crate) fn start(
        output: &Output,
        what: &'static str,
        files_total: u64,
        bytes_total: u64,
    ) -> Self {
        let shared = Arc::new(Shared {
            what,
            files_total,
            bytes_total,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            started: Instant::now(),
            ended: Mutex::new(false),
            wake: Condvar::new(),
        });
        let display = (!output.is_quiet()).then(|| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || display(&shared))
        });
        Self { shared, display }
    }

    /// `bytes` more are done.
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One more file is done.
    pub(crate) fn add_file(&self) {
        self.shared.files.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(display) = self.display.take() {
            let _ = display.join();
        }
    }
}

fn display(shared: &Shared) {
    let terminal = io::stderr().is_terminal();
    let mut sparse = Sparse { step: 0, told: shared.started };
    while !wait_tick(shared) {
        if terminal {
            write_stderr(&format!("\r{}\x1b[K", shared.line()));
        } else if sparse.is_due(shared.percent(), Instant::now()) {
            write_stderr(&format!("{}\n", shared.line()));
        }
    }
    if terminal {
        write_stderr("\r\x1b[K");
    }
}

/// Waits for the next tick; true once the work has ended.
fn wait_tick(shared: &Shared) -> bool {
    let ended = shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = shared.wake.wait_timeout_while(ended, TICK, |ended| !*ended);
    *wait.unwrap_or_else(PoisonError::into_inner).0
}

fn write_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    // Progress that nobody can see is no reason to stop.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Decides when a line is due where lines are not rewritten.
#[derive(Debug)]
struct Sparse {
    step: u64,
    told: Instant,
}

impl Sparse {
    fn is_due(&mut self, percent: u64, now: Instant) -> bool {
        let step = percent / STEP_PERCENT;
        if step <= self.step && now.duration_since(self.told) < SPARSE_INTERVAL {
            return false;
        }
        self.step = step.max(self.step);
        self.told = now;
        true
    }
}

impl Shared {
    fn percent(&self) -> u64 {
        let (done, total) = match self.bytes_total {
            0 => (self.files.load(Ordering::Relaxed), self.files_total),
            total => (self.bytes.load(Ordering::Relaxed), total),
        };
        (u128::from(done) * 100)
            .checked_div(u128::from(total))
            .map_or(100, |percent| percent as u64)
    }

    fn line(&self) -> String {
        let files = self.files.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        let elapsed = self.started.elapsed();
        let rate = (bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
        let mut line = format!(
            "{}: {}/{} files, {}/{}, {}/s",
            self.what,
            grouped(files),
            grouped(self.files_total),
            ByteSize(bytes),
            ByteSize(self.bytes_total),
            ByteSize(rate),
        );
        let left = self.bytes_total.saturating_sub(bytes);
        if let (true, Some(seconds)) = (elapsed >= ESTIMATE_AFTER, left.checked_div(rate)) {
            let _ = write!(line, ", {seconds} s left");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_lines_come_with_each_tenth_and_with_time() {
        let start = Instant::now();
        let mut sparse = Sparse { step: 0, told: start };
        assert!(!sparse.is_due(9, start));
        assert!(sparse.is_due(10, start));
        assert!(!sparse.is_due(19, start));
        assert!(sparse.is_due(55, start), "several steps at once are one line");
        assert!(!sparse.is_due(59, start + Duration::from_secs(29)));
        assert!(sparse.is_due(59, start + Duration::from_secs(30)));
    }

    #[test]
    fn nothing_to_do_is_all_done() {
        let output = Output::new(false, true);
        assert_eq!(Progress::start(&output, "x", 0, 0).shared.percent(), 100);
        let progress = Progress::start(&output, "x", 4, 0);
        progress.add_file();
        assert_eq!(progress.shared.percent(), 25);
        assert!(progress.shared.line().starts_with("x: 1/4 files, 0 B/0 B"));
    }
}
