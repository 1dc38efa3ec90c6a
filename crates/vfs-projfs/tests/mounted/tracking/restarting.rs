//! S61: what happened before a stop, and while nobody looked, is known at the next start.

use super::{SMALL, showing};

#[test]
fn s61_everything_survives_a_restart() {
    let mut machine = showing(SMALL);
    machine.sh("echo 1 > new; echo 1 >> d/a; rm d/b; mv d/deep/c moved; mkdir -p out/deep; echo 2 > out/deep/f");
    let told = machine.told();
    machine.restart(|_| ());
    assert_eq!(machine.told(), told);
    assert!(told.contains(&"R d/deep/c > moved".to_owned()), "{told:?}");
    assert!(!machine.is_hydrated("moved"));
    machine.check();
}

#[test]
fn s61_what_was_added_and_written_offline_is_found() {
    let mut machine = showing(SMALL);
    machine.sh("mkdir out; echo 1 > out/f; echo 1 >> d/a");
    machine.restart(|machine| {
        machine.sh("echo 2 > out/added; echo offline >> d/a; mkdir out/deep");
    });
    assert_eq!(machine.told(), ["M d/a", "A out", "A out/added", "A out/deep", "A out/f"]);
    machine.check();
}

/// M12: the documented exception.
#[test]
fn s61_m12_what_was_removed_offline_comes_back_under_placeholders_only() {
    let mut machine = showing(SMALL);
    machine.sh("cat d/a; mkdir out; echo 1 > out/f; rm d/b");
    machine.restart(|machine| {
        machine.sh("rm d/a out/f");
    });
    assert_eq!(machine.told(), ["D d/b", "A out"]);
    assert_eq!(machine.sh("cat d/a"), "alpha");
    machine.check();
}

#[test]
fn s61_hydrated_files_renamed_offline_are_found() {
    let mut machine = showing(SMALL);
    machine.sh("cat d/a d/b");
    machine.restart(|machine| machine.rename("d\\a", "d\\other"));
    assert_eq!(machine.told(), ["A d/other"], "there is no tombstone: d/a came back");
    machine.check();
}

#[test]
fn s61_folders_that_became_files_and_tombstones_are_found() {
    let mut machine = showing(SMALL);
    machine.sh("rm -r d; echo file > d; rm top; mkdir top");
    machine.restart(|_| ());
    assert_eq!(machine.told(), ["D d/a", "D d/b", "D d/deep/c", "D d/deep", "M d", "M top"]);
    machine.check();
}

/// The provider's own doings are told to nobody (K12): all of this is lost until the next start.
#[test]
fn s61_changes_that_nobody_was_told_of_are_found_at_the_start() {
    let mut machine = showing(SMALL);
    let root = machine.root();
    std::fs::rename(root.join("d/a"), root.join("d/renamed")).unwrap();
    std::fs::remove_file(root.join("d/b")).unwrap();
    std::fs::write(root.join("d/tmp"), "1").unwrap();
    std::fs::rename(root.join("d/tmp"), root.join("d/b")).unwrap();
    // A placeholder over another one.
    std::fs::rename(root.join("top"), root.join("d/deep/c")).unwrap();
    machine.restart(|_| ());
    machine.check();
}

#[test]
fn untouched_children_of_a_dirty_folder_and_foreign_links_are_no_change() {
    let mut machine = showing(SMALL);
    machine.sh("echo 1 > d/new; ln -s /tmp junction");
    machine.restart(|_| ());
    assert_eq!(machine.told(), ["A d/new", "A junction"]);
    assert_eq!(machine.sh("readlink junction"), "/tmp\n");
}

/// M11, U5: a clean folder with nothing on disk cannot be listed while nobody provides.
#[test]
fn m11_a_clean_empty_folder_does_not_stop_the_scan() {
    let mut machine = showing(&[("d/empty/f", "x"), ("d/e2/f", "x")]);
    machine.set(|knobs| knobs.refuse_offline_listing = true);
    machine.sh("stat d/empty d/e2 > /dev/null; echo 1 > d/new");
    machine.restart(|_| ());
    assert_eq!(machine.told(), ["A d/new"]);
}

/// N2: nothing is downloaded, nothing is made.
#[test]
fn a_scan_makes_no_placeholders() {
    let mut machine = showing(SMALL);
    machine.sh("stat d > /dev/null");
    machine.restart(|_| ());
    let counts = machine.vfs().counts().unwrap();
    assert_eq!(counts.virtual_files, 4);
}
