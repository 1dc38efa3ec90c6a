//! Finds out what is in changed files.

use std::io;
use std::num::NonZeroU64;
use std::time::SystemTime;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::changes::{
    ChangeStore, Changed, FileStamp, HashError, Hashed, LocalContent, LocalFile, LocalState,
    hash_file,
};

use super::base::Projected;
use super::paths::wide;
use crate::disk::Disk;
use crate::error::ProjFsError;
use crate::projection::ManifestProjection;

/// What differs from the projection, after files that were not hashed have been. A file that is
/// written to meanwhile is told as not hashed.
pub(super) fn changes(
    projection: &ManifestProjection,
    disk: &dyn Disk,
    store: &ChangeStore,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<Changed>, ProjFsError> {
    let mut young = Vec::new();
    for (path, state) in store.states() {
        let LocalState::File(file) = state else { continue };
        if file.content != LocalContent::Unhashed {
            continue;
        }
        let begun = SystemTime::now();
        let chunk_size = chunk_size(projection, path.as_ref(), &file)?;
        let Some(hashed) = hashed(disk, path.as_ref(), chunk_size, cancelled)? else { continue };
        let Hashed { stamp, content } = hashed;
        // A write may leave the stamp as it is, so soon after the last one.
        if store.set_content(path.as_ref(), stamp, content)? && !stamp.is_settled(begun) {
            young.push((path, stamp));
        }
    }
    let changes = store.changes(&Projected(projection));
    forget(store, young)?;
    Ok(changes)
}

/// Lets files be hashed again the next time.
fn forget(store: &ChangeStore, young: Vec<(PathBuf, FileStamp)>) -> Result<(), ProjFsError> {
    for (path, stamp) in young {
        store.set_content(path.as_ref(), stamp, LocalContent::Unhashed)?;
    }
    Ok(())
}

/// Files are hashed as those are that they are compared with.
fn chunk_size(
    projection: &ManifestProjection,
    path: PathRef<'_>,
    file: &LocalFile,
) -> Result<Option<NonZeroU64>, ProjFsError> {
    let origin = file.renamed_from.as_ref().map(PathBuf::as_ref);
    for path in std::iter::once(path).chain(origin) {
        let found = projection.find(&wide(path))?;
        if let Some(content) = found.and_then(|found| found.content) {
            return Ok(content.chunk_size);
        }
    }
    Ok(None)
}

/// `None` if the file is gone by now, or is being written to.
fn hashed(
    disk: &dyn Disk,
    path: PathRef<'_>,
    chunk_size: Option<NonZeroU64>,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Hashed>, ProjFsError> {
    let failed =
        |source| ProjFsError::Io { action: "read", path: disk.full_path(&wide(path)), source };
    let file = match disk.open(&wide(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match hash_file(&file, path, chunk_size, cancelled) {
        Ok(hashed) => Ok(Some(hashed)),
        Err(HashError::KeepsChanging { .. }) => Ok(None),
        Err(HashError::Io { source, .. }) => Err(failed(source)),
        Err(error) => Err(failed(io::Error::new(io::ErrorKind::Interrupted, error))),
    }
}
