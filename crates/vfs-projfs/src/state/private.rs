//! Folders that nobody else can write to.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::ProjFsError;

/// Makes a folder and those above it, where they are missing, and checks that it is this user's.
pub(super) fn make(folder: &Path) -> Result<(), ProjFsError> {
    create(folder).map_err(ProjFsError::io("make the folder", folder))?;
    let told = fs::symlink_metadata(folder);
    let told = told.map_err(ProjFsError::io("look at the folder", folder))?;
    if !told.is_dir() {
        return Err(ProjFsError::state(folder, "it is no folder; choose another cache_dir"));
    }
    if !is_private(&told) {
        return Err(ProjFsError::state(
            folder,
            "other users own it or may write to it; choose a cache_dir that is yours alone",
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn create(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Windows passes on the rights of the folder above, which is the user's own by default.
#[cfg(not(unix))]
fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn is_private(told: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    told.uid() == rustix::process::geteuid().as_raw() && told.mode() & 0o022 == 0
}

#[cfg(not(unix))]
const fn is_private(_: &fs::Metadata) -> bool {
    true
}

/// Makes names in a folder survive a power loss.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// NTFS keeps names in a journal of its own.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(super) const fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
