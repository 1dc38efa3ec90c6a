//! Jobs that are larger than the memory they may take, and objects that turn out corrupt late.

use std::fs::{self, File};
use std::io::{self, Read};
use std::time::Instant;

use rustix::io::Errno;
use rusty_attachments_testkit::rig::{PATIENCE, noise, quiet, with_cache};
use rusty_attachments_testkit::{Fault, FaultKind};

use crate::fixture::Mounted;

#[test]
fn a_memory_budget_smaller_than_a_part_still_serves_large_files() {
    let bytes = noise(12 << 20, 1);
    for budget in [64 << 10, 1 << 20] {
        let mounted = Mounted::of_bytes(&bytes, quiet(budget));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(fs::read(mounted.path("f")).unwrap() == bytes));
            }
        });
    }
}

#[test]
fn a_large_corrupt_object_fails_once_it_is_known_also_where_the_kernel_had_it_cached() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = with_cache(quiet(64 << 20), dir.path());
    options.content.whole_max = 0;
    options.content.verified_first_max = 0;
    let mounted = Mounted::of_bytes(&noise(3_000_000, 2), options);
    mounted.rig.faults.arm(Fault::new(FaultKind::WrongBytes).next(1));
    let mut file = File::open(mounted.path("f")).unwrap();
    let read_all = |file: &mut File| -> io::Result<usize> {
        let mut bytes = Vec::new();
        io::Seek::rewind(file)?;
        file.read_to_end(&mut bytes)
    };
    let start = Instant::now();
    let error = loop {
        match read_all(&mut file) {
            Ok(_) => assert!(start.elapsed() < PATIENCE, "the mismatch was never told"),
            Err(error) => break error,
        }
    };
    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
    assert!(read_all(&mut file).is_err(), "it stays refused");
}
