//! What is at a path now.

use std::fs::Metadata;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusty_attachments_model::{Content, ContentHash, PathBuf};
use serde::{Deserialize, Serialize};

use crate::volume::ContentIdentity;

/// What is at a path now, where that is not (or may not be) what the base has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalState {
    /// Nothing, though the base has something. Nothing of what the base has below is there either.
    Deleted,
    /// A folder that the base does not have, or not any more: one that is noted where nothing, a
    /// file or a link was noted before shows nothing of what the base has below.
    Directory,
    /// A file with content of its own.
    File(LocalFile),
    /// A symbolic link; the target as it is written in the link, in WTF-8 with `/`.
    Symlink {
        /// Where it leads.
        target: Vec<u8>,
    },
}

/// A file that was written, or put where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Size and time when it was last looked at.
    pub stamp: FileStamp,
    /// The POSIX execute bit; `None` where the system has none: then the base's counts.
    pub executable: Option<bool>,
    /// What is known of its bytes.
    pub content: LocalContent,
    /// Where it was before a rename, if it came from a path of the base.
    pub renamed_from: Option<PathBuf>,
    /// The content that the base had at this path when the file was first changed; `None` if it
    /// had none. Tells a conflict after a remount with another base.
    pub derived_from: Option<ContentIdentity>,
}

/// Which version of a file was looked at: equal stamps mean that nobody wrote in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Last write in nanoseconds since the Unix epoch, as exact as the file system tells; files
    /// that are younger than two seconds when they are hashed are hashed again.
    pub mtime_ns: i128,
}

/// How coarse the times of the coarsest file systems are.
const COARSEST_TIME: Duration = Duration::from_secs(2);

impl FileStamp {
    /// The stamp that a file's metadata carries.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let mtime_ns =
            metadata.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
                Ok(after) => nanoseconds(after),
                Err(before) => -nanoseconds(before.duration()),
            });
        Self { size: metadata.len(), mtime_ns }
    }

    /// Whether the last write is so long before `now` that any write after `now` gives another
    /// stamp. What was hashed before its stamp was settled must be hashed again.
    #[must_use]
    pub fn is_settled(self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, nanoseconds);
        now.saturating_sub(self.mtime_ns) >= nanoseconds(COARSEST_TIME)
    }

    /// The time of the last write as manifests have it: microseconds, rounded down
    /// (`deadline.md` 1.1).
    #[must_use]
    pub fn mtime_us(self) -> i64 {
        let micros = self.mtime_ns.div_euclid(1000);
        i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// What is known of a changed file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalContent {
    /// Nothing yet.
    Unhashed,
    /// They are the base content with this identity (a renamed file that nobody wrote to).
    Base(ContentIdentity),
    /// They were hashed when the file had the stamp beside it; `chunk_size` 0 for one object.
    Hashed {
        /// Bytes in each chunk but the last; 0 if `hashes` is one hash of everything.
        chunk_size: u64,
        /// One hash, or one for each chunk.
        hashes: Vec<ContentHash>,
    },
}

impl LocalFile {
    /// Which bytes the file has; `None` if they have not been hashed, or if the hashes noted are
    /// not those of a file of the stamp's size.
    #[must_use]
    pub fn identity(&self) -> Option<ContentIdentity> {
        let size = self.stamp.size;
        match &self.content {
            LocalContent::Unhashed => None,
            LocalContent::Base(identity) => Some(*identity),
            LocalContent::Hashed { chunk_size, hashes } => match NonZeroU64::new(*chunk_size) {
                None => match hashes.as_slice() {
                    [hash] => Some(ContentIdentity::of(size, Content::Whole(*hash))),
                    _ => None,
                },
                Some(chunk_size) => {
                    let chunks = u64::try_from(hashes.len()).ok()?;
                    let content = Content::Chunked { chunk_size: chunk_size.get(), hashes };
                    (chunks == size.div_ceil(chunk_size.get()))
                        .then(|| ContentIdentity::of(size, content))
                }
            },
        }
    }
}

