//! The waist: all that a front end knows of what it mounts.

use std::fmt;
use std::fs::File;
use std::num::NonZeroU64;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use rusty_attachments_model::{Content, ContentHash, ContentHasher, PathRef};

use crate::error::{VfsError, VfsErrorKind};

/// A node of a volume: a file, folder or link. Never reused while the volume lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root folder of every volume; FUSE demands that it is 1.
    pub const ROOT: Self = Self(1);
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
}

/// What is known of a node without touching its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The node itself.
    pub node: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// Bytes in a file, or in a link's target; zero for folders.
    pub size: u64,
    /// Microseconds since the Unix epoch; may be negative.
    pub mtime_us: i64,
    /// The POSIX execute bit.
    pub executable: bool,
}

/// Which bytes a file has, whatever its name and place: equal for equal content of one manifest
/// format. Small and self-contained, so that it can be kept outside and asked for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentIdentity {
    /// Bytes in the file.
    pub size: u64,
    /// Bytes in each chunk but the last; `None` for content that is one object.
    pub chunk_size: Option<NonZeroU64>,
    /// The object's hash; of chunked content the hash of its chunks' hashes in their order.
    pub hash: ContentHash,
}

impl ContentIdentity {
    /// The identity of a file of `size` bytes.
    #[must_use]
    pub fn of(size: u64, content: Content<'_>) -> Self {
        match content {
            Content::Whole(hash) => Self { size, chunk_size: None, hash },
            Content::Chunked { chunk_size, hashes } => {
                let mut hasher = ContentHasher::new();
                hashes.iter().for_each(|hash| hasher.update(hash.as_bytes()));
                Self { size, chunk_size: NonZeroU64::new(chunk_size), hash: hasher.finish() }
            }
        }
    }
}

/// One line of a listing.
#[derive(Clone, Copy, Debug)]
pub struct ListedEntry<'a> {
    /// The name in its folder.
    pub name: PathRef<'a>,
    /// What `Volume::attributes` would say of it.
    pub attributes: Attributes,
}

/// A folder's entries as they were when it was opened: does not change while it is held.
pub trait DirectoryListing: Send + Sync {
    /// How many entries there are, `.` and `..` not among them.
    fn len(&self) -> usize;

    /// Whether the folder is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `index`, in an order that is the same for every listing of an unchanged
    /// folder; `None` from `len` on.
    fn entry(&self, index: usize) -> Option<ListedEntry<'_>>;

    /// The folder that holds this one; the root holds itself.
    fn parent(&self) -> NodeId;
}

/// An answer that is either here or on its way.
pub enum Outcome<T> {
    /// Answered from memory or local disk.
    Ready(Result<T, VfsError>),
    /// Needs the store. Dropping the future cancels this request and no other; it ends by itself
    /// within the volume's time limits.
    Pending(BoxFuture<'static, Result<T, VfsError>>),
}

impl<T> Outcome<T> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn finish(self) -> Result<T, VfsError> {
        match self {
            Self::Ready(result) => result,
            Self::Pending(future) => future.await,
        }
    }
}

impl<T> fmt::Debug for Outcome<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Outcome::Ready",
            Self::Pending(_) => "Outcome::Pending",
        })
    }
}

/// Bytes that were read. Holding them pins the memory that they live in, so drop them soon.
pub struct ReadData(Source);

enum Source {
    Bytes(Bytes),
    Shared { bytes: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize> },
}

impl ReadData {
    /// Wraps a part of bytes that something else keeps alive; a range outside them reads as empty.
    #[must_use]
    pub fn shared(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Self {
        Self(Source::Shared { bytes, range })
    }
}

impl From<Bytes> for ReadData {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl Deref for ReadData {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Bytes(bytes) => bytes,
            Source::Shared { bytes, range } => {
                (**bytes).as_ref().get(range.clone()).unwrap_or_default()
            }
        }
    }
}

impl fmt::Debug for ReadData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadData({} bytes)", self.len())
    }
}

/// A change to a volume. The closed set that journal, replay and tests speak.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Whether a file may be executed.
    SetExecutable {
        /// The file.
        node: NodeId,
        /// The new bit.
        executable: bool,
    },
}

/// Who is behind a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A front end asks, and may be refused (FUSE, FSKit).
    Command,
    /// It has already happened on disk and can only be recorded (ProjFS).
    Observed,
}

