//! Job attachment manifests: decode, validate, encode, merge, compose. No I/O.
//!
//! One neutral [`Manifest`] stands for every wire format: the production format `2023-03-03` and
//! the v2025 drafts. Whatever [`Manifest::decode`] accepts is safe to show below a mount point: no
//! path leaves the root, clashes with another, or exceeds a limit.
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