/// Whether two identities stand for the same bytes; `None` if only hashing the bytes as the other
/// is chunked could tell.
pub(super) fn is_same_content(a: &ContentIdentity, b: &ContentIdentity) -> Option<bool> {
    if a.size != b.size {
        return Some(false);
    }
    if a.size == 0 {
        return Some(true);
    }
    if a.chunk_size == b.chunk_size {
        return Some(a.hash == b.hash);
    }
    Some(hash_of_only_hash(a)? == hash_of_only_hash(b)?)
}

/// The hash of the one hash that the content has; `None` if it has several. A chunk that is the
/// whole file has the whole file's hash.
fn hash_of_only_hash(identity: &ContentIdentity) -> Option<ContentHash> {
    match identity.chunk_size {
        None => Some(ContentHash::of(identity.hash.as_bytes())),
        Some(chunk_size) => (identity.size <= chunk_size.get()).then_some(identity.hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(bytes: &[u8], chunk_size: u64) -> ContentIdentity {
        let step = usize::try_from(chunk_size).unwrap();
        let hashes: Vec<_> = match step {
            0 => vec![ContentHash::of(bytes)],
            _ => bytes.chunks(step).map(ContentHash::of).collect(),
        };
        let stamp = FileStamp { size: bytes.len() as u64, mtime_ns: 0 };
        let content = LocalContent::Hashed { chunk_size, hashes };
        let file =
            LocalFile { stamp, executable: None, content, renamed_from: None, derived_from: None };
        file.identity().unwrap()
    }

    #[test]
    fn content_is_compared_across_chunkings_where_that_is_possible() {
        for (a, b, same) in [
            (identity(b"abcd", 0), identity(b"abcd", 0), Some(true)),
            (identity(b"abcd", 0), identity(b"abcx", 0), Some(false)),
            (identity(b"abcd", 0), identity(b"abcd", 4), Some(true)),
            (identity(b"abcd", 9), identity(b"abcd", 4), Some(true)),
            (identity(b"abcd", 9), identity(b"abcx", 4), Some(false)),
            (identity(b"abcd", 0), identity(b"abcd", 3), None),
            (identity(b"abcd", 2), identity(b"abcx", 3), None),
            (identity(b"abcd", 2), identity(b"abcde", 3), Some(false)),
            (identity(b"", 0), identity(b"", 3), Some(true)),
        ] {
            assert_eq!(is_same_content(&a, &b), same, "{a:?} {b:?}");
            assert_eq!(is_same_content(&b, &a), same, "{b:?} {a:?}");
        }
    }

    #[test]
    fn hashes_that_do_not_fit_the_size_tell_nothing() {
        let file = |size, chunk_size, hashes: usize| LocalFile {
            stamp: FileStamp { size, mtime_ns: 0 },
            executable: None,
            content: LocalContent::Hashed { chunk_size, hashes: vec![ContentHash::EMPTY; hashes] },
            renamed_from: None,
            derived_from: None,
        };
        assert_eq!(file(5, 0, 2).identity(), None);
        assert_eq!(file(5, 0, 0).identity(), None);
        assert_eq!(file(5, 2, 2).identity(), None);
        assert!(file(5, 2, 3).identity().is_some());
    }

    #[test]
    fn a_stamp_settles_two_seconds_after_the_last_write() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std::fs::write(&path, b"abc").unwrap();
        let stamp = FileStamp::of(&std::fs::metadata(&path).unwrap());
        assert_eq!(stamp.size, 3);
        let written = UNIX_EPOCH + Duration::from_nanos(u64::try_from(stamp.mtime_ns).unwrap());
        assert!(!stamp.is_settled(written + Duration::from_millis(1999)));
        assert!(stamp.is_settled(written + COARSEST_TIME));
        assert!(!stamp.is_settled(written - COARSEST_TIME), "a time in the future never settles");

        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH - Duration::from_millis(1500)).unwrap();
        assert_eq!(FileStamp::of(&file.metadata().unwrap()).mtime_ns, -1_500_000_000);
    }
}
