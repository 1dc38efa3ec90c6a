//! Folders on Linux, where the emulator stands in for Windows.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::api::ProjFsApi;
use crate::error::ProjFsError;

/// What a root is; other folders are full (projfs.md D6).
const PLACEHOLDER: u32 = 1;

/// What tells one folder from another, as bytes.
pub(crate) fn key(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A path that is equal for equal folders.
pub(super) fn comparable(path: &Path) -> PathBuf {
    path.to_path_buf()
}

/// Why the disk cannot have a root. The emulator says so itself when it marks.
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Windows")]
pub(super) const fn volume_fault(_: &Path) -> io::Result<Option<String>> {
    Ok(None)
}

/// Whether a folder was marked as a root, by whomever (projfs.md B13).
pub(super) fn is_marked(root: &Path, api: &ProjFsApi) -> Result<bool, ProjFsError> {
    let spelled = root
        .to_str()
        .ok_or_else(|| ProjFsError::root(root, "its path is not Unicode; choose another folder"))?;
    let spelled: Vec<u16> = spelled.encode_utf16().collect();
    let state = api.on_disk_state(&spelled).map_err(|failure| ProjFsError::Api {
        action: "look at",
        path: root.to_path_buf(),
        function: "PrjGetOnDiskFileState",
        hresult: failure.0.cast_unsigned(),
        advice: "; does the emulator serve this root?",
    })?;
    Ok(state & PLACEHOLDER != 0)
}
