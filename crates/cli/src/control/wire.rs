//! Changes as JSON, without loss: what a manifest path can hold, text cannot always.

use std::num::NonZeroU64;

use rusty_attachments_model::{ContentHash, PathBuf};
use rusty_attachments_vfs::ContentIdentity;
use rusty_attachments_vfs::changes::{
    ChangeKind, Changed, FileStamp, LocalContent, LocalFile, LocalState,
};
use serde::{Deserialize, Serialize};

/// A path: as text where that holds it, else as the bytes of its WTF-8.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum WirePath {
    Text(String),
    Wtf8(Vec<u8>),
}

impl From<&PathBuf> for WirePath {
    fn from(path: &PathBuf) -> Self {
        match path.as_ref().to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Wtf8(path.as_ref().as_wtf8().to_vec()),
        }
    }
}

impl From<WirePath> for PathBuf {
    fn from(path: WirePath) -> Self {
        match path {
            WirePath::Text(text) => Self::from(text.as_str()),
            WirePath::Wtf8(bytes) => Self::from_wtf8(bytes),
        }
    }
}

/// One change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireChange {
    path: WirePath,
    kind: WireKind,
    state: WireState,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireKind {
    Added,
    Modified,
    Deleted,
    Renamed { from: WirePath },
    ModeChanged,
    Unhashed,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireState {
    Deleted,
    Directory,
    File(WireFile),
    Symlink { target: Vec<u8> },
}

#[derive(Debug, Serialize, Deserialize)]
struct WireFile {
    stamp: FileStamp,
    executable: Option<bool>,
    content: WireContent,
    renamed_from: Option<WirePath>,
    derived_from: Option<WireIdentity>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireContent {
    Unhashed,
    Base(WireIdentity),
    Hashed { chunk_size: u64, hashes: Vec<String> },
}

#[derive(Debug, Serialize, Deserialize)]
struct WireIdentity {
    size: u64,
    chunk_size: Option<NonZeroU64>,
    hash: String,
}

impl From<ContentIdentity> for WireIdentity {
    fn from(identity: ContentIdentity) -> Self {
        let ContentIdentity { size, chunk_size, hash } = identity;
        Self { size, chunk_size, hash: hash.to_string() }
    }
}

impl WireIdentity {
    fn read(self) -> Option<ContentIdentity> {
        let hash = self.hash.parse().ok()?;
        Some(ContentIdentity { size: self.size, chunk_size: self.chunk_size, hash })
    }
}

impl From<&Changed> for WireChange {
    fn from(changed: &Changed) -> Self {
        let kind = match &changed.kind {
            ChangeKind::Added => WireKind::Added,
            ChangeKind::Modified => WireKind::Modified,
            ChangeKind::Deleted => WireKind::Deleted,
            ChangeKind::Renamed { from } => WireKind::Renamed { from: from.into() },
            ChangeKind::ModeChanged => WireKind::ModeChanged,
            ChangeKind::Unhashed => WireKind::Unhashed,
        };
        let state = match &changed.state {
            LocalState::Deleted => WireState::Deleted,
            LocalState::Directory => WireState::Directory,
            LocalState::File(file) => WireState::File(file.into()),
            LocalState::Symlink { target } => WireState::Symlink { target: target.clone() },
        };
        Self { path: (&changed.path).into(), kind, state }
    }
}

impl From<&LocalFile> for WireFile {
    fn from(file: &LocalFile) -> Self {
        let content = match &file.content {
            LocalContent::Unhashed => WireContent::Unhashed,
            LocalContent::Base(identity) => WireContent::Base((*identity).into()),
            LocalContent::Hashed { chunk_size, hashes } => WireContent::Hashed {
                chunk_size: *chunk_size,
                hashes: hashes.iter().map(ContentHash::to_string).collect(),
            },
        };
        Self {
            stamp: file.stamp,
            executable: file.executable,
            content,
            renamed_from: file.renamed_from.as_ref().map(WirePath::from),
            derived_from: file.derived_from.map(WireIdentity::from),
        }
    }
}

impl WireChange {
    /// The change; `None` if a hash is none.
    pub(super) fn read(self) -> Option<Changed> {
        let kind = match self.kind {
            WireKind::Added => ChangeKind::Added,
            WireKind::Modified => ChangeKind::Modified,
            WireKind::Deleted => ChangeKind::Deleted,
            WireKind::Renamed { from } => ChangeKind::Renamed { from: from.into() },
            WireKind::ModeChanged => ChangeKind::ModeChanged,
            WireKind::Unhashed => ChangeKind::Unhashed,
        };
        let state = match self.state {
            WireState::Deleted => LocalState::Deleted,
            WireState::Directory => LocalState::Directory,
            WireState::File(file) => LocalState::File(file.read()?),
            WireState::Symlink { target } => LocalState::Symlink { target },
        };
        Some(Changed { path: self.path.into(), kind, state })
    }
}

impl WireFile {
    fn read(self) -> Option<LocalFile> {
        let content = match self.content {
            WireContent::Unhashed => LocalContent::Unhashed,
            WireContent::Base(identity) => LocalContent::Base(identity.read()?),
            WireContent::Hashed { chunk_size, hashes } => {
                let hashes = hashes.iter().map(|hash| hash.parse().ok());
                LocalContent::Hashed { chunk_size, hashes: hashes.collect::<Option<_>>()? }
            }
        };
        let derived_from = match self.derived_from {
            Some(identity) => Some(identity.read()?),
            None => None,
        };
        Some(LocalFile {
            stamp: self.stamp,
            executable: self.executable,
            content,
            renamed_from: self.renamed_from.map(PathBuf::from),
            derived_from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(changed: &Changed) -> Option<Changed> {
        let text = serde_json::to_string(&WireChange::from(changed)).unwrap();
        assert_eq!(text.lines().count(), 1);
        serde_json::from_str::<WireChange>(&text).unwrap().read()
    }

    fn file(content: LocalContent) -> LocalState {
        LocalState::File(LocalFile {
            stamp: FileStamp { size: u64::MAX, mtime_ns: -5 },
            executable: Some(true),
            content,
            renamed_from: Some("old\nname".into()),
            derived_from: Some(identity(NonZeroU64::new(7))),
        })
    }

    fn identity(chunk_size: Option<NonZeroU64>) -> ContentIdentity {
        ContentIdentity { size: 3, chunk_size, hash: ContentHash::of(b"abc") }
    }

    #[test]
    fn every_change_arrives_as_it_was_sent() {
        let odd = PathBuf::from_unix(b"odd\xff/name");
        let hashes = vec![ContentHash::of(b"a"), ContentHash::of(b"b")];
        for (kind, state) in [
            (ChangeKind::Added, LocalState::Directory),
            (ChangeKind::Deleted, LocalState::Deleted),
            (ChangeKind::Modified, LocalState::Symlink { target: vec![0xed, 0xa0, 0x80] }),
            (ChangeKind::Unhashed, file(LocalContent::Unhashed)),
            (ChangeKind::ModeChanged, file(LocalContent::Base(identity(None)))),
            (
                ChangeKind::Renamed { from: odd.clone() },
                file(LocalContent::Hashed { chunk_size: 1 << 28, hashes }),
            ),
        ] {
            let changed = Changed { path: odd.clone(), kind, state };
            assert_eq!(sent(&changed).as_ref(), Some(&changed));
        }
    }

    #[test]
    fn a_hash_that_is_none_is_refused() {
        let identity = WireIdentity { size: 1, chunk_size: None, hash: "ab".into() };
        assert_eq!(identity.read(), None);
    }
}
