//! One projected entry.

use rusty_attachments_vfs::{ContentIdentity, NodeId};

/// Microseconds from 1601, where Windows begins to count, to 1970.
const EPOCH_US: i64 = 11_644_473_600 * 1_000_000;

/// A file, folder or link as ProjFS is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectedFileInfo {
    /// The name in UTF-16, as the volume spells it; no NUL inside.
    pub name: Box<[u16]>,
    /// The node of the volume whose content it has.
    pub node: NodeId,
    /// What it is.
    pub kind: ProjectedKind,
    /// Bytes of a file; 0 for folders and links (projfs.md H7).
    pub size: u64,
    /// Time of the last write, in units of 100 ns since 1601 (projfs.md C3), up to the end of the
    /// year 9999. Never 0, which would mean "now".
    pub write_time: i64,
    /// What the content is, whatever its name; `None` for folders and links.
    pub content: Option<ContentIdentity>,
}

/// What a projected entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectedKind {
    /// A folder.
    Directory,
    /// A file, or a link that is shown as the file it leads to.
    File,
    /// A symbolic link.
    Symlink {
        /// Where it leads, in Windows' spelling (projfs.md E21).
        target: Box<[u16]>,
        /// Whether it leads to a folder, which Windows wants to know of a link.
        directory: bool,
    },
}

impl ProjectedFileInfo {
    /// Whether it is a folder that has a listing. A link to a folder is none.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind, ProjectedKind::Directory)
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory_bytes(&self) -> u64 {
        let target = match &self.kind {
            ProjectedKind::Symlink { target, .. } => target.len(),
            ProjectedKind::Directory | ProjectedKind::File => 0,
        };
        (size_of::<Self>() + 2 * (self.name.len() + target)) as u64
    }
}

/// The first moment that does not mean "not given" (projfs.md F16).
const FIRST_TIME: i64 = 1;

/// The last moment of the year 9999: many programs fail on later ones.
const LAST_TIME: i64 = 2_650_467_743_999_999_999;

/// Unix microseconds as Windows counts time; what lies outside of the years that Windows and its
/// programs know becomes the first or last moment of them.
pub(super) fn windows_time(unix_us: i64) -> i64 {
    unix_us.saturating_add(EPOCH_US).saturating_mul(10).clamp(FIRST_TIME, LAST_TIME)
}
