//! Directories are listed: what is projected and what is on disk, merged in order.

use std::fs;
use std::path::Path;

use projfs_emulator::contract::HResult;
use projfs_emulator::contract::operations::Query;
use projfs_emulator::knobs::Compare;
use projfs_emulator::link::EntryBudget;
use rustix::io::Errno;

use crate::support::actor::list;
use crate::support::app::names;
use crate::support::rig::Rig;
use crate::support::tree::{Tree, wide};

/// Names in the kernel's order, without the two that are always there.
fn listed(path: &Path) -> Vec<String> {
    let mut names = list(path).unwrap();
    names.retain(|name| name != "." && name != "..");
    names
}

fn with_expression(expression: &str) -> Query {
    Query { expression: Some(wide(expression)), buffer: 4096, ..Query::default() }
}

/// What an application's buffer must have for such names.
fn room_for(names: &[&str]) -> u32 {
    let cost = |name: &&str| EntryBudget::cost(name.encode_utf16().count());
    u32::try_from(names.iter().map(cost).sum::<usize>()).unwrap()
}

#[test]
fn s01_opening_the_root_asks_for_no_placeholder() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("a.txt", "alpha"));
    drop(fs::File::open(rig.root()).unwrap());
    fs::metadata(rig.root()).unwrap();
    assert_eq!(provider.take_seen(), Vec::<String>::new());
}

#[test]
fn s02_an_empty_directory_has_two_entries() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().directory("empty"));
    assert_eq!(list(&rig.path("empty")).unwrap(), [".", ".."]);
    let app = rig.app();
    let listing = app.listing("empty").unwrap();
    let entries = listing.rest(&Query { buffer: 4096, ..Query::default() }).unwrap();
    assert_eq!(names(&entries), [".", ".."]);
}

#[test]
fn s03_local_files_stand_among_projected_ones_in_order() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("one/m", "x").text("two/m", "x"));
    assert_eq!(list(&rig.path("one")).unwrap(), [".", "..", "m"]);
    assert!(
        fs::read_dir(rig.path("one")).unwrap().all(|it| it.unwrap().file_type().unwrap().is_file())
    );
    fs::write(rig.path("one/b"), "local").unwrap();
    assert_eq!(list(&rig.path("one")).unwrap(), [".", "..", "b", "m"]);
    fs::write(rig.path("two/Z"), "local").unwrap();
    assert_eq!(list(&rig.path("two")).unwrap(), [".", "..", "m", "Z"]);
}

#[test]
fn s04_what_was_deleted_is_not_listed() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("a", "x").text("b", "x"));
    fs::remove_file(rig.path("a")).unwrap();
    assert_eq!(listed(rig.root()), ["b"]);
}

#[test]
fn s05_a_small_buffer_gets_every_name_in_order() {
    let rig = Rig::new();
    let letters: Vec<_> = ('a'..='z').map(|letter| format!("d/{letter}.txt")).collect();
    let projected = letters.iter().filter(|name| name.as_str() < "d/s");
    let _provider = rig.provide(projected.fold(Tree::new(), |tree, name| tree.text(name, "x")));
    for name in &letters {
        match name.as_str() {
            name if name < "d/i" => {}
            name if name < "d/s" => drop(fs::read(rig.path(name)).unwrap()),
            name => fs::write(rig.path(name), "local").unwrap(),
        }
    }
    let app = rig.app();
    let listing = app.listing("d").unwrap();
    let query = Query { buffer: 512, ..Query::default() };
    let entries = listing.rest(&query).unwrap();
    let expected = [".", ".."].map(str::to_owned).into_iter();
    let expected: Vec<_> =
        expected.chain(letters.iter().map(|path| path[2..].to_owned())).collect();
    assert_eq!(names(&entries), expected);
    assert_eq!(listing.next(&query).unwrap_err(), HResult::NO_MORE_FILES);
}

#[test]
fn s06_a_pattern_that_matches_nothing_is_not_found_once() {
    let rig = Rig::new();
    let tree = Tree::new().text("d/one", "x").text("d/two", "x").text("d/three", "x");
    let _provider = rig.provide(tree);
    for name in ["one", "two", "three"] {
        fs::remove_file(rig.path("d").join(name)).unwrap();
    }
    let app = rig.app();
    let listing = app.listing("d").unwrap();
    let query = with_expression("t*");
    assert_eq!(listing.next(&query).unwrap_err(), HResult::FILE_NOT_FOUND);
    assert_eq!(listing.next(&query).unwrap_err(), HResult::NO_MORE_FILES);
    assert!(listing.next(&Query { restart: true, ..query.clone() }).is_err());
    assert_eq!(listing.next(&query).unwrap_err(), HResult::NO_MORE_FILES);
}

