//! What is told of changes follows from the disk.

use projfs_emulator::Knobs;
use projfs_emulator::contract::operations::{Access, Open};
use projfs_emulator::knobs::{Closes, Convert};

use super::{showing, with};
use crate::support::manifests::Texts;

const FILES: Texts<'_> =
    &[("a", "alpha"), ("b", "beta"), ("docs/c", "gamma"), ("docs/deep/d", "delta")];

const NOTHING: [&str; 0] = [];

#[test]
fn t13_k19_an_atomic_save_is_one_modification_of_its_target() {
    let folder = showing(FILES);
    folder.sh("cat a; printf saved > a.tmp && mv a.tmp a");
    // As other editors do it.
    folder.sh("mv docs/c docs/c.bak; printf saved > docs/c; rm docs/c.bak");
    assert_eq!(folder.changes(), ["M a", "M docs/c"]);
    assert_eq!(folder.sh("cat a docs/c; ls docs"), "savedsavedc\ndeep\n");
}

#[test]
fn t14_n1_what_changed_while_nobody_looked_is_found_at_the_start() {
    let mut folder = showing(FILES);
    folder.sh("cat a; printf changed > b; mkdir own; printf x > own/x; printf y > own/y");
    assert_eq!(folder.changes(), ["A own", "A own/x", "A own/y", "M b"]);
    folder.stop();
    // Only what is full can be made or written to meanwhile (projfs.md M10).
    folder.sh("printf beta > b && printf new > own/new && mv own/y own/z && rm own/x");
    folder.show(FILES);
    assert_eq!(folder.changes(), ["A own", "A own/new", "A own/z"]);
    folder.sh("printf changed > docs/c");
    let expected = ["A own", "A own/new", "A own/z", "M docs/c"];
    assert_eq!(folder.changes(), expected);
}

#[test]
fn t14_k16_late_shuffled_and_doubled_notifications_leave_the_right_picture() {
    let closes = Closes { shuffled: true, duplicate_deleted: true, ..Closes::default() };
    for seed in 0..3 {
        let knobs = Knobs { closes, seed, ..Knobs::default() };
        let folder = with(knobs, FILES);
        folder.sh(
            "for i in 1 2 3; do echo $i > f; rm f; mkdir f; echo $i > f/x; rm -r f; done; echo 4 > f; \
             rm a; echo again > a; rm b; mv docs/c b",
        );
        let expected = ["A f", "D docs/c", "M a", "M b"];
        assert_eq!(folder.changes(), expected, "seed {seed}");
    }
}

#[test]
fn k14_times_attributes_and_reading_are_no_change() {
    let folder = showing(FILES);
    folder.sh("touch a docs; touch -d 2001-02-03 b; chmod u-w docs/c; ls -R; cat a");
    assert_eq!(folder.changes(), NOTHING);
    // Opened for writing, and not written to (projfs.md E17).
    folder.sh(": >> docs/deep/d; printf beta > b");
    assert_eq!(folder.changes(), NOTHING);
}

#[test]
fn k22_a_truncation_that_nobody_tells_of_is_found() {
    for convert in [Convert::AtOpen, Convert::AtFirstWrite] {
        let closes = Closes { drop_modified_after_truncate: true, ..Closes::default() };
        let folder = with(Knobs { closes, convert, ..Knobs::default() }, FILES);
        let app = folder.app();
        let file = app.open_path("docs\\c", Open::existing(Access::WRITE)).unwrap();
        app.set_size(file.handle, 2).unwrap();
        app.close(file.handle).unwrap();
        assert_eq!(folder.changes(), ["M docs/c"]);
        assert_eq!(folder.sh("cat docs/c"), "ga");
    }
}

#[test]
fn k18_a_renamed_folder_takes_what_is_in_it_along() {
    let folder = showing(FILES);
    folder.sh("mkdir -p own/below; printf x > own/below/x; mv docs/c own/c");
    folder.changes();
    folder.sh("mv own other; printf y > other/y");
    assert_eq!(
        folder.changes(),
        ["A other", "A other/below", "A other/below/x", "A other/y", "R docs/c > other/c"]
    );
}

#[test]
fn t17_placeholder_folders_stay_where_they_are_and_local_ones_may_move() {
    let folder = showing(FILES);
    folder.sh("cat docs/c");
    assert!(!folder.run("mv -T docs moved").status.success());
    assert_eq!(
        folder.sh("mkdir own; mv own moved; ls; cat docs/deep/d"),
        "a\nb\ndocs\nmoved\ndelta"
    );
    assert_eq!(folder.changes(), ["A moved"]);
}

#[test]
fn e8_b18_deleting_and_making_again_is_told_by_what_is_there() {
    let mut folder = showing(FILES);
    folder.sh("rm a; printf new > a; rm a");
    folder.sh("rm b; printf beta > b");
    folder.sh("printf x > c; rm c");
    assert_eq!(folder.changes(), ["D a"]);
    folder.show(FILES);
    assert_eq!(folder.changes(), ["D a"]);
    assert_eq!(folder.sh("ls"), "b\ndocs\n");
}

