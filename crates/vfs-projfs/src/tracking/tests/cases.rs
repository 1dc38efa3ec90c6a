//! Single stories, each with what is told of it.

use rusty_attachments_vfs::changes::{LocalContent, LocalState};

use super::rig::{Rig, base, small};

#[test]
fn nothing_was_changed() {
    let rig = Rig::new(small());
    rig.disk.stat("d\\b");
    rig.disk.read("d\\a").unwrap();
    rig.look("d\\a");
    rig.look("d\\b");
    assert_eq!(rig.told(), [""; 0]);
}

#[test]
fn files_are_added_modified_deleted() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\new", b"1"));
    rig.tell(rig.disk.write("d\\a", b"2"));
    rig.tell(rig.disk.delete("d\\b"));
    assert_eq!(rig.told(), ["M d/a", "D d/b", "A d/new"]);
    rig.check();
}

/// K22: the file was truncated, and nobody said so.
#[test]
fn k22_a_write_after_the_last_hint_is_found() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("top", b"1"));
    assert_eq!(rig.told(), ["M top"]);
    rig.disk.write("top", b"x").unwrap();
    assert_eq!(rig.told(), [""; 0], "it has the projected content again");
    // The conversion is announced before it happens.
    rig.look("d\\a");
    rig.work(usize::MAX);
    rig.disk.write("d\\a", b"later").unwrap();
    assert_eq!(rig.told(), ["M d/a"]);
}

/// As `rsync --inplace --times` does.
#[test]
fn a_write_that_keeps_size_and_time_is_seen() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("top", b"1"));
    assert_eq!(rig.told(), ["M top"]);
    rig.tell(rig.disk.write_in_time("top", b"x"));
    assert_eq!(rig.told(), [""; 0], "it has the projected content again");
}

#[test]
fn writing_what_was_there_is_no_change() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\a", b"alpha"));
    assert_eq!(rig.told(), [""; 0]);
}

/// K19, T13, B18: an editor saves.
#[test]
fn k19_an_atomic_save_is_one_modification_of_its_target() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\a.tmp", b"saved"));
    rig.tell(rig.disk.rename("d\\a.tmp", "d\\a"));
    assert_eq!(rig.told(), ["M d/a"]);
    // With a backup of what was there.
    rig.tell(rig.disk.rename("d\\b", "d\\b.bak"));
    rig.tell(rig.disk.write("d\\b.tmp", b"saved"));
    rig.tell(rig.disk.rename("d\\b.tmp", "d\\b"));
    assert_eq!(rig.told(), ["M d/a", "M d/b", "A d/b.bak"]);
}

/// B18, B19: what comes back is what it was.
#[test]
fn b18_deleted_made_again_and_deleted_is_deleted() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.delete("d\\a"));
    rig.tell(rig.disk.write("d\\a", b"again"));
    rig.tell(rig.disk.delete("d\\a"));
    assert_eq!(rig.told(), ["D d/a"]);
    rig.tell(rig.disk.write("d\\a", b"alpha"));
    assert_eq!(rig.told(), [""; 0]);
}

#[test]
fn a_temporary_file_leaves_no_trace() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\tmp", b"1"));
    rig.work(usize::MAX);
    rig.tell(rig.disk.delete("d\\tmp"));
    assert_eq!(rig.told(), [""; 0]);
    assert!(rig.store.is_empty());
}

#[test]
fn j3_a_renamed_placeholder_is_told_without_reading_it() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.rename("d\\a", "d\\moved"));
    assert_eq!(rig.told(), ["R d/a > d/moved"]);
    let Some(LocalState::File(file)) = rig.state("d\\moved") else { panic!() };
    assert!(matches!(file.content, LocalContent::Base(_)), "{file:?}");
}

#[test]
fn a_chain_of_renames_keeps_its_origin_and_home_is_no_change() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.rename("d\\a", "one"));
    rig.tell(rig.disk.rename("one", "d\\two"));
    assert_eq!(rig.told(), ["R d/a > d/two"]);
    rig.tell(rig.disk.rename("d\\two", "d\\a"));
    assert_eq!(rig.told(), [""; 0]);
}

