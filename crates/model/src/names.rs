//! Names that Deadline Cloud derives from a root path (`deadline.md` 1.3).

use crate::hash::ContentHash;

/// The object name of an input manifest: the hash of the root path as the submitter wrote it,
/// separators included, and `_input`.
#[must_use]
pub fn input_manifest_name(root_path: &str) -> String {
    format!("{}_input", ContentHash::of(root_path.as_bytes()))
}

/// The object name of an output manifest: the hash of the file system location's name, if the root
/// has one, together with the root path, and `_output`.
#[must_use]
pub fn output_manifest_name(location: Option<&str>, root_path: &str) -> String {
    let text = [location.unwrap_or_default(), root_path].concat();
    format!("{}_output", ContentHash::of(text.as_bytes()))
}
