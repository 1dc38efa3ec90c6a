//! Stops that meet work, and roots that are just dropped.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusty_attachments_testkit::volume::{ReferenceVolume, Tree};
use rusty_attachments_vfs_projfs::{ProjFsOptions, ProjFsWriteOptions, WritableProjFs};

use super::mounted::mounts_below;
use crate::support::PATIENCE;
use crate::support::machine::Machine;
use crate::support::programs::{sh, wait_until};

fn hanging(machine: &Machine, patience: Duration) -> (Arc<ReferenceVolume>, WritableProjFs) {
    let volume = Tree::new().file("slow", "at last").file("fast", "at once").build();
    let mut options = ProjFsOptions::new(machine.root());
    options.stop_patience = patience;
    let write_options = ProjFsWriteOptions::default().with_cache_dir(machine.cache());
    let shown = Arc::clone(&volume);
    let vfs = WritableProjFs::with_volume(shown, None, options, write_options).unwrap();
    (volume, vfs)
}

fn reader(machine: &Machine) -> Child {
    Command::new("cat")
        .arg(machine.root().join("slow"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_stop_does_not_wait_longer_than_it_says_for_content() {
    let machine = Machine::new();
    let _served = machine.serve();
    let (volume, vfs) = hanging(&machine, Duration::from_millis(200));
    vfs.start().unwrap();
    let gate = volume.gate("slow");
    let reader_of_slow = reader(&machine);
    gate.wait_for(1);
    let begun = Instant::now();
    vfs.stop().unwrap();
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    // The program is told, and hangs no more.
    assert!(!reader_of_slow.wait_with_output().unwrap().status.success());

    gate.open();
    vfs.start().unwrap();
    assert_eq!(sh(&machine.root(), "cat slow fast"), "at lastat once");
}

#[test]
fn a_stop_lets_content_arrive_that_comes_in_time() {
    let machine = Machine::new();
    let _served = machine.serve();
    let (volume, vfs) = hanging(&machine, PATIENCE);
    vfs.start().unwrap();
    let gate = volume.gate("slow");
    let reader = reader(&machine);
    gate.wait_for(1);
    wait_until("the read is pending", || vfs.stats().pending_commands == 1);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| vfs.stop());
        wait_until("the stop begins", || !vfs.is_started());
        gate.open();
        stopping.join().unwrap().unwrap();
    });
    let read = reader.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&read.stdout), "at last", "{read:?}");
}

#[test]
fn a_dropped_root_stops_and_can_be_started_by_another() {
    let machine = Machine::new();
    let (_served, root) = (machine.serve(), machine.root());
    let vfs = machine.vfs();
    vfs.start().unwrap();
    sh(&root, "cat a.txt; echo x > new");
    drop(vfs);
    assert_eq!(sh(&root, "cat a.txt new"), "alphax\n");
    let again = machine.vfs();
    again.start().unwrap();
    assert_eq!(sh(&root, "cat z.txt new"), "omegax\n");
    let second = machine.vfs();
    let refused = second.start().unwrap_err().to_string();
    assert!(refused.contains("started already"), "{refused}");
    drop(again);
    second.start().unwrap();
}

#[test]
fn dropping_a_root_that_hangs_ends() {
    let machine = Machine::new();
    let _served = machine.serve();
    let (volume, vfs) = hanging(&machine, Duration::from_millis(100));
    vfs.start().unwrap();
    let gate = volume.gate("slow");
    let reader = reader(&machine);
    gate.wait_for(1);
    let begun = Instant::now();
    drop(vfs);
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    assert!(!reader.wait_with_output().unwrap().status.success());
    gate.open();
}

#[test]
fn what_serves_a_root_takes_its_mount_along() {
    let machine = Machine::new();
    let served = machine.serve();
    let vfs = machine.vfs();
    vfs.start().unwrap();
    assert_eq!(mounts_below(&machine.root()).len(), 1);
    vfs.stop().unwrap();
    drop(served);
    assert_eq!(mounts_below(&machine.root()), Vec::<String>::new());
}

#[test]
fn starts_and_stops_within_an_async_runtime() {
    let machine = Machine::new();
    let vfs = machine.vfs();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let served = machine.serve();
        vfs.start().unwrap();
        assert_eq!(sh(&machine.root(), "cat a.txt"), "alpha");
        drop(vfs);
        drop(served);
    });
    assert_eq!(mounts_below(&machine.root()), Vec::<String>::new());
}
