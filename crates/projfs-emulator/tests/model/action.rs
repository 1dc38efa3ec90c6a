//! What processes do, and what comes of it.

use std::collections::BTreeMap;

use projfs_emulator::contract::operations::{
    Access, Action as Did, Disposition, Kind, Open, Share,
};
use projfs_emulator::contract::{FailureCauses, FileState, HResult, UpdateFlags};

/// A place for an open handle.
pub(crate) type Slot = usize;

/// One thing that a process does, or that happens to one.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Open {
        slot: Slot,
        by: u32,
        path: String,
        how: How,
    },
    Read {
        slot: Slot,
        offset: u64,
        length: u32,
    },
    Write {
        slot: Slot,
        offset: u64,
        data: Vec<u8>,
    },
    SetSize {
        slot: Slot,
        size: u64,
    },
    /// Sets or clears the read-only attribute.
    SetReadOnly {
        slot: Slot,
        read_only: bool,
    },
    Dispose {
        slot: Slot,
        delete: bool,
    },
    Rename {
        slot: Slot,
        to: String,
        replace: bool,
    },
    Link {
        slot: Slot,
        to: String,
    },
    Close {
        slot: Slot,
    },
    /// Opens a directory, lists it from the beginning so many times, closes it.
    List {
        by: u32,
        path: String,
        pattern: Option<String>,
        buffer: u32,
        passes: u8,
    },
    /// Looks a path up as a stat does: every component becomes a placeholder.
    Touch {
        path: String,
    },
    Start(Provides),
    Stop,
    /// The provider's process is gone.
    Die,
    /// The whole machine is switched off and on.
    Reboot,
    /// The provider projects a new item, or a new content of one.
    Project {
        path: String,
        content: Option<Vec<u8>>,
        flags: UpdateFlags,
    },
    /// The first half of [`Self::Project`]: nothing on disk changes yet.
    Announce {
        path: String,
        content: Option<Vec<u8>>,
    },
    /// The second half.
    Update {
        path: String,
        flags: UpdateFlags,
    },
    /// It projects an item no more.
    Unproject {
        path: String,
        flags: UpdateFlags,
    },
    /// It gives up what is on disk of an item (M18).
    Evict {
        path: String,
        flags: UpdateFlags,
    },
    /// It writes a placeholder that nobody asked for (H8).
    Prepare {
        path: String,
    },
}

/// How a provider is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Provides {
    /// Its process.
    pub(crate) process: u32,
    /// It has a QueryFileName callback.
    pub(crate) queries_names: bool,
    /// It wants the negative path cache.
    pub(crate) negative_path_cache: bool,
}

/// How something is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct How {
    pub(crate) access: Access,
    pub(crate) share: Share,
    pub(crate) disposition: Disposition,
    pub(crate) kind: Kind,
    pub(crate) delete_on_close: bool,
}

impl How {
    /// Opens what exists, shares everything.
    pub(crate) const fn existing(access: Access) -> Self {
        Self {
            access,
            share: Share::all(),
            disposition: Disposition::Open,
            kind: Kind::Any,
            delete_on_close: false,
        }
    }

    pub(crate) fn open(&self) -> Open {
        Open {
            access: self.access,
            share: self.share,
            disposition: self.disposition,
            kind: self.kind.clone(),
            delete_on_close: self.delete_on_close,
            attributes: 0,
        }
    }
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It made no sense: a slot without a handle, no provider, nothing projected there.
    Skipped,
    /// The rulebook does not say.
    Unspecified,
    Done,
    Failed(i32),
    Opened {
        did: u8,
        name: String,
        state: u32,
        size: u64,
    },
    /// With what is no ASCII escaped.
    Data(String),
    /// Names, sizes, and whether they are directories.
    Entries(Vec<(String, u64, bool)>),
    /// Of an update or a deletion by the provider, with the causes.
    Refused(i32, u32),
    /// So many paths were in the negative path cache.
    Cleared(u32),
}

impl Outcome {
    pub(crate) fn data(bytes: &[u8]) -> Self {
        Self::Data(bytes.escape_ascii().to_string())
    }

    pub(crate) const fn failed(code: HResult) -> Self {
        Self::Failed(code.0)
    }

    pub(crate) const fn refused(code: HResult, causes: FailureCauses) -> Self {
        Self::Refused(code.0, causes.bits())
    }

    pub(crate) fn opened(did: Did, name: String, state: FileState, size: u64) -> Self {
        Self::Opened { did: did as u8, name, state: state.bits(), size }
    }
}

impl From<Result<(), HResult>> for Outcome {
    fn from(result: Result<(), HResult>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(code) => Self::failed(code),
        }
    }
}

/// Everything on disk, by path as it is spelled there.
pub(crate) type Snapshot = BTreeMap<String, OnDisk>;

/// One name on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OnDisk {
    /// Bits of the state.
    pub(crate) state: u32,
    pub(crate) directory: bool,
    pub(crate) size: u64,
    pub(crate) read_only: bool,
    /// How many names the item has.
    pub(crate) names: u32,
    /// Of files that are hydrated or full; what is no ASCII is escaped.
    pub(crate) data: Option<String>,
}

impl OnDisk {
    pub(crate) const TOMBSTONE: Self = Self {
        state: FileState::TOMBSTONE.bits(),
        directory: false,
        size: 0,
        read_only: false,
        names: 1,
        data: None,
    };
}
