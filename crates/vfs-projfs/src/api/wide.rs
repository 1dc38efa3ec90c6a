//! Strings as ProjFS takes them: UTF-16 with a NUL behind (projfs.md A6).

use std::path::Path;

use crate::error::ProjFsError;

/// With a NUL behind.
pub(super) fn with_nul(units: &[u16]) -> Vec<u16> {
    let mut text = Vec::with_capacity(units.len() + 1);
    text.extend_from_slice(units);
    text.push(0);
    text
}

/// A full path with a NUL behind.
pub(super) fn full_path(path: &Path) -> Result<Vec<u16>, ProjFsError> {
    let refused =
        |reason: &str| Err(ProjFsError::Root { path: path.to_owned(), reason: reason.to_owned() });
    match units(path) {
        Some(units) if units.contains(&0) => refused("there is a NUL in it"),
        Some(units) => Ok(with_nul(&units)),
        None => refused("it is not Unicode; choose a folder with another name"),
    }
}

#[cfg(windows)]
fn units(path: &Path) -> Option<Vec<u16>> {
    use std::os::windows::ffi::OsStrExt as _;
    Some(path.as_os_str().encode_wide().collect())
}

#[cfg(not(windows))]
fn units(path: &Path) -> Option<Vec<u16>> {
    Some(path.to_str()?.encode_utf16().collect())
}
