//! Paths that could not be looked at, and why.

use std::collections::HashMap;
use std::sync::Arc;

use rusty_attachments_model::PathBuf;

use super::paths::Key;
use crate::error::ProjFsError;

/// Paths with an error that are remembered; with more, everything is in question.
const FAILURES_MAX: usize = 1_000;

/// What could not be looked at the last time.
#[derive(Debug, Default)]
pub(super) struct Failures(HashMap<Key, Failure>);

#[derive(Debug)]
struct Failure {
    path: PathBuf,
    /// Shared by all paths of one job.
    error: Arc<ProjFsError>,
}

impl Failures {
    /// Remembers why paths could not be looked at. The empty path, or none, is the whole root.
    pub(super) fn add(&mut self, paths: &[PathBuf], error: ProjFsError) {
        let error = Arc::new(error);
        let everything = [PathBuf::default()];
        let is_full = self.0.len() + paths.len() > FAILURES_MAX;
        let paths = if is_full || paths.is_empty() { &everything } else { paths };
        if is_full {
            self.0.clear();
        }
        for path in paths {
            let failure = Failure { path: path.clone(), error: Arc::clone(&error) };
            self.0.insert(Key::of(path.as_ref()), failure);
        }
    }

    /// Forgets paths that could be looked at since.
    pub(super) fn settle(&mut self, paths: &[PathBuf]) {
        if !self.0.is_empty() {
            for path in paths {
                self.0.remove(&Key::of(path.as_ref()));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all: one of the errors, and the paths.
    pub(super) fn take(&mut self) -> Option<(ProjFsError, Vec<PathBuf>)> {
        let (mut first, mut paths) = (None, Vec::with_capacity(self.0.len()));
        for (_, Failure { path, error }) in self.0.drain() {
            first.get_or_insert(error);
            paths.push(path);
        }
        Some((first.and_then(Arc::into_inner)?, paths))
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.values().map(|failure| failure.error.to_string()).collect()
    }
}
