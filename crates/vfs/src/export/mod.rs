//! Changed files become objects of the CAS and a manifest.
//!
//! An object is uploaded only under the hash that its bytes had when they were read; a file that
//! changes meanwhile is hashed again. Everything can be repeated: what is stored already is not
//! stored again, what is hashed already (same stamp) is not read again. The manifest comes last,
//! when everything that it names is stored.

mod background;
mod error;
mod files;
mod links;
mod manifest;
mod place;
mod platform;
mod publish;
mod room;
mod run;
mod settle;
mod upload;
mod workers;

pub use background::{BackgroundOptions, BackgroundStats, BackgroundUploader};
pub use error::ExportError;
pub use files::{FolderFiles, LocalFiles};
pub use manifest::{
    ChangeManifest, OutputSelection, SkipReason, Skipped, diff_manifest, output_manifest,
};
pub use place::OutputPlace;
pub use room::HELD_BYTES_MAX;
pub use run::{
    Export, ExportEvents, ExportFormat, ExportOptions, ExportReport, ExportedManifest,
    ManifestTarget,
};
pub use upload::{SourceFile, UploadEvents, UploadOptions, UploadTally, Uploaded, Uploader};
pub use workers::for_each_index;
