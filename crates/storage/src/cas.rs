//! The layout of content-addressed objects below a store's root (`deadline.md` 3).

use rusty_attachments_model::ContentHash;

/// The key of the object that holds the content of `hash`.
#[must_use]
pub fn object_key(hash: ContentHash) -> String {
    format!("Data/{hash}.xxh128")
}

/// The key that old uploaders used: without the algorithm as its suffix.
#[must_use]
pub fn legacy_object_key(hash: ContentHash) -> String {
    format!("Data/{hash}")
}
