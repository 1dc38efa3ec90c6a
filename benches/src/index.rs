//! Which objects there are. Built once, then read by every thread.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// An object that is a file.
#[derive(Debug)]
pub(crate) struct Indexed {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its bytes.
    pub(crate) size: u64,
    /// Seconds since the Unix epoch.
    pub(crate) modified: u64,
}

impl Indexed {
    /// Tells versions apart. The `-1` keeps clients from taking it for the MD5 of the bytes.
    pub(crate) fn etag(&self) -> String {
        format!("\"{:016x}{:016x}-1\"", self.size, self.modified)
    }
}

/// Every object below a folder, by `bucket/key`. Names that are not UTF-8 are left out: no S3 key
/// can hold them.
#[derive(Debug)]
pub struct Index(pub(crate) BTreeMap<String, Indexed>);

impl Index {
    /// Walks `root`.
    ///
    /// # Errors
    /// What the walk met.
    pub fn build(root: &Path) -> io::Result<Self> {
        let mut objects = BTreeMap::new();
        let mut folders = vec![(root.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    folders.push((entry.path(), format!("{prefix}{name}/")));
                    continue;
                }
                let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                let object =
                    Indexed { path: entry.path(), size: metadata.len(), modified: since.as_secs() };
                objects.insert(format!("{prefix}{name}"), object);
            }
        }
        Ok(Self(objects))
    }
}
