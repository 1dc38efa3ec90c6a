//! Full paths as providers spell them, here on Linux: `/jobs/root`, `\jobs\root`, and what Wine
//! calls it, `Z:\jobs\root` and `\\?\Z:\jobs\root`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::wtf8;
use crate::contract::{HResult, Result, Wide};

/// Wine's drive that is the root of Linux.
const DRIVE: &str = "Z:";

/// The path on this machine, without `.` and `..`; links are not followed.
///
/// # Errors
/// INVALID_ARGUMENT if it is empty or relative; PATH_NOT_FOUND for another drive than `Z:`.
pub fn host_path(path: &Wide) -> Result<PathBuf> {
    let bytes: Vec<u8> = wtf8::encode(path);
    let slashed: Vec<u8> =
        bytes.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    let prefixes: [&[u8]; 3] = [b"//?/", b"/??/", b"//./"];
    let bare = prefixes.iter().find_map(|prefix| slashed.strip_prefix(*prefix));
    let mut rest = bare.unwrap_or(&slashed);
    if let Some((drive, below)) = rest.split_at_checked(DRIVE.len())
        && drive.ends_with(b":")
    {
        if !drive.eq_ignore_ascii_case(DRIVE.as_bytes()) {
            tracing::warn!(%path, "only the drive Z: is known here; it is the root of Linux");
            return Err(HResult::PATH_NOT_FOUND);
        }
        rest = below;
    }
    if !rest.starts_with(b"/") {
        return Err(HResult::INVALID_ARGUMENT);
    }
    Ok(lexically_normal(Path::new(OsStr::from_bytes(rest))))
}

/// `path` below `folder`, as a path relative to a root.
pub(super) fn relative(path: &Path, folder: &Path) -> Option<Wide> {
    let below = path.strip_prefix(folder).ok()?;
    let names = below.components().map(|part| wtf8::decode(part.as_os_str().as_bytes()));
    names.into_iter().try_fold(Wide::default(), |path, name| Some(path.join(&name?)))
}

fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from(OsString::from_vec(b"/".to_vec()));
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_path_are_one() {
        let spellings = [
            "/jobs/root",
            "/jobs/root/",
            r"\jobs\root",
            r"Z:\jobs\root\",
            "z:/jobs//root",
            r"\\?\Z:\jobs\root",
            r"\\.\Z:\jobs\.\root",
            r"\??\Z:\jobs\x\..\root",
        ];
        for spelling in spellings {
            assert_eq!(host_path(&spelling.into()).unwrap(), Path::new("/jobs/root"), "{spelling}");
        }
        for (bad, code) in [
            ("", HResult::INVALID_ARGUMENT),
            ("jobs", HResult::INVALID_ARGUMENT),
            (r"Z:jobs", HResult::INVALID_ARGUMENT),
            (r"C:\jobs", HResult::PATH_NOT_FOUND),
        ] {
            assert_eq!(host_path(&bad.into()), Err(code), "{bad}");
        }
    }

    #[test]
    fn what_is_below_a_root_is_relative_to_it() {
        let root = Path::new("/r");
        assert_eq!(relative(Path::new("/r/a/b"), root), Some(Wide::from(r"a\b")));
        assert_eq!(relative(root, root), Some(Wide::default()));
        assert_eq!(relative(Path::new("/ra"), root), None);
    }
}
