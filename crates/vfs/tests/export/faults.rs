//! Stores that fail, files that do not hold still, exports that are cut off.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::{RetryPolicy, RetryingStore, cas};
use rusty_attachments_testkit::{Fault, FaultKind, Operation};
use rusty_attachments_vfs::export::ExportError;

use crate::setup::Rig;

fn filled() -> Rig {
    let mut rig = Rig::new();
    for index in 0..4 {
        rig.add(format!("out/{index}"), format!("content {index}").as_bytes());
    }
    rig
}

#[test]
fn a_manifest_never_comes_before_what_it_names_wherever_the_store_fails() {
    let calls = {
        let rig = filled();
        rig.export().unwrap();
        let counts = rig.counts();
        counts.heads + counts.puts + counts.gets
    };
    assert!(calls >= 10, "four times HEAD and PUT, and the manifest's: {calls}");
    for kind in [FaultKind::Offline, FaultKind::AccessDenied, FaultKind::Throttled] {
        for step in 1..=calls {
            let rig = filled();
            let armed = rig.faulty.arm(Fault::new(kind).every(step));
            let error = rig.export().unwrap_err();
            assert_eq!(armed.fired(), 1, "{kind:?} at {step}: one failure ends it");
            let last = matches!(error, ExportError::StoreManifest { .. });
            assert!(last || matches!(error, ExportError::Store { .. }), "{error:?}");
            assert_eq!(rig.keys("Manifests/").len(), 0, "{kind:?} at {step}");
            rig.check_store();

            armed.release();
            let done = rig.keys("Data/").len() as u64;
            let puts = rig.counts().puts;
            rig.export().unwrap();
            assert_eq!(rig.counts().puts - puts, 4 - done + 1, "{kind:?} at {step}");
            assert_eq!(rig.keys("Manifests/").len(), 1);
            rig.check_store();
        }
    }
}

#[test]
fn many_threads_stop_at_the_first_failure_and_the_rest_is_done_later() {
    let mut rig = Rig::new();
    rig.options.threads = 8;
    for index in 0..200 {
        rig.add(format!("out/{index}"), format!("content {index}").as_bytes());
    }
    let armed = rig.faulty.arm(Fault::new(FaultKind::Offline).on(Operation::Put).every(50));
    let mut tries = 0;
    while rig.export().is_err() {
        assert_eq!(rig.keys("Manifests/").len(), 0);
        rig.check_store();
        tries += 1;
        assert!(tries < 50, "it gets on with every try");
    }
    assert!(armed.fired() >= 1);
    assert_eq!(rig.keys("Data/").len(), 200);
    rig.check_store();
}

#[test]
fn a_store_that_fails_once_is_asked_again() {
    let rig = filled();
    for operation in [Operation::Head, Operation::Put] {
        rig.faulty.arm(Fault::new(FaultKind::Offline).on(operation).next(1));
        rig.faulty.arm(Fault::new(FaultKind::Throttled).on(operation).keys("Manifests/").next(1));
    }
    let policy = RetryPolicy { first_wait: Duration::from_millis(1), ..RetryPolicy::default() };
    let store = RetryingStore::new(rig.store(), policy);
    let report = rig.export_to(Arc::new(store), rig.runtime.handle().clone()).unwrap();
    assert_eq!(report.tally.objects_uploaded, 4);
    let key = report.manifest.unwrap().keys.pop().unwrap();
    assert_eq!(rig.memory.metadata(&key).unwrap().len(), 1, "also what was sent again");
    rig.check_store();
}

#[test]
fn an_export_that_hangs_can_be_cancelled_and_goes_on_later() {
    let rig = filled();
    let key = cas::object_key(ContentHash::of(b"content 2"));
    let hang = rig.faulty.arm(Fault::new(FaultKind::Hang).on(Operation::Put).keys(key));
    std::thread::scope(|scope| {
        let export = scope.spawn(|| rig.export());
        hang.block_until_fired(1, Duration::from_secs(30));
        rig.events.cancel.send_replace(true);
        let error = export.join().unwrap().unwrap_err();
        assert!(matches!(error, ExportError::Cancelled), "{error:?}");
    });
    assert_eq!((rig.keys("Data/").len(), rig.keys("Manifests/").len()), (2, 0));
    hang.release();
    rig.events.cancel.send_replace(false);
    assert_eq!(rig.export().unwrap().tally.objects_uploaded, 2);
    rig.check_store();
}

fn append(path: &Path, bytes: &[u8]) {
    fs::File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    for times in 1..=2 {
        let mut rig = Rig::new();
        rig.add("out/log", b"one");
        let (path, mut left) = (rig.root().join("out/log"), times);
        *rig.events.on_bytes.lock() = Some(Box::new(move || {
            if left > 0 {
                left -= 1;
                append(&path, b", more");
            }
        }));
        let manifest = rig.export().unwrap().manifest.unwrap().manifest;
        let (_, file) = manifest.files().next().unwrap();
        let now = fs::read(rig.root().join("out/log")).unwrap();
        assert_eq!(file.size, now.len() as u64, "as it is now, not as it was noted");
        assert_eq!(rig.content(file.content).unwrap(), now);
        rig.check_store();
    }
}

#[test]
fn a_file_that_never_holds_still_is_an_error_and_poisons_nothing() {
    let mut rig = Rig::new();
    rig.add("out/log", b"one");
    let path = rig.root().join("out/log");
    *rig.events.on_bytes.lock() = Some(Box::new(move || append(&path, b", more")));
    let error = rig.export().unwrap_err();
    assert!(matches!(&error, ExportError::KeepsChanging { .. }), "{error:?}");
    assert!(error.to_string().contains("out/log"), "{error}");
    assert_eq!(rig.keys("Manifests/").len(), 0);
    rig.check_store();
}

#[test]
fn what_programs_write_meanwhile_is_stored_under_its_own_hash_or_not_at_all() {
    let mut rig = Rig::new();
    rig.options.threads = 2;
    rig.add("out/still", b"still");
    rig.add("out/log", &vec![0; 12 << 20]);
    let stop = AtomicBool::new(false);
    let log = rig.root().join("out/log");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                append(&log, b"more");
                std::thread::yield_now();
            }
        });
        // Either may happen; what is stored is right in both cases.
        let exported = rig.export();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(rig.keys("Manifests/").len(), usize::from(exported.is_ok()));
    });
    rig.check_store();
}

#[test]
fn an_object_of_another_length_is_replaced() {
    let rig = filled();
    let key = cas::object_key(ContentHash::of(b"content 0"));
    let torn = rusty_attachments_storage::Payload::Bytes(b"cont".to_vec().into());
    rig.runtime
        .block_on(rusty_attachments_storage::StorageClient::put(rig.memory.as_ref(), &key, torn))
        .unwrap();
    assert_eq!(rig.export().unwrap().tally.objects_uploaded, 4);
    rig.check_store();
}
