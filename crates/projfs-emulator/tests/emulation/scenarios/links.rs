//! Hard links and symbolic links.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use projfs_emulator::contract::HResult;
use projfs_emulator::contract::operations::Access;

use crate::support::app::target;
use crate::support::rig::Rig;
use crate::support::tree::Tree;

#[test]
fn s27_files_in_every_state_can_be_linked() {
    let rig = Rig::new();
    let names = ["virtual", "placeholder", "full"];
    let _provider = rig.provide(names.iter().fold(Tree::new(), |tree, name| tree.text(name, name)));
    fs::metadata(rig.path("placeholder")).unwrap();
    fs::write(rig.path("full"), "full").unwrap();
    for name in names {
        let link = rig.path(&format!("link to {name}"));
        fs::hard_link(rig.path(name), &link).unwrap();
        assert_eq!(fs::read_to_string(&link).unwrap(), name);
        assert_eq!(fs::read_to_string(rig.path(name)).unwrap(), name);
        assert_eq!(fs::metadata(&link).unwrap().nlink(), 2);
    }
    let error = fs::hard_link(rig.path("missing"), rig.path("x")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error = fs::hard_link(rig.path("virtual"), rig.path("placeholder")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let app = rig.app();
    assert_eq!(app.link("virtual", "placeholder").unwrap_err(), HResult::ALREADY_EXISTS);
    fs::write(rig.outside("file"), "outside").unwrap();
    app.raw().link_in(rig.outside("file").to_str().unwrap(), target("linked in")).unwrap();
    assert_eq!(fs::read_to_string(rig.path("linked in")).unwrap(), "outside");
    let handle = app.open("virtual", Access::WRITE_ATTRIBUTES).unwrap();
    app.raw().link_out(handle, rig.outside("linked out").to_str().unwrap()).unwrap();
    app.close(handle);
    assert_eq!(fs::read_to_string(rig.outside("linked out")).unwrap(), "virtual");
}

#[test]
fn s46_projected_links_lead_where_they_say() {
    let rig = Rig::new();
    let absolute = rig.path("d/file.txt");
    let tree = Tree::new()
        .text("d/file.txt", "target")
        .link("relative", "d/file.txt", false)
        .link("d/nested", "file.txt", false)
        .link("chain", "relative", false)
        .link("folder", "d", true)
        .link("absolute", absolute.to_str().unwrap(), false);
    let _provider = rig.provide(tree);
    for link in ["relative", "d/nested", "chain", "folder/file.txt", "absolute"] {
        assert_eq!(fs::read_to_string(rig.path(link)).unwrap(), "target", "{link}");
    }
    assert_eq!(fs::read_link(rig.path("relative")).unwrap(), Path::new("d/file.txt"));
    for link in ["relative", "folder", "absolute"] {
        assert!(fs::symlink_metadata(rig.path(link)).unwrap().is_symlink(), "{link}");
    }
    let app = rig.app();
    let entries = app.entries("").unwrap();
    let folder = entries.iter().find(|entry| entry.name.to_string() == "folder").unwrap();
    assert!(folder.basic.directory && folder.link.is_some());
}

#[test]
fn without_the_later_functions_no_links_are_projected() {
    let rig = Rig::with(|knobs| knobs.hide_symlink_functions = true);
    let _provider = rig.provide(Tree::new().text("file", "x").link("link", "file", false));
    assert_eq!(rig.app().names("").unwrap(), ["file"]);
    assert!(fs::symlink_metadata(rig.path("link")).is_err());
}

#[test]
fn links_made_here_are_local() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("d/file", "x"));
    std::os::unix::fs::symlink("d/file", rig.path("link")).unwrap();
    assert_eq!(fs::read_link(rig.path("link")).unwrap(), Path::new("d/file"));
    assert_eq!(fs::read_to_string(rig.path("link")).unwrap(), "x");
    fs::remove_file(rig.path("link")).unwrap();
    assert_eq!(rig.app().names("").unwrap(), ["d"]);
}
