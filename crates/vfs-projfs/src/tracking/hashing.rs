//! Finds out what is in changed files.

use std::collections::HashSet;
use std::io;
use std::num::NonZeroU64;
use std::time::SystemTime;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::changes::{
    ChangeKind, ChangeStore, Changed, FileStamp, HashError, Hashed, LocalContent, LocalFile,
    LocalState, hash_file,
};

use super::base::Projected;
use super::paths::wide;
use crate::disk::Disk;
use crate::error::ProjFsError;
use crate::projection::ManifestProjection;

/// How often files are hashed again whose hashes were taken back meanwhile: word of a write may come
/// after its program has ended (projfs.md K16).
const ROUNDS_MAX: usize = 8;

/// What differs from the projection, after files that were not hashed have been. A file that is
/// written to meanwhile is told as not hashed.
pub(super) fn changes(
    projection: &ManifestProjection,
    disk: &dyn Disk,
    store: &ChangeStore,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<Changed>, ProjFsError> {
    let mut young = Vec::new();
    let mut changes = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let hashed = hash_all(projection, disk, store, &mut young, cancelled)?;
        changes = store.changes(&Projected(projection));
        let is_taken_back =
            |change: &Changed| change.kind == ChangeKind::Unhashed && hashed.contains(&change.path);
        if !changes.iter().any(is_taken_back) {
            break;
        }
    }
    forget(store, young)?;
    Ok(changes)
}

/// Hashes files that are not hashed, and gives those; `young` get those whose hashes hold for now
/// only.
fn hash_all(
    projection: &ManifestProjection,
    disk: &dyn Disk,
    store: &ChangeStore,
    young: &mut Vec<(PathBuf, FileStamp)>,
    cancelled: &dyn Fn() -> bool,
) -> Result<HashSet<PathBuf>, ProjFsError> {
    let mut all = HashSet::new();
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
        if store.set_content(path.as_ref(), stamp, content)? {
            if !stamp.is_settled(begun) {
                young.push((path.clone(), stamp));
            }
            all.insert(path);
        }
    }
    Ok(all)
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
