//! Which folders can be roots: empty or ours, on a disk that ProjFS works on, apart from other
//! roots and from our own caches (projfs.md A4, L8d, M4, M5).

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

pub(crate) use self::system::key;
use crate::api::ProjFsApi;
use crate::error::ProjFsError;

/// A root as it is spelled from now on: absolute, links resolved as far as it is there.
pub(crate) fn resolve(root: &Path) -> Result<PathBuf, ProjFsError> {
    let spelled = std::path::absolute(root);
    let spelled = spelled
        .map_err(|error| ProjFsError::root(root, format!("{error}; give the path of a folder")))?;
    Ok(resolve_absolute(&spelled))
}

/// What cannot be asked is not resolved, for example a folder that is to be made, or one where
/// something was mounted that died.
fn resolve_absolute(path: &Path) -> PathBuf {
    if let Ok(resolved) = dunce::canonicalize(path) {
        return resolved;
    }
    let mut components = path.components();
    let (last, above) = (components.next_back(), components.as_path());
    match last {
        Some(Component::Normal(name)) => resolve_absolute(above).join(name),
        // What is not there is no link, so this leads back to where it is to be made.
        Some(Component::ParentDir) => {
            let mut resolved = resolve_absolute(above);
            resolved.pop();
            resolved
        }
        _ => path.to_path_buf(),
    }
}

/// Checks where a root is. `root` is resolved; `ours` are folders that we use while it runs, with
/// their names.
pub(crate) fn check_place(root: &Path, ours: &[(&str, &Path)]) -> Result<(), ProjFsError> {
    if root.parent().is_none() || root.file_name().is_none() {
        return Err(ProjFsError::root(
            root,
            "it is the top of a drive, which ProjFS handles badly; choose a folder below it",
        ));
    }
    if root.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(ProjFsError::root(root, "its path has a NUL; choose another folder"));
    }
    for (what, folder) in ours {
        let folder = std::path::absolute(folder).map_err(ProjFsError::io("find", *folder))?;
        let folder = resolve_absolute(&folder);
        // A cache in the root would be read by callbacks that wait for it (projfs.md L8d).
        if let Some(how) = nesting(root, &folder) {
            return Err(ProjFsError::root(
                root,
                format!("it is {how} the {what} '{}'; choose folders apart", folder.display()),
            ));
        }
    }
    Ok(())
}

/// Checks that no other root of ours is above or below (projfs.md M4). Roots that were deleted do
/// not count.
pub(crate) fn check_others(root: &Path, others: &[PathBuf]) -> Result<(), ProjFsError> {
    for other in others.iter().filter(|other| other.is_dir()) {
        if let Some(how) = nesting(root, other) {
            return Err(ProjFsError::root(
                root,
                format!(
                    "it is {how} '{}', which is projected into, and roots cannot be nested; choose \
                     another folder, or delete that one if it is not used any more",
                    other.display()
                ),
            ));
        }
    }
    Ok(())
}

/// How `root` lies to another folder; `None` if they are apart.
fn nesting(root: &Path, other: &Path) -> Option<&'static str> {
    let (root, other) = (system::comparable(root), system::comparable(other));
    if root == other {
        Some("the same as")
    } else if root.starts_with(&other) {
        Some("inside of")
    } else if other.starts_with(&root) {
        Some("around")
    } else {
        None
    }
}

/// A folder that can be marked. If it was made for that, it goes again unless it is kept.
#[derive(Debug)]
#[must_use = "dropped, a folder that was made is removed again"]
pub(crate) struct Prepared {
    made: Option<PathBuf>,
}

impl Prepared {
    /// From now on the folder stays.
    pub(crate) fn keep(mut self) {
        self.made = None;
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            // Only if it is empty, and somebody else's then.
            let _ = fs::remove_dir(made);
        }
    }
}

/// Makes the folder if only its parent is there, and checks that it can be a root: empty, or ours
/// if its state is known. Changes nothing in it.
pub(crate) fn prepare(
    root: &Path,
    is_known: bool,
    api: &ProjFsApi,
) -> Result<Prepared, ProjFsError> {
    let prepared = Prepared { made: make(root)?.then(|| root.to_path_buf()) };
    let looking = || ProjFsError::io("look at", root);
    if !fs::metadata(root).map_err(looking())?.is_dir() {
        return Err(ProjFsError::root(root, "it is no folder; choose another path"));
    }
    if let Some(fault) = system::volume_fault(root).map_err(looking())? {
        return Err(ProjFsError::root(root, fault));
    }
    match (system::is_marked(root, api)?, is_known) {
        (true, true) => {}
        // Its files would be asked of us, and it would get a second identity (projfs.md M2).
        (true, false) => {
            return Err(ProjFsError::root(
                root,
                "another program projects into it, or this one did with another cache_dir; start \
                 with that cache_dir, or choose another folder",
            ));
        }
        (false, _) => {
            if fs::read_dir(root).map_err(looking())?.next().is_some() {
                return Err(ProjFsError::root(
                    root,
                    "it is not empty, and what is in it would hide files of the job; choose an \
                     empty folder",
                ));
            }
        }
    }
    Ok(prepared)
}

/// Whether a folder was made.
fn make(root: &Path) -> Result<bool, ProjFsError> {
    match fs::create_dir(root) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ProjFsError::root(root, "the folder above it does not exist; make it first"))
        }
        Err(error) => Err(ProjFsError::io("make the folder", root)(error)),
    }
}

#[cfg(test)]
mod tests;
