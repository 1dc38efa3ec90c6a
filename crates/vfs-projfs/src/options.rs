//! What can be chosen about a projected root.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_vfs::VolumeOptions;

use crate::callbacks::OperationPolicy;
use crate::projection::LinkPolicy;
use crate::tracking::WriteObserver;

/// Where a manifest is projected to, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProjFsOptions {
    /// The folder that becomes the root: empty, or projected into before.
    pub root: PathBuf,
    /// Threads that move content; at least 1. Default 4.
    pub worker_threads: usize,
    /// Threads that ProjFS makes for callbacks. 0, the default: two for each processor, at least 5
    /// (projfs.md L1).
    pub pool_threads: u32,
    /// Callbacks at a time. 0, the default: as many as there are threads (projfs.md L1).
    pub concurrent_threads: u32,
    /// How long a command of ProjFS may make no progress before it fails (projfs.md L10). While
    /// bytes come from the store or the cache, for whichever file, there is progress. Default 5
    /// minutes.
    pub command_timeout: Duration,
    /// Memory, disk cache and timeouts of content. Content is always verified before it is shown.
    pub volume: VolumeOptions,
    /// What becomes of symbolic links.
    pub links: LinkPolicy,
    /// Whether names that Windows cannot have refuse the start.
    pub strict_names: bool,
    /// Bytes that listings in memory may take before those not used for long are dropped.
    pub listing_budget: u64,
    /// Most enumerations at a time; the one not used for longest is dropped (projfs.md F3).
    pub max_enumerations: usize,
    /// How long a stop waits for content on its way before it cancels it. Default 10 s.
    pub stop_patience: Duration,
}

impl ProjFsOptions {
    /// The defaults for a root.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            worker_threads: 4,
            pool_threads: 0,
            concurrent_threads: 0,
            command_timeout: Duration::from_secs(300),
            volume: VolumeOptions::default(),
            links: LinkPolicy::default(),
            strict_names: false,
            listing_budget: 64 << 20,
            max_enumerations: 4096,
            stop_patience: Duration::from_secs(10),
        }
    }

    /// Sets the threads that move content; 0 counts as 1.
    #[must_use]
    pub fn with_worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = threads.max(1);
        self
    }
}

/// Where this user's programs keep what is theirs alone. Never a temporary folder: others could
/// make it first, under its well-known name.
fn state_home() -> Option<PathBuf> {
    let (variable, below_home) = if cfg!(windows) {
        ("LOCALAPPDATA", "AppData\\Local")
    } else {
        ("XDG_STATE_HOME", ".local/state")
    };
    let named = env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || env::home_dir().filter(|home| home.is_absolute());
    named.or_else(|| Some(home()?.join(below_home)))
}

/// What becomes of what users change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProjFsWriteOptions {
    /// The folder for what must outlive the process: identity of the root, journal of changes.
    /// Neither inside the root nor around it. The default is the user's own: `rusty-attachments` in
    /// `%LOCALAPPDATA%`, elsewhere in the XDG folder for state; empty where there is none, which
    /// refuses the start.
    pub cache_dir: PathBuf,
    /// Asked before a projected file is deleted, renamed or first written to; `None` allows all.
    pub policy: Option<Arc<dyn OperationPolicy>>,
    /// Hears of files that programs wrote.
    pub observer: Option<Arc<dyn WriteObserver>>,
}

impl Default for ProjFsWriteOptions {
    fn default() -> Self {
        let cache_dir = state_home().map(|home| home.join("rusty-attachments")).unwrap_or_default();
        Self { cache_dir, policy: None, observer: None }
    }
}

impl ProjFsWriteOptions {
    /// Sets the folder for what must outlive the process.
    #[must_use]
    pub fn with_cache_dir(mut self, folder: PathBuf) -> Self {
        self.cache_dir = folder;
        self
    }

    /// Sets who is asked before projected files are changed.
    #[must_use]
    pub fn with_policy(mut self, policy: Arc<dyn OperationPolicy>) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets who hears of files that programs wrote.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn WriteObserver>) -> Self {
        self.observer = Some(observer);
        self
    }
}
