//! Symbolic links under both policies.

use super::*;

fn target(projection: &ManifestProjection, path: &str) -> Option<(String, bool)> {
    match &at(projection, path)?.kind {
        ProjectedKind::Symlink { target, directory } => Some((text(target), *directory)),
        kind => panic!("'{path}' is a {kind:?}"),
    }
}

fn faults(projection: &ManifestProjection) -> Vec<(String, LinkFault)> {
    let link = |fault: &NameFault| match fault {
        NameFault::Link { path, why, .. } => Some((path.to_string(), *why)),
        _ => None,
    };
    projection.report().faults().iter().filter_map(link).collect()
}

/// projfs.md E21.
#[test]
fn links_in_the_tree_are_links_with_backslashes_and_say_whether_they_lead_to_folders() {
    let tree = Tree::new()
        .file("shots/a/f", "")
        .link("shots/file", "a/f")
        .link("shots/folder", "a")
        .link("shots/a/up", "../file")
        .link("shots/a/here", ".")
        .link("shots/a/top", "../..")
        .link("shots/a/chain", "../folder/../folder/f")
        .link("shots/through", "folder/f")
        .link("to_link", "shots/folder")
        .link("dangling", "no/such/thing")
        .link("odd", "shots//a/./f/");
    let projection = shown(tree);
    assert_eq!(told(&projection), [""; 0]);
    for (path, expected) in [
        ("shots\\file", ("a\\f", false)),
        ("shots\\folder", ("a", true)),
        ("shots\\a\\up", ("..\\file", false)),
        ("shots\\a\\here", (".", true)),
        ("shots\\a\\top", ("..\\..", true)),
        ("shots\\a\\chain", ("..\\folder\\f", false)),
        ("shots\\through", ("folder\\f", false)),
        ("to_link", ("shots\\folder", true)),
        ("dangling", ("no\\such\\thing", false)),
        ("odd", ("shots\\a\\f", false)),
    ] {
        let expected = (expected.0.to_owned(), expected.1);
        assert_eq!(target(&projection, path), Some(expected), "{path}");
    }
    let link = at(&projection, "shots\\folder").unwrap();
    assert!(!link.is_directory(), "its entries are not those of a folder");
    assert!(projection.listing(link.node).unwrap().is_none());
}

#[test]
fn links_that_leave_the_tree_are_never_shown() {
    let tree = || {
        Tree::new()
            .file("a/b/f", "")
            .link("absolute", "/etc/passwd")
            .link("up", "..")
            .link("a/b/far", "../../../x")
            .link("a/b/and_back", "../../../root/a")
            .link("a/by_link", "../up/x")
            .link("deep", "a/b")
            // Windows goes up before it follows the link: to where this folder is, not to 'a'.
            .link("lexical", "deep/../../x")
            .file("ok", "")
    };
    for policy in [LinkPolicy::Links, LinkPolicy::Content] {
        let (_, projection) = project(tree(), policy);
        let outside: Vec<_> = faults(&projection)
            .into_iter()
            .filter(|(_, why)| *why == LinkFault::Outside)
            .map(|(path, _)| path)
            .collect();
        assert_eq!(outside, ["absolute", "lexical", "up", "a/by_link", "a/b/and_back", "a/b/far"]);
        for path in &outside {
            assert!(at(&projection, &path.replace('/', "\\")).is_none(), "{path}");
        }
        assert!(at(&projection, "ok").is_some());
    }
    let (_, projection) = project(tree(), LinkPolicy::Links);
    assert_eq!(
        told(&projection)[0],
        "the link 'absolute' to '/etc/passwd' is not shown: it leads out of the job"
    );
}

/// A backslash or a colon in a name of another system would be a way out on Windows.
#[test]
fn links_to_names_that_windows_cannot_have_are_not_shown() {
    let targets =
        ["..\\..\\Windows", "C:", "C:\\Windows", ".. /x", ".../x", "nul", "a/b\\..\\..", "x?"];
    let tree = targets
        .iter()
        .enumerate()
        .fold(Tree::new(), |tree, (i, target)| tree.link(format!("l{i}").as_str(), *target));
    let projection = shown(tree.link("chain", "l0"));
    assert_eq!(paths(&projection), [""; 0]);
    let faults = faults(&projection);
    assert_eq!(faults.len(), targets.len() + 1);
    assert!(faults.iter().all(|(_, why)| matches!(why, LinkFault::Impossible(_))), "{faults:?}");
}