/// How large a volume is, for `statfs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files together.
    pub bytes: u64,
    /// How many nodes there are.
    pub nodes: u64,
    /// Bytes that could still be written.
    pub bytes_free: u64,
}

/// Bytes in a piece of a copy.
pub const COPY_PIECE_BYTES: usize = 1 << 20;

/// Called with each node whose bytes must not be shown any more, though some were.
pub type InvalidationWatcher = Box<dyn Fn(NodeId) + Send + Sync>;

/// What a front end mounts.
///
/// All methods but `read` and `flush` answer from memory and never block. Implementations are
/// shared by many threads.
pub trait Volume: Send + Sync + 'static {
    /// The node called `name` in folder `parent`.
    ///
    /// # Errors
    /// `NotFound`; `NotDirectory` if the parent is no folder.
    fn lookup(&self, parent: NodeId, name: PathRef<'_>) -> Result<Attributes, VfsError>;

    /// What is known of a node.
    ///
    /// # Errors
    /// `NotFound` for a node that is no more.
    fn attributes(&self, node: NodeId) -> Result<Attributes, VfsError>;

    /// The entries of a folder.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`.
    fn children(&self, directory: NodeId) -> Result<Arc<dyn DirectoryListing>, VfsError>;

    /// Where a link leads, as it would be written in the link: relative to the link's folder.
    ///
    /// # Errors
    /// `NotFound`; `InvalidNode` if the node is no link.
    fn link_target(&self, node: NodeId) -> Result<Vec<u8>, VfsError>;

    /// The bytes of a file from `offset` on: `length` of them, fewer only at the end of the file.
    /// All of them are verified as the volume's policy demands.
    fn read(&self, node: NodeId, offset: u64, length: usize) -> Outcome<ReadData>;

    /// Which bytes a file has; `None` for other nodes.
    fn content_identity(&self, node: NodeId) -> Option<ContentIdentity>;

    /// As [`read`](Self::read), by identity: also content that no node has any more is read, as
    /// long as the store has it. Fails with `ContentMissing` for chunked content that no node has.
    fn read_content(
        &self,
        content: ContentIdentity,
        offset: u64,
        length: usize,
    ) -> Outcome<ReadData>;

    /// All bytes of some content in their order, for whoever keeps them elsewhere and needs them only
    /// once. Pieces have [`COPY_PIECE_BYTES`], or a smaller power of two of at least 4 KiB where
    /// memory is scarce, the last one what is left.
    ///
    /// Pieces may come before all of the content was verified; the end comes only after that, else
    /// `Corrupt`. So what was written down counts only if the stream has come to its end. Dropping the
    /// stream ends the copy; it has no time limit in all. Fails as [`Self::read_content`] does.
    fn copy_content(
        &self,
        content: ContentIdentity,
    ) -> BoxStream<'static, Result<ReadData, VfsError>>;

    /// A local file with exactly the node's content, complete and verified, if there is one. The
    /// kernel may read it instead of asking.
    fn local_file(&self, node: NodeId) -> Option<Arc<File>>;

    /// Makes every acknowledged change of a node survive a crash.
    fn flush(&self, node: NodeId) -> Outcome<()>;

    /// Applies or records a change.
    ///
    /// # Errors
    /// `ReadOnly` where changes are not taken; those of the change otherwise.
    fn apply(&self, change: &Change, authority: Authority) -> Result<Attributes, VfsError> {
        let (_, _) = (change, authority);
        Err(VfsError::new(VfsErrorKind::ReadOnly, "this volume takes no changes"))
    }

    /// The kernel holds one more reference to a node.
    fn retain(&self, node: NodeId) {
        let _ = node;
    }

    /// The kernel gave `count` references to a node back.
    fn release(&self, node: NodeId, count: u64) {
        let (_, _) = (node, count);
    }

    /// Asks to be told of nodes whose content turned out corrupt after bytes of it had been
    /// served, so that kernel caches can be dropped. The last caller is told. Volumes that verify
    /// everything first never call it.
    fn watch_invalidations(&self, watcher: InvalidationWatcher) {
        drop(watcher);
    }

    /// How large the volume is.
    fn usage(&self) -> Usage;

    /// A number that changes while bytes arrive, for whichever read: tells a slow volume from one
    /// that hangs. Always 0 if the volume does not know.
    fn progress(&self) -> u64 {
        0
    }

    /// The state of the volume as one JSON object, for `status` and for people.
    fn report(&self) -> String;
}
