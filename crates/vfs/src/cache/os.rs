//! The few operating system calls that the cache needs, behind one small interface.
//!
//! Unix works on directory handles, so that nobody can swap a folder of the path between two calls;
//! elsewhere plain paths do. Nothing outside this folder is specific to a system.

#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use portable::{Dir, file_info, read_exact_at, read_stamp, write_all_at, write_stamp};
#[cfg(unix)]
pub(super) use unix::{Dir, file_info, read_exact_at, read_stamp, write_all_at, write_stamp};

/// What the cache wants to know of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileInfo {
    pub(super) kind: FileKind,
    pub(super) size: u64,
    /// Bytes that the file occupies on disk.
    pub(super) allocated: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) accessed_ns: i128,
    /// Nanoseconds since the Unix epoch.
    pub(super) modified_ns: i128,
    /// Zero where files have no such number.
    pub(super) inode: u64,
    /// Whether it was removed while it was open.
    pub(super) is_removed: bool,
    /// Whether it is also known by another name.
    pub(super) has_other_names: bool,
    /// Whether the owner is who runs this process.
    pub(super) is_mine: bool,
    /// Whether anybody but the owner may write.
    pub(super) others_write: bool,
}

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Regular,
    Directory,
    Other,
}

#[cfg(test)]
mod tests {
    //! What both implementations promise; the portable one is exercised here on every system.

    use std::io::ErrorKind;

    use super::FileKind;

    macro_rules! contract {
        ($name:ident, $os:path) => {
            #[test]
            fn $name() {
                use $os as os;
                let temp = tempfile::tempdir().unwrap();
                let root = os::Dir::open_or_create(&temp.path().join("a/b")).unwrap();
                assert!(root.info().unwrap().is_mine && !root.info().unwrap().others_write);
                let missing = root.subdirectory("x").map(drop).unwrap_err();
                assert_eq!(missing.kind(), ErrorKind::NotFound);
                let (from, to) =
                    (root.make_subdirectory("x").unwrap(), root.make_subdirectory("y").unwrap());
                root.make_subdirectory("x").unwrap();

                let file = from.create_file("f").unwrap();
                let again = from.create_file("f").map(drop).unwrap_err();
                assert_eq!(again.kind(), ErrorKind::AlreadyExists);
                os::write_all_at(&file, b"hello world", 0).unwrap();
                os::write_all_at(&file, b"W", 6).unwrap();
                let mut buffer = [0; 5];
                os::read_exact_at(&file, &mut buffer, 6).unwrap();
                assert_eq!(&buffer, b"World");
                let short = os::read_exact_at(&file, &mut buffer, 8).unwrap_err();
                assert_eq!(short.kind(), ErrorKind::UnexpectedEof);

                from.rename("f", &to, "g").unwrap();
                assert!(from.names().unwrap().is_empty());
                assert_eq!(to.names().unwrap(), ["g"]);
                let opened = to.open_file("g").unwrap();
                let info = os::file_info(&opened).unwrap();
                assert_eq!((info.kind, info.size), (FileKind::Regular, 11));
                assert!(!info.is_removed && !info.has_other_names);
                assert_eq!(info, to.info_of("g").unwrap());
                if os::write_stamp(&opened, b"stamp").is_ok() {
                    assert_eq!(os::read_stamp(&opened).unwrap(), b"stamp");
                } else {
                    assert_eq!(os::read_stamp(&opened), None);
                }
                assert!(root.free_bytes().unwrap().is_none_or(|free| free > 0));

                to.remove("g").unwrap();
                root.remove("y").unwrap();
                assert_eq!(root.names().unwrap(), ["x"]);
                root.open_or_create_file("lock").unwrap().try_lock().unwrap();
                root.open_writable("lock").unwrap();
                assert!(root.open_writable("none").is_err());
            }
        };
    }

    contract!(portable_keeps_the_contract, super::portable);
    #[cfg(unix)]
    contract!(unix_keeps_the_contract, super::unix);
}