#[test]
fn two_files_that_change_places_are_both_modified() {
    // Their sizes are equal: only their bytes tell.
    let rig = Rig::with(small(), true, 100);
    rig.tell(rig.disk.rename("d\\a", "t"));
    rig.tell(rig.disk.rename("d\\b", "d\\a"));
    rig.tell(rig.disk.rename("t", "d\\b"));
    assert_eq!(rig.told(), ["M d/a", "M d/b"]);
}

#[test]
fn a_copy_over_a_projected_file_of_one_size_is_seen() {
    let rig = Rig::with(small(), true, 100);
    rig.tell(rig.disk.rename("d\\a", "d\\b"));
    assert_eq!(rig.told(), ["D d/a", "M d/b"]);
}

/// K18, B20: one hint comes for the whole folder.
#[test]
fn k18_a_renamed_folder_takes_everything_along() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.make_folder("out"));
    rig.tell(rig.disk.make_folder("out\\deep"));
    rig.tell(rig.disk.write("out\\deep\\f", b"1"));
    rig.tell(rig.disk.rename("d\\a", "out\\a"));
    assert_eq!(rig.told(), ["R d/a > out/a", "A out", "A out/deep", "A out/deep/f"].sorted());
    rig.tell(rig.disk.rename("out", "d\\out2"));
    let expected = ["R d/a > d/out2/a", "A d/out2", "A d/out2/deep", "A d/out2/deep/f"];
    assert_eq!(rig.told(), expected.sorted());
    rig.check();
}

trait Sorted {
    fn sorted(self) -> Vec<String>;
}

impl<const N: usize> Sorted for [&str; N] {
    /// By path, folders before what is in them.
    fn sorted(self) -> Vec<String> {
        let mut lines: Vec<_> = self.iter().map(|line| (*line).to_owned()).collect();
        lines.sort_by_key(|line| line.split(' ').next_back().map(|path| path.replace('/', "\0")));
        lines
    }
}

/// T22, T23: an empty path is outside of the root, and no file of its own (B20).
#[test]
fn moves_across_the_border_are_additions_and_deletions() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.move_in("d\\in", b"1"));
    rig.tell(rig.disk.move_out("d\\a"));
    assert_eq!(rig.told(), ["D d/a", "A d/in", "A d/in/a", "A d/in/new"]);
    rig.tell(rig.disk.move_out("d\\in"));
    assert_eq!(rig.told(), ["D d/a"]);
}

/// T24: other names of a file change with it, and nobody says so.
#[test]
fn t24_a_write_through_one_name_changes_all_names() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.link("d\\a", "other"));
    assert_eq!(rig.told(), ["A other"]);
    rig.tell(rig.disk.write("other", b"both"));
    assert_eq!(rig.told(), ["M d/a", "A other"]);
}

#[test]
fn links_are_told_by_their_targets() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.make_link("d\\link", "e\\f"));
    assert_eq!(rig.told(), ["A d/link"]);
    let Some(LocalState::Symlink { target }) = rig.state("d\\link") else { panic!() };
    assert_eq!(target, b"e/f");
}

/// B21, G9, G13: one path, however it is spelled.
#[test]
fn names_are_told_as_the_projection_or_else_the_disk_spells_them() {
    let rig = Rig::new(base(&[("Dir\\File.txt", Some("x"))]));
    rig.tell(rig.disk.write("DIR\\FILE.TXT", b"1"));
    rig.tell(rig.disk.make_folder("dir\\New"));
    rig.tell(rig.disk.write("DIR\\NEW\\Inside", b"1"));
    assert_eq!(rig.told(), ["M Dir/File.txt", "A Dir/New", "A Dir/New/Inside"]);
    rig.tell(rig.disk.rename("dir\\new", "dir\\NEW"));
    assert_eq!(rig.told(), ["M Dir/File.txt", "A Dir/NEW", "A Dir/NEW/Inside"]);
}

/// S61, G13.
#[test]
fn s61_a_change_of_case_is_no_change_of_a_projected_file() {
    let mut rig = Rig::new(small());
    rig.tell(rig.disk.rename("d\\a", "d\\A"));
    assert_eq!(rig.told(), [""; 0]);
    rig.restart(|disk| drop(disk.rename("d\\A", "D\\a")));
    assert_eq!(rig.told(), [""; 0]);
    rig.tell(rig.disk.rename("d\\a", "d\\A"));
    rig.tell(rig.disk.write("d\\A", b"1"));
    assert_eq!(rig.told(), ["M d/a"]);
}

