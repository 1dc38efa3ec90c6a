//! Bad days: each failure has its own kind, breaks nobody else, and is over when its cause is.

use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_testkit::{Fault, FaultKind, Operation};
use rusty_attachments_vfs::{NodeId, VerifyPolicy, VfsErrorKind, Volume, VolumeOptions};

use rusty_attachments_testkit::rig::{Rig, noise, quiet, with_cache};

const MIB: u64 = 1 << 20;

/// Options under which a file of some MiB is streamed and shown as it arrives.
fn streaming() -> VolumeOptions {
    let mut options = quiet(64 * MIB);
    options.content.whole_max = 0;
    options
}

fn kind_under(fault: FaultKind, options: VolumeOptions) -> VfsErrorKind {
    let rig = Rig::of_bytes(&noise(600_000, 1), options);
    let armed = rig.faults.arm(Fault::new(fault).on(Operation::Get));
    let error = rig.read(rig.file(), 0, 1000).unwrap_err();
    assert!(error.to_string().contains("'f'"), "names the file: {error}");
    armed.release();
    assert_eq!(rig.read(rig.file(), 0, 1000).unwrap().len(), 1000, "works again");
    error.kind()
}

#[test]
fn each_failure_of_the_store_keeps_its_kind() {
    for options in [quiet(8 * MIB), streaming()] {
        let kind = |fault| kind_under(fault, options.clone());
        assert_eq!(kind(FaultKind::NotFound), VfsErrorKind::ContentMissing);
        assert_eq!(kind(FaultKind::AccessDenied), VfsErrorKind::AccessDenied);
        assert_eq!(kind(FaultKind::Throttled), VfsErrorKind::Throttled);
        assert_eq!(kind(FaultKind::Offline), VfsErrorKind::Offline);
        assert_eq!(kind(FaultKind::CutAfter(10)), VfsErrorKind::Offline);
        assert_eq!(kind(FaultKind::ShortBody(1)), VfsErrorKind::Offline);
    }
    assert_eq!(kind_under(FaultKind::WrongBytes, quiet(8 * MIB)), VfsErrorKind::Corrupt);
}

#[test]
fn a_store_that_sends_nothing_times_out() {
    let mut options = quiet(8 * MIB);
    options.content.stall_timeout = Duration::from_millis(50);
    options.content.answer_timeout = Duration::from_millis(50);
    assert_eq!(kind_under(FaultKind::Hang, options.clone()), VfsErrorKind::TimedOut);
    assert_eq!(kind_under(FaultKind::HangAfter(10), options), VfsErrorKind::TimedOut);
}

#[test]
fn a_reader_that_goes_away_does_not_break_the_others() {
    let bytes = noise(300_000, 2);
    for options in [quiet(8 * MIB), streaming()] {
        let rig = Arc::new(Rig::of_bytes(&bytes, options));
        let hang = rig.faults.arm(Fault::new(FaultKind::Hang).on(Operation::Get).next(1));
        let node = rig.file();
        let quitter = rig.executor.submit(rig.volume.read(node, 0, 1000).finish()).unwrap();
        hang.block_until_fired(1, rusty_attachments_testkit::rig::PATIENCE);
        let waiting = Arc::clone(&rig);
        let other = std::thread::spawn(move || waiting.read(node, 0, 1000));
        quitter.cancel();
        hang.release();
        assert_eq!(other.join().unwrap().unwrap(), bytes[..1000]);
    }
}

#[test]
fn wrong_bytes_of_a_small_object_are_never_shown_nor_kept() {
    let bytes = noise(50_000, 3);
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::of_bytes(&bytes, with_cache(quiet(8 * MIB), dir.path()));
    rig.faults.arm(Fault::new(FaultKind::WrongBytes).next(2));
    for _ in 0..2 {
        assert_eq!(rig.read(rig.file(), 0, 10).unwrap_err().kind(), VfsErrorKind::Corrupt);
    }
    assert!(rig.read_all(rig.file(), 4096).unwrap() == bytes);
    assert_eq!(rig.volume.stats().corrupt_objects.get(), 2);
}

/// Reads all of a corrupt streamed object; says whether bytes of it were shown.
fn read_poisoned(options: VolumeOptions) -> (bool, Rig, Arc<std::sync::Mutex<Vec<NodeId>>>) {
    let bytes = noise(3_000_000, 4);
    let rig = Rig::of_bytes(&bytes, options);
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    rig.volume.watch_invalidations(Box::new(move |node| list.lock().unwrap().push(node)));
    // Only the first run of blocks is hit: its first byte is wrong.
    rig.faults.arm(Fault::new(FaultKind::WrongBytes).next(1));
    let shown = rig.read(rig.file(), 0, 1000).is_ok();
    let _ = rig.read_all(rig.file(), 128 << 10);
    (shown, rig, told)
}

#[test]
fn a_large_corrupt_object_is_poisoned_once_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let before_64_mib_may_be_shown = |mut options: VolumeOptions| {
        options.content.whole_max = 0;
        options.content.verified_first_max = 0;
        options
    };
    for options in [quiet(64 * MIB), with_cache(quiet(64 * MIB), dir.path())] {
        let (shown, rig, told) = read_poisoned(before_64_mib_may_be_shown(options));
        assert!(shown, "the policy shows bytes as they arrive");
        let deadline = std::time::Instant::now() + rusty_attachments_testkit::rig::PATIENCE;
        let error = loop {
            match rig.read(rig.file(), 1_000_000, 1000) {
                Err(error) => break error,
                Ok(_) => assert!(std::time::Instant::now() < deadline, "never poisoned"),
            }
        };
        assert_eq!(error.kind(), VfsErrorKind::Corrupt);
        // Reads fail from the moment of the finding; the watcher is told right after it.
        while told.lock().unwrap().is_empty() {
            assert!(std::time::Instant::now() < deadline, "nobody was told");
            std::thread::yield_now();
        }
        assert_eq!(rig.volume.stats().corrupt_objects.get(), 1);
        assert_eq!(*told.lock().unwrap(), [rig.file()]);
    }
}

#[test]
fn before_read_shows_no_byte_of_a_corrupt_object() {
    let dir = tempfile::tempdir().unwrap();
    for mut options in [quiet(64 * MIB), with_cache(quiet(64 * MIB), dir.path())] {
        options.content.whole_max = 0;
        options.content.verified_first_max = 0;
        options.content.verify = VerifyPolicy::BeforeRead;
        let (shown, rig, _) = read_poisoned(options);
        assert!(!shown);
        // The fault is over: the object is fetched again and is right.
        assert!(rig.read_all(rig.file(), 1 << 20).unwrap() == noise(3_000_000, 4));
    }
}
