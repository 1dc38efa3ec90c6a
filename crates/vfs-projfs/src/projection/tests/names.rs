//! Names that Windows cannot have, or cannot tell apart.

use ntfs_names::Unopenable;

use super::*;

/// projfs.md F22.
#[test]
fn of_files_that_differ_in_case_one_is_shown_and_the_others_are_reported() {
    let projection = shown(Tree::new().file("d/b.txt", "b").file("d/B.txt", "B").file("d/a", ""));
    assert_eq!(paths(&projection), ["d/", "d/a", "d/B.txt"]);
    let line = "'d/b.txt' is not shown: Windows cannot tell it from 'd/B.txt'; rename one of them";
    assert_eq!(told(&projection), [line]);
    assert_eq!(&*at(&projection, "d\\b.txt").unwrap().name, units("B.txt"));
}

/// projfs.md G3: one unit for one unit, no language, no normal form.
#[test]
fn letters_of_all_scripts_collide_as_ntfs_folds_them() {
    let same = [("\u{e9}", "\u{c9}"), ("\u{3c9}", "\u{3a9}"), ("\u{436}", "\u{416}")];
    for (lower, upper) in same {
        let projection = shown(Tree::new().file(lower, "").file(upper, ""));
        // The upper case sorts before the lower case in bytes.
        assert_eq!(paths(&projection), [upper]);
        assert_eq!(projection.report().count(), 1);
    }
    let different = [
        ("\u{df}", "SS"),
        ("\u{130}", "i"),
        ("\u{131}", "I"),
        ("\u{10428}", "\u{10400}"),
        ("\u{e9}", "e\u{301}"),
    ];
    for (a, b) in different {
        let projection = shown(Tree::new().file(a, "").file(b, ""));
        assert_eq!(paths(&projection).len(), 2, "{a} and {b}");
        assert!(projection.report().is_clean());
    }
}

#[test]
fn names_that_windows_cannot_have_are_left_out_with_all_below_them() {
    let tree = Tree::new()
        .file("good", "")
        .file("a:b", "")
        .file("nul.txt", "")
        .file("dots.", "")
        .file("space ", "")
        .file("back\\slash", "")
        .file("aux/below/x", "")
        .file("bell\u{7}", "");
    let projection = shown(tree);
    assert_eq!(paths(&projection), ["good"]);
    let faults = projection.report().faults().to_vec();
    let impossible = |path: &str, why| NameFault::Impossible { path: path.into(), why };
    assert_eq!(
        faults,
        [
            impossible("a:b", Unopenable::Reserved(':')),
            impossible("aux", Unopenable::Device),
            impossible("back\\slash", Unopenable::Reserved('\\')),
            impossible("bell\u{7}", Unopenable::Control(7)),
            impossible("dots.", Unopenable::TrailingDot),
            impossible("nul.txt", Unopenable::Device),
            impossible("space ", Unopenable::TrailingSpace),
        ]
    );
    assert_eq!(
        told(&projection)[0],
        "'a:b' is not shown: its name has ':', which Windows reserves for paths and patterns; \
         rename it where the job is made"
    );
    for hidden in ["a:b", "aux", "aux\\below\\x", "back\\slash", "dots.", "dots"] {
        assert!(at(&projection, hidden).is_none(), "{hidden}");
    }
}

#[test]
fn names_of_more_than_255_units_are_left_out() {
    let [fits, long] = [255, 256].map(|units| "x".repeat(units));
    // Two units, four bytes each: what counts is neither bytes nor characters.
    let [emoji, long_emoji] = [127, 128].map(|count| "\u{1F600}".repeat(count));
    let tree =
        Tree::new().file(&*fits, "").file(&*long, "").file(&*emoji, "").file(&*long_emoji, "");
    let projection = shown(tree);
    assert_eq!(paths(&projection), [fits, emoji]);
    let why = |units| Unopenable::TooLong(units);
    assert_eq!(
        projection.report().faults(),
        [
            NameFault::Impossible { path: (&*long).into(), why: why(256) },
            NameFault::Impossible { path: (&*long_emoji).into(), why: why(256) },
        ]
    );
}

#[test]
fn folders_that_differ_in_case_are_one_and_what_collides_in_them_is_reported() {
    let tree = Tree::new()
        .file("Shots/A.exr", "1")
        .file("Shots/both.txt", "2")
        .file("shots/BOTH.txt", "3")
        .file("shots/c.exr", "4")
        .file("SHOTS/b.exr", "5");
    let projection = shown(tree);
    let all = ["SHOTS/", "SHOTS/A.exr", "SHOTS/b.exr", "SHOTS/BOTH.txt", "SHOTS/c.exr"];
    assert_eq!(paths(&projection), all);
    assert_eq!(
        told(&projection),
        [
            "the entries of 'Shots' are shown in 'SHOTS': Windows cannot tell the two apart",
            "the entries of 'shots' are shown in 'SHOTS': Windows cannot tell the two apart",
            "'Shots/both.txt' is not shown: Windows cannot tell it from 'shots/BOTH.txt'; rename \
             one of them",
        ]
    );
}

/// Each path is the one in the manifest, through folders that were merged further up.
#[test]
fn folders_are_merged_at_every_level() {
    let tree =
        Tree::new().file("A/b/x", "1").file("a/B/X", "2").file("a/B/y", "3").file("a/b/z", "");
    let projection = shown(tree);
    assert_eq!(paths(&projection), ["A/", "A/B/", "A/B/X", "A/B/y", "A/B/z"]);
    assert_eq!(
        told(&projection),
        [
            "the entries of 'a' are shown in 'A': Windows cannot tell the two apart",
            "the entries of 'A/b' are shown in 'a/B': Windows cannot tell the two apart",
            "the entries of 'a/b' are shown in 'a/B': Windows cannot tell the two apart",
            "'A/b/x' is not shown: Windows cannot tell it from 'a/B/X'; rename one of them",
        ]
    );
    assert_eq!(text(&at(&projection, "a\\b\\Z").unwrap().path), "A\\B\\z");
}

#[test]
fn a_folder_wins_over_a_file_and_a_file_over_a_link() {
    let tree = Tree::new()
        .file("DATA", "")
        .file("data/x", "")
        .link("Data", "readme")
        .link("README", "DATA")
        .file("readme", "");
    let projection = shown(tree);
    assert_eq!(paths(&projection), ["data/", "readme", "data/x"]);
    let collides =
        |path: &str, shown: &str| NameFault::Collides { path: path.into(), shown: shown.into() };
    assert_eq!(
        projection.report().faults(),
        [collides("DATA", "data"), collides("Data", "data"), collides("README", "readme")]
    );
}

/// A manifest with millions of bad names does not fill the memory with their paths.
#[test]
fn a_long_report_counts_what_it_does_not_tell() {
    let tree = (0..10_050).fold(Tree::new(), |tree, i| tree.file(format!("{i}?").as_str(), ""));
    let projection = shown(tree.file("good", ""));
    assert_eq!(paths(&projection), ["good"]);
    let report = projection.report();
    assert_eq!((report.faults().len(), report.count(), report.is_clean()), (10_000, 10_050, false));
    let last = "50 more names are not shown as they are written";
    assert_eq!(report.to_string().lines().last(), Some(last));
}
