//! Windows front end: a job's attachments as a folder of the Windows Projected File System.
//!
//! [`WritableProjFs`] is all that most users need: a manifest, a store, a folder.
//!
//! ```no_run
//! use std::path::PathBuf;
//! use std::sync::Arc;
//!
//! use rusty_attachments_model::Manifest;
//! use rusty_attachments_storage::LocalStore;
//! use rusty_attachments_vfs_projfs::{ProjFsOptions, ProjFsWriteOptions, WritableProjFs};
//!
//! let manifest = Manifest::decode(&std::fs::read_to_string("manifest.json")?)?;
//! let storage = Arc::new(LocalStore::open("C:\\store")?); // or whatever implements StorageClient
//! let options = ProjFsOptions::new(PathBuf::from("C:\\mount\\point")).with_worker_threads(4);
//! let write_options =
//!     ProjFsWriteOptions::default().with_cache_dir(PathBuf::from("C:\\Temp\\vfs-cache"));
//! let vfs = WritableProjFs::new(&manifest, storage, options, write_options)?;
//! vfs.start()?;
//! // Programs read and write C:\mount\point.
//! vfs.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Behind it, each layer uses the one below and names none above:
//!
//! * `virtualizer` (Layer 3, [`ProjFsVirtualizer`]): the eight callbacks of ProjFS, enumeration
//!   sessions, pending commands, HRESULTs. The only code besides `api` that knows ProjFS.
//! * `callbacks` (Layer 2, [`VfsCallbacks`]): what a callback means: list, describe, hydrate, may
//!   this be done, look at this path again. Answers from the projection, never from the disk.
//! * `projection` (Layer 1, [`ManifestProjection`]): what there should be, as Windows wants to
//!   hear it: UTF-16, in the order of NTFS, names that Windows can have.
//!
//! Beside the layers: `api` loads ProjectedFSLib (on Linux the emulator) and is the only seam
//! between Windows and not-Windows; `tracking` finds out what users changed; `disk` tells what is
//! on disk; `root` tells which folders can be roots; `running` starts and stops one; `state` keeps
//! what must outlive the process.
//!
//! This crate refuses roots that are not its own, names that Windows cannot have, and content that
//! does not hash to what the manifest says: hydration on Windows is permanent.

mod api;
mod callbacks;
mod disk;
mod error;
mod names;
mod options;
mod projection;
mod root;
mod running;
mod state;
mod stats;
mod tracking;
mod updater;
mod virtualizer;
mod writable;

#[cfg(target_os = "linux")]
pub mod emulator;

pub use api::{ProjFsApi, projfs_available};
pub use callbacks::{Operation, OperationPolicy, ProtectInputs, VfsCallbacks};
pub use error::ProjFsError;
pub use names::NAME_RULE;
pub use options::{ProjFsOptions, ProjFsWriteOptions};
pub use projection::{
    Found, LinkFault, LinkPolicy, ManifestProjection, NameFault, NameReport, ProjectedFileInfo,
    ProjectedKind, ProjectionOptions,
};
pub use stats::{CallbackStats, ProjFsStats, StatsSnapshot};
pub use tracking::{ItemCounts, RemountReport, WriteObserver};
pub use virtualizer::{ActiveEnumeration, Added, Filled, ProjFsVirtualizer};
pub use writable::WritableProjFs;