/// On Windows 'to_loser' would lead to 'A.txt', which is another file.
#[test]
fn links_to_what_is_not_shown_are_not_shown_either() {
    let tree = Tree::new()
        .file("A.txt", "A")
        .file("a.txt", "a")
        .file("aux/f", "")
        .link("to_loser", "a.txt")
        .link("to_shown", "A.txt")
        .link("before", "to_loser")
        .link("x/below", "../aux/f");
    let projection = shown(tree);
    assert_eq!(paths(&projection), ["A.txt", "to_shown", "x/"]);
    assert_eq!(
        faults(&projection)[..2],
        [("before".to_owned(), LinkFault::NotShown), ("to_loser".to_owned(), LinkFault::NotShown)]
    );
    assert!(matches!(faults(&projection)[2].1, LinkFault::Impossible(_)));
}

#[test]
fn links_through_merged_folders_stay() {
    let tree = Tree::new().file("DIR/a", "").file("dir/b", "").link("dir/l", "../dir/b");
    let projection = shown(tree);
    assert_eq!(target(&projection, "dir\\L"), Some(("..\\dir\\b".to_owned(), false)));
}

#[test]
fn circles_and_endless_ways_are_told() {
    let mut tree =
        Tree::new().link("self", "self").link("a", "b").link("b", "a").link("c/in", "../c/in/x");
    // 40 links are followed, as on Linux.
    tree = tree.file("end", "").link("way01", "end");
    for i in 2..=41 {
        tree = tree.link(format!("way{i:02}").as_str(), format!("way{:02}", i - 1));
    }
    for policy in [LinkPolicy::Links, LinkPolicy::Content] {
        let (_, projection) = project(tree.clone(), policy);
        let faults = faults(&projection);
        assert!(faults.iter().all(|(_, why)| *why == LinkFault::Endless), "{faults:?}");
        let hidden: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(hidden, ["a", "b", "self", "way41", "c/in"]);
        assert!(at(&projection, "way40").is_some());
    }
}

/// Windows before 2004 has no links in projections.
#[test]
fn as_content_links_to_files_are_those_files_and_others_are_reported() {
    let tree = Tree::new()
        .file("data/real.bin", "0123456789")
        .file("A", "upper")
        .file("a", "lower")
        .link("link.bin", "data/real.bin")
        .link("chain.bin", "link.bin")
        .link("through.bin", "folder/real.bin")
        .link("folder", "data")
        .link("dangling", "nothing")
        .link("empty", "")
        .link("loser", "a");
    let (volume, projection) = project(tree, LinkPolicy::Content);
    let real = at(&projection, "data\\real.bin").unwrap();
    for path in ["link.bin", "chain.bin", "through.bin"] {
        let found = at(&projection, path).unwrap();
        assert_eq!((&found.kind, found.size, found.node), (&ProjectedKind::File, 10, real.node));
        assert_eq!((found.content, found.write_time), (real.content, real.write_time));
    }
    // Content needs no name.
    assert_eq!(at(&projection, "loser").unwrap().node, volume.node("a"));
    assert_eq!(
        faults(&projection),
        [
            ("dangling".to_owned(), LinkFault::Dangling),
            ("empty".to_owned(), LinkFault::Dangling),
            ("folder".to_owned(), LinkFault::Folder),
        ]
    );
    assert!(paths(&projection).iter().all(|path| !path.starts_with("folder")));
}

/// Jobs made on Windows have links whose targets are spelled as somebody typed them.
#[test]
fn targets_in_another_case_lead_where_windows_goes() {
    let tree = || {
        Tree::new()
            .file("Textures/Wood.tex", "1234")
            .file("TEXTURES/stone.tex", "12")
            .link("folder", "textures")
            .link("file", "textures/WOOD.TEX")
            .link("merged", "Textures/Stone.tex")
            .link("chain", "FOLDER/wood.tex")
            .link("nothing", "textures/none")
    };
    let (_, projection) = project(tree(), LinkPolicy::Links);
    assert_eq!(faults(&projection), []);
    for (path, expected) in [
        ("folder", ("textures", true)),
        ("file", ("textures\\WOOD.TEX", false)),
        ("merged", ("Textures\\Stone.tex", false)),
        ("chain", ("FOLDER\\wood.tex", false)),
        ("nothing", ("textures\\none", false)),
    ] {
        let expected = (expected.0.to_owned(), expected.1);
        assert_eq!(target(&projection, path), Some(expected), "{path}");
    }
    let (_, projection) = project(tree(), LinkPolicy::Content);
    let sizes = ["file", "merged", "chain"].map(|path| at(&projection, path).unwrap().size);
    assert_eq!(sizes, [4, 2, 4]);
    let hidden: Vec<_> = faults(&projection).into_iter().map(|(path, _)| path).collect();
    assert_eq!(hidden, ["folder", "nothing"]);
}
