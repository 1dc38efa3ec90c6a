//! Closed files into the store while programs still work: what is exported later, by us or by the
//! official tools, finds its objects there.
//!
//! An option, not a promise: nothing waits for it, and what fails or does not fit the queue is left
//! to the export.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use rusty_attachments_model::PathBuf;
use rusty_attachments_storage::StorageClient;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::error::ExportError;
use super::files::LocalFiles;
use super::run::ExportEvents;
use super::upload::{SourceFile, UploadEvents, UploadOptions, UploadTally, Uploader};
use crate::changes::LocalContent;
use crate::sync::{Condvar, Mutex, lock, wait_until};

/// How much is done at a time.
#[derive(Clone, Debug)]
pub struct BackgroundOptions {
    /// Threads; at least one is started.
    pub threads: usize,
    /// Paths that may wait.
    pub queue_max: usize,
    /// How files are stored.
    pub upload: UploadOptions,
}

impl Default for BackgroundOptions {
    /// Two threads, 65,536 paths, whole files as official tools look for them.
    fn default() -> Self {
        Self { threads: 2, queue_max: 1 << 16, upload: UploadOptions::default() }
    }
}

/// What a background uploader did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackgroundStats {
    /// Paths that wait or are under way.
    pub pending: u64,
    /// Files that were stored.
    pub stored: u64,
    /// Files that were not: gone, still being written, or the store failed.
    pub failed: u64,
    /// Paths that did not fit the queue.
    pub refused: u64,
    /// What those files brought to the store.
    pub tally: UploadTally,
}

/// Stores files in the background. Dropped, it [stops](Self::stop).
#[derive(Debug)]
pub struct BackgroundUploader {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    uploader: Uploader,
    files: Arc<dyn LocalFiles>,
    events: Arc<StoppableEvents>,
    queue_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<PathBuf>,
    /// What is in the queue.
    queued: HashSet<PathBuf>,
    under_way: u64,
    stopped: bool,
    stored: u64,
    failed: u64,
    refused: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("uploader", &self.uploader).finish_non_exhaustive()
    }
}

impl BackgroundUploader {
    /// Starts the threads. `events` hears which hashes were found.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(
        client: Arc<dyn StorageClient>,
        runtime: Handle,
        files: Arc<dyn LocalFiles>,
        options: BackgroundOptions,
        events: Arc<dyn ExportEvents>,
    ) -> io::Result<Self> {
        let events = Arc::new(StoppableEvents { events, stopped: watch::Sender::new(false) });
        let told = Arc::clone(&events) as Arc<dyn UploadEvents>;
        let shared = Arc::new(Shared {
            uploader: Uploader::new(client, runtime, options.upload, told),
            files,
            events,
            queue_max: options.queue_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let started = Self { shared, workers: Mutex::default() };
        for index in 0..options.threads.max(1) {
            let shared = Arc::clone(&started.shared);
            let builder = thread::Builder::new().name(format!("upload-{index}"));
            lock(&started.workers).push(builder.spawn(move || shared.work())?);
        }
        Ok(started)
    }

    /// Stores the file at `path` soon. `false` if the queue is full or this has stopped. Never
    /// waits.
    pub fn offer(&self, path: PathBuf) -> bool {
        let mut state = lock(&self.shared.state);
        if state.queued.contains(&path) {
            return true;
        }
        if state.stopped || state.queue.len() >= self.shared.queue_max {
            state.refused += 1;
            return false;
        }
        state.queued.insert(path.clone());
        state.queue.push_back(path);
        self.shared.changed.notify_all();
        true
    }

    /// Waits until nothing is pending; `false` if that takes longer than `patience`.
    #[must_use]
    pub fn drain(&self, patience: Duration) -> bool {
        let deadline = Instant::now().checked_add(patience);
        let mut state = lock(&self.shared.state);
        while !state.queue.is_empty() || state.under_way > 0 {
            let (woken, is_late) = wait_until(&self.shared.changed, state, deadline);
            state = woken;
            if is_late {
                return state.queue.is_empty() && state.under_way == 0;
            }
        }
        true
    }

    /// Forgets what waits, cancels what is under way, and ends the threads.
    pub fn stop(&self) {
        {
            let mut state = lock(&self.shared.state);
            state.stopped = true;
            state.queue.clear();
            state.queued.clear();
        }
        self.shared.events.stopped.send_replace(true);
        self.shared.changed.notify_all();
        let workers = std::mem::take(&mut *lock(&self.workers));
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a background upload panicked");
            }
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> BackgroundStats {
        let state = lock(&self.shared.state);
        BackgroundStats {
            pending: state.queue.len() as u64 + state.under_way,
            stored: state.stored,
            failed: state.failed,
            refused: state.refused,
            tally: self.shared.uploader.tally(),
        }
    }
}

impl Drop for BackgroundUploader {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(path) = self.next() {
            let stored = self.store(&path);
            let mut state = lock(&self.state);
            state.under_way -= 1;
            match stored {
                Ok(()) => state.stored += 1,
                Err(error) => {
                    state.failed += 1;
                    tracing::debug!(%path, %error, "left to the export");
                }
            }
            self.changed.notify_all();
        }
    }

    /// The next path; `None` once this has stopped.
    fn next(&self) -> Option<PathBuf> {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return None;
            }
            if let Some(path) = state.queue.pop_front() {
                state.queued.remove(&path);
                state.under_way += 1;
                return Some(path);
            }
            (state, _) = wait_until(&self.changed, state, None);
        }
    }

    fn store(&self, path: &PathBuf) -> Result<(), ExportError> {
        let begun = SystemTime::now();
        let open = || self.files.open(path.as_ref());
        let uploaded = self.uploader.store(SourceFile { name: path, open: &open, known: None })?;
        if uploaded.stamp.is_settled(begun) {
            let (chunk_size, hashes) = (uploaded.chunk_size, uploaded.hashes);
            let content = LocalContent::Hashed { chunk_size, hashes };
            self.events.events.hashed(path.as_ref(), uploaded.stamp, content);
        }
        Ok(())
    }
}

/// Another's events, which this uploader can cancel too.
struct StoppableEvents {
    events: Arc<dyn ExportEvents>,
    stopped: watch::Sender<bool>,
}

impl UploadEvents for StoppableEvents {
    fn done_bytes(&self, bytes: u64) {
        self.events.done_bytes(bytes);
    }

    fn done_file(&self) {
        self.events.done_file();
    }

    fn is_cancelled(&self) -> bool {
        *self.stopped.borrow() || self.events.is_cancelled()
    }

    fn cancelled(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut stopped = self.stopped.subscribe();
            tokio::select! {
                // The sender lives as long as this call.
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = self.events.cancelled() => {}
            }
        })
    }
}
