//! Names and links, also those that are not text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use rusty_attachments_model::PathBuf as ModelPath;
use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_fuse::{FuseError, MountOptions, UnrepresentableNames, mount};

use crate::fixture::{Mounted, executor, scratch};

#[test]
fn names_that_are_not_utf8_are_themselves() {
    let odd = &b"bad\xff\xc3name"[..];
    let long = [b'n'; 255];
    let mut tree = Tree::new().file("gr\u{fc}n \u{1F600}.txt", "text");
    for name in [odd, &long, b"back\\slash", b"new\nline"] {
        tree = tree.file(ModelPath::from_unix(name), name.to_vec());
    }
    let mounted = Mounted::new(tree);
    for name in [odd, &long, b"back\\slash", b"new\nline"] {
        assert_eq!(std::fs::read(mounted.path(OsStr::from_bytes(name))).unwrap(), name);
    }
    assert_eq!(std::fs::read(mounted.path("gr\u{fc}n \u{1F600}.txt")).unwrap(), b"text");
    let listed = std::fs::read_dir(mounted.root()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(listed.into_iter().any(|name| name.as_bytes() == odd));
}

#[test]
fn missing_names_are_asked_for_once() {
    let mounted = Mounted::new(Tree::new().file("there", "x"));
    for _ in 0..10 {
        let error = std::fs::metadata(mounted.path("missing")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2));
    }
    assert_eq!(mounted.volume.counts.lookups.load(Ordering::Relaxed), 1);
    let below = std::fs::metadata(mounted.path("there/x")).unwrap_err();
    assert_eq!(below.raw_os_error(), Some(20));
}

#[test]
fn links_hold_what_the_volume_says() {
    let target = b"../odd\xff/target".to_vec();
    let tree = Tree::new()
        .file("folder/file", "content")
        .link("to-file", "folder/file")
        .link("folder/up", "../to-file")
        .link("nowhere", target.clone());
    let mounted = Mounted::new(tree);
    let read = std::fs::read_link(mounted.path("nowhere")).unwrap();
    assert_eq!(read.as_os_str().as_bytes(), target);
    assert_eq!(std::fs::read(mounted.path("folder/up")).unwrap(), b"content");
    let error = std::fs::read(mounted.path("nowhere")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(2));
    // A link from outside, through the mount and back.
    let outside = scratch();
    symlink(mounted.path("to-file"), outside.path().join("in")).unwrap();
    assert_eq!(std::fs::read(outside.path().join("in")).unwrap(), b"content");
}

#[test]
fn names_that_linux_cannot_have_are_refused_or_hidden() {
    let surrogate = ModelPath::from_wtf8(b"folder/\xed\xa0\xbd.txt".to_vec());
    let long = ModelPath::from(format!("folder/{}", "n".repeat(256)).as_str());
    for (name, shown) in [(surrogate, "folder/\\ud83d.txt"), (long, "folder/nnn")] {
        let tree = Tree::new().file(name, "x").file("folder/fine", "y").file("folder/zz", "z");
        let point = scratch();
        let refused =
            mount(tree.clone().build(), executor(), point.path(), &MountOptions::default());
        let error = refused.unwrap_err();
        assert!(matches!(error, FuseError::UnrepresentableName { .. }), "{error}");
        assert!(error.to_string().contains(shown), "{error}");
        let options =
            MountOptions { unrepresentable: UnrepresentableNames::Hide, ..MountOptions::default() };
        let mounted = Mounted::with(tree, &options);
        assert_eq!(mounted.printed("ls folder"), "fine\nzz\n");
    }
}

#[test]
fn mount_points_may_have_odd_names_too() {
    let outer = scratch();
    let point: PathBuf = outer.path().join(OsStr::from_bytes(b"a b\\\t\xff"));
    std::fs::create_dir(&point).unwrap();
    let tree = Tree::new().file("a", "content");
    let mounted = mount(tree.build(), executor(), &point, &MountOptions::default()).unwrap();
    assert_eq!(std::fs::read(point.join("a")).unwrap(), b"content");
    assert!(
        rusty_attachments_vfs_fuse::list_mounts().unwrap().iter().any(|m| m.mount_point == point)
    );
    mounted.unmount().unwrap();
}