#[test]
fn s07_a_restart_takes_up_another_pattern() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("a1", "x").text("a2", "x").text("b1", "x"));
    let app = rig.app();
    let listing = app.listing("").unwrap();
    let small = |query: Query| Query { single_entry: true, ..query };
    assert_eq!(listing.next_names(&small(with_expression("a*"))).unwrap(), ["a1"]);
    assert_eq!(listing.next_names(&small(with_expression("b*"))).unwrap(), ["a2"]);
    let restart = Query { restart: true, ..with_expression("b*") };
    assert_eq!(listing.next_names(&restart).unwrap(), ["b1"]);
}

#[test]
fn s08_reading_everything_changes_no_listing() {
    let rig = Rig::new();
    let names = ["B", "a", "C_", "c-", "Zz", "zA", "_", "1"];
    let tree = names.iter().fold(Tree::new(), |tree, name| tree.text(name, &name.repeat(3)));
    let _provider = rig.provide(tree);
    let look = || {
        let entries = fs::read_dir(rig.root()).unwrap().map(Result::unwrap);
        let named = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let names: Vec<_> = entries.map(named).collect();
        let sizes = rig.app().entries("").unwrap();
        let sizes: Vec<_> = sizes.iter().map(|entry| entry.basic.size).collect();
        (names, sizes)
    };
    let before = look();
    assert_eq!(before.0.len(), names.len());
    for name in names {
        assert_eq!(fs::read_to_string(rig.path(name)).unwrap(), name.repeat(3));
    }
    assert_eq!(look(), before);
}

#[test]
fn s09_a_trailing_slash_makes_no_difference() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("d/a", "x").text("d/b", "x"));
    fs::remove_file(rig.path("d/a")).unwrap();
    assert_eq!(listed(&rig.path("d")), ["b"]);
    assert_eq!(listed(&rig.path("d/")), ["b"]);
}

#[test]
fn s10_a_missing_folder_cannot_be_listed() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().directory("d"));
    for path in ["missing", "missing/", "d/missing", "missing/nested"] {
        assert_eq!(list(&rig.path(path)).unwrap_err(), Errno::NOENT, "{path}");
    }
    let app = rig.app();
    assert_eq!(app.entries("missing").unwrap_err(), HResult::FILE_NOT_FOUND);
    assert_eq!(app.entries("missing/nested").unwrap_err(), HResult::PATH_NOT_FOUND);
}

#[test]
fn s11_a_new_local_folder_is_like_any_other() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("a", "x"));
    let app = rig.app();
    app.make_directory("new").unwrap();
    assert_eq!(app.names("new").unwrap(), Vec::<String>::new());
    assert_eq!(app.stat("new/missing").unwrap_err(), HResult::FILE_NOT_FOUND);
    let listing = app.listing("new").unwrap();
    assert_eq!(listing.next(&with_expression("x*")).unwrap_err(), HResult::FILE_NOT_FOUND);
    drop(listing);
    app.delete("new").unwrap();
    assert_eq!(app.stat("new").unwrap_err(), HResult::FILE_NOT_FOUND);
}

