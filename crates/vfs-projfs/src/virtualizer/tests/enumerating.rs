//! What folders list.

use projfs_emulator::contract::operations::Query;
use projfs_emulator::knobs::{Compare, Expression};
use projfs_emulator::link::{EntryBudget, LibraryKnobs};
use projfs_emulator::provider::Library;
use projfs_emulator::{Knobs, contract::Wide};
use rusty_attachments_testkit::volume::{DEFAULT_MTIME_US, Tree};

use super::rig::{Rig, Setup, names};
use crate::api::ProjFsApi;

const NO_MORE_FILES: u32 = 0x8007_0012;
const FILE_NOT_FOUND: u32 = 0x8007_0002;
const INVALID_ARGUMENT: u32 = 0x8007_0057;

/// Room for so many entries with names of two units.
fn room(entries: usize) -> u32 {
    u32::try_from(entries * EntryBudget::cost(2)).unwrap()
}

fn query(entries: usize) -> Query {
    Query { buffer: room(entries), ..Query::default() }
}

fn four() -> Tree {
    Tree::new().file("1a", "a").file("1b", "b").file("2c", "c").file("2d", "d")
}

fn some_job() -> Tree {
    Tree::new()
        .file("Scene.ma", "scene\n")
        .file("_first", "underscore sorts after letters\n")
        .file("assets/textures/wood.exr", vec![7; 100_000])
        .file("assets/textures/Zebra.exr", "")
        .file("assets/textures/émoji 🦓.txt", "zebra")
        .directory("assets/empty")
        .content(
            "old",
            rusty_attachments_testkit::volume::Content::Pattern(4711),
            1_000_000_000_000_000,
            false,
        )
        .link("assets/link", "textures/wood.exr")
}

/// Kind, size, time, target and path of everything, as another process finds it.
const LOOK: &str = "find . -mindepth 1 -printf '%y %s %T@ %l %P\\n' | sort -k5";

#[test]
fn a_recursive_listing_of_another_process_is_what_the_manifest_says() {
    let rig = Rig::new(some_job());
    let time = format!("{}.{:06}0000", DEFAULT_MTIME_US / 1_000_000, DEFAULT_MTIME_US % 1_000_000);
    let expected = [
        format!("f 6 {time}  Scene.ma"),
        format!("f 31 {time}  _first"),
        format!("d 0 {time}  assets"),
        format!("d 0 {time}  assets/empty"),
        format!("l 0 {time} textures/wood.exr assets/link"),
        format!("d 0 {time}  assets/textures"),
        format!("f 0 {time}  assets/textures/Zebra.exr"),
        format!("f 100000 {time}  assets/textures/wood.exr"),
        format!("f 5 {time}  assets/textures/émoji 🦓.txt"),
        "f 4711 1000000000.0000000000  old".to_owned(),
    ];
    let mut expected = expected.to_vec();
    let by_path = |line: &String| line.splitn(5, ' ').nth(4).unwrap().to_owned();
    expected.sort_by_key(by_path);
    // Sizes of folders are the file system's own affair.
    let look = || {
        let said = rig.says(LOOK);
        let mut lines: Vec<_> = said
            .lines()
            .map(|line| match line.strip_prefix("d ") {
                Some(rest) => format!("d 0 {}", rest.split_once(' ').unwrap().1),
                None => line.to_owned(),
            })
            .collect();
        lines.sort_by_key(by_path);
        lines
    };
    assert_eq!(look(), expected);
    // Again, now that everything is on disk (projfs.md F13), and after it was read.
    assert_eq!(look(), expected);
    rig.says("find . -type f -exec cat {} + > /dev/null");
    assert_eq!(look(), expected);
    assert_eq!(rig.says("cat assets/link | wc -c").trim(), "100000");
}

