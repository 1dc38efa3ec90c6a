//! What a listing holds, and how long it is held.

use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusty_attachments_testkit::volume::Content;
use rusty_attachments_vfs::{VfsError, VfsErrorKind, Volume};

use super::*;
use crate::projection::info::windows_time;
use crate::projection::listings::Listings;

fn names(listing: &[ProjectedFileInfo]) -> Vec<String> {
    listing.iter().map(|entry| text(&entry.name)).collect()
}

/// projfs.md T5, G1: upper case, unit by unit, so `_` comes after letters and surrogates before
/// U+E000.
#[test]
fn t5_listings_are_sorted_as_ntfs_sorts() {
    let sorted = [
        "a",
        "ab",
        "A_",
        "FileA",
        "Fileb",
        "File_",
        "Z",
        "[",
        "_",
        "\u{c9}a",
        "\u{e9}B",
        "\u{1F600}",
        "\u{E000}",
    ];
    let tree = sorted.iter().fold(Tree::new(), |tree, name| tree.file(*name, ""));
    assert_eq!(names(&listing(&shown(tree), "")), sorted);
}

#[test]
fn entries_tell_what_windows_wants_to_know() {
    let mtime_us = 1_700_000_000_123_456;
    let tree = Tree::new()
        .content("f", Content::Pattern(5 << 30), mtime_us, true)
        .directory("d")
        .link("l", "f");
    let (volume, projection) = project(tree, LinkPolicy::Links);
    let listed = listing(&projection, "");
    let [d, f, l] = &*listed else { panic!("{listed:?}") };
    assert_eq!((&d.kind, d.size, d.content), (&ProjectedKind::Directory, 0, None));
    assert_eq!((&f.kind, f.size), (&ProjectedKind::File, 5 << 30));
    assert_eq!(f.content, volume.content_identity(f.node));
    assert!(f.content.is_some());
    assert_eq!(f.write_time, 133_444_736_001_234_560);
    assert_eq!((l.size, l.content, l.is_directory()), (0, None, false));
    assert!([d, f, l].iter().all(|entry| entry.write_time > 0));
    assert!(projection.listing(f.node).unwrap().is_none(), "a file has no listing");
    assert!(projection.listing(NodeId(4711)).is_err());
}

/// Predecessor B7, A26: times outside of what Windows can say ended the process or became "now".
#[test]
fn times_are_kept_within_what_windows_can_say() {
    assert_eq!(windows_time(0), 116_444_736_000_000_000);
    assert_eq!(windows_time(-1), 116_444_736_000_000_000 - 10);
    assert_eq!(windows_time(-11_644_473_600_000_000), 1, "0 would mean now");
    assert_eq!(windows_time(i64::MIN), 1);
    // 9999-12-31T23:59:59 and one second more.
    assert_eq!(windows_time(253_402_300_799_000_000), 2_650_467_743_990_000_000);
    assert_eq!(windows_time(253_402_300_800_000_000), 2_650_467_743_999_999_999);
    assert_eq!(windows_time(i64::MAX), 2_650_467_743_999_999_999);
}

#[test]
fn a_hundred_thousand_entries_are_listed_in_order_and_found() {
    let name = |i: usize| format!("{}_{i:06}.exr", ["Beauty", "depth", "_tmp"][i % 3]);
    let tree = (0..100_000).fold(Tree::new(), |tree, i| tree.file(name(i).as_str(), ""));
    let projection = shown(tree);
    let all = listing(&projection, "");
    assert_eq!(all.len(), 100_000);
    assert!(all.is_sorted_by(|a, b| ntfs_names::compare(&a.name, &b.name).is_lt()));
    for i in (0..100_000).step_by(997) {
        assert_eq!(text(&at(&projection, &name(i).to_uppercase()).unwrap().path), name(i));
    }
    assert!(at(&projection, "beauty_100000.exr").is_none());
}

#[test]
fn listings_are_shared_and_built_once_however_many_ask() {
    let (volume, projection) = project(Tree::new().file("d/f", ""), LinkPolicy::Links);
    let folder = volume.node("d");
    let before = volume.counts.listings.load(Ordering::Relaxed);
    let barrier = std::sync::Barrier::new(8);
    let listings: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            projection.listing(folder).unwrap().unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(listings.iter().all(|listing| Arc::ptr_eq(listing, &listings[0])));
    assert_eq!(volume.counts.listings.load(Ordering::Relaxed), before + 1);
}

/// A listing of about so many bytes.
fn large(bytes: usize) -> Arc<[ProjectedFileInfo]> {
    Arc::from([ProjectedFileInfo {
        name: vec![0x61; bytes / 2].into(),
        node: NodeId(2),
        kind: ProjectedKind::Directory,
        size: 0,
        write_time: 1,
        content: None,
    }])
}

#[test]
fn listings_stay_within_their_budget_and_may_be_used_for_longer() {
    let listings = Listings::new(100_000);
    let mut held = None;
    let built: Vec<Weak<[_]>> = (0..100)
        .map(|folder| {
            let listing = listings.get_or_build(NodeId(folder), || Ok(Some(large(8_000))));
            let listing = listing.unwrap().unwrap();
            held.get_or_insert_with(|| Arc::clone(&listing));
            Arc::downgrade(&listing)
        })
        .collect();
    let alive = built.iter().skip(1).filter(|listing| listing.strong_count() > 0).count();
    assert!((6..=12).contains(&alive), "{alive}");
    assert_eq!(held.unwrap()[0].name.len(), 4_000);
}

#[test]
fn a_listing_larger_than_the_budget_is_served_and_kept_while_it_is_the_last_one() {
    let listings = Listings::new(100_000);
    let (small, first, second) = (NodeId(1), NodeId(2), NodeId(3));
    let get =
        |folder, bytes| listings.get_or_build(folder, || Ok(Some(large(bytes)))).unwrap().unwrap();
    let kept_small = get(small, 1_000);
    let kept = get(first, 1_000_000);
    assert!(Arc::ptr_eq(&kept, &get(first, 1_000_000)));
    assert!(Arc::ptr_eq(&kept_small, &get(small, 1_000)), "it pushes none of the others out");
    let other = get(second, 1_000_000);
    assert!(Arc::ptr_eq(&other, &get(second, 1_000_000)));
    assert!(!Arc::ptr_eq(&kept, &get(first, 1_000_000)));
    // Without any budget too.
    let none = Listings::new(0);
    assert!(none.get_or_build(small, || Ok(Some(large(10)))).unwrap().is_some());
}

#[test]
fn a_failure_is_told_and_the_next_who_asks_tries_again() {
    let listings = Listings::new(100_000);
    let tries = AtomicUsize::new(0);
    let get = || {
        listings.get_or_build(NodeId(7), || match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Err(VfsError::new(VfsErrorKind::Internal, "broken").into()),
            1 => Ok(None),
            2 => panic!("broken again"),
            _ => Ok(Some(large(10))),
        })
    };
    assert_eq!(get().unwrap_err().to_string(), "broken");
    assert!(get().unwrap().is_none());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(get)).is_err());
    assert!(get().unwrap().is_some());
    assert!(get().unwrap().is_some());
    assert_eq!(tries.load(Ordering::Relaxed), 4);
}