#[test]
fn s47_a_recursive_listing_equals_the_source() {
    let rig = Rig::new();
    let tree = Tree::new()
        .text("a.txt", "alpha")
        .pattern("dir1/big", 123_456)
        .text("dir1/dir2/dir3/bar.txt", "bar")
        .directory("dir1/empty");
    let _provider = rig.provide(tree.clone());
    let app = rig.app();
    let mut folders = vec![wide("")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let expected = tree.list(&folder).unwrap();
        let entries = app.entries(&folder.to_string().replace('\\', "/")).unwrap();
        assert_eq!(entries.len(), expected.len());
        for (entry, expected) in entries.iter().zip(expected) {
            let basic = expected.basic();
            assert_eq!(entry.name, expected.name);
            assert_eq!((entry.basic.size, entry.basic.directory), (basic.size, basic.directory));
            let times = |it: &projfs_emulator::contract::BasicInfo| {
                (it.creation, it.access, it.write, it.change)
            };
            assert_eq!(times(&entry.basic), times(&basic));
            assert_eq!(entry.basic.attributes & basic.attributes, basic.attributes);
            if basic.directory {
                folders.push(folder.join(&entry.name));
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}

/// The four names that the tests of paged listings use.
fn paged() -> Tree {
    Tree::new().text("1a", "x").text("1b", "x").text("2c", "x").text("2d", "x")
}

#[test]
fn s56_single_entries_come_one_at_a_time() {
    let rig = Rig::new();
    let _provider = rig.provide(paged());
    let app = rig.app();
    let listing = app.listing("").unwrap();
    let query = Query { single_entry: true, buffer: 4096, ..Query::default() };
    for name in [".", "..", "1a", "1b", "2c", "2d"] {
        assert_eq!(listing.next_names(&query).unwrap(), [name]);
    }
    assert_eq!(listing.next(&query).unwrap_err(), HResult::NO_MORE_FILES);
}

#[test]
fn s57_a_buffer_of_one_or_two_entries_pages_and_restarts() {
    let rig = Rig::new();
    let _provider = rig.provide(paged());
    let app = rig.app();
    let one = Query { buffer: room_for(&["1a"]), ..Query::default() };
    let listing = app.listing("").unwrap();
    for name in [".", "..", "1a", "1b", "2c", "2d"] {
        assert_eq!(listing.next_names(&one).unwrap(), [name]);
    }
    assert_eq!(listing.next(&one).unwrap_err(), HResult::NO_MORE_FILES);
    let two = Query { buffer: room_for(&["1a", "1b"]), ..Query::default() };
    let listing = app.listing("").unwrap();
    assert_eq!(listing.next_names(&two).unwrap(), [".", ".."]);
    assert_eq!(listing.next_names(&two).unwrap(), ["1a", "1b"]);
    let restart = Query { restart: true, ..two.clone() };
    assert_eq!(listing.next_names(&restart).unwrap(), [".", ".."]);
    assert_eq!(listing.next_names(&two).unwrap(), ["1a", "1b"]);
    assert_eq!(listing.next_names(&two).unwrap(), ["2c", "2d"]);
    assert_eq!(listing.next(&two).unwrap_err(), HResult::NO_MORE_FILES);
}

#[test]
fn s58_only_the_first_pattern_and_those_of_restarts_count() {
    let rig = Rig::new();
    let _provider = rig.provide(paged());
    let app = rig.app();
    let whole = |expressions: [Option<&str>; 2], restart| {
        let listing = app.listing("").unwrap();
        let query = |expression: Option<&str>| Query {
            expression: expression.map(wide),
            single_entry: true,
            buffer: 4096,
            ..Query::default()
        };
        let [first, later] = expressions;
        let mut names = listing.next_names(&query(first)).unwrap();
        let mut restart = restart;
        while let Ok(more) = listing.next_names(&Query { restart, ..query(later) }) {
            names.extend(more);
            restart = false;
        }
        names
    };
    assert_eq!(whole([Some("2*"), Some("2*")], false), ["2c", "2d"]);
    assert_eq!(whole([Some("2*"), None], false), ["2c", "2d"]);
    assert_eq!(whole([Some("2*"), Some("1*")], false), ["2c", "2d"]);
    assert_eq!(whole([Some(""), Some("zz*")], false), [".", "..", "1a", "1b", "2c", "2d"]);
    assert_eq!(whole([None, Some("zz*")], false), [".", "..", "1a", "1b", "2c", "2d"]);
    assert_eq!(whole([Some("2*"), Some("1*")], true), ["2c", "1a", "1b"]);
}

#[test]
fn s59_of_a_thousand_entries_none_is_lost() {
    let rig = Rig::new();
    let names: Vec<_> = (0..1000).map(|number| format!("file {number:04}")).collect();
    let tree = names.iter().fold(Tree::new(), |tree, name| tree.text(name, "x"));
    let _provider = rig.provide(tree);
    assert_eq!(listed(rig.root()), names);
    let app = rig.app();
    let entries = app.listing("").unwrap();
    let entries = entries.rest(&Query { buffer: 16 << 10, ..Query::default() }).unwrap();
    assert_eq!(entries.len(), 1002);
}

#[test]
fn s64_listings_repeat_and_patterns_choose() {
    let rig = Rig::new();
    let tree = ["b.txt", "A.txt", "c.md", "_.txt"];
    let _provider = rig.provide(tree.iter().fold(Tree::new(), |tree, name| tree.text(name, "x")));
    let expected = ["A.txt", "b.txt", "c.md", "_.txt"];
    for _ in 0..3 {
        assert_eq!(listed(rig.root()), expected);
    }
    let app = rig.app();
    let entries = app.listing("").unwrap().rest(&with_expression("*.txt")).unwrap();
    assert_eq!(names(&entries), ["A.txt", "b.txt", "_.txt"]);
}

#[test]
fn s65_long_names_are_paged_without_a_loss() {
    let rig = Rig::new();
    let names: Vec<_> = (0..300).map(|number| format!("{number:03}{}", "n".repeat(120))).collect();
    let tree = names.iter().fold(Tree::new(), |tree, name| tree.text(name, "x"));
    let _provider = rig.provide(tree);
    assert_eq!(listed(rig.root()), names);
}

#[test]
fn s72_underscores_sort_after_letters_in_both_compare_modes() {
    for compare in [Compare::Upcase, Compare::LegacyLower] {
        let rig = Rig::with(|knobs| knobs.compare = compare);
        let names = ["FileA", "Fileb", "File_"];
        let tree = names.iter().fold(Tree::new(), |tree, name| tree.text(name, "x"));
        let _provider = rig.provide(tree);
        assert_eq!(listed(rig.root()), names);
        for name in names {
            fs::read(rig.path(name)).unwrap();
            assert_eq!(listed(rig.root()), names);
        }
    }
}
