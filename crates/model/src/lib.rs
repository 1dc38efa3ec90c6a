//! Job attachment manifests: decode, validate, encode, merge, compose. No I/O.
//!
//! One neutral [`Manifest`] stands for every wire format: the production format `2023-03-03` and
//! the v2025 drafts. Whatever [`Manifest::decode`] accepts is safe to show below a mount point: no
//! path leaves the root, clashes with another, or exceeds a limit.
//!
//! ```
//! use rusty_attachments_model::{EntryKind, Manifest};
//!
//! let manifest = Manifest::decode(
//!     r#"{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[
//!         {"hash":"99aa06d3014798d86001c324468d497f","mtime":0,"path":"tex/a.png","size":0}
//!     ],"totalSize":0}"#,
//! )?;
//! manifest.ensure_mountable()?;
//! for entry in manifest.entries() {
//!     if let EntryKind::File(file) = entry.kind {
//!         println!("{} has {} bytes", entry.path, file.size);
//!     }
//! }
//! # Ok::<(), rusty_attachments_model::ManifestError>(())
//! ```
//!
//! This crate refuses to touch files, sockets or clocks.
#![forbid(unsafe_code)]

mod build;
mod changes;
mod check;
mod compose;
mod convert;
mod decode;
mod directories;
mod encode;
mod error;
mod hash;
mod json;
mod limits;
mod manifest;
mod merge;
mod names;
mod path;
mod table;

pub use build::{DEFAULT_CHUNK_SIZE, ManifestBuilder};
pub use changes::{Change, Changes};
pub use compose::UnnamedParent;
pub use error::{EntryRule, FieldError, FieldProblem, ManifestError, PathRule};
pub use hash::{ContentHash, ContentHasher, ParseHashError};
pub use limits::Limits;
pub use manifest::{Content, Entry, EntryKind, File, Format, Kind, Manifest, PathStyle, Spec};
pub use names::{input_manifest_name, output_manifest_name};
pub use path::{PathBuf, PathRef};
