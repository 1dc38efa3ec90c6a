//! All access to ProjectedFSLib: one table of functions, loaded at run time (projfs.md A2), and
//! safe calls on top of it. The only seam between Windows and not-Windows.
//!
//! * `functions`: the table. `load`: where its functions come from.
//! * `roots`: calls that need no running instance. `start`: how an instance comes to run.
//! * `instance`: calls on a running instance. `entries`: what a Get fills in. `aligned`: buffers
//!   for content. `info`: entries of the projection as C has them.
#![expect(unsafe_code, reason = "the edge to ProjFS: C functions are called through pointers")]

mod aligned;
pub(crate) mod codes;
mod entries;
mod functions;
mod info;
mod instance;
#[cfg(target_os = "linux")]
#[path = "load_emulator.rs"]
mod load;
#[cfg(windows)]
#[path = "load_windows.rs"]
mod load;
mod roots;
mod start;
mod wide;

pub(crate) use self::entries::EntryWriter;
pub use self::functions::ProjFsApi;
pub(crate) use self::instance::{
    Context, EntryBuffer, Failure, FailureCauses, Instance, StreamId, guid_number,
};
pub(crate) use self::start::{Notifications, Start, Started};
use crate::error::ProjFsError;

impl ProjFsApi {
    /// Loads the library; once a process.
    ///
    /// # Errors
    /// [`ProjFsError::FeatureMissing`].
    pub fn load() -> Result<&'static Self, ProjFsError> {
        load::load()
    }

    /// Whether symbolic links can be projected (Windows 10 2004 and newer; projfs.md A3).
    #[must_use]
    pub const fn has_links(&self) -> bool {
        self.PrjWritePlaceholderInfo2.is_some() && self.PrjFillDirEntryBuffer2.is_some()
    }
}

impl std::fmt::Debug for ProjFsApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProjFsApi").field("links", &self.has_links()).finish_non_exhaustive()
    }
}

/// Whether projected folders can be made on this machine.
#[must_use]
pub fn projfs_available() -> bool {
    ProjFsApi::load().is_ok()
}
