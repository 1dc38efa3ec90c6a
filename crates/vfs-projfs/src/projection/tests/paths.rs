//! Finding entries by their paths.

use super::*;

/// projfs.md T6, G9.
#[test]
fn t6_a_path_in_any_case_is_found_and_told_in_the_spelling_of_the_store() {
    let projection = shown(Tree::new().file("Shots/\u{c9}t\u{e9}/Be_auty.EXR", "12345"));
    for path in [
        "Shots\\\u{c9}t\u{e9}\\Be_auty.EXR",
        "SHOTS\\\u{c9}T\u{c9}\\BE_AUTY.exr",
        "shots\\\u{e9}t\u{e9}\\be_auty.exr",
    ] {
        let found = at(&projection, path).unwrap();
        assert_eq!(text(&found.path), "Shots\\\u{c9}t\u{e9}\\Be_auty.EXR");
        assert_eq!((found.size, found.is_directory()), (5, false));
    }
    let folder = at(&projection, "shots\\\u{e9}T\u{e9}").unwrap();
    assert_eq!(text(&folder.path), "Shots\\\u{c9}t\u{e9}");
    assert_eq!(projection.folder(&folder.path).unwrap(), Some(folder.node));
}

#[test]
fn what_is_not_projected_is_not_found() {
    let projection = shown(Tree::new().file("a/b", "").directory("empty"));
    for path in ["", "\\", "b", "a\\c", "a\\b\\c", "a\\b\\c\\d", "x\\b", "empty\\x", "ab", "a\\"] {
        assert!(at(&projection, path).is_none(), "{path}");
    }
    assert_eq!(projection.folder(&[]).unwrap(), Some(NodeId::ROOT));
    for path in ["a\\b", "x", "a\\b\\c"] {
        assert_eq!(projection.folder(&units(path)).unwrap(), None, "{path}");
    }
}

#[test]
fn sixty_levels_and_more_than_260_characters_are_found() {
    let folders: Vec<String> =
        (0..60).map(|level| format!("Level_{level:02}_\u{e4}\u{1F600}")).collect();
    let path = format!("{}/The file.txt", folders.join("/"));
    let projection = shown(Tree::new().file(path.as_str(), "deep"));
    assert!(units(&path).len() > 700);
    let spelled = path.replace('/', "\\");
    let found = at(&projection, &spelled.to_uppercase()).unwrap();
    assert_eq!((text(&found.path), found.size), (spelled, 4));
}

/// Predecessor B8: a deep manifest ended the process.
#[test]
fn depth_costs_no_stack() {
    let path = "d/".repeat(20_000) + "f";
    let volume = Tree::new().file(path.as_str(), "").link("l", path.as_bytes()).build();
    let small_stack = std::thread::Builder::new().stack_size(256 << 10);
    let thread = small_stack.spawn(move || {
        let projection = ManifestProjection::new(volume, ProjectionOptions::default()).unwrap();
        at(&projection, &path.replace('/', "\\")).is_some()
    });
    assert!(thread.unwrap().join().unwrap());
}

/// Predecessor B28: the cache of paths grew with each spelling that was asked for.
#[test]
fn spellings_of_a_path_are_remembered_once() {
    let projection = shown(Tree::new().file("some/folder/f", ""));
    for path in ["some\\folder\\f", "SOME\\folder\\F", "Some\\FOLDER\\none", "some\\folder\\more"] {
        at(&projection, path);
    }
    assert_eq!(projection.folders.len(), 1);
    // What is not there is no reason to remember anything.
    for path in (0..100).map(|i| format!("some\\none{i}\\f")) {
        assert!(at(&projection, &path).is_none());
    }
    assert_eq!(projection.folders.len(), 1);
}

#[test]
fn the_cache_of_paths_is_bounded() {
    let folder = |i: usize| format!("{}/{i}/f", "n".repeat(200));
    let tree = (0..20_000).fold(Tree::new(), |tree, i| tree.file(folder(i).as_str(), ""));
    let projection = shown(tree);
    for i in 0..20_000 {
        assert!(at(&projection, &folder(i).replace('/', "\\")).is_some());
    }
    // About a kilobyte each, and 4 MiB in all.
    assert!((1_000..5_000).contains(&projection.folders.len()), "{}", projection.folders.len());
}
