//! What is found at paths.

use projfs_emulator::Knobs;
use projfs_emulator::contract::operations::Query;
use projfs_emulator::link::LibraryKnobs;
use projfs_emulator::provider::Library;
use rusty_attachments_testkit::volume::Tree;

use super::rig::{Rig, Setup, names, units};
use crate::api::ProjFsApi;

fn everything() -> Query {
    Query { buffer: 64 << 10, ..Query::default() }
}

#[test]
fn t6_whatever_the_case_of_a_path_every_component_is_spelled_as_in_the_manifest() {
    let rig = Rig::new(Tree::new().file("Docs/Deep Folder/ÄRGER.txt", "found\n"));
    // Before anything is on disk, and after.
    assert_eq!(rig.says("cat 'DOCS/deep folder/ärger.TXT'"), "found\n");
    assert_eq!(rig.says("cat 'docs/DEEP FOLDER/Ärger.txt'"), "found\n");
    let app = rig.app();
    assert_eq!(app.on_disk(""), ["Docs"]);
    assert_eq!(app.on_disk("docs"), ["Deep Folder"]);
    assert_eq!(app.on_disk("DOCS\\DEEP FOLDER"), ["ÄRGER.txt"]);
    assert_eq!(app.spelling("dOcS"), "Docs");
    assert_eq!(rig.says("find . -type f"), "./Docs/Deep Folder/ÄRGER.txt\n");
}

#[test]
fn t16_what_is_not_there_is_asked_for_once_and_can_be_made_then() {
    let rig = Rig::new(Tree::new().file("there", "x"));
    for _ in 0..3 {
        assert!(rig.complains("cat missing").contains("No such file"));
        assert!(rig.complains("cat no/such/folder").contains("No such file"));
    }
    let asked = rig.trace("GetPlaceholderInfo");
    let missing = |name| asked.iter().filter(|line| line.contains(name)).count();
    assert_eq!((missing(" missing "), missing(" no ")), (1, 1), "{asked:?}");
    assert_eq!(rig.says("echo made > missing; cat missing; ls"), "made\nmissing\nthere\n");
}

#[test]
fn t16_what_was_not_there_is_asked_for_again_after_a_start() {
    let mut rig = Rig::new(Tree::new().file("there", "x"));
    rig.complains("cat missing");
    rig.virtualizer.stop(super::rig::PATIENCE);
    rig.restart();
    rig.trace("");
    rig.complains("cat missing");
    assert_eq!(rig.trace("GetPlaceholderInfo"), ["GetPlaceholderInfo missing -> FILE_NOT_FOUND"]);
}

#[test]
fn h5_a_deep_path_with_an_unknown_folder_costs_one_question() {
    let rig = Rig::new(Tree::new().file("a/b", "x"));
    rig.says("cat a/b");
    rig.trace("");
    rig.complains("cat a/x/y/z/w");
    assert_eq!(rig.trace("GetPlaceholderInfo"), ["GetPlaceholderInfo a\\x -> FILE_NOT_FOUND"]);
}

#[test]
fn deep_and_long_paths_are_found() {
    let path: Vec<_> = (0..60).map(|depth| format!("folder {depth}")).collect();
    let path = path.join("/");
    assert!(path.len() > 260);
    let rig = Rig::new(Tree::new().file(format!("{path}/file").as_str(), "deep\n"));
    assert_eq!(rig.says(&format!("cat '{path}/file'")), "deep\n");
    assert_eq!(rig.says("find . -type f"), format!("./{path}/file\n"));
}

fn linked() -> Tree {
    Tree::new()
        .file("Folder/file", "content\n")
        .link("Folder/Link", "file")
        .link("up", "Folder/Link")
}

#[test]
fn links_are_links_where_windows_knows_them() {
    let rig = Rig::new(linked());
    // Before one is on disk, and after; in whatever case.
    assert_eq!(rig.says("readlink Folder/Link; readlink up"), "file\nFolder/Link\n");
    assert_eq!(rig.says("cat folder/LINK up"), "content\ncontent\n");
    let entries = rig.app().list("Folder").rest(&everything()).unwrap();
    assert_eq!(names(&entries), ["file", "Link"]);
    assert_eq!(entries[1].link.as_ref().unwrap().to_string(), "file");
    assert_eq!(rig.says("ls"), "Folder\nup\n");
}

fn without_links() -> Setup {
    let knobs = LibraryKnobs { strict: true, hide_symlink_functions: true, legacy_compare: false };
    let api = ProjFsApi::from_emulator(&Library::with(knobs)).unwrap();
    assert!(!api.has_links());
    Setup {
        api: Box::leak(Box::new(api)),
        knobs: Knobs { hide_symlink_functions: true, ..Knobs::default() },
        ..Setup::default()
    }
}

#[test]
fn a3_before_windows_2004_links_are_what_they_lead_to() {
    let rig = Rig::with(linked(), without_links());
    assert_eq!(
        rig.says("cat Folder/Link up; ls -R"),
        "content\ncontent\n.:\nFolder\nup\n\n./Folder:\nLink\nfile\n"
    );
    assert_eq!(rig.says("find . -type l"), "");
}

