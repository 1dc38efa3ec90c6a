//! What files read as.

use std::process::{Command, Stdio};

use projfs_emulator::Knobs;
use projfs_emulator::contract::FileState;
use rusty_attachments_testkit::volume::{Tree, pattern};
use rusty_attachments_vfs::VfsErrorKind;

use super::rig::{PATIENCE, Rig, Setup};

/// A program that reads a file, and what it has read once it ends.
fn reader(rig: &Rig, path: &str) -> std::process::Child {
    let mut cat = Command::new("cat");
    cat.arg(rig.path(path)).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whether a file has its content on disk.
fn is_hydrated(rig: &Rig, path: &str) -> bool {
    let state = rig.emulated.control.on_disk_state(rig.path(path).to_str().unwrap());
    state.unwrap().contains(FileState::HYDRATED)
}

#[test]
fn t7_j3_content_follows_a_placeholder_to_its_new_name() {
    let rig = Rig::new(Tree::new().file("a", "of a\n").file("b", "of b\n"));
    rig.says("stat a b; mv a moved; mv b a");
    rig.trace("");
    assert_eq!(rig.says("cat moved a"), "of a\nof b\n");
    // Asked for under the names that they were made with.
    let asked = rig.trace("GetFileData");
    assert!(asked[0].contains(" a ") && asked[1].contains(" b "), "{asked:?}");
}

#[test]
fn t8_j9_short_content_is_an_error_and_no_file_of_zeros() {
    let rig = Rig::new(Tree::new().file("small", "0123456789\n").pattern("large", 3 << 20));
    for (path, length) in [("small", 4), ("large", 512)] {
        rig.volume.answer_short(path, length);
        rig.complains(&format!("cat {path}"));
        assert!(!is_hydrated(&rig, path), "{path}");
        rig.volume.heal(path);
    }
    assert_eq!(rig.says("cat small"), "0123456789\n");
    assert_eq!(rig.says("cat large | wc -c").trim(), (3 << 20).to_string());
}

#[test]
fn t9_j5_files_of_all_sizes_arrive_whole_whatever_the_alignment() {
    const SIZES: [u64; 9] = [0, 1, 511, 512, 513, 4097, (1 << 20) - 13, 1 << 20, (3 << 20) + 13];
    let originals = tempfile::tempdir().unwrap();
    for size in SIZES {
        let bytes = pattern(0, size as usize);
        std::fs::write(originals.path().join(size.to_string()), bytes).unwrap();
    }
    let tree = || {
        let add = |tree: Tree, size: u64| tree.pattern(size.to_string().as_str(), size);
        SIZES.into_iter().fold(Tree::new(), add)
    };
    // One request for each file, and many (projfs.md J1, J4); also for empty ones (projfs.md J6).
    for (write_alignment, data_range, ask_for_empty_files) in
        [(512, 4 << 30, false), (4096, 12_288, true)]
    {
        let knobs = Knobs { write_alignment, data_range, ask_for_empty_files, ..Knobs::default() };
        let rig = Rig::with(tree(), Setup { knobs, ..Setup::default() });
        rig.says(&format!("diff -r . {}", originals.path().display()));
    }
}

#[test]
fn t10_l5_j6_a_reader_that_goes_away_ends_its_command_and_nothing_else() {
    let rig = Rig::new(Tree::new().file("slow", "slow\n").file("other", "other\n"));
    let gate = rig.volume.gate("slow");
    let other_gate = rig.volume.gate("other");
    let (mut leaves, stays) = (reader(&rig, "slow"), reader(&rig, "other"));
    gate.wait_for(1);
    other_gate.wait_for(1);
    leaves.kill().unwrap();
    leaves.wait().unwrap();
    gate.wait_for_none();
    assert_eq!(other_gate.waiting(), 1);
    other_gate.open();
    assert_eq!(stays.wait_with_output().unwrap().stdout, b"other\n");
    gate.open();
    assert_eq!(rig.says("cat slow"), "slow\n");
    // Nothing was written, so nothing is to be looked after.
    assert_eq!(rig.hints.all(), []);
}

#[test]
fn t11_l2_answers_that_come_later_need_nothing_of_their_callback() {
    const FILES: usize = 8;
    let name = |number: usize| format!("file {number}");
    let tree = (0..FILES).fold(Tree::new(), |tree, number| {
        tree.file(name(number).as_str(), format!("content {number}"))
    });
    let rig = Rig::new(tree);
    let gates: Vec<_> = (0..FILES).map(|number| rig.volume.gate(&name(number))).collect();
    let readers: Vec<_> = (0..FILES).map(|number| reader(&rig, &name(number))).collect();
    gates.iter().for_each(|gate| gate.wait_for(1));
    // All callbacks have returned, and what they were given is overwritten by the emulator.
    rig.says("ls; stat file*");
    drop(gates);
    for (number, reader) in readers.into_iter().enumerate() {
        let read = reader.wait_with_output().unwrap().stdout;
        assert_eq!(read, format!("content {number}").as_bytes());
    }
}

#[test]
fn j8_a_failure_is_for_its_reader_and_the_next_one_tries_again() {
    let rig = Rig::new(Tree::new().file("wanted", "wanted\n").file("other", "other\n"));
    for kind in [VfsErrorKind::Offline, VfsErrorKind::ContentMissing, VfsErrorKind::Corrupt] {
        rig.volume.fail("wanted", kind);
        rig.complains("cat wanted");
        assert!(!is_hydrated(&rig, "wanted"), "{kind:?}");
        assert_eq!(rig.says("cat other"), "other\n");
    }
    rig.volume.heal("wanted");
    assert_eq!(rig.says("cat wanted"), "wanted\n");
}

#[test]
fn j14_j16_reading_tells_nothing_and_keeps_the_times() {
    let rig = Rig::new(Tree::new().file("file", "content\n"));
    let before = rig.says("stat -c '%Y %s' file");
    rig.trace("");
    assert_eq!(rig.says("cat file"), "content\n");
    assert_eq!(rig.says("stat -c '%Y %s' file"), before);
    assert_eq!(rig.trace("Notify"), [""; 0]);
    assert_eq!(rig.hints.all(), []);
}

#[test]
fn m13_what_was_appended_to_after_a_restart_has_both_parts() {
    let mut rig = Rig::new(Tree::new().file("log", "projected\n").file("unread", "other\n"));
    rig.says("cat log; stat unread");
    rig.virtualizer.stop(PATIENCE);
    rig.restart();
    assert_eq!(rig.says("echo appended >> log; cat log"), "projected\nappended\n");
    // A placeholder of the first start has the identity of its content still.
    assert_eq!(rig.says("echo appended >> unread; cat unread"), "other\nappended\n");
}
