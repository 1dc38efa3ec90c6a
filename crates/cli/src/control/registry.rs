//! Which roots are served, by whom: one file for each in the user's state folder.
//!
//! A file says where to ask, never that somebody answers: a process that was killed leaves its
//! file behind, and whoever finds nobody at the other end knows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusty_attachments_model::ContentHash;
use serde::{Deserialize, Serialize};

use super::endpoint;
use crate::error::CliError;
use crate::files::write_atomically;
use crate::system::{UserFolder, user_folder};

/// Longest file that is read.
const ENTRY_BYTES_MAX: u64 = 1 << 20;

/// What is noted of a served root.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    /// The root, as an absolute path without links.
    pub(crate) root: PathBuf,
    /// The process that serves it.
    pub(crate) pid: u32,
    /// What the mount is called.
    pub(crate) label: String,
}

/// The folder of all notes.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The user's own; one, so that every command finds every mount.
    pub(crate) fn of_user() -> Result<Self, CliError> {
        let folder = user_folder(UserFolder::State).ok_or_else(|| {
            CliError::environment("find the mounts of this user", "there is no home folder")
        })?;
        Ok(Self { folder: folder.join("mounts") })
    }

    #[cfg(test)]
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All roots that are noted. What is no note of ours is passed over.
    pub(crate) fn all(&self) -> Result<Vec<Registered>, CliError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.error("read", &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| self.error("read", &error))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                found.extend(read(&path));
            }
        }
        found.sort_by(|a: &Registered, b| a.root.cmp(&b.root));
        Ok(found)
    }

    /// What is noted of the root at `path`; `None` if nothing is.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<Registered>, CliError> {
        let name = name_of(path);
        Ok(self.all()?.into_iter().find(|entry| name_of(&entry.root) == name))
    }

    /// Notes a root that this process serves from now on.
    pub(super) fn add(&self, entry: &Registered) -> Result<(), CliError> {
        let text = serde_json::to_vec(entry)
            .map_err(|error| CliError::caused("note where to reach the mount", &error))?;
        write_atomically(&self.note(&entry.root), &text)
    }

    /// Forgets a root.
    pub(crate) fn remove(&self, root: &Path) {
        let _ = fs::remove_file(self.note(root));
        endpoint::remove(&self.folder, &name_of(root));
    }

    /// The folder, made if need be, for this user alone.
    pub(super) fn make(&self) -> Result<&Path, CliError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(&self.folder).map_err(|error| self.error("make", &error))?;
        Ok(&self.folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn note(&self, root: &Path) -> PathBuf {
        self.folder.join(name_of(root)).with_extension("json")
    }

    fn error(&self, verb: &str, error: &io::Error) -> CliError {
        CliError::caused(format!("{verb} '{}'", self.folder.display()), error)
    }
}

/// The name of a root's endpoint and note: the same for every spelling that the system takes for
/// the same path.
pub(super) fn name_of(root: &Path) -> String {
    if cfg!(windows) {
        return ContentHash::of(root.to_string_lossy().to_lowercase().as_bytes()).to_string();
    }
    ContentHash::of(root.as_os_str().as_encoded_bytes()).to_string()
}

fn read(path: &Path) -> Option<Registered> {
    if fs::metadata(path).ok()?.len() > ENTRY_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_found_until_it_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let registry = Registry { folder: home.path().join("state/mounts") };
        assert!(registry.all().unwrap().is_empty());
        registry.make().unwrap();
        for root in ["/b", "/a"] {
            let entry = Registered { root: root.into(), pid: 7, label: "job".into() };
            registry.add(&entry).unwrap();
        }
        fs::write(registry.folder().join("odd.json"), "{").unwrap();
        let roots =
            || -> Vec<_> { registry.all().unwrap().into_iter().map(|entry| entry.root).collect() };
        assert_eq!(roots(), [Path::new("/a"), Path::new("/b")]);
        registry.remove(Path::new("/a"));
        assert_eq!(roots(), [Path::new("/b")]);
    }
}
