//! What records say of folders that no store has open.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::record::Record;
use super::{attributes, lower, naming};
use crate::contract::{FileState, HResult, Result};
use crate::engine::failure::failed;

/// Folders that are looked into for roots below a new one (M4); more would take too long.
const MOST_FOLDERS: usize = 100_000;

/// Whether a directory was marked as a root.
pub(in crate::engine) fn is_marked(directory: impl AsFd) -> bool {
    // A corrupt record is for whoever opens the root.
    record(directory).ok().flatten().is_some_and(|record| record.root)
}

/// Opens a folder of the host; links are followed.
///
/// # Errors
/// FILE_NOT_FOUND, PATH_NOT_FOUND; DIRECTORY if it is none.
pub(in crate::engine) fn open_folder(folder: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, folder, flags, Mode::empty()).map(File::from).map_err(|error| {
        match std::fs::metadata(folder) {
            Ok(told) if !told.is_dir() => HResult::DIRECTORY,
            Err(_) if folder.parent().is_some_and(|parent| !parent.is_dir()) => {
                HResult::PATH_NOT_FOUND
            }
            _ => failed(&format!("opening the folder '{}'", folder.display()), error),
        }
    })
}

/// A root above or below a folder, on disk (M4). Other file systems below it are not looked into.
pub(in crate::engine) fn nested(folder: &Path) -> Option<PathBuf> {
    let is_root = |path: &&Path| open_folder(path).is_ok_and(is_marked);
    let above = folder.ancestors().skip(1).find(is_root);
    above.map(Path::to_path_buf).or_else(|| below(folder))
}

fn below(folder: &Path) -> Option<PathBuf> {
    let device = |path: &Path| {
        let told = std::fs::symlink_metadata(path).ok();
        told.filter(std::fs::Metadata::is_dir)
            .map(|told| std::os::unix::fs::MetadataExt::dev(&told))
    };
    let here = device(folder)?;
    let mut pending = vec![folder.to_path_buf()];
    let mut seen = 0;
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(&at).ok().into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name() == naming::TEMPORARIES || device(&path) != Some(here) {
                continue;
            }
            if open_folder(&path).is_ok_and(is_marked) {
                return Some(path);
            }
            pending.push(path);
        }
        seen += 1;
        if seen >= MOST_FOLDERS {
            tracing::warn!(folder = %folder.display(), "too many folders to look for roots in all");
            return None;
        }
    }
    None
}

/// The state of something that is in no open root.
///
/// # Errors
/// FILE_NOT_FOUND, PATH_NOT_FOUND, VIRTUALIZATION_METADATA_CORRUPT.
pub(in crate::engine) fn state(path: &Path) -> Result<FileState> {
    let doing = |error| failed(&format!("opening '{}'", path.display()), error);
    let folder = open_folder(path.parent().unwrap_or(path)).map_err(|code| match code {
        HResult::FILE_NOT_FOUND | HResult::DIRECTORY => HResult::PATH_NOT_FOUND,
        code => code,
    })?;
    let Some(name) = path.file_name() else { return Ok(FileState::FULL) };
    let name = naming::LowerName::read(name.as_encoded_bytes());
    let kind = lower::stat_at(&folder, &name).map_err(doing)?.kind;
    let Some(kind) = kind.filter(|kind| *kind != lower::LowerKind::Link) else {
        return Ok(FileState::FULL);
    };
    let file = lower::open(&folder, &name, kind).map_err(doing)?;
    Ok(record(&file)?.map_or(FileState::FULL, |record| record.state))
}

fn record(file: impl AsFd) -> Result<Option<Record>> {
    let bytes = attributes::get(file, attributes::RECORD)
        .map_err(|error| failed("reading the record of an item", error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    Record::from_bytes(&bytes).map(Some).ok_or(HResult::VIRTUALIZATION_METADATA_CORRUPT)
}
