//! Names in any case, in any script, and patterns that choose among them.

use std::fs;

use projfs_emulator::contract::Wide;
use projfs_emulator::contract::operations::Query;

use crate::support::app::names;
use crate::support::rig::Rig;
use crate::support::tree::{Tree, wide};

#[test]
fn s35_what_was_reached_in_another_case_is_spelled_as_projected() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("Folder/Sub/File.TXT", "content"));
    assert_eq!(fs::read_to_string(rig.path("FOLDER/sub/file.txt")).unwrap(), "content");
    let app = rig.app();
    assert_eq!(app.names("").unwrap(), ["Folder"]);
    assert_eq!(app.names("folder").unwrap(), ["Sub"]);
    assert_eq!(app.names("folder/SUB").unwrap(), ["File.TXT"]);
    assert_eq!(app.stat("fOLDER/sUB/fILE.txt").unwrap().name, Wide::from("File.TXT"));
}

#[test]
fn s38_names_of_all_scripts_are_projected() {
    let rig = Rig::new();
    let all = ["Ünïcödé.txt", "日本語", "кириллица", "עברית", "e\u{301}", "\u{e9}", "😀.txt"];
    let _provider = rig.provide(all.iter().fold(Tree::new(), |tree, name| tree.text(name, name)));
    let mut listed: Vec<_> = fs::read_dir(rig.root()).unwrap().collect();
    assert_eq!(listed.len(), all.len());
    for entry in listed.drain(..) {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(fs::read_to_string(rig.path(&name)).unwrap(), name);
    }
    assert_eq!(fs::read_to_string(rig.path("ÜNÏCÖDÉ.TXT")).unwrap(), "Ünïcödé.txt");
}

#[test]
fn s43_dos_patterns_choose_as_windows_does() {
    let rig = Rig::new();
    let all = ["E", "E.x", "Test", "Test.txt", "t.md"];
    let _provider = rig.provide(all.iter().fold(Tree::new(), |tree, name| tree.text(name, "x")));
    let app = rig.app();
    let chosen = |pattern: &str| {
        let query = Query { expression: Some(wide(pattern)), buffer: 4096, ..Query::default() };
        app.listing("").unwrap().rest(&query).map_or_else(|_| Vec::new(), |found| names(&found))
    };
    assert_eq!(chosen("????"), ["t.md", "Test"]);
    assert_eq!(chosen("Test\""), ["Test"]);
    assert_eq!(chosen("te>>>"), ["Test"]);
    assert_eq!(chosen("t<txt"), ["Test.txt"]);
    assert_eq!(chosen("E\"*"), ["E", "E.x"]);
    assert_eq!(chosen("*.*"), [".", "..", "E.x", "t.md", "Test.txt"]);
    assert_eq!(chosen("TEST.TXT"), ["Test.txt"]);
    assert_eq!(chosen("???"), ["E.x"]);
}

#[test]
fn s63_another_case_reads_the_same_file_before_and_after_hydration() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().text("docs/a.txt", "alpha"));
    assert_eq!(fs::read_to_string(rig.path("DOCS/A.TXT")).unwrap(), "alpha");
    assert_eq!(fs::read_to_string(rig.path("docs/a.txt")).unwrap(), "alpha");
    assert_eq!(fs::read_to_string(rig.path("Docs/A.txt")).unwrap(), "alpha");
    let asked = provider.take_seen();
    assert_eq!(asked.iter().filter(|line| line.starts_with("GetFileData")).count(), 1);
}

#[test]
fn s67_names_that_windows_cannot_have_are_reported() {
    let rig = Rig::with(|knobs| knobs.strict = false);
    let bad = ["bad:name", "trailing."];
    let tree = bad.iter().fold(Tree::new().text("good", "x"), |tree, name| tree.text(name, "x"));
    let _provider = rig.provide(tree);
    assert_eq!(fs::read_dir(rig.root()).unwrap().count(), 3, "seen, as on Windows");
    let broken = rig.violations();
    let named = |name: &&str| broken.iter().any(|it| it.rule == "G8" && it.what.contains(*name));
    assert!(bad.iter().all(named), "{broken:#?}");
    for name in bad {
        assert!(fs::read(rig.path(name)).is_err(), "{name}");
    }
    rig.violations();
}

#[test]
fn surrogates_without_their_half_are_names_too() {
    let rig = Rig::new();
    let odd = Wide::new(vec![u16::from(b'x'), 0xD800]);
    let _provider = rig.provide(Tree::new().named(odd.clone(), "odd"));
    let entry = fs::read_dir(rig.root()).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read_to_string(entry.path()).unwrap(), "odd");
    assert_eq!(rig.app().entries("").unwrap()[0].name, odd);
}