#[test]
fn m12_what_is_deleted_while_stopped_comes_back_where_the_folder_is_projected() {
    let mut folder = showing(FILES);
    folder.sh("cat a docs/c; mkdir own; printf x > own/x; printf y > own/y");
    folder.changes();
    folder.stop();
    folder.sh("rm a docs/c own/x");
    folder.show(FILES);
    assert_eq!(folder.sh("cat a docs/c; ls own"), "alphagammay\n");
    assert_eq!(folder.changes(), ["A own", "A own/y"]);
}

#[test]
fn n6_changes_are_told_after_all_that_was_done_before() {
    let folder = showing(FILES);
    for number in 0..20 {
        folder.sh(&format!("printf {number} > file; printf x > only{number}; rm -f only*"));
        assert_eq!(folder.changes(), ["A file"], "{number}");
    }
}

#[test]
fn b20_what_crosses_the_border_is_added_or_deleted() {
    use projfs_emulator::contract::operations::{ItemId, Target};
    let folder = showing(FILES);
    let outside = tempfile::tempdir().unwrap();
    let came = outside.path().join("tree");
    std::fs::create_dir_all(came.join("below")).unwrap();
    std::fs::write(came.join("below/file"), "came").unwrap();
    let app = folder.app();
    let to = Target { from: ItemId::ROOT, path: "came".into() };
    app.move_in(came.to_str().unwrap(), to, false).unwrap();
    let leaves = app.open_path("docs\\c", Open::existing(Access::DELETE)).unwrap().handle;
    app.move_out(leaves, outside.path().join("left").to_str().unwrap()).unwrap();
    app.close(leaves).unwrap();
    assert_eq!(folder.changes(), ["A came", "A came/below", "A came/below/file", "D docs/c"]);
}

#[test]
fn b16_what_is_counted_is_what_is_tracked() {
    let folder = showing(FILES);
    folder.sh("cat a; stat b; printf changed > docs/c; rm docs/deep/d; printf 12 > new");
    folder.changes();
    let counts = folder.vfs().counts().unwrap();
    let files = (counts.virtual_files, counts.placeholder_files, counts.hydrated_files);
    assert_eq!(files, (0, 1, 1), "{counts:?}");
    assert_eq!((counts.dirty_paths, counts.dirty_bytes), (3, 9), "{counts:?}");
}

#[test]
fn b21_a_path_in_another_case_is_the_same_path() {
    let folder = showing(FILES);
    folder
        .sh("printf changed > DOCS/C; printf again > Docs/c; rm DOCS/deep/D; printf x > DOCS/New");
    assert_eq!(folder.changes(), ["A docs/New", "D docs/deep/d", "M docs/c"]);
}

#[test]
fn b22_overwritten_linked_and_appended_files_are_told() {
    let folder = showing(FILES);
    folder.sh("printf over > a; printf more >> b; ln docs/c docs/linked");
    assert_eq!(folder.changes(), ["A docs/linked", "M a", "M b"]);
    // Through its other name.
    folder.sh("printf more >> docs/linked");
    assert_eq!(folder.changes(), ["A docs/linked", "M a", "M b", "M docs/c"]);
}

/// Of some things nobody outside knows which way Windows has them (projfs.md U).
#[test]
fn u1_to_u8_whatever_windows_does_is_borne() {
    let usual = Knobs::default;
    let ways = [
        Knobs { convert: Convert::AtFirstWrite, ..usual() },
        Knobs { convert_on_overwrite: true, ..usual() },
        Knobs { query_before_deleted: false, ..usual() },
        Knobs { pre_rename_of_placeholder_directories: true, ..usual() },
        Knobs { refuse_offline_listing: true, ..usual() },
        Knobs { offline_delete: false, ..usual() },
        Knobs { pass_unlisted_codes: true, ..usual() },
        Knobs { filter_again: true, ..usual() },
        usual(),
    ];
    for knobs in ways {
        let told = format!("{knobs:?}");
        let mut folder = with(knobs, FILES);
        folder.sh("ls -R; stat docs/deep; cat a; printf x >> a; printf x > docs/c; rm b");
        folder.sh("mv docs/deep moved 2> /dev/null || true; mkdir own; mv docs/deep/d own/d");
        let expected = ["A own", "D b", "M a", "M docs/c", "R docs/deep/d > own/d"];
        assert_eq!(folder.changes(), expected, "{told}");
        folder.show(FILES);
        assert_eq!(folder.changes(), expected, "{told}");
        assert_eq!(folder.sh("cat a docs/c own/d; ls"), "alphaxxdeltaa\ndocs\nown\n", "{told}");
    }
}
