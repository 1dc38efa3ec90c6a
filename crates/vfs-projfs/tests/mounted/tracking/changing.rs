//! Programs change things, and are asked for at once.

use projfs_emulator::contract::operations::{Access, ItemId, Open, Target};
use projfs_emulator::knobs::Closes;

use super::{SMALL, showing};

#[test]
fn reading_changes_nothing() {
    let machine = showing(SMALL);
    assert_eq!(machine.sh("cat d/a D/B top; ls -lR > /dev/null"), "alphabravox");
    assert_eq!(machine.told(), [""; 0]);
    let counts = machine.vfs().counts().unwrap();
    assert_eq!((counts.hydrated_files, counts.hydrated_bytes), (3, 11));
    assert_eq!(counts.virtual_files + counts.placeholder_files, 1);
    assert_eq!((counts.dirty_paths, counts.dirty_bytes), (0, 0));
}

/// S12, S13, S49 to S51.
#[test]
fn files_are_made_written_cut_and_deleted() {
    let machine = showing(SMALL);
    machine.sh("echo new > d/new; echo more >> d/a; rm d/b; mkdir out; : > top");
    assert_eq!(machine.told(), ["M d/a", "D d/b", "A d/new", "A out", "M top"]);
    machine.check();
    let counts = machine.vfs().counts().unwrap();
    assert_eq!((counts.dirty_paths, counts.dirty_bytes), (5, 14));
}

/// K19, T13: as Visual Studio, Office and most editors do.
#[test]
fn k19_an_editor_saves_by_renaming_over() {
    let machine = showing(SMALL);
    machine.sh("printf saved > d/.a.tmp; mv d/.a.tmp d/a");
    machine.sh("mv d/b d/b~; printf saved > d/b");
    assert_eq!(machine.told(), ["M d/a", "M d/b", "A d/b~"]);
    machine.check();
}

/// J3, N1, S23.
#[test]
fn a_renamed_placeholder_is_told_as_renamed_and_not_downloaded() {
    let machine = showing(SMALL);
    machine.sh("mv d/a moved; mv moved d/again");
    assert_eq!(machine.told(), ["R d/a > d/again"]);
    assert!(!machine.is_hydrated("d/again"));
    machine.check();
    machine.sh("mv d/again d/a");
    assert_eq!(machine.told(), [""; 0]);
}

/// K18.
#[test]
fn k18_a_renamed_hierarchy_is_walked() {
    let machine = showing(SMALL);
    machine.sh(
        "mkdir -p out/x/y; echo 1 > out/x/y/f; mv d/a out/x/a; mv out d/out2; echo 2 > d/out2/g",
    );
    assert_eq!(
        machine.told(),
        [
            "A d/out2",
            "A d/out2/g",
            "A d/out2/x",
            "R d/a > d/out2/x/a",
            "A d/out2/x/y",
            "A d/out2/x/y/f"
        ]
    );
    machine.check();
    machine.sh("rm -r d/out2");
    assert_eq!(machine.told(), ["D d/a"]);
}

/// S60: create and remove, make what was removed as something else, rename then replace.
#[test]
fn s60_names_that_become_other_things_again_and_again() {
    let machine = showing(SMALL);
    machine.sh("echo 1 > new; rm new; mkdir new; rmdir new; echo 2 > new");
    machine.sh("rm top; mkdir top; echo 1 > top/f; rm -r top; echo 3 > top");
    machine.sh("rm -r d; mkdir d; echo bravo > d/x; mv d/x d/b");
    machine.check();
    machine.sh("rm -r d; echo file > d");
    machine.check();
    assert_eq!(
        machine.told(),
        ["D d/a", "D d/b", "D d/deep/c", "D d/deep", "M d", "A new", "M top"]
    );
}

/// K16, R14: close notifications come late, shuffled and twice.
#[test]
fn k16_closes_that_come_late_and_shuffled_make_no_difference() {
    let machine = showing(SMALL);
    machine.set(|knobs| {
        knobs.closes = Closes {
            held: true,
            shuffled: true,
            duplicate_deleted: true,
            drop_modified_after_truncate: true,
        };
    });
    machine.sh("for i in 1 2 3 4 5 6; do echo $i > d/n$i; done; rm d/n1 d/a; mv d/n2 d/b; : > top");
    machine.check();
    machine.app().release_closes().unwrap();
    machine.check();
}

/// S60: several programs at once, each making and removing.
#[test]
fn s60_storms_are_told_exactly() {
    let machine = showing(SMALL);
    machine.sh("for worker in 1 2 3 4; do (
            mkdir out$worker
            for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
                echo $worker $i > out$worker/f$i
                mv out$worker/f$i out$worker/g$i
                if [ $((i % 3)) = 0 ]; then rm out$worker/g$i; fi
            done
            mv out$worker d/out$worker
            echo tail >> d/out$worker/g1
        ) & done; wait");
    machine.check();
    machine.sh("rm -r d/out1 d/out2; cp -r d/out3 copy");
    machine.check();
}

/// T22 to T24, K7: across the border, which Linux has no words for.
#[test]
fn t22_t23_moves_across_the_border() {
    let machine = showing(SMALL);
    let outside = machine.folder().join("outside");
    std::fs::create_dir_all(outside.join("tree/below")).unwrap();
    std::fs::write(outside.join("tree/below/f"), "1").unwrap();
    let app = machine.app();
    let to = |path: &str| Target { from: ItemId::ROOT, path: path.into() };
    app.move_in(outside.join("tree").to_str().unwrap(), to("d\\in"), false).unwrap();
    let opened = app.open_path("d\\a", Open::existing(Access::DELETE)).unwrap();
    app.move_out(opened.handle, outside.join("a").to_str().unwrap()).unwrap();
    app.close(opened.handle).unwrap();
    assert_eq!(machine.told(), ["D d/a", "A d/in", "A d/in/below", "A d/in/below/f"]);
    machine.check();
    assert_eq!(std::fs::read_to_string(outside.join("a")).unwrap(), "alpha");
}

/// T24, S27.
#[test]
fn t24_a_write_through_a_hard_link_changes_both_names() {
    let machine = showing(SMALL);
    machine.sh("ln d/a other");
    assert_eq!(machine.told(), ["A other"]);
    machine.sh("echo both > other");
    assert_eq!(machine.told(), ["M d/a", "A other"]);
}

/// G13, S61.
#[test]
fn g13_a_change_of_case_is_no_change() {
    let machine = showing(SMALL);
    machine.rename("d\\a", "d\\A");
    assert_eq!(machine.told(), [""; 0]);
    machine.sh("echo more >> d/A");
    assert_eq!(machine.told(), ["M d/a"]);
}

#[test]
fn symbolic_links_are_told() {
    let machine = showing(&[("f", "x")]);
    machine.sh("ln -s f link; ln -s nowhere/else gone");
    assert_eq!(machine.told(), ["A gone", "A link"]);
    machine.sh("rm gone; ln -sf other link");
    assert_eq!(machine.told(), ["A link"]);
}

/// E15, T25: metadata is no content.
#[test]
fn times_and_modes_are_no_change() {
    let machine = showing(SMALL);
    machine.sh("touch d/a; chmod a-w d/b; touch -d 2001-01-01 top");
    assert_eq!(machine.told(), [""; 0]);
    assert!(!machine.is_hydrated("d/a"));
}
