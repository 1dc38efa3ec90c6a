//! Many programs at once, some of which go away.

use std::process::Child;
use std::sync::Arc;

use projfs_emulator::knobs::Knobs;
use rusty_attachments_testkit::volume::{ReadGate, ReferenceVolume, Tree, pattern};

use super::projected_of;
use crate::support::programs::wait_until;

const SIZE: usize = 300_000;

fn sixteen() -> Arc<ReferenceVolume> {
    let files = (0..16)
        .fold(Tree::new(), |tree, number| tree.pattern(&*format!("d/f{number}"), SIZE as u64));
    files.file("small", "at hand").build()
}

#[track_caller]
fn assert_read(reader: Child) {
    let output = reader.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(output.stdout == pattern(0, SIZE), "wrong bytes");
}

#[test]
fn l1_sixteen_programs_that_wait_hold_up_nobody() {
    let volume = sixteen();
    let gates: Vec<ReadGate> = (0..16).map(|number| volume.gate(&format!("d/f{number}"))).collect();
    let projected = projected_of(volume, Knobs::default());
    let readers: Vec<_> =
        (0..16).map(|number| projected.begin(&format!("cat d/f{number}"))).collect();
    // All of them are fetched at a time, through two threads.
    gates.iter().for_each(|gate| gate.wait_for(1));
    wait_until("they are counted", || projected.vfs().stats().pending_commands == 16);
    for _ in 0..3 {
        assert_eq!(projected.bytes("ls d").iter().filter(|byte| **byte == b'\n').count(), 16);
        assert_eq!(projected.bytes("cat small"), b"at hand");
        projected.bytes("stat d/f3 && ! stat d/nothing");
    }
    drop(gates);
    readers.into_iter().for_each(assert_read);
    let stats = projected.vfs().stats();
    assert_eq!((stats.pending_commands, stats.failed_hydrations), (0, 0));
    assert_eq!((stats.hydrated_files, stats.hydrated_bytes), (17, 16 * SIZE as u64 + 7));
}

#[test]
fn j7_one_fetch_answers_all_readers_of_a_file() {
    let volume = sixteen();
    let gate = volume.gate("d/f0");
    let projected = projected_of(Arc::clone(&volume) as _, Knobs::default());
    let readers: Vec<_> = (0..8).map(|_| projected.begin("cat d/f0")).collect();
    gate.wait_for(1);
    gate.open();
    readers.into_iter().for_each(assert_read);
    assert_eq!(projected.vfs().stats().hydrated_files, 1);
}

#[test]
fn l5_a_reader_that_is_killed_ends_its_fetch_and_no_other() {
    let volume = sixteen();
    let (killed, other) = (volume.gate("d/f0"), volume.gate("d/f1"));
    let projected = projected_of(volume, Knobs::default());
    let (mut victim, survivor) = (projected.begin("cat d/f0"), projected.begin("cat d/f1"));
    killed.wait_for(1);
    other.wait_for(1);
    victim.kill().unwrap();
    victim.wait().unwrap();
    killed.wait_for_none();
    assert_eq!(other.waiting(), 1);
    wait_until("it is counted", || projected.vfs().stats().cancelled_commands == 1);
    assert!(!projected.is_hydrated("d/f0"));
    other.open();
    assert_read(survivor);
    killed.open();
    assert_read(projected.begin("cat d/f0"));
    assert!(projected.is_hydrated("d/f0") && projected.is_hydrated("d/f1"));
}

#[test]
fn m8_a_stop_ends_readers_whose_content_does_not_come() {
    let volume = sixteen();
    let gate = volume.gate("d/f0");
    let projected = projected_of(volume, Knobs::default());
    let reader = projected.begin("cat d/f0");
    gate.wait_for(1);
    projected.vfs().stop().unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    gate.open();
    projected.vfs().start().unwrap();
    assert_read(projected.begin("cat d/f0"));
}
