//! The manifests that placeholders on disk may be of: one as a rule, several while a root is
//! brought from one to another, or if that did not succeed everywhere (projfs.md N9).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusty_attachments_model::{ContentHash, Limits, Manifest};

use super::{private, write_atomically};
use crate::error::ProjFsError;

const FOLDER: &str = "shown";
const EXTENSION: &str = "manifest";
/// Manifests in all; of more, the oldest are forgotten.
const MOST: usize = 16;

/// The manifests that placeholders on disk may be of.
#[derive(Debug)]
pub(crate) struct Shown {
    folder: PathBuf,
}

/// The one that is shown now.
#[derive(Debug)]
pub(crate) struct Showing {
    path: PathBuf,
    /// Those that were shown before, and are not known to be gone from the disk.
    pub(crate) before: Vec<Manifest>,
}

impl Shown {
    pub(super) fn new(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    /// Notes that `manifest` is shown from now on, beside those before it. To be called before a
    /// placeholder can be made of it.
    pub(crate) fn begin(&self, manifest: &Manifest) -> Result<Showing, ProjFsError> {
        private::make(&self.folder)?;
        let text = manifest.encode();
        let name = ContentHash::of(text.as_bytes()).to_string();
        let path = self.folder.join(name).with_extension(EXTENSION);
        let mut others: Vec<_> = self.files()?.into_iter().filter(|file| *file != path).collect();
        while others.len() >= MOST {
            let oldest = others.remove(0);
            tracing::warn!(
                "forgetting '{}': too many manifests could not be replaced in full",
                oldest.display()
            );
            remove(&oldest)?;
        }
        let before = others.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
        if !path.exists() {
            write_atomically(&path, text.as_bytes()).map_err(ProjFsError::io("write", &path))?;
        }
        Ok(Showing { path, before })
    }

    /// Notes that the disk is up to date with what is shown: the others are gone from it.
    pub(crate) fn settle(&self, showing: &Showing) -> Result<(), ProjFsError> {
        let files = self.files()?;
        files.iter().filter(|file| **file != showing.path).try_for_each(|file| remove(file))
    }

    /// Oldest first.
    fn files(&self) -> Result<Vec<PathBuf>, ProjFsError> {
        let listed = fs::read_dir(&self.folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let listed = listed.map_err(ProjFsError::io("list the folder", &self.folder))?;
        let paths = listed.iter().map(fs::DirEntry::path);
        let mut files: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|has| has == EXTENSION)).collect();
        let written = |path: &PathBuf| fs::metadata(path).and_then(|told| told.modified());
        files.sort_by_cached_key(|path| written(path).unwrap_or(SystemTime::UNIX_EPOCH));
        Ok(files)
    }
}

fn read(path: &Path) -> Result<Manifest, ProjFsError> {
    let text = fs::read_to_string(path).map_err(ProjFsError::io("read", path))?;
    let named = path.file_stem().and_then(|stem| stem.to_str());
    let damaged = |why: &str| {
        let reason = format!(
            "{why}; delete this file, after which files that nobody has changed may stay as they \
             are in an older manifest"
        );
        ProjFsError::state(path, reason)
    };
    if named != Some(ContentHash::of(text.as_bytes()).to_string().as_str()) {
        return Err(damaged("it is damaged: its content does not hash to its name"));
    }
    Manifest::decode_with(&text, &limits()).map_err(|error| damaged(&error.to_string()))
}

/// It was accepted before, with whatever limits.
fn limits() -> Limits {
    let mut limits = Limits::default();
    for limit in [
        &mut limits.manifest_bytes,
        &mut limits.entries,
        &mut limits.text_bytes,
        &mut limits.chunks,
        &mut limits.path_bytes,
        &mut limits.path_depth,
        &mut limits.component_units,
    ] {
        *limit = u64::MAX;
    }
    limits
}

fn remove(path: &Path) -> Result<(), ProjFsError> {
    fs::remove_file(path).map_err(ProjFsError::io("remove", path))
}
