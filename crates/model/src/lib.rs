//! Job attachment manifests: decode, validate, encode, merge, compose. No I/O.
//!
//! One neutral [`Manifest`] stands for every wire format: the production format `2023-03-03` and
//! the v2025 drafts. Whatever [`Manifest::decode`] accepts is safe to show below a mount point: no
//! path leaves the root, clashes with another, or exceeds a limit.
//!
//! This crate refuses to touch files, sockets or clocks.
#![forbid(unsafe_code)]

mod build;
mod check;
mod decode;
mod directories;
mod encode;
mod error;
mod hash;
mod json;
mod limits;
mod manifest;
mod merge;
mod path;
mod table;

pub use build::{DEFAULT_CHUNK_SIZE, ManifestBuilder};
pub use error::{EntryRule, FieldError, FieldProblem, ManifestError, PathRule};
pub use hash::{ContentHash, ContentHasher, ParseHashError};
pub use limits::Limits;
pub use manifest::{Content, Entry, EntryKind, File, Format, Kind, Manifest, PathStyle, Spec};
pub use path::{PathBuf, PathRef};
