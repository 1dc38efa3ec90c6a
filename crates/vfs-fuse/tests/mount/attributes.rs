//! What `stat` says: exact sizes and times without touching content.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;

use rusty_attachments_testkit::volume::{Content, DEFAULT_MTIME_US, Tree};
use rusty_attachments_vfs_fuse::MountOptions;

use crate::fixture::Mounted;

fn times(microseconds: &[i64]) -> Tree {
    microseconds.iter().fold(Tree::new(), |tree, &us| {
        tree.content(format!("{us}").as_str(), Content::Pattern(3), us, false)
    })
}

#[test]
fn mtimes_are_exact_to_the_microsecond_even_before_1970() {
    let all = [
        0,
        1,
        -1,
        -999_999,
        -1_000_000,
        -1_000_001,
        DEFAULT_MTIME_US,
        -DEFAULT_MTIME_US,
        253_402_300_799_999_999,
        -62_135_596_800_000_000,
    ];
    let mounted = Mounted::new(times(&all));
    for us in all {
        let found = mounted.path(us.to_string()).metadata().unwrap();
        let told = i128::from(found.mtime()) * 1_000_000 + i128::from(found.mtime_nsec() / 1000);
        assert_eq!(told, i128::from(us));
        assert_eq!(found.mtime_nsec() % 1000, 0);
        // And through a listing with attributes.
    }
    let listed = mounted.printed("ls -l --time-style=+%s.%6N | grep -c -- ' -1.000000 '");
    assert_eq!(listed.trim(), "1");
}

#[test]
fn sizes_modes_and_owners_are_told_without_reading() {
    let tree = Tree::new()
        .pattern("folder/large", 5_000_000_000)
        .executable("folder/tool", "#!/bin/sh\n")
        .file("empty", "")
        .link("link", "folder/large");
    let options = MountOptions { uid: Some(1234), gid: Some(5678), ..Default::default() };
    let mounted = Mounted::with(tree, &options);
    let large = mounted.path("folder/large").metadata().unwrap();
    assert_eq!((large.size(), large.blocks()), (5_000_000_000, 5_000_000_000_u64.div_ceil(512)));
    assert_eq!((large.mode(), large.nlink(), large.blksize()), (0o100_444, 1, 4096));
    assert_eq!((large.uid(), large.gid()), (1234, 5678));
    assert_eq!(large.ino(), mounted.volume.node("folder/large").0);
    assert_eq!(mounted.path("folder/tool").metadata().unwrap().mode(), 0o100_555);
    assert_eq!(mounted.path("empty").metadata().unwrap().blocks(), 0);
    let link = mounted.path("link").symlink_metadata().unwrap();
    assert_eq!((link.mode(), link.size()), (0o120_777, 12));
    let root = mounted.root().metadata().unwrap();
    assert_eq!((root.mode(), root.ino(), root.nlink()), (0o040_555, 1, 1));
    assert_eq!(mounted.volume.counts.reads.load(Ordering::Relaxed), 0);
}

#[test]
fn the_mounting_user_owns_the_mount() {
    let mounted = Mounted::new(Tree::new().file("a", "a"));
    let found = mounted.path("a").metadata().unwrap();
    assert_eq!(found.uid(), rustix::process::getuid().as_raw());
    assert_eq!(found.gid(), rustix::process::getgid().as_raw());
}

#[test]
fn statfs_tells_how_large_the_volume_is() {
    let mounted = Mounted::new(Tree::new().pattern("a", 4096 * 10 + 1).directory("b"));
    let told = rustix::fs::statfs(mounted.root()).unwrap();
    assert_eq!((told.f_bsize, told.f_blocks, told.f_bfree, told.f_bavail), (4096, 11, 0, 0));
    assert_eq!((told.f_files, told.f_ffree, told.f_namelen), (3, 0, 255));
}

#[test]
fn there_are_no_extended_attributes_and_asking_for_them_is_free() {
    let mounted = Mounted::new(Tree::new().file("a", "a"));
    let mut value = vec![0_u8; 4096];
    for (name, errno) in [
        ("user.any", rustix::io::Errno::OPNOTSUPP),
        ("security.selinux", rustix::io::Errno::OPNOTSUPP),
        ("system.posix_acl_access", rustix::io::Errno::NODATA),
    ] {
        let found = rustix::fs::getxattr(mounted.path("a"), name, &mut value[..]);
        assert_eq!(found, Err(errno), "{name}");
    }
    let listed = rustix::fs::listxattr(mounted.root(), &mut value[..]);
    assert_eq!(listed, Err(rustix::io::Errno::OPNOTSUPP));
}
