//! Who wants to know of written files at once.

use std::fmt;

use rusty_attachments_model::PathRef;

/// Hears of files that programs wrote, soon after: a chance to begin early with what an export will
/// need. Not exact, unlike the changes: a file may be told of several times, or while it is written.
pub trait WriteObserver: fmt::Debug + Send + Sync {
    /// The file at `path` (with `/`) has bytes of its own that nobody has hashed. Called on the
    /// thread that keeps track of changes: must not wait.
    fn written(&self, path: PathRef<'_>);
}
