//! What is in a folder: files, links and folders, with the names that a manifest gives them.
//!
//! Iterative, so that depth costs no stack. Nothing is left out silently: whatever a manifest
//! cannot hold is listed with the reason.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rusty_attachments_model as model;

use super::platform::{self, FileId};
use crate::error::CliError;

/// What to do about symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// The link's name with the target's content, as the official tools do (`deadline.md` 1.8).
    Follow,
    /// Kept as links where they stay below the root (v2025); others are followed.
    Keep,
}

/// A file to hash.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Its name in the manifest.
    pub(crate) name: model::PathBuf,
    /// Where it is.
    pub(crate) source: PathBuf,
    /// Bytes when it was found; for progress only.
    pub(crate) size: u64,
}

/// Everything below a folder.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<FoundFile>,
    /// All folders but the root.
    pub(crate) directories: Vec<model::PathBuf>,
    /// Links with their targets, relative to the root.
    pub(crate) links: Vec<(model::PathBuf, model::PathBuf)>,
    /// What a manifest cannot hold, and why.
    pub(crate) skipped: Vec<(PathBuf, &'static str)>,
}

impl Tree {
    /// Bytes of all files when they were found.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// The folders that are being walked, innermost first: a link to one of them would never end.
#[derive(Debug)]
struct Ancestors {
    id: FileId,
    outer: Option<Rc<Ancestors>>,
}

impl Ancestors {
    fn contains(&self, id: &FileId) -> bool {
        let mut next = Some(self);
        while let Some(folder) = next {
            if folder.id == *id {
                return true;
            }
            next = folder.outer.as_deref();
        }
        false
    }
}

/// Walks the folder `root`, which must be an absolute path without links.
pub(crate) fn walk(root: &Path, links: Links) -> Result<Tree, CliError> {
    let mut walker = Walker { root, links, tree: Tree::default(), folders: Vec::new() };
    let metadata = fs::metadata(root).map_err(|error| unreadable(root, &error))?;
    let id = platform::file_id(root, &metadata).map_err(|error| unreadable(root, &error))?;
    let ancestors = Rc::new(Ancestors { id, outer: None });
    walker.folders.push((root.to_owned(), model::PathBuf::default(), ancestors));
    while let Some((source, name, ancestors)) = walker.folders.pop() {
        walker.folder(&source, &name, &ancestors)?;
    }
    Ok(walker.tree)
}

struct Walker<'a> {
    root: &'a Path,
    links: Links,
    tree: Tree,
    /// Folders still to be read.
    folders: Vec<(PathBuf, model::PathBuf, Rc<Ancestors>)>,
}

impl Walker<'_> {
    fn folder(
        &mut self,
        source: &Path,
        name: &model::PathBuf,
        ancestors: &Rc<Ancestors>,
    ) -> Result<(), CliError> {
        for entry in fs::read_dir(source).map_err(|error| unreadable(source, &error))? {
            let entry = entry.map_err(|error| unreadable(source, &error))?;
            let mut child = name.clone();
            child.push(platform::manifest_name(&entry.file_name()).as_ref());
            let path = entry.path();
            let file_type = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            if file_type.is_symlink()
                && self.links == Links::Keep
                && let Some(target) = self.inner_target(&path)?
            {
                self.tree.links.push((child, target));
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) => self.entry(path, child, &metadata, ancestors)?,
                Err(_) if file_type.is_symlink() => {
                    self.tree.skipped.push((path, "the link leads nowhere"));
                }
                // Deleted since it was listed: as if it had never been there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        source: PathBuf,
        name: model::PathBuf,
        metadata: &fs::Metadata,
        ancestors: &Rc<Ancestors>,
    ) -> Result<(), CliError> {
        if metadata.is_file() {
            self.tree.files.push(FoundFile { name, source, size: metadata.len() });
        } else if metadata.is_dir() {
            let id = platform::file_id(&source, metadata)
                .map_err(|error| unreadable(&source, &error))?;
            if ancestors.contains(&id) {
                self.tree.skipped.push((source, "the link leads back to a folder that holds it"));
                return Ok(());
            }
            self.tree.directories.push(name.clone());
            let ancestors = Rc::new(Ancestors { id, outer: Some(Rc::clone(ancestors)) });
            self.folders.push((source, name, ancestors));
        } else {
            self.tree.skipped.push((source, "it is neither a file, a folder nor a link"));
        }
        Ok(())
    }

    /// Where a link leads as a manifest says it, if it stays below the root.
    ///
    /// `..` is resolved by words alone, which is wrong behind a link to a folder; such a target
    /// does not lead where the link leads, and the link is followed instead.
    fn inner_target(&self, link: &Path) -> Result<Option<model::PathBuf>, CliError> {
        let target = fs::read_link(link).map_err(|error| unreadable(link, &error))?;
        let joined = link.parent().unwrap_or(self.root).join(target);
        let Some(below) = resolve_words(&joined)
            .and_then(|path| path.strip_prefix(self.root).ok().map(Path::to_owned))
            .filter(|path| !path.as_os_str().is_empty())
        else {
            return Ok(None);
        };
        let same = match (fs::canonicalize(link), fs::canonicalize(self.root.join(&below))) {
            (Ok(by_link), Ok(by_words)) => by_link == by_words,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if !same {
            return Ok(None);
        }
        let mut name = model::PathBuf::default();
        for component in below.components() {
            name.push(platform::manifest_name(component.as_os_str()).as_ref());
        }
        Ok(Some(name))
    }
}

/// The path without `.` and `..`; `None` if it climbs above `/`.
fn resolve_words(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !resolved.pop() {
                    return None;
                }
            }
            other => resolved.push::<&OsStr>(other.as_os_str()),
        }
    }
    Some(resolved)
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::caused(format!("read '{}'", path.display()), error)
        .advise("Nothing was left out silently: make it readable or move it away.")
}
