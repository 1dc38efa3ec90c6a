//! What differs between the base (a manifest's tree) and now, whichever front end saw it change.
//!
//! [`ChangeSet`] is the truth in memory: a state for every path that is not, or may not be, what
//! the base has. It is exact at any moment and costs what changed. [`ChangeStore`] keeps one in a
//! [`Journal`] on disk, so that it survives `kill -9` and remounts. [`classify()`] compares it with a
//! [`Base`]: states are absolute, so the same set can be held against a newer manifest.
//!
//! Content is compared by hash. Times alone make no change. A file whose hash is not known yet is
//! told as [`ChangeKind::Unhashed`], never guessed; [`hash_file`] finds it out.

mod base;
mod classify;
mod conflict;
mod hash;
mod journal;
mod key;
mod record;
mod set;
mod state;
mod store;

pub use base::{Base, BaseEntry, VolumeBase};
pub use classify::{ChangeKind, Changed, classify};
pub use conflict::{Conflict, conflicts};
pub use hash::{HashError, Hashed, hash_file};
pub use journal::{Journal, JournalError, Replayed};
pub(crate) use key::Key;
pub use key::NameRule;
pub use set::ChangeSet;
pub use state::{FileStamp, LocalContent, LocalFile, LocalState};
pub use store::{ChangeError, ChangeStore};
