//! Disk caches that are full, read-only, torn, planted or shared.

use std::fs;
use std::path::Path;
use std::process::Command;

use rusty_attachments_model::ContentHash;
use rusty_attachments_testkit::job::os_path;
use rusty_attachments_testkit::rig::{noise, quiet, with_cache};
use rusty_attachments_testkit::{Fault, FaultKind, Job};
use rusty_attachments_vfs::{CacheLimits, DiskCache};

use crate::fixture::Mounted;

const MIB: u64 = 1 << 20;

/// A small disk of its own, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("rusty-disk-").tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a tmpfs: run it as root");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn reads_right(mounted: &Mounted, bytes: &[u8]) {
    assert!(fs::read(mounted.path("f")).unwrap() == bytes);
}

#[test]
fn a_full_cache_disk_costs_caching_and_never_a_byte() {
    let disk = SmallDisk::new("2m");
    let job = Job::builder().files(40).sizes(100_000..300_000).unicode(false).build();
    let mounted = Mounted::of_job(&job, with_cache(quiet(4 * MIB), disk.path()));
    for file in job.files() {
        let path = os_path(file.path.as_ref());
        assert!(fs::read(mounted.path(path)).unwrap() == file.bytes());
    }
    // A streamed object that the disk cannot gather.
    let bytes = noise(6_000_000, 1);
    let mut options = with_cache(quiet(4 * MIB), disk.path());
    options.content.verified_first_max = 0;
    options.content.whole_max = 0;
    reads_right(&Mounted::of_bytes(&bytes, options), &bytes);
}

#[test]
fn a_read_only_cache_serves_what_it_has() {
    let disk = SmallDisk::new("16m");
    let (kept, other) = (noise(200_000, 2), noise(200_000, 3));
    let limits = CacheLimits { max_bytes: 16 * MIB, min_free_bytes: 0 };
    DiskCache::open(disk.path(), limits).unwrap().store(ContentHash::of(&kept), &kept).unwrap();
    let remount = ["-o", "remount,ro"];
    assert!(Command::new("mount").args(remount).arg(disk.path()).status().unwrap().success());
    let options = with_cache(quiet(8 * MIB), disk.path());
    let mounted = Mounted::of_bytes(&kept, options.clone());
    mounted.rig.faults.arm(Fault::new(FaultKind::Offline));
    reads_right(&mounted, &kept);
    reads_right(&Mounted::of_bytes(&other, options), &other);
}

/// All files below a folder.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn torn_and_planted_files_are_fetched_again() {
    for size in [50_000, 3_000_000] {
        for spoil in [|_: usize| noise(1000, 9), |size: usize| noise(size, 9)] {
            let dir = tempfile::tempdir().unwrap();
            let bytes = noise(size, 4);
            let limits = CacheLimits { max_bytes: 64 * MIB, min_free_bytes: 0 };
            let hash = ContentHash::of(&bytes);
            DiskCache::open(dir.path(), limits).unwrap().store(hash, &bytes).unwrap();
            let object =
                files(dir.path()).into_iter().find(|path| path.ends_with(hash.to_string()));
            let object = object.expect("the object was stored");
            fs::remove_file(&object).unwrap();
            fs::write(&object, spoil(size)).unwrap();
            let options = with_cache(quiet(16 * MIB), dir.path());
            reads_right(&Mounted::of_bytes(&bytes, options), &bytes);
        }
    }
}

#[test]
fn two_mounts_share_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let job = Job::builder().files(80).sizes(1000..200_000).large(3 * MIB).unicode(false).build();
    let mounts: Vec<_> =
        (0..2).map(|_| Mounted::of_job(&job, with_cache(quiet(16 * MIB), dir.path()))).collect();
    std::thread::scope(|scope| {
        for mounted in &mounts {
            for reader in 0..2 {
                let job = &job;
                scope.spawn(move || {
                    for step in 0..job.files().len() {
                        let file = &job.files()[(step + reader * 40) % job.files().len()];
                        let path = os_path(file.path.as_ref());
                        assert!(fs::read(mounted.path(path)).unwrap() == file.bytes());
                    }
                });
            }
        }
    });
    let limits = CacheLimits { max_bytes: 4 << 30, min_free_bytes: 0 };
    let report = DiskCache::open(dir.path(), limits).unwrap().verify(&mut |_| {}).unwrap();
    assert_eq!((report.corrupt, report.unreadable), (0, 0), "{report:?}");
    assert!(report.intact > 40, "{report:?}");
}
