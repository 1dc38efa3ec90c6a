//! Why a manifest cannot be shown as a tree.

use rusty_attachments_model::{ManifestError, PathBuf};

use crate::error::{VfsError, VfsErrorKind};

/// A manifest that was refused whole, with the entries that are wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// It is a diff, or has absolute paths.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Two entries with one path.
    #[error("'{path}' is in the manifest twice, as a {first} and as a {second}")]
    Duplicate {
        /// The path of both.
        path: PathBuf,
        /// What the first one is.
        first: &'static str,
        /// What the second one is.
        second: &'static str,
    },
    /// A file or link stands where another entry needs a folder.
    #[error("'{path}' is a {kind} in the manifest, but '{below}' needs it to be a folder")]
    NotFolder {
        /// The path of the file or link.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// The other entry.
        below: PathBuf,
    },
    /// A path with a component that no folder can hold.
    #[error(
        "'{path}' has an empty, '.' or '..' component; refused, because it could leave the mount"
    )]
    UnsafePath {
        /// The path.
        path: PathBuf,
    },
    /// More than 32-bit ids and offsets can address.
    #[error("the manifest holds more files and folders, or longer names, than a mount can show")]
    TooLarge,
}

impl From<TreeError> for VfsError {
    fn from(error: TreeError) -> Self {
        Self::new(VfsErrorKind::InvalidNode, format!("cannot mount the manifest: {error}"))
    }
}