#[test]
fn a_folder_made_anew_hides_what_was_in_the_old_one() {
    let mut rig = Rig::new(small());
    for path in ["d\\a", "d\\b", "d\\e", "d"] {
        rig.tell(rig.disk.delete(path));
    }
    assert_eq!(rig.told(), ["D d/a", "D d/b", "D d/e", "D d"]);
    rig.tell(rig.disk.make_folder("d"));
    rig.tell(rig.disk.write("d\\a", b"alpha"));
    assert_eq!(rig.told(), ["D d/b", "D d/e"]);
    rig.restart(|_| ());
    assert_eq!(rig.told(), ["D d/b", "D d/e"]);
}

#[test]
fn a_folder_that_became_a_file_and_back() {
    let mut rig = Rig::new(small());
    for path in ["d\\a", "d\\b", "d\\e", "d"] {
        rig.tell(rig.disk.delete(path));
    }
    rig.tell(rig.disk.write("d", b"file"));
    assert_eq!(rig.told(), ["D d/a", "D d/b", "D d/e", "M d"]);
    rig.check();
    rig.restart(|_| ());
    rig.check();
    rig.tell(rig.disk.delete("d"));
    rig.tell(rig.disk.make_folder("d"));
    rig.check();
}

/// M12, N1: what the journal cannot know.
#[test]
fn m12_what_was_deleted_offline_comes_back_unless_its_folder_is_local() {
    let mut rig = Rig::new(small());
    rig.disk.read("d\\a").unwrap();
    rig.tell(rig.disk.make_folder("out"));
    rig.tell(rig.disk.write("out\\f", b"1"));
    rig.tell(rig.disk.write("top", b"1"));
    assert_eq!(rig.told(), ["A out", "A out/f", "M top"]);
    rig.restart(|disk| {
        disk.delete("d\\a").unwrap();
        disk.delete("out\\f").unwrap();
        disk.delete("top").unwrap();
    });
    assert_eq!(rig.told(), ["A out"]);
}

/// S61: only the journal knows where a renamed file is from.
#[test]
fn s61_renames_and_hashes_survive_a_restart() {
    let mut rig = Rig::new(small());
    rig.tell(rig.disk.rename("d\\a", "d\\moved"));
    rig.tell(rig.disk.write("new", b"1"));
    assert_eq!(rig.told(), ["R d/a > d/moved", "A new"]);
    let before = rig.store.states();
    rig.restart(|_| ());
    assert_eq!(rig.store.states(), before, "nothing is read again");
    assert_eq!(rig.told(), ["R d/a > d/moved", "A new"]);
}

/// N2: clean items cost no look of their own.
#[test]
fn n2_a_scan_only_lists() {
    let mut rig = Rig::new(small());
    for path in ["d\\a", "d\\b", "top"] {
        rig.disk.read(path).unwrap();
    }
    let before = rig.disk.looks();
    rig.restart(|_| ());
    assert_eq!(rig.disk.looks(), before);
}

#[test]
fn counts_follow_what_is_on_disk() {
    let mut rig = Rig::new(small());
    rig.disk.stat("d\\b");
    rig.disk.read("d\\a").unwrap();
    rig.restart(|_| ());
    let counts = rig.tracker.counts();
    assert_eq!((counts.virtual_files, counts.virtual_bytes), (1, 1));
    assert_eq!((counts.placeholder_files, counts.placeholder_bytes), (1, 5));
    assert_eq!((counts.hydrated_files, counts.hydrated_bytes), (1, 5));
    assert_eq!((counts.dirty_paths, counts.dirty_bytes), (0, 0));
    rig.tell(rig.disk.write("d\\a", b"longer"));
    rig.tell(rig.disk.delete("top"));
    rig.work(usize::MAX);
    let counts = rig.tracker.counts();
    assert_eq!((counts.virtual_files, counts.hydrated_files), (0, 0));
    assert_eq!((counts.dirty_paths, counts.dirty_bytes), (2, 6));
}
