//! Names between the kernel's bytes and a volume's lossless text.

use std::borrow::Cow;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::{DirectoryListing, NodeId, NodeKind, Volume};

use crate::error::FuseError;

/// The longest name that Linux programs can take (`NAME_MAX`).
pub(crate) const MAX_NAME: usize = 255;

/// The bytes that a name has on Linux, or why it can have none.
pub(crate) fn to_linux(name: PathRef<'_>) -> Result<Cow<'_, [u8]>, &'static str> {
    let bytes = name.to_unix().ok_or("its name holds an unpaired UTF-16 surrogate")?;
    match &*bytes {
        b"" | b"." | b".." => Err("its name is reserved"),
        long if long.len() > MAX_NAME => Err("its name is longer than 255 bytes"),
        odd if odd.iter().any(|byte| matches!(byte, 0 | b'/')) => {
            Err("its name holds a slash or a zero byte")
        }
        _ => Ok(bytes),
    }
}

/// Runs `work` with the volume's text for a name that the kernel sent.
pub(crate) fn from_linux<T>(name: &[u8], work: impl FnOnce(PathRef<'_>) -> T) -> T {
    if std::str::from_utf8(name).is_ok() {
        // UTF-8 is WTF-8: the usual name needs no copy.
        work(PathRef::from_wtf8(name))
    } else {
        work(PathBuf::from_unix(name).as_ref())
    }
}

/// Looks at every name of a volume and names the first that Linux cannot have.
pub(crate) fn check(volume: &dyn Volume) -> Result<(), FuseError> {
    let mut folders = vec![(NodeId::ROOT, PathBuf::default())];
    while let Some((folder, path)) = folders.pop() {
        // A folder that cannot be listed now says so to whoever opens it.
        let Ok(listing) = volume.children(folder) else { continue };
        check_folder(&*listing, &path, &mut folders)?;
    }
    Ok(())
}

fn check_folder(
    listing: &dyn DirectoryListing,
    path: &PathBuf,
    folders: &mut Vec<(NodeId, PathBuf)>,
) -> Result<(), FuseError> {
    for entry in (0..listing.len()).filter_map(|index| listing.entry(index)) {
        let below = || {
            let mut below = path.clone();
            below.push(entry.name);
            below
        };
        if let Err(reason) = to_linux(entry.name) {
            return Err(FuseError::UnrepresentableName { entry: below().to_string(), reason });
        }
        if entry.attributes.kind == NodeKind::Directory {
            folders.push((entry.attributes.node, below()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_linux_has_survive_both_ways() {
        for bytes in [&b"a"[..], b"odd\xff", "\u{1F600}".as_bytes(), &[b'x'; MAX_NAME]] {
            from_linux(bytes, |name| assert_eq!(to_linux(name).as_deref(), Ok(bytes)));
        }
    }

    #[test]
    fn names_that_linux_has_not_are_refused() {
        let long = "x".repeat(MAX_NAME + 1);
        for name in ["", ".", "..", "a/b", "a\0b", &long] {
            assert!(to_linux(PathRef::from(name)).is_err(), "{name:?}");
        }
        assert!(to_linux(PathRef::from_wtf8(b"\xed\xa0\xbd.txt")).is_err());
    }
}
