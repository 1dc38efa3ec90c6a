//! The rules that make a manifest safe to show below a mount point.
//!
//! Decoder and builder apply the same ones: first to each entry by itself ([`entry`], [`path`]),
//! then to all of them together ([`tree`]). Pure functions.

pub(crate) mod entry;
pub(crate) mod path;
pub(crate) mod tree;