#[test]
fn entries_tell_size_and_all_four_times() {
    let rig = Rig::new(some_job());
    let app = rig.app();
    let entries = app.list("").rest(&Query { buffer: 64 << 10, ..Query::default() }).unwrap();
    assert_eq!(names(&entries), ["assets", "old", "Scene.ma", "_first"]);
    let old = &entries[1].basic;
    let written = (1_000_000_000 + 11_644_473_600) * 10_000_000;
    assert_eq!(old.size, 4711);
    assert_eq!(
        (old.creation, old.access, old.write, old.change),
        (written, written, written, written)
    );
    assert!(entries[0].basic.directory && entries[0].basic.size == 0);
    // Listing makes nothing (projfs.md E2).
    assert_eq!(app.on_disk(""), [""; 0]);
}

#[test]
fn f11_single_entries_come_one_at_a_time() {
    let rig = Rig::new(four());
    let app = rig.app();
    let listing = app.list("");
    let single = Query { single_entry: true, ..query(10) };
    for name in [".", "..", "1a", "1b", "2c", "2d"] {
        assert_eq!(listing.next(&single), Ok(vec![name.to_owned()]));
    }
    assert_eq!(listing.next(&single), Err(NO_MORE_FILES));
}

#[test]
fn f9_small_buffers_lose_nothing() {
    for limit in [Some(1), Some(2), None] {
        let rig = Rig::with(
            four(),
            Setup { knobs: Knobs { entry_limit: limit, ..Knobs::default() }, ..Setup::default() },
        );
        let app = rig.app();
        let listing = app.list("");
        for name in [".", "..", "1a", "1b", "2c", "2d"] {
            assert_eq!(listing.next(&query(1)), Ok(vec![name.to_owned()]));
        }
        assert_eq!(listing.next(&query(1)), Err(NO_MORE_FILES));

        let listing = app.list("");
        assert_eq!(listing.next(&query(2)).unwrap(), [".", ".."]);
        assert_eq!(listing.next(&query(2)).unwrap(), ["1a", "1b"]);
        let again = Query { restart: true, ..query(2) };
        assert_eq!(listing.next(&again).unwrap(), [".", ".."]);
        assert_eq!(listing.next(&query(2)).unwrap(), ["1a", "1b"]);
        assert_eq!(listing.next(&query(2)).unwrap(), ["2c", "2d"]);
        assert_eq!(listing.next(&query(2)), Err(NO_MORE_FILES));
        // After the end, too (projfs.md F23).
        assert_eq!(listing.next(&again).unwrap(), [".", ".."]);
        assert_eq!(listing.next(&query(9)).unwrap(), ["1a", "1b", "2c", "2d"]);
    }
}

#[test]
fn f10_a_buffer_for_not_even_one_entry_is_an_error_and_no_end() {
    let rig = Rig::with(
        four(),
        Setup { knobs: Knobs { entry_bytes: 0, ..Knobs::default() }, ..Setup::default() },
    );
    assert!(rig.sh("ls").stdout.is_empty());
    let trace = rig.trace("GetEnumeration");
    assert!(trace.iter().any(|line| line.contains("INSUFFICIENT_BUFFER")), "{trace:?}");
    rig.emulated.set(|knobs| knobs.entry_bytes = 4096);
    assert_eq!(rig.says("ls"), "1a\n1b\n2c\n2d\n");
}

#[test]
fn f6_the_first_pattern_counts_until_a_restart() {
    let rig = Rig::new(four());
    let app = rig.app();
    let with = |expression: &str| Query { expression: Some(Wide::from(expression)), ..query(9) };
    let listing = app.list("");
    assert_eq!(listing.next(&Query { buffer: room(1), ..with("2*") }).unwrap(), ["2c"]);
    assert_eq!(listing.next(&with("1*")).unwrap(), ["2d"]);
    assert_eq!(listing.next(&with("1*")), Err(NO_MORE_FILES));
    let again = Query { restart: true, ..with("1*") };
    assert_eq!(listing.next(&again).unwrap(), ["1a", "1b"]);

    // An empty first pattern is a first pattern.
    let listing = app.list("");
    assert_eq!(listing.next(&query(2)).unwrap(), [".", ".."]);
    assert_eq!(listing.next(&with("zz*")).unwrap(), ["1a", "1b", "2c", "2d"]);

    assert_eq!(app.list("").next(&with("zz*")), Err(FILE_NOT_FOUND));
    assert_eq!(app.list("").next(&with("2C")).unwrap(), ["2c"]);
    assert_eq!(app.list("").next(&with("?B")).unwrap(), ["1b"]);
}

