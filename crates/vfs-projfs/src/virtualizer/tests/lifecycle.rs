//! Starts and stops.

use std::sync::Arc;
use std::time::Duration;

use projfs_emulator::Knobs;
use rusty_attachments_testkit::volume::Tree;

use super::rig::{Emulated, PATIENCE, Rig, Setup, units, wait_until};
use crate::api::{Failure, Instance, ProjFsApi, codes};
use crate::error::ProjFsError;
use crate::virtualizer::{DataSink, threads};

fn tree() -> Tree {
    Tree::new().file("read", "read before\n").file("unread", "not read\n")
}

#[test]
fn a_root_is_stopped_and_started_again() {
    let mut rig = Rig::new(tree());
    assert_eq!(rig.says("cat read"), "read before\n");
    rig.virtualizer.stop(PATIENCE);
    // What was read stays readable (projfs.md M10).
    assert_eq!(rig.says("cat read"), "read before\n");
    rig.complains("cat unread");
    rig.restart();
    assert_eq!(rig.says("cat unread; ls"), "not read\nread\nunread\n");
}

#[test]
fn t18_a_root_that_was_marked_is_as_good() {
    let emulated = Emulated::new(Knobs::default());
    let api = ProjFsApi::load().unwrap();
    assert!(!api.mark_root(&emulated.root, 7).unwrap());
    assert!(api.mark_root(&emulated.root, 7).unwrap());
}

#[test]
fn what_cannot_be_a_root_is_explained() {
    let emulated = Emulated::new(Knobs::default());
    let api = ProjFsApi::load().unwrap();
    let file = emulated.root.join("file");
    std::fs::write(&file, "x").unwrap();
    let error = api.mark_root(&file, 7).unwrap_err();
    assert!(matches!(error, ProjFsError::Api { hresult: 0x8007_010B, .. }), "{error}");
    assert!(error.to_string().contains("choose a folder"), "{error}");
    let error = api.mark_root(&emulated.root.join("nothing"), 7).unwrap_err();
    assert!(error.to_string().contains("make it first"), "{error}");
    api.mark_root(&emulated.root, 7).unwrap();
}

#[test]
fn a_start_that_fails_is_explained_and_leaves_nothing() {
    let rig = Rig::new(tree());
    let owners = Arc::strong_count(&rig.callbacks);
    let error = rig.start_another().unwrap_err();
    assert!(matches!(error, ProjFsError::Api { hresult: 0x8007_04DF, .. }), "{error}");
    assert!(error.to_string().contains("stop that first"), "{error}");
    assert_eq!(Arc::strong_count(&rig.callbacks), owners);
    // The one that runs is not disturbed.
    assert_eq!(rig.says("cat read"), "read before\n");
}

#[test]
fn nothing_is_held_after_a_stop() {
    let rig = Rig::new(tree());
    rig.says("cat read; ls");
    let callbacks = Arc::clone(&rig.callbacks);
    let instance = Arc::clone(rig.virtualizer.instance());
    drop(rig);
    assert_eq!(Arc::strong_count(&callbacks), 1);
    assert_eq!(Arc::strong_count(&instance), 1);
}

#[test]
fn a_stop_is_done_once_and_calls_after_it_are_refused() {
    let rig = Rig::new(tree());
    let instance = Arc::clone(rig.virtualizer.instance());
    assert_eq!(instance.clear_negative_path_cache(), Ok(()));
    let stops: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| rig.virtualizer.stop(Duration::ZERO))).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    assert!(stops.iter().all(Result::is_ok));
    refused(&instance);
}

#[test]
fn m7_calls_before_the_start_are_refused() {
    refused(&Instance::new(ProjFsApi::load().unwrap()));
}

fn refused(instance: &Instance) {
    let unavailable = Failure(codes::VIRTUALIZATION_UNAVAILABLE);
    assert_eq!(instance.clear_negative_path_cache(), Err(unavailable));
    assert_eq!(instance.delete(&units("read"), 0).unwrap_err().0, unavailable);
    assert!(instance.allocate(1).is_none());
    assert!(instance.write_alignment().is_power_of_two());
}

#[test]
fn buffers_are_aligned_and_zero_and_may_outlive_the_instance() {
    for write_alignment in [512, 4096] {
        let knobs = Knobs { write_alignment, ..Knobs::default() };
        let rig = Rig::with(tree(), Setup { knobs, ..Setup::default() });
        let instance = Arc::clone(rig.virtualizer.instance());
        assert_eq!(instance.write_alignment(), write_alignment);
        let mut buffer = instance.allocate(10_000).unwrap();
        assert_eq!(buffer.len(), 10_000);
        assert!(buffer.iter().all(|byte| *byte == 0));
        assert!(buffer.as_ptr().addr().is_multiple_of(write_alignment as usize));
        rig.virtualizer.stop(PATIENCE);
        buffer.fill(1);
    }
}

#[test]
fn updates_and_deletions_say_why_they_are_refused() {
    use crate::api::FailureCauses;
    let rig = Rig::new(tree());
    let instance = rig.virtualizer.instance();
    let info = rig.callbacks.describe(&units("read")).unwrap().unwrap();
    // Nothing on disk is success (projfs.md M17).
    assert_eq!(instance.update(&units("read"), &info, 0), Ok(()));
    assert_eq!(instance.delete(&units("read"), 0), Ok(()));
    rig.says("echo changed > read");
    let dirty = (Failure(codes::INVALID_OPERATION), FailureCauses(2));
    assert_eq!(instance.update(&units("read"), &info, 0), Err(dirty));
    assert_eq!(instance.delete(&units("read"), 0), Err(dirty));
    assert_eq!(rig.says("cat read"), "changed\n");
    // ALLOW_DIRTY_DATA: the projection shows again.
    assert_eq!(instance.delete(&units("read"), 2), Ok(()));
    assert_eq!(rig.says("cat read"), "read before\n");
}

#[test]
fn l1_there_are_threads_enough_for_a_small_machine() {
    assert_eq!(threads(1), 1);
    assert!(threads(0) >= 5);
}

#[test]
fn l7_many_programs_at_once_see_the_same() {
    let tree = (0..60).fold(Tree::new(), |tree, number| {
        tree.file(format!("folder/{number:02}").as_str(), format!("{number}\n"))
    });
    // Few entries a Get, so that many enumerations are under way.
    let knobs = Knobs { entry_limit: Some(3), ..Knobs::default() };
    let rig = Rig::with(tree, Setup { knobs, ..Setup::default() });
    let look = "ls -R; cat folder/*; ls FOLDER";
    let said: Vec<_> = std::thread::scope(|scope| {
        let programs: Vec<_> = (0..8).map(|_| scope.spawn(|| rig.says(look))).collect();
        programs.into_iter().map(|program| program.join().unwrap()).collect()
    });
    assert_eq!(said[0].lines().count(), 4 + 60 + 60 + 60);
    assert!(said.iter().all(|other| *other == said[0]));
}

#[test]
fn m8_a_stop_while_programs_look_ends() {
    let rig = Rig::new(tree());
    rig.says("cat read");
    rig.trace("");
    let mut looking = std::process::Command::new("sh")
        .args(["-c", "while ls -lR && cat read; do :; done"])
        .current_dir(&rig.emulated.root)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("somebody looks", || !rig.trace("GetEnumeration").is_empty());
    rig.virtualizer.stop(PATIENCE);
    let _ = looking.kill();
    looking.wait().unwrap();
    assert_eq!(rig.says("cat read"), "read before\n");
}
