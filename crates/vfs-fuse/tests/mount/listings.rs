//! Folders: complete, stable and cheap listings.

use std::collections::BTreeSet;
use std::fs::{File, read_dir};
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{RawDir, SeekFrom};
use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_fuse::MountOptions;

use crate::fixture::Mounted;

fn many(count: usize) -> Tree {
    (0..count).fold(Tree::new().directory("empty"), |tree, number| {
        tree.file(format!("folder/entry-{number:06}").as_str(), "x")
    })
}

#[test]
fn a_hundred_thousand_entries_are_listed_once_each() {
    let mounted = Mounted::new(many(100_000));
    let names: BTreeSet<_> =
        read_dir(mounted.path("folder")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 100_000);
    assert!(names.contains(std::ffi::OsStr::new("entry-099999")));
    assert_eq!(mounted.printed("find folder -type f | wc -l").trim(), "100000");
    assert_eq!(mounted.printed("ls -l folder | grep -c '^-r--r--r-- 1'").trim(), "100000");
    assert_eq!(read_dir(mounted.path("empty")).unwrap().count(), 0);
}

#[test]
fn a_second_listing_comes_from_the_kernel() {
    let mounted = Mounted::new(many(1000));
    let listings = || mounted.volume.counts.listings.load(Ordering::Relaxed);
    let before = listings();
    mounted.printed("ls -l folder");
    // An open takes a snapshot, a page does not.
    assert_eq!(listings(), before + 1);
    let lookups = mounted.volume.counts.lookups.load(Ordering::Relaxed);
    mounted.printed("ls -l folder; ls -l folder");
    assert_eq!(listings(), before + 3);
    assert_eq!(mounted.volume.counts.lookups.load(Ordering::Relaxed), lookups);
}

/// Reads lines with a small buffer, so that each call is a page; returns names and cookies.
fn pages(folder: &File, buffer: usize) -> Vec<(Vec<u8>, u64, u64)> {
    let mut space = vec![MaybeUninit::uninit(); buffer];
    let mut raw = RawDir::new(folder, &mut space);
    let mut lines = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry.unwrap();
        lines.push((entry.file_name().to_bytes().to_vec(), entry.ino(), entry.next_entry_cookie()));
    }
    lines
}

#[test]
fn cookies_lead_back_to_where_they_were_taken() {
    // No caching in the kernel, so that every seek reaches us.
    let options = MountOptions { ttl: Duration::ZERO, ..Default::default() };
    let mounted = Mounted::with(many(500), &options);
    let folder = File::open(mounted.path("folder")).unwrap();
    let lines = pages(&folder, 256);
    assert_eq!(lines.len(), 502);
    assert_eq!((lines[0].0.as_slice(), lines[1].0.as_slice()), (&b"."[..], &b".."[..]));
    assert_eq!(lines[0].1, mounted.volume.node("folder").0);
    assert_eq!(lines[1].1, 1);
    for start in [0, 1, 2, 3, 250, 500, 501] {
        let cookie = lines[start].2;
        rustix::fs::seek(&folder, SeekFrom::Start(cookie)).unwrap();
        assert_eq!(pages(&folder, 300), lines[start + 1..], "from cookie {cookie}");
    }
    rustix::fs::seek(&folder, SeekFrom::Start(u64::from(u32::MAX))).unwrap();
    assert!(pages(&folder, 300).is_empty());
    rustix::fs::seek(&folder, SeekFrom::Start(0)).unwrap();
    assert_eq!(pages(&folder, 100_000), lines);
}

#[test]
fn the_tools_walk_deep_trees() {
    let deep = vec!["d"; 100].join("/");
    let tree = Tree::new().file(format!("{deep}/leaf").as_str(), "leaf").link("link", "d/d");
    let mounted = Mounted::new(tree);
    assert_eq!(mounted.printed("find . | wc -l").trim(), "103");
    assert_eq!(mounted.printed("find . -type l").trim(), "./link");
    assert_eq!(mounted.printed(&format!("cat {deep}/leaf")), "leaf");
    assert_eq!(mounted.printed("ls link/"), "d\n");
}

#[test]
fn references_are_given_back() {
    let mut mounted = Mounted::new(many(2000));
    mounted.printed("ls -l folder > /dev/null; stat folder/entry-000001 empty");
    assert!(mounted.volume.counts.retained.load(Ordering::Relaxed) > 0);
    std::fs::write("/proc/sys/vm/drop_caches", "2").ok();
    mounted.end();
    // A mount that ends forgets everything at once; never more than was lent.
    assert!(mounted.volume.counts.retained.load(Ordering::Relaxed) >= 0);
}
