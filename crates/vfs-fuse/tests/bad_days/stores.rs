//! Stores that are offline, slow, forbidding, empty, short or wrong.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::{MemoryStore, Payload, StorageClient, cas};
use rusty_attachments_testkit::job::{GeneratedFile, os_path};
use rusty_attachments_testkit::rig::{PATIENCE, Rig, block_on, noise, one_file, quiet};
use rusty_attachments_testkit::{Fault, FaultKind, Job, Operation};
use rusty_attachments_vfs::VolumeOptions;

use crate::fixture::Mounted;

const MIB: u64 = 1 << 20;

/// The errno of a read under a fault; afterwards the same mount must serve the true bytes.
fn errno_under(fault: FaultKind, options: VolumeOptions) -> Errno {
    let bytes = noise(600_000, 1);
    let mounted = Mounted::of_bytes(&bytes, options);
    let armed = mounted.rig.faults.arm(Fault::new(fault).on(Operation::Get));
    let error = mounted.first_bytes().unwrap_err();
    assert_eq!(fs::metadata(mounted.path("f")).unwrap().len(), 600_000, "listing goes on");
    armed.release();
    assert!(fs::read(mounted.path("f")).unwrap() == bytes, "works again");
    Errno::from_io_error(&error).unwrap()
}

#[test]
fn offline_throttled_denied_missing_and_cut_are_told_apart() {
    let errno = |fault| errno_under(fault, quiet(8 * MIB));
    assert_eq!(errno(FaultKind::Offline), Errno::HOSTUNREACH);
    assert_eq!(errno(FaultKind::Throttled), Errno::BUSY);
    assert_eq!(errno(FaultKind::AccessDenied), Errno::ACCESS);
    assert_eq!(errno(FaultKind::NotFound), Errno::NODATA);
    assert_eq!(errno(FaultKind::CutAfter(10)), Errno::HOSTUNREACH);
}

#[test]
fn wrong_bytes_are_an_input_output_error() {
    assert_eq!(errno_under(FaultKind::WrongBytes, quiet(8 * MIB)), Errno::IO);
    // The same with too little memory to hold the object.
    assert_eq!(errno_under(FaultKind::WrongBytes, quiet(256 << 10)), Errno::IO);
}

#[test]
fn a_short_object_is_an_input_output_error() {
    let long = noise(600_000, 2);
    let hash = ContentHash::of(&long);
    let store = Arc::new(MemoryStore::new());
    let payload = Payload::Bytes(long[..599_999].to_vec().into());
    block_on(store.put(&cas::object_key(hash), payload)).unwrap();
    let mounted = Mounted::new(Rig::new(&one_file(hash, 600_000), store, quiet(8 * MIB)));
    let error = fs::read(mounted.path("f")).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
}

#[test]
fn a_store_that_says_nothing_times_out() {
    let mut options = quiet(8 * MIB);
    options.content.answer_timeout = Duration::from_millis(100);
    options.content.stall_timeout = Duration::from_millis(100);
    assert_eq!(errno_under(FaultKind::Hang, options.clone()), Errno::TIMEDOUT);
    assert_eq!(errno_under(FaultKind::HangAfter(1000), options), Errno::TIMEDOUT);
}

#[test]
fn a_hanging_store_delays_no_listing_and_no_cached_file() {
    let job = Job::builder().files(60).sizes(1000..20_000).unicode(false).build();
    let mounted = Mounted::of_job(&job, quiet(64 * MIB));
    let (warm, cold) = (&job.files()[0], &job.files()[1..]);
    let path = |file: &GeneratedFile| mounted.path(os_path(file.path.as_ref()));
    assert!(fs::read(path(warm)).unwrap() == warm.bytes());
    let hang = mounted.rig.faults.arm(Fault::new(FaultKind::Hang).on(Operation::Get));
    std::thread::scope(|scope| {
        for file in &cold[..16] {
            scope.spawn(|| assert!(fs::read(path(file)).unwrap() == file.bytes()));
        }
        // Some of the sixteen are copies of each other.
        hang.block_until_fired(8, PATIENCE);
        let start = Instant::now();
        for file in job.files() {
            assert_eq!(fs::metadata(path(file)).unwrap().len(), file.bytes().len() as u64);
        }
        assert!(fs::read(path(warm)).unwrap() == warm.bytes());
        assert!(start.elapsed() < PATIENCE / 2, "nothing waited for the store");
        hang.release();
    });
}
