//! Paths between Windows (UTF-16, backslashes) and change sets (WTF-8, slashes).

use ntfs_names as names;
use rusty_attachments_model::{PathBuf, PathRef};

const SLASH: u16 = b'/' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// Equal for paths that are one to Windows (projfs.md G1), made of components between slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn of(path: PathRef<'_>) -> Self {
        Self(encoded(path.utf16().map(names::upcase)))
    }

    /// The key of something below `from` once it is below `to`.
    pub(super) fn moved(&self, from: &Self, to: &Self) -> Self {
        let rest = self.0.strip_prefix(from.0.as_slice()).unwrap_or_default();
        Self([to.0.as_slice(), rest].concat())
    }

    /// The first key of those below this one, and the first behind them.
    pub(super) fn below(&self) -> std::ops::Range<Self> {
        let with = |end: u8| Self([self.0.as_slice(), &[end]].concat());
        with(b'/')..with(b'/' + 1)
    }
}

/// A path, or name, as change sets have it.
pub(crate) fn narrow(path: &[u16]) -> PathBuf {
    let slashed = path.iter().map(|&unit| if unit == BACKSLASH { SLASH } else { unit });
    PathBuf::from_wtf8(encoded(slashed))
}

/// A path as Windows has it.
pub(crate) fn wide(path: PathRef<'_>) -> Vec<u16> {
    path.utf16().map(|unit| if unit == SLASH { BACKSLASH } else { unit }).collect()
}

/// The folder that a path is in; the root for what is directly in it.
pub(super) fn folder_of(path: PathRef<'_>) -> PathRef<'_> {
    path.parent().unwrap_or(PathRef::from_wtf8(b""))
}

pub(super) fn joined(folder: PathRef<'_>, name: PathRef<'_>) -> PathBuf {
    let mut path = PathBuf::from(folder);
    path.push(name);
    path
}

/// The folders that a path is in, the outermost first, without the root.
pub(super) fn folders_above(path: PathRef<'_>) -> impl Iterator<Item = PathRef<'_>> {
    let bytes = path.as_wtf8();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(move |(at, _)| bytes.get(..at).map(PathRef::from_wtf8))
}

/// WTF-8: also lone surrogates, which Windows names may have.
fn encoded(units: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.size_hint().0);
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                let middle = 0x80 | (high & 0x0F) << 2 | low >> 6;
                bytes.extend_from_slice(&[0xED, middle, 0x80 | low & 0x3F]);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(path: &str) -> Key {
        Key::of(path.into())
    }

    #[test]
    fn keys_are_equal_where_windows_sees_one_path() {
        assert_eq!(key("Dir/É.TXT"), key("dir/é.txt"));
        assert_ne!(key("a/b"), key("a\\b"));
        assert_ne!(key("straße"), key("STRASSE"));
        let below = key("a").below();
        assert!(below.contains(&key("A/x")) && below.contains(&key("a/x/y")));
        assert!(!below.contains(&key("a")) && !below.contains(&key("a.x/y")));
    }

    #[test]
    fn folders_are_told_from_the_outside_in() {
        let folders: Vec<_> = folders_above("a/b/c".into()).map(PathBuf::from).collect();
        assert_eq!(folders, [PathBuf::from("a"), PathBuf::from("a/b")]);
        assert_eq!(folders_above("a".into()).count(), 0);
        assert_eq!(folder_of("a/b".into()), PathRef::from("a"));
        assert_eq!(folder_of("a".into()), PathRef::from(""));
        assert_eq!(joined("".into(), "x".into()), PathBuf::from("x"));
    }

    proptest! {
        #[test]
        fn every_windows_path_survives(units in prop::collection::vec(any::<u16>(), 0..20)) {
            prop_assume!(!units.contains(&SLASH));
            prop_assert_eq!(wide(narrow(&units).as_ref()), units);
        }
    }
}
