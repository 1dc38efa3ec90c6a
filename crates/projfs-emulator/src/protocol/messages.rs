//! What a provider's connection carries.

use serde::{Deserialize, Serialize};

use crate::contract::{
    FailureCauses, FileState, Guid, HResult, PlaceholderInfo, Result, UpdateFlags, Wide,
};
use crate::link::{Command, Completion, InstanceInfo, LibraryKnobs, MarkRequest, StartRequest};
use crate::violation::Violation;

/// From a provider's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToDriver {
    /// To be answered with the same number.
    Call { id: u64, call: Call },
    /// Misuse that the library met.
    Report(Violation),
}

/// One of the library's calls. An instance is known by the number that its process gave it, so
/// that commands can name it before its start is answered (`projfs.md M7`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    Mark(MarkRequest),
    Start {
        instance: u64,
        request: StartRequest,
    },
    OnDiskState(Wide),
    Knobs,
    Stop {
        instance: u64,
    },
    ClearNegativePathCache {
        instance: u64,
    },
    WritePlaceholder {
        instance: u64,
        path: Wide,
        info: Box<PlaceholderInfo>,
    },
    UpdateFile {
        instance: u64,
        path: Wide,
        info: Box<PlaceholderInfo>,
        flags: UpdateFlags,
    },
    DeleteFile {
        instance: u64,
        path: Wide,
        flags: UpdateFlags,
    },
    WriteFileData {
        instance: u64,
        stream: Guid,
        offset: u64,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    Complete {
        instance: u64,
        completion: Completion,
    },
}

/// To a provider's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToProvider {
    /// To the call with this number.
    Answer { id: u64, answer: Answer },
    /// A command for an instance.
    Invoke { instance: u64, command: Box<Command> },
    /// Nobody waits for this command any more.
    Cancel { instance: u64, command: i32 },
}

/// What a call gave. Each call has its own kind of answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Calls that give nothing but a code.
    Done(HResult),
    Started(Result<InstanceInfo>),
    State(Result<FileState>),
    Knobs(LibraryKnobs),
    Cleared(Result<u32>),
    /// Updates and deletions.
    Changed(HResult, FailureCauses),
}
