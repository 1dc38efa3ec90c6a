//! The record on an item: what Windows keeps in a placeholder's reparse point (`projfs.md E10`),
//! here in an extended attribute of the lower file. No record: a full item (M5).

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::NewPlaceholder;
use crate::contract::{BasicInfo, FileState, Guid, HResult, Result, VersionInfo, Wide, attributes};
use crate::engine::nt_time;

/// First bytes of every record; the last one is the version of the format.
const MAGIC: [u8; 4] = *b"PFS\x01";

/// Bytes of the checksum behind [`MAGIC`].
const SUM: usize = 8;

/// Zeroes, for all local items.
static NO_VERSION: LazyLock<Arc<VersionInfo>> = LazyLock::new(Arc::default);

/// What is known of an item besides its names and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Of a virtualization root (E10).
    pub(super) root: bool,
    pub(super) state: FileState,
    pub(super) instance: Guid,
    pub(super) version: Arc<VersionInfo>,
    /// Path as projected when it was made (J3).
    pub(super) origin: Wide,
    /// SAW_PRE_RENAME (E10).
    pub(super) renamed: bool,
    /// Of a full item: attributes, and the creation time if it is not the lower file's. The rest is
    /// zero there: the lower file says it.
    pub(super) basic: BasicInfo,
    pub(super) link: Option<Wide>,
    pub(super) streams: Vec<Wide>,
    /// Kept and not interpreted (H12).
    pub(super) security: Vec<u8>,
}

/// A record's bytes, as postcard writes them.
#[derive(Serialize, Deserialize)]
struct Stored {
    root: bool,
    state: FileState,
    instance: Guid,
    /// Without zeros at the end: a version is mostly zeros, and some file systems hold 4 KiB only.
    provider: Vec<u8>,
    content: Vec<u8>,
    origin: Wide,
    renamed: bool,
    basic: BasicInfo,
    link: Option<Wide>,
    streams: Vec<Wide>,
    security: Vec<u8>,
}

impl Record {
    /// Of a full item (E6, E7). NTFS gives every new file ARCHIVE.
    pub(super) fn full(directory: bool, given: u32, link: Option<Wide>) -> Self {
        let given = if directory { given } else { given | attributes::ARCHIVE };
        let basic =
            BasicInfo { directory, attributes: kept(given, directory), ..BasicInfo::default() };
        Self {
            root: false,
            state: FileState::FULL,
            instance: Guid::default(),
            version: NO_VERSION.clone(),
            origin: Wide::default(),
            renamed: false,
            basic,
            link,
            streams: Vec::new(),
            security: Vec::new(),
        }
    }

    /// Of a tombstone (E8, E11).
    pub(super) fn tombstone() -> Self {
        let hidden = attributes::ARCHIVE | attributes::HIDDEN | attributes::SYSTEM;
        let mut record = Self::full(false, hidden, None);
        record.state = FileState::TOMBSTONE;
        record.basic = with_times(record.basic);
        record
    }

    /// Of a new placeholder (E3).
    pub(super) fn placeholder(new: &NewPlaceholder<'_>) -> Self {
        let given = new.info.basic;
        let size = if given.directory || new.info.link.is_some() { 0 } else { given.size };
        let attributes = kept(given.attributes, given.directory);
        Self {
            root: false,
            state: FileState::PLACEHOLDER,
            instance: new.instance,
            version: Arc::new(new.info.version),
            origin: new.origin.clone(),
            renamed: false,
            basic: with_times(BasicInfo { size, attributes, ..given }),
            link: new.info.link.clone(),
            streams: new.info.streams.clone(),
            security: new.info.security.clone(),
        }
    }

    /// What remains when it becomes full (E6): nothing that ties it to the projection.
    pub(super) fn into_full(self) -> Self {
        Self {
            basic: BasicInfo { creation: self.basic.creation, ..self.basic_of_full() },
            streams: self.streams,
            security: self.security,
            ..Self::full(self.basic.directory, 0, self.link)
        }
    }

    fn basic_of_full(&self) -> BasicInfo {
        BasicInfo {
            directory: self.basic.directory,
            attributes: self.basic.attributes,
            ..BasicInfo::default()
        }
    }

    /// Whether it says no more than a missing one.
    pub(super) fn says_nothing(&self) -> bool {
        *self == Self::full(self.basic.directory, 0, None)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let stored = Stored {
            root: self.root,
            state: self.state,
            instance: self.instance,
            provider: trimmed(&self.version.provider),
            content: trimmed(&self.version.content),
            origin: self.origin.clone(),
            renamed: self.renamed,
            basic: self.basic,
            link: self.link.clone(),
            streams: self.streams.clone(),
            security: self.security.clone(),
        };
        let payload = postcard::to_stdvec(&stored).map_err(|error| {
            tracing::error!(%error, "the record of an item cannot be written down");
            HResult::INTERNAL_ERROR
        })?;
        Ok([&MAGIC, checksum(&payload).as_slice(), &payload].concat())
    }

    /// `None` if these are not the bytes of a record.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sum, payload) = bytes.strip_prefix(&MAGIC)?.split_at_checked(SUM)?;
        if sum != checksum(payload) {
            return None;
        }
        let (stored, rest) = postcard::take_from_bytes::<Stored>(payload).ok()?;
        if !rest.is_empty() || !is_state(stored.state) {
            return None;
        }
        let version =
            VersionInfo { provider: padded(&stored.provider)?, content: padded(&stored.content)? };
        Some(Self {
            root: stored.root,
            state: stored.state,
            instance: stored.instance,
            version: Arc::new(version),
            origin: stored.origin,
            renamed: stored.renamed,
            basic: stored.basic,
            link: stored.link,
            streams: stored.streams,
            security: stored.security,
        })
    }
}

/// Whether these bits are one of the states of D6.
pub(super) fn is_state(state: FileState) -> bool {
    let placeholder = FileState::PLACEHOLDER | FileState::HYDRATED | FileState::DIRTY;
    state == FileState::FULL
        || state == FileState::TOMBSTONE
        || (state.contains(FileState::PLACEHOLDER) && placeholder.contains(state))
}

/// The attributes that an item keeps of those given: DIRECTORY is derived (F16), OFFLINE is not
/// kept (E16), NORMAL says nothing.
pub(super) const fn kept(given: u32, directory: bool) -> u32 {
    let derived = attributes::DIRECTORY | attributes::OFFLINE | attributes::NORMAL;
    given & !derived | if directory { attributes::DIRECTORY } else { 0 }
}

/// Times that are not given become now (F16).
fn with_times(basic: BasicInfo) -> BasicInfo {
    let now = nt_time::now();
    let given = |time| if time == 0 { now } else { time };
    BasicInfo {
        creation: given(basic.creation),
        access: given(basic.access),
        write: given(basic.write),
        change: given(basic.change),
        ..basic
    }
}

fn checksum(payload: &[u8]) -> [u8; SUM] {
    (XxHash3_128::oneshot(payload) as u64).to_le_bytes()
}

fn trimmed(id: &[u8; 128]) -> Vec<u8> {
    let used = id.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    id.iter().take(used).copied().collect()
}

fn padded(id: &[u8]) -> Option<[u8; 128]> {
    let mut padded = [0; 128];
    padded.get_mut(..id.len())?.copy_from_slice(id);
    Some(padded)
}
