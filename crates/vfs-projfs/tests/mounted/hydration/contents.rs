//! What programs read is what the manifest means, or an error.

use projfs_emulator::contract::FileState;
use projfs_emulator::knobs::Knobs;
use rusty_attachments_model::ContentHash;
use rusty_attachments_testkit::rig::{Rig, noise, one_file, quiet};
use rusty_attachments_testkit::volume::{Tree, pattern};
use rusty_attachments_testkit::{Fault, FaultKind, Operation};
use rusty_attachments_vfs::VfsErrorKind;

use super::{narrow, projected_of};
use crate::support::programs::wait_until;
use crate::support::projected::{Projected, Setup};

const MIB: usize = 1 << 20;

/// One file `f` in a store that can be told to fail.
fn projected(bytes: &[u8]) -> (Rig, Projected) {
    let rig = Rig::of_bytes(bytes, quiet(64 << 20));
    let manifest = one_file(ContentHash::of(bytes), bytes.len() as u64);
    let projected = Setup::manifest(manifest, rig.faults.clone()).options(narrow).start();
    (rig, projected)
}

/// Whether a file is as if it had never been read.
fn is_not_read(projected: &Projected, file: &str) -> bool {
    matches!(projected.state(file), None | Some(FileState::PLACEHOLDER))
}

#[test]
fn s62_wrong_objects_give_an_error_and_no_content() {
    let bytes = noise(300_000, 1);
    let (rig, projected) = projected(&bytes);
    for fault in [
        FaultKind::WrongBytes,
        FaultKind::ShortBody(1),
        FaultKind::CutAfter(1000),
        FaultKind::NotFound,
        FaultKind::Offline,
    ] {
        let armed = rig.faults.arm(Fault::new(fault).on(Operation::Get));
        let read = projected.run("cat f");
        assert!(!read.status.success() && read.stdout.is_empty(), "{fault:?}");
        assert_eq!(projected.state("f"), Some(FileState::PLACEHOLDER), "{fault:?}");
        armed.release();
        rig.faults.disarm_all();
    }
    // And of another size than the manifest says.
    for length in [299_999, 300_001] {
        rig.put_as(ContentHash::of(&bytes), &noise(length, 1));
        assert!(!projected.run("cat f").status.success(), "{length} bytes");
        assert!(is_not_read(&projected, "f"));
    }
    // S74: without memory of it.
    rig.put(&bytes);
    assert!(projected.bytes("cat f") == bytes);
    assert!(projected.is_hydrated("f"));
    // Systems try more than once.
    assert!(projected.vfs().stats().failed_hydrations >= 7);
}

#[test]
fn j10_a_large_file_that_turns_out_wrong_on_its_way_is_no_file() {
    let bytes = noise(65 * MIB, 2);
    let (rig, projected) = projected(&bytes);
    let mut torn = bytes.clone();
    torn[64 * MIB] ^= 1;
    rig.put_as(ContentHash::of(&bytes), &torn);
    assert!(!projected.run("cat f").status.success());
    assert!(is_not_read(&projected, "f"), "{:?}", projected.state("f"));
    let written = projected.vfs().stats().hydrated_bytes;
    assert!(written >= 32 * MIB as u64, "it was on its way: {written} bytes");
    rig.put(&bytes);
    assert!(projected.bytes("cat f") == bytes);
}

#[test]
fn j10_half_a_file_that_windows_keeps_is_thrown_away() {
    let volume = Tree::new().pattern("f", 5 * MIB as u64).build();
    volume.fail_from("f", 3 * MIB as u64, VfsErrorKind::Offline);
    let knobs = Knobs { leave_partial_hydration: true, ..Knobs::default() };
    let projected = projected_of(volume.clone(), knobs);
    // What it gives is not known: a system that tries again finds half a file (projfs.md J10).
    projected.run("cat f");
    volume.heal("f");
    wait_until("it is thrown away", || !projected.is_hydrated("f"));
    assert!(projected.bytes("cat f") == pattern(0, 5 * MIB));
}

#[test]
fn j3_content_follows_a_placeholder_that_was_renamed() {
    let tree = Tree::new().file("a", "of a").file("b", "of b").file("c/d", "of d");
    let projected = projected_of(tree.build(), Knobs::default());
    projected.bytes("stat a b c/d && mv a x && mv b a && mv c/d b");
    assert_eq!(projected.bytes("cat x a b"), b"of aof bof d");
}

#[test]
fn j1_j5_any_ranges_and_alignments_do() {
    let sizes = [1, 511, 512, 513, 4096, MIB - 13, MIB, MIB + 1, 5 * MIB + 13];
    for (data_range, write_alignment) in [(64 << 10, 512), (1 << 20, 4096), (4 << 30, 4096)] {
        let tree = sizes
            .iter()
            .fold(Tree::new(), |tree, size| tree.pattern(&*format!("f{size}"), *size as u64));
        let knobs = Knobs { data_range, write_alignment, ..Knobs::default() };
        let projected = projected_of(tree.build(), knobs);
        for size in sizes {
            assert!(projected.bytes(&format!("cat f{size}")) == pattern(0, size), "{size} bytes");
        }
        assert_eq!(projected.vfs().stats().hydrated_files, sizes.len() as u64);
    }
}
