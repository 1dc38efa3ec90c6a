//! The file that tells how a mount is.

use std::os::unix::fs::MetadataExt;

use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_fuse::{MountOptions, STATUS_FILE};

use crate::fixture::Mounted;

#[test]
fn the_root_has_a_file_that_tells_how_the_mount_is() {
    for passthrough in [true, false] {
        let options = MountOptions { passthrough, ..MountOptions::default() };
        let mounted = Mounted::with(Tree::new().file("folder/a", "a"), &options);
        let report = "{\"volume\":\"reference\",\"nodes\":3}\n";
        assert_eq!(mounted.printed(&format!("cat {STATUS_FILE}")), report);
        let first = mounted.path(STATUS_FILE).metadata().unwrap();
        let second = mounted.path(STATUS_FILE).metadata().unwrap();
        assert_eq!((first.mode(), first.len()), (0o100_444, report.len() as u64));
        // A new snapshot each time.
        assert_ne!(first.ino(), second.ino());
        for _ in 0..200 {
            assert_eq!(std::fs::read_to_string(mounted.path(STATUS_FILE)).unwrap(), report);
        }
        assert_eq!(mounted.printed("ls -A; find . | wc -l"), "folder\n3\n");
        assert!(!mounted.path("folder").join(STATUS_FILE).exists());
        mounted.mount().unmount().unwrap();
    }
}

#[test]
fn an_entry_of_that_name_comes_first() {
    let mounted = Mounted::new(Tree::new().file(STATUS_FILE, "mine"));
    assert_eq!(std::fs::read(mounted.path(STATUS_FILE)).unwrap(), b"mine");
}
