//! What a control connection carries.

use serde::{Deserialize, Serialize};

use crate::contract::operations::{
    Attributes, BasicChange, Entry, HandleId, ItemId, Open, Opened, Query, Target,
};
use crate::contract::{FileState, Guid, HResult, Wide};
use crate::knobs::Knobs;
use crate::link::{Process, Traced};
use crate::violation::Violation;

/// To the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToDaemon {
    /// To be answered with the same number.
    Ask { id: u64, question: Question },
    /// Gives a question up: its operation is cancelled (`projfs.md L5`).
    Cancel { id: u64 },
}

/// From the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FromDaemon {
    pub(crate) id: u64,
    pub(crate) answer: Answer,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Question {
    /// The settings.
    Knobs,
    /// Other settings, from the next operation on.
    SetKnobs(Box<Knobs>),
    /// Broken rules since the last time.
    TakeViolations,
    /// Callbacks since the last time.
    TakeTrace,
    /// The roots that the daemon has.
    Roots,
    /// Forgets a root: its provider is stopped, it is unmounted, its files stay.
    Detach {
        /// Full path.
        root: Wide,
    },
    /// The state of a full path (`projfs.md B13`, `M15`).
    OnDiskState {
        /// Full path.
        path: Wide,
    },
    /// Lets close notifications out that `Knobs::closes` held back.
    ReleaseCloses {
        /// Full path.
        root: Wide,
    },
    /// An operation on a root.
    On {
        /// Full path.
        root: Wide,
        /// Which.
        operation: Operation,
    },
}

/// The engine's operations; see `engine::Root` for what they do and fail with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named as the engine's arguments")]
pub enum Operation {
    /// Opens or makes. Answered with `Opened`.
    Open { caller: Process, target: Target, how: Open },
    /// Attributes of a name. Answered with `Attributes`.
    Lookup { caller: Process, parent: ItemId, name: Wide },
    /// Attributes of an item, asking nobody. Answered with `Attributes`.
    Attributes { item: ItemId },
    /// Answered with `Data`.
    Read { handle: HandleId, offset: u64, length: u32 },
    /// Answered with `Done`, as are those that follow.
    Write {
        handle: HandleId,
        offset: u64,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// Cuts or extends.
    SetSize { handle: HandleId, size: u64 },
    /// Sets times and attributes.
    SetBasic { handle: HandleId, change: BasicChange },
    /// Sets or removes an extended attribute.
    SetExtended { handle: HandleId, name: Vec<u8>, value: Option<Vec<u8>> },
    /// Writes what is cached to disk.
    Flush { handle: HandleId },
    /// Marks for deletion, or takes that back.
    SetDisposition { handle: HandleId, delete: bool },
    /// Renames.
    Rename { handle: HandleId, to: Target, replace: bool },
    /// Gives another name.
    Link { handle: HandleId, to: Target },
    /// From a path of the daemon's machine into the root.
    MoveIn { caller: Process, from: String, to: Target, replace: bool },
    /// Out of the root to a path of the daemon's machine.
    MoveOut { handle: HandleId, to: String },
    /// A link in the root to a file outside of it.
    LinkIn { caller: Process, from: String, to: Target },
    /// A link outside of the root to a file in it.
    LinkOut { handle: HandleId, to: String },
    /// Closes.
    Close { handle: HandleId },
    /// Extended attributes. Answered with `Extended`.
    Extended { handle: HandleId },
    /// Next entries. Answered with `Entries`.
    QueryDirectory { caller: Process, handle: HandleId, query: Query },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is named after what it holds")]
pub enum Answer {
    Done,
    Failed(HResult),
    Knobs(Box<Knobs>),
    Violations(Vec<Violation>),
    Trace(Vec<Traced>),
    Roots(Vec<RootState>),
    State(FileState),
    Opened(Opened),
    Attributes(Attributes),
    Data(#[serde(with = "serde_bytes")] Vec<u8>),
    Extended(Vec<(Vec<u8>, Vec<u8>)>),
    Entries(Vec<Entry>),
}

/// A root that the daemon has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootState {
    /// Full path, as it was marked.
    pub path: Wide,
    /// The identity that it was marked with.
    pub instance: Guid,
    /// The process that provides for it now.
    pub provider: Option<Process>,
}
