//! How changes are written to the journal.
//!
//! Variants and fields are only ever added at the end of an enum; any other change is a new
//! [`VERSION`].

use std::num::NonZeroU64;

use rusty_attachments_model::{ContentHash, PathBuf, PathRef};
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;

use super::set::{ChangeSet, Noted};
use super::state::{FileStamp, LocalContent, LocalFile, LocalState};
use crate::volume::ContentIdentity;

/// Of the records in a journal of changes.
pub(super) const VERSION: u32 = 1;

/// How many paths a record of a compacted journal has.
const PATHS_IN_RECORD: usize = 256;

#[derive(Serialize, Deserialize)]
enum Record<'a> {
    #[serde(borrow)]
    States(Vec<(&'a Bytes, Option<State<'a>>)>),
    RenameTree {
        from: &'a Bytes,
        to: &'a Bytes,
    },
}

#[derive(Serialize, Deserialize)]
enum State<'a> {
    Deleted,
    Directory,
    #[serde(borrow)]
    File(StoredFile<'a>),
    Symlink(&'a Bytes),
}

#[derive(Serialize, Deserialize)]
struct StoredFile<'a> {
    stamp: FileStamp,
    executable: Option<bool>,
    content: StoredContent,
    #[serde(borrow)]
    renamed_from: Option<&'a Bytes>,
    derived_from: Option<Identity>,
}

#[derive(Serialize, Deserialize)]
enum StoredContent {
    Unhashed,
    Base(Identity),
    Hashed { chunk_size: u64, hashes: Vec<[u8; 16]> },
}

#[derive(Serialize, Deserialize)]
struct Identity {
    size: u64,
    chunk_size: Option<NonZeroU64>,
    hash: [u8; 16],
}

/// The record that `ChangeSet::set` be called for each of these.
pub(super) fn of_states<'a>(
    states: impl Iterator<Item = (PathRef<'a>, Option<&'a LocalState>)>,
) -> Vec<u8> {
    let states =
        states.map(|(path, state)| (Bytes::new(path.as_wtf8()), state.map(State::from))).collect();
    encode(&Record::States(states))
}

/// The record that `ChangeSet::rename_tree` be called.
pub(super) fn of_rename_tree(from: PathRef<'_>, to: PathRef<'_>) -> Vec<u8> {
    let (from, to) = (Bytes::new(from.as_wtf8()), Bytes::new(to.as_wtf8()));
    encode(&Record::RenameTree { from, to })
}

fn encode(record: &Record<'_>) -> Vec<u8> {
    // Nothing here can fail to be encoded; if it did, the journal would refuse the empty record.
    postcard::to_stdvec(record).unwrap_or_default()
}

/// Records that make an empty set what `set` is.
pub(super) fn of_set(set: &ChangeSet) -> impl Iterator<Item = Vec<u8>> {
    let mut noted = set.noted().peekable();
    std::iter::from_fn(move || {
        noted.peek()?;
        let states = noted.by_ref().take(PATHS_IN_RECORD).flat_map(|(_, noted)| {
            let path = noted.path.as_ref();
            // A folder that is noted where nothing was hides what the base has below.
            let is_hiding_folder = noted.hides && noted.state == LocalState::Directory;
            let before = is_hiding_folder.then_some((path, Some(&LocalState::Deleted)));
            before.into_iter().chain([(path, Some(&noted.state))])
        });
        Some(of_states(states))
    })
}

/// About how many bytes [`of_set`] needs for this.
pub(super) fn estimated_size(noted: &Noted) -> u64 {
    let variable = match &noted.state {
        LocalState::Deleted | LocalState::Directory => 0,
        LocalState::Symlink { target } => target.len(),
        LocalState::File(file) => {
            let content = match &file.content {
                LocalContent::Unhashed => 0,
                LocalContent::Base(_) => size_of::<Identity>(),
                LocalContent::Hashed { hashes, .. } => hashes.len() * size_of::<ContentHash>(),
            };
            let renamed =
                file.renamed_from.as_ref().map_or(0, |from| from.as_ref().as_wtf8().len());
            size_of::<FileStamp>() + content + renamed
        }
    };
    let fixed = 4;
    u64::try_from(noted.path.as_ref().as_wtf8().len() + variable + fixed).unwrap_or(u64::MAX)
}

/// Does what a record says.
pub(super) fn replay(record: &[u8], set: &mut ChangeSet) -> Result<(), postcard::Error> {
    let (record, rest) = postcard::take_from_bytes(record)?;
    if !rest.is_empty() {
        return Err(postcard::Error::DeserializeBadEncoding);
    }
    match record {
        Record::States(states) => {
            for (path, state) in states {
                set.set(PathRef::from_wtf8(path), state.map(LocalState::from));
            }
        }
        Record::RenameTree { from, to } => {
            set.rename_tree(PathRef::from_wtf8(from), PathRef::from_wtf8(to));
        }
    }
    Ok(())
}

impl<'a> From<&'a LocalState> for State<'a> {
    fn from(state: &'a LocalState) -> Self {
        match state {
            LocalState::Deleted => Self::Deleted,
            LocalState::Directory => Self::Directory,
            LocalState::Symlink { target } => Self::Symlink(Bytes::new(target)),
            LocalState::File(file) => Self::File(StoredFile {
                stamp: file.stamp,
                executable: file.executable,
                content: (&file.content).into(),
                renamed_from: file
                    .renamed_from
                    .as_ref()
                    .map(|path| Bytes::new(path.as_ref().as_wtf8())),
                derived_from: file.derived_from.map(Identity::from),
            }),
        }
    }
}

impl From<State<'_>> for LocalState {
    fn from(state: State<'_>) -> Self {
        match state {
            State::Deleted => Self::Deleted,
            State::Directory => Self::Directory,
            State::Symlink(target) => Self::Symlink { target: target.to_vec() },
            State::File(file) => Self::File(LocalFile {
                stamp: file.stamp,
                executable: file.executable,
                content: file.content.into(),
                renamed_from: file.renamed_from.map(|path| PathBuf::from_wtf8(path.to_vec())),
                derived_from: file.derived_from.map(ContentIdentity::from),
            }),
        }
    }
}

impl From<&LocalContent> for StoredContent {
    fn from(content: &LocalContent) -> Self {
        match content {
            LocalContent::Unhashed => Self::Unhashed,
            LocalContent::Base(identity) => Self::Base((*identity).into()),
            LocalContent::Hashed { chunk_size, hashes } => Self::Hashed {
                chunk_size: *chunk_size,
                hashes: hashes.iter().map(|hash| *hash.as_bytes()).collect(),
            },
        }
    }
}

impl From<StoredContent> for LocalContent {
    fn from(content: StoredContent) -> Self {
        match content {
            StoredContent::Unhashed => Self::Unhashed,
            StoredContent::Base(identity) => Self::Base(identity.into()),
            StoredContent::Hashed { chunk_size, hashes } => {
                let hashes = hashes.into_iter().map(ContentHash::from_bytes).collect();
                Self::Hashed { chunk_size, hashes }
            }
        }
    }
}

impl From<ContentIdentity> for Identity {
    fn from(ContentIdentity { size, chunk_size, hash }: ContentIdentity) -> Self {
        Self { size, chunk_size, hash: *hash.as_bytes() }
    }
}

impl From<Identity> for ContentIdentity {
    fn from(Identity { size, chunk_size, hash }: Identity) -> Self {
        Self { size, chunk_size, hash: ContentHash::from_bytes(hash) }
    }
}