#[test]
fn listings_with_and_without_a_star_are_the_same() {
    for expression in [Expression::Null, Expression::Star] {
        let knobs = Knobs { expression, ..Knobs::default() };
        let rig = Rig::with(four(), Setup { knobs, ..Setup::default() });
        assert_eq!(rig.says("ls"), "1a\n1b\n2c\n2d\n");
    }
}

#[test]
fn many_entries_and_long_names_are_all_listed_in_order() {
    let long = |number| format!("{number:03}{}", "x".repeat(120));
    let tree = (0..300).fold(Tree::new(), |tree, number| tree.file(long(number).as_str(), "x"));
    let tree =
        (0..1000).fold(tree, |tree, number| tree.file(format!("many/{number:04}").as_str(), "x"));
    let rig = Rig::new(tree);
    let app = rig.app();
    let query = Query { buffer: 16 << 10, ..Query::default() };
    let many: Vec<_> = (0..1000).map(|number| format!("{number:04}")).collect();
    assert_eq!(names(&app.list("many").rest(&query).unwrap()), many);
    let mut all: Vec<_> = (0..300).map(long).collect();
    all.push("many".to_owned());
    assert_eq!(names(&app.list("").rest(&query).unwrap()), all);
    // Some on disk, some not: the streams are merged (projfs.md F14).
    rig.says("cat many/0500 many/0001 many/0999 > /dev/null");
    assert_eq!(names(&app.list("many").rest(&query).unwrap()), many);
    assert_eq!(rig.says("ls many | wc -l").trim(), "1000");
}

#[test]
fn t5_names_are_in_the_order_of_ntfs_whatever_the_library_says() {
    for legacy in [false, true] {
        let library =
            LibraryKnobs { strict: true, hide_symlink_functions: false, legacy_compare: legacy };
        let api = ProjFsApi::from_emulator(&Library::with(library)).unwrap();
        let compare = if legacy { Compare::LegacyLower } else { Compare::Upcase };
        let setup = Setup {
            api: Box::leak(Box::new(api)),
            knobs: Knobs { compare, ..Knobs::default() },
            ..Setup::default()
        };
        let tree = ["FileA", "File_", "Fileb"]
            .iter()
            .fold(Tree::new(), |tree, name| tree.file(*name, *name));
        let rig = Rig::with(tree, setup);
        let listed = || {
            let query = Query { buffer: 64 << 10, ..Query::default() };
            names(&rig.app().list("").rest(&query).unwrap())
        };
        // `_` after the letters (projfs.md G1).
        assert_eq!(listed(), ["FileA", "Fileb", "File_"]);
        // Orders that differ show once some are on disk (projfs.md F13).
        for name in ["FileA", "File_", "Fileb"] {
            assert_eq!(rig.says(&format!("cat {name}")), name);
            assert_eq!(listed(), ["FileA", "Fileb", "File_"]);
        }
    }
}

#[test]
fn f4_an_enumeration_that_made_room_is_unknown_and_the_root_lives() {
    let rig = Rig::with(four(), Setup { max_enumerations: 1, ..Setup::default() });
    let app = rig.app();
    let first = app.list("");
    assert_eq!(first.next(&query(2)).unwrap(), [".", ".."]);
    assert_eq!(first.next(&query(1)).unwrap(), ["1a"]);
    let second = app.list("");
    assert_eq!(second.next(&query(3)).unwrap(), [".", "..", "1a"]);
    let lost = first.next(&query(9));
    assert!(lost == Err(INVALID_ARGUMENT) || lost == Ok(vec!["1b".into()]), "{lost:?}");
    assert_eq!(second.next(&query(9)).unwrap(), ["1b", "2c", "2d"]);
    drop((first, second));
    assert_eq!(rig.says("ls"), "1a\n1b\n2c\n2d\n");
}

