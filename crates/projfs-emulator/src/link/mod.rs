//! The seam between a provider's process and the driver: what the driver asks ([`Provider`]), what
//! the library calls ([`Driver`], [`Instance`]). In one process or over a socket, it is the same.

mod messages;
mod traced;

use std::fmt::Debug;
use std::sync::Arc;

pub use messages::{
    Command, Completion, EntryBudget, InstanceInfo, LibraryKnobs, MarkRequest, Process, Reply,
    Request, StartRequest,
};
pub use traced::Traced;

use crate::contract::{
    FailureCauses, FileState, Guid, HResult, PlaceholderInfo, Result, UpdateFlags, Wide,
};
use crate::violation::Violation;

/// The provider as the driver sees it.
pub trait Provider: Send + Sync + Debug {
    /// Hands over a command. Never waits; the answer comes by [`Instance::complete`].
    fn invoke(&self, command: Command);

    /// Nobody waits for this command any more (L5). Never waits.
    fn cancel(&self, id: i32);
}

/// The driver as the library sees it. Calls wait for their answer.
pub trait Driver: Send + Sync + Debug {
    /// PrjMarkDirectoryAsPlaceholder (B5).
    ///
    /// # Errors
    /// As in `projfs.md M3`, `M4`.
    fn mark(&self, request: MarkRequest) -> Result<()>;

    /// PrjStartVirtualizing (B1). Commands may come before it returns (M7).
    ///
    /// # Errors
    /// As in `projfs.md M7`.
    fn start(
        &self,
        request: StartRequest,
        provider: Arc<dyn Provider>,
    ) -> Result<Arc<dyn Instance>>;

    /// PrjGetOnDiskFileState (B13, M15) of a full path.
    ///
    /// # Errors
    /// FILE_NOT_FOUND, PATH_NOT_FOUND.
    fn on_disk_state(&self, path: &Wide) -> Result<FileState>;

    /// What the library needs to know of the driver's settings.
    fn knobs(&self) -> LibraryKnobs;

    /// Misuse that the library met in the provider's process.
    fn report(&self, violation: Violation);
}

/// One running virtualization instance as the library sees it.
pub trait Instance: Send + Sync + Debug {
    /// PrjStopVirtualizing (B2): no new commands; returns when the running ones are over (M8).
    fn stop(&self);

    /// PrjClearNegativePathCache (B3): how many entries there were.
    ///
    /// # Errors
    /// When the instance is gone.
    fn clear_negative_path_cache(&self) -> Result<u32>;

    /// PrjGetVirtualizationInstanceInfo (B4).
    fn info(&self) -> InstanceInfo;

    /// PrjWritePlaceholderInfo and its successor (B6, B7).
    ///
    /// # Errors
    /// As in `projfs.md H`.
    fn write_placeholder(&self, path: &Wide, info: PlaceholderInfo) -> Result<()>;

    /// PrjUpdateFileIfNeeded (B8): the causes matter when it fails.
    fn update_file(
        &self,
        path: &Wide,
        info: PlaceholderInfo,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses);

    /// PrjDeleteFile (B9): the causes matter when it fails.
    fn delete_file(&self, path: &Wide, flags: UpdateFlags) -> (HResult, FailureCauses);

    /// PrjWriteFileData (B10).
    ///
    /// # Errors
    /// As in `projfs.md J5`, `J6`.
    fn write_file_data(&self, stream: Guid, offset: u64, data: &[u8]) -> Result<()>;

    /// The answer to a command, whether it comes from the callback's return or from
    /// PrjCompleteCommand (B14).
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the command is neither pending nor was cancelled (L4).
    fn complete(&self, completion: Completion) -> Result<()>;
}