#[test]
fn a3_links_that_the_library_cannot_have_hide_nothing_else() {
    use crate::projection::{LinkPolicy, ManifestProjection, ProjectionOptions};
    let volume = linked().build();
    let options = ProjectionOptions { links: LinkPolicy::Links, ..ProjectionOptions::default() };
    let projection = ManifestProjection::new(volume.clone(), options).unwrap();
    let rig = Rig::over(volume.clone(), volume, projection.into(), without_links());
    assert_eq!(rig.says("ls -R"), ".:\nFolder\n\n./Folder:\nfile\n");
    assert!(rig.complains("cat up").contains("No such file"));
    assert_eq!(rig.says("cat Folder/file"), "content\n");
}

#[test]
fn t15_deleted_names_are_told_by_the_projection_and_not_by_what_users_made() {
    let rig = Rig::new(Tree::new().file("projected", "x").file("other", "x"));
    rig.says("echo x > own; rm own projected");
    let asked = rig.trace("QueryFileName");
    assert!(asked.contains(&"QueryFileName own -> FILE_NOT_FOUND".to_owned()), "{asked:?}");
    assert!(asked.contains(&"QueryFileName projected -> OK".to_owned()), "{asked:?}");
    assert_eq!(rig.says("ls"), "other\n");
    // A tombstone for what is projected, and none for the user's own.
    assert_eq!(rig.app().on_disk(""), ["projected"]);
}

#[test]
fn placeholders_are_noted() {
    use crate::callbacks::OnDisk;
    let rig = Rig::new(Tree::new().file("a", "x").file("b", "x"));
    rig.says("stat a; cat b");
    let on_disk = |path| rig.callbacks.presence().get(rig.volume.node(path));
    assert_eq!((on_disk("a"), on_disk("b")), (OnDisk::Placeholder, OnDisk::Hydrated));
    let full = [units(rig.path("a").to_str().unwrap()), units(rig.path("b").to_str().unwrap())];
    let states = full.map(|path| rig.setup.api.on_disk_state(&path).unwrap());
    // PLACEHOLDER, and with HYDRATED_PLACEHOLDER (projfs.md D6).
    assert_eq!(states, [1, 3]);
}

#[test]
fn h1_each_component_is_asked_for_once_from_the_outside_in() {
    let rig = Rig::new(Tree::new().file("a/b/c", "deep\n"));
    assert_eq!(rig.says("cat a/b/c"), "deep\n");
    let asked = ["a", "a\\b", "a\\b\\c"].map(|path| format!("GetPlaceholderInfo {path} -> OK"));
    assert_eq!(rig.trace("GetPlaceholderInfo"), asked);
    rig.says("cat A/B/C; stat a/b");
    assert_eq!(rig.trace("GetPlaceholderInfo"), [""; 0]);
}

#[test]
fn h6_a_file_is_no_folder_in_any_state() {
    let rig = Rig::new(Tree::new().file("virtual", "x").file("read", "x").file("written", "x"));
    rig.says("cat read; echo y >> written");
    for path in ["virtual", "read", "written"] {
        assert!(rig.complains(&format!("cat {path}/below")).contains("Not a directory"), "{path}");
    }
}

#[test]
fn h7_what_is_listed_is_what_comes_to_be_on_disk() {
    let rig = Rig::new(Tree::new().file("file", "content").file("folder/file", "x"));
    let app = rig.app();
    let listed = || app.list("").rest(&everything()).unwrap();
    let before = listed();
    for entry in &before {
        let placed = app.attributes(&entry.name.to_string()).basic;
        let listed = &entry.basic;
        assert_eq!((placed.directory, placed.size), (listed.directory, listed.size));
        assert_eq!(
            (placed.creation, placed.write, placed.change),
            (listed.creation, listed.write, listed.change)
        );
    }
    let after: Vec<_> =
        listed().iter().map(|entry| (entry.basic.size, entry.basic.write)).collect();
    let before: Vec<_> = before.iter().map(|entry| (entry.basic.size, entry.basic.write)).collect();
    assert_eq!(after, before);
}

#[test]
fn i1_i3_a_name_that_is_asked_for_is_not_made() {
    let rig = Rig::new(Tree::new().file("Projected", "x").file("other", "x"));
    rig.says("echo mine > mine");
    let app = rig.app();
    app.rename("mine", "yours");
    app.rename("PROJECTED", "moved");
    let asked = rig.trace("QueryFileName");
    assert!(asked.iter().any(|line| line.contains("-> OK")), "{asked:?}");
    assert!(asked.contains(&"QueryFileName mine -> FILE_NOT_FOUND".to_owned()), "{asked:?}");
    assert_eq!(app.on_disk(""), ["moved", "Projected", "yours"]);
    assert_eq!(rig.says("ls; cat moved"), "moved\nother\nyours\nx");
}

#[test]
fn g13_a_name_may_change_its_case() {
    let rig = Rig::new(Tree::new().file("name", "projected\n"));
    rig.says("stat name; mkdir folder");
    let app = rig.app();
    app.rename("name", "NAME");
    app.rename("folder", "Folder");
    assert_eq!(rig.says("ls; cat name"), "Folder\nNAME\nprojected\n");
}
