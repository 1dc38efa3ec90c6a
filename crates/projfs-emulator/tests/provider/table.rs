//! The table: nineteen names, of which two can be hidden; names are compared (projfs.md B, G).

use std::ptr::null;

use projfs_emulator::link::LibraryKnobs;
use projfs_emulator::provider::Library;

use crate::script::{KNOBS, library, wide};

fn compare(library: &Library, left: &str, right: &str) -> i32 {
    // SAFETY: both are there.
    unsafe { (library.PrjFileNameCompare)(wide(left).as_ptr(), wide(right).as_ptr()) }.signum()
}

#[test]
fn nineteen_names_are_found() {
    let library = library();
    assert_eq!(Library::NAMES.len(), 19);
    let mut addresses: Vec<_> =
        Library::NAMES.iter().map(|name| library.function(name).unwrap()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 19);
    assert_eq!(library.function("PrjStartVirtualizationInstance"), None);
}

#[test]
fn the_symlink_functions_can_be_hidden() {
    let early = Library::with(LibraryKnobs { hide_symlink_functions: true, ..KNOBS });
    let hidden: Vec<_> =
        Library::NAMES.iter().filter(|name| early.function(name).is_none()).collect();
    assert_eq!(hidden, [&"PrjWritePlaceholderInfo2", &"PrjFillDirEntryBuffer2"]);
}

#[test]
fn names_are_compared_as_ntfs_orders_them() {
    assert_eq!(compare(&library(), "FileA", "filea"), 0);
    assert_eq!(compare(&library(), "File_", "Fileb"), 1);
    assert_eq!(compare(&library(), "File", "Fileb"), -1);
}

#[test]
fn early_builds_compare_lower_case() {
    let early = Library::with(LibraryKnobs { legacy_compare: true, ..KNOBS });
    assert_eq!(compare(&early, "FileA", "filea"), 0);
    assert_eq!(compare(&early, "File_", "Fileb"), -1);
}

#[test]
fn names_are_matched() {
    let matches = |name: &str, pattern: &str| {
        // SAFETY: both are there.
        unsafe { (library().PrjFileNameMatch)(wide(name).as_ptr(), wide(pattern).as_ptr()) }
    };
    assert!(matches("Test", "????"));
    assert!(!matches("Test", "???"));
    // SAFETY: NULL is taken for "".
    assert!(!unsafe { (library().PrjFileNameMatch)(null(), wide("*").as_ptr()) });
}

#[test]
fn wildcards_are_recognised() {
    let has = |name: &str| {
        // SAFETY: it is there.
        unsafe { (library().PrjDoesNameContainWildCards)(wide(name).as_ptr()) }
    };
    assert!(["*", "a?", "<b", ">", "a\"b"].into_iter().all(has));
    assert!(!has("a.txt"));
}
