//! What was changed here and, since then, in the base too.

use rusty_attachments_model::PathBuf;

use super::base::Base;
use super::set::ChangeSet;
use super::state::{LocalState, is_same_content};
use crate::volume::ContentIdentity;

/// A path that was changed here, and in the base since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which path. What was changed here stays.
    pub path: PathBuf,
    /// The content that the change started from; `None` if there was none.
    pub derived_from: Option<ContentIdentity>,
    /// The content that the base has now; `None` if none.
    pub base: Option<ContentIdentity>,
}

/// All files that started from other content than the base has now, in order of their paths.
///
/// A file that has by now exactly what the base has is none. Content that cannot be compared
/// (chunked otherwise) is told: better one too many than one lost.
#[must_use]
pub fn conflicts(set: &ChangeSet, base: &dyn Base) -> Vec<Conflict> {
    let is_same = |a: Option<ContentIdentity>, b: Option<ContentIdentity>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => is_same_content(&a, &b) == Some(true),
        _ => false,
    };
    let mut conflicts = Vec::new();
    for (path, state) in set.iter() {
        let LocalState::File(file) = state else { continue };
        let theirs = base.entry(path).and_then(|entry| entry.content);
        let is_equal_now = theirs.is_some() && is_same(file.identity(), theirs);
        if !is_same(file.derived_from, theirs) && !is_equal_now {
            let (path, derived_from) = (path.into(), file.derived_from);
            conflicts.push(Conflict { path, derived_from, base: theirs });
        }
    }
    conflicts
}
