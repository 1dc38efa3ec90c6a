//! Uploads at close.

use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_model::PathBuf;
use rusty_attachments_testkit::{Fault, FaultKind, Operation};
use rusty_attachments_vfs::export::{
    BackgroundOptions, BackgroundUploader, ExportEvents, FolderFiles,
};

use crate::setup::Rig;

const PATIENCE: Duration = Duration::from_secs(60);

fn start(rig: &Rig, queue_max: usize) -> BackgroundUploader {
    BackgroundUploader::start(
        rig.store(),
        rig.runtime.handle().clone(),
        Arc::new(FolderFiles::new(rig.root())),
        BackgroundOptions { queue_max, ..BackgroundOptions::default() },
        Arc::clone(&rig.events) as Arc<dyn ExportEvents>,
    )
    .unwrap()
}

#[test]
fn what_was_closed_is_there_when_it_is_exported() {
    let mut rig = Rig::new();
    let uploader = start(&rig, 100);
    for index in 0..50 {
        let name = format!("out/{index}");
        rig.add(&name, name.as_bytes());
        assert!(uploader.offer(name.as_str().into()));
    }
    assert!(uploader.offer("out/gone".into()), "what is not there is found out later");
    assert!(uploader.drain(PATIENCE));
    let stats = uploader.stats();
    assert_eq!((stats.stored, stats.failed, stats.refused, stats.pending), (50, 1, 0, 0));
    assert_eq!(stats.tally.objects_uploaded, 50);
    assert_eq!(rig.events.hashed.lock().len(), 50, "and the change list hears the hashes");
    let report = rig.export().unwrap();
    assert_eq!((report.tally.objects_uploaded, report.tally.objects_present), (0, 50));
    rig.check_store();
}

#[test]
fn a_full_queue_refuses_and_a_stop_does_not_wait_for_the_store() {
    let mut rig = Rig::new();
    let hang = rig.faulty.arm(Fault::new(FaultKind::Hang).on(Operation::Put));
    let uploader = start(&rig, 3);
    for index in 0..2 {
        rig.add(format!("out/{index}"), format!("{index}").as_bytes());
        assert!(uploader.offer(format!("out/{index}").as_str().into()));
    }
    hang.block_until_fired(2, PATIENCE);
    let offer = |name: &str| uploader.offer(PathBuf::from(name));
    assert!(offer("out/2") && offer("out/3") && offer("out/4"));
    assert!(offer("out/3"), "what waits already needs no room");
    assert!(!offer("out/5"));
    assert!(!uploader.drain(Duration::from_millis(1)), "both threads hang");
    let stats = uploader.stats();
    assert_eq!((stats.pending, stats.refused), (5, 1));
    uploader.stop();
    uploader.stop();
    let stats = uploader.stats();
    assert_eq!((stats.pending, stats.stored, stats.failed), (0, 0, 2));
    assert!(!offer("out/6"));
    hang.release();
    assert_eq!(rig.export().unwrap().tally.objects_uploaded, 2);
}

#[test]
fn what_the_store_did_not_take_is_left_to_the_export() {
    let mut rig = Rig::new();
    rig.add("out/a", b"a");
    let broken = rig.faulty.arm(Fault::new(FaultKind::AccessDenied));
    let uploader = start(&rig, 10);
    assert!(uploader.offer("out/a".into()));
    assert!(uploader.drain(PATIENCE));
    assert_eq!((uploader.stats().failed, broken.fired()), (1, 1));
    drop(uploader);
    broken.release();
    assert_eq!(rig.export().unwrap().tally.objects_uploaded, 1);
}
