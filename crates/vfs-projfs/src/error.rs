//! Why something could not be done.

use std::path::PathBuf;
use std::time::Duration;

use rusty_attachments_vfs::changes::ChangeError;
use rusty_attachments_vfs::{ExecutorError, VfsError};

use crate::projection::NameReport;

/// Why a projected root could not be made, started or asked. Each message says what failed, on
/// which path, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjFsError {
    /// The library of the Windows feature is not there.
    #[error(
        "cannot load ProjectedFSLib ({reason}): the Windows feature Client-ProjFS is off; enable \
         it with 'Enable-WindowsOptionalFeature -Online -FeatureName Client-ProjFS -NoRestart' \
         in PowerShell as administrator"
    )]
    FeatureMissing {
        /// What the loader said.
        reason: String,
    },
    /// A function of ProjFS failed.
    #[error("cannot {action} '{}': {function} gave {hresult:#010x}{advice}", path.display())]
    Api {
        /// What was to be done.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// Which function failed.
        function: &'static str,
        /// With which code.
        hresult: u32,
        /// What to do, as the end of the sentence; empty if unknown.
        advice: &'static str,
    },
    /// The folder cannot be a root.
    #[error("cannot project into '{}': {reason}", path.display())]
    Root {
        /// Which folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// What was kept of a root between runs cannot be used.
    #[error("cannot use what is kept in '{}': {reason}", path.display())]
    State {
        /// Which file or folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// It runs already.
    #[error("'{}' is started already; stop it first", path.display())]
    AlreadyStarted {
        /// Which root.
        path: PathBuf,
    },
    /// It does not run.
    #[error("'{}' is not started; start it first", path.display())]
    NotStarted {
        /// Which root.
        path: PathBuf,
    },
    /// Another thread is starting or stopping it.
    #[error("'{}' is being started or stopped by another thread; try again after that", path.display())]
    Busy {
        /// Which root.
        path: PathBuf,
    },
    /// What happened in the folder has not all been looked at yet.
    #[error(
        "what was changed in '{}' was not all looked at within {} s; the rest is found by the next \
         start",
        path.display(),
        patience.as_secs()
    )]
    Lagging {
        /// Which root.
        path: PathBuf,
        /// How long was waited.
        patience: Duration,
    },
    /// Names that Windows cannot have, and they were to be refused.
    #[error("{} names cannot be shown on Windows; the first: {}", report.count(),
            report.faults().first().map_or_else(String::new, ToString::to_string))]
    Names {
        /// All of them.
        report: NameReport,
    },
    /// The volume failed.
    #[error(transparent)]
    Volume(#[from] VfsError),
    /// What was changed cannot be recorded.
    #[error(transparent)]
    Changes(#[from] ChangeError),
    /// The threads that move content could not be had.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// A file or folder of ours failed.
    #[error("cannot {action} '{}': {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl ProjFsError {
    pub(crate) fn root(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Root { path: path.into(), reason: reason.into() }
    }

    pub(crate) fn state(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::State { path: path.into(), reason: reason.into() }
    }

    /// For `map_err`.
    pub(crate) fn io<P: Into<PathBuf>>(
        action: &'static str,
        path: P,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