#[test]
fn f3_lost_ends_do_not_pile_up() {
    let setup = Setup {
        max_enumerations: 5,
        knobs: Knobs { lose_ends: 1, ..Knobs::default() },
        ..Setup::default()
    };
    let rig = Rig::with(four(), setup);
    for _ in 0..30 {
        assert_eq!(rig.says("ls"), "1a\n1b\n2c\n2d\n");
    }
    assert!(rig.stats.snapshot(0, &rusty_attachments_vfs::Stats::default()).enumerations <= 5);
    assert_eq!(rig.trace("EndEnumeration"), [""; 0]);
}

#[test]
fn f20_a_folder_that_is_not_projected_lists_what_is_local() {
    let rig = Rig::new(four());
    assert_eq!(rig.callbacks.list(&super::rig::units("no\\such")).unwrap().len(), 0);
    rig.says("mkdir own && touch own/file");
    assert_eq!(rig.says("ls own"), "file\n");
}

#[test]
fn f1_enumerations_of_one_folder_have_a_place_each() {
    let rig = Rig::new(four());
    let app = rig.app();
    let (first, second) = (app.list(""), app.list(""));
    assert_eq!(first.next(&query(3)).unwrap(), [".", "..", "1a"]);
    assert_eq!(second.next(&query(4)).unwrap(), [".", "..", "1a", "1b"]);
    assert_eq!(first.next(&query(1)).unwrap(), ["1b"]);
    assert_eq!(second.next(&query(9)).unwrap(), ["2c", "2d"]);
    assert_eq!(first.next(&query(9)).unwrap(), ["2c", "2d"]);
}

#[test]
fn f2_a_listing_that_cannot_start_is_an_error_and_the_next_one_is_whole() {
    use rusty_attachments_vfs::VfsErrorKind;
    let rig = Rig::new(Tree::new().file("folder/a", "a").file("folder/b", "b"));
    rig.volume.fail("folder", VfsErrorKind::OutOfMemory);
    assert!(rig.sh("ls folder").stdout.is_empty());
    let started = rig.trace("StartEnumeration folder");
    assert!(started.iter().all(|line| line.contains("OUT")), "{started:?}");
    assert!(!started.is_empty());
    assert_eq!(rig.says("ls"), "folder\n");
    rig.volume.heal("folder");
    assert_eq!(rig.says("ls folder"), "a\nb\n");
}

#[test]
fn f12_one_name_is_looked_for_without_making_it() {
    let rig = Rig::new(four());
    let app = rig.app();
    let one = Query { expression: Some(Wide::from("1B")), ..query(9) };
    assert_eq!(app.list("").next(&one).unwrap(), ["1b"]);
    assert_eq!(app.on_disk(""), [""; 0]);
    assert_eq!(rig.trace("GetPlaceholderInfo"), [""; 0]);
}

#[test]
fn f14_what_users_made_changed_and_deleted_is_merged_into_the_listing() {
    let rig = Rig::new(four());
    rig.says("echo new > 1; echo new > 1aa; echo new > 3; echo longer > 1b; rm 2c");
    for _ in 0..2 {
        let app = rig.app();
        let entries = app.list("").rest(&Query { buffer: 64 << 10, ..Query::default() }).unwrap();
        assert_eq!(names(&entries), ["1", "1a", "1aa", "1b", "2d", "3"]);
        assert_eq!(entries[3].basic.size, 7);
        rig.says("cat 1a 2d");
    }
}

#[test]
fn f15_each_listing_of_a_projected_folder_is_answered_from_memory() {
    use std::sync::atomic::Ordering;
    let rig = Rig::new(Tree::new().file("folder/a", "a").file("folder/b", "b"));
    rig.says("ls folder");
    let listings = rig.volume.counts.listings.load(Ordering::Relaxed);
    rig.trace("");
    rig.says("ls folder; cat folder/*; ls folder; mkdir own; touch own/x; ls own");
    let asked = rig.trace("StartEnumeration");
    let of = |folder| asked.iter().filter(|line| line.contains(folder)).count();
    // `folder/*` is a listing, too.
    assert_eq!((of(" folder "), of(" own ")), (3, 0), "{asked:?}");
    assert_eq!(rig.volume.counts.listings.load(Ordering::Relaxed), listings);
}
