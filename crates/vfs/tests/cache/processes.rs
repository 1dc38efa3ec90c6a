//! Several processes on one cache, and processes that are killed.
//!
//! A test that needs another process starts itself again with `CHILD` set.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusty_attachments_vfs::DiskCache;

use crate::setup::{MIB, SmallDisk, limits, object, partials, private_dir};

const CHILD: &str = "CACHE_TEST_CHILD";
const LIMIT: u64 = 8 * MIB;

/// Kills its process when dropped, so that a failed test leaves none behind.
struct Filler(Child);

impl Filler {
    fn start(test: &str, dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, dir)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits until the process says that it has stored so much.
    fn wait_for_output(&mut self, lines: usize) {
        let output = BufReader::new(self.0.stdout.as_mut().unwrap());
        let said = output.lines().map_while(Result::ok).filter(|line| line.contains("stored"));
        assert_eq!(said.take(lines).count(), lines);
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Stores small objects and fills large ones, the same in every process, each from its own start.
fn fill(dir: &Path, rounds: u64) {
    let cache = DiskCache::open(dir, limits(LIMIT)).unwrap();
    let start = u64::from(std::process::id()) % 64;
    for round in 0..rounds {
        let seed = (start + round) % 64;
        let (hash, bytes) = object(seed, 10_000 + seed as usize * 100);
        cache.store(hash, &bytes).unwrap();
        let (hash, bytes) = object(1000 + seed, 1_200_000);
        let partial = cache.begin(hash, bytes.len() as u64).unwrap();
        let mut pieces: Vec<_> = bytes.chunks(300_000).enumerate().collect();
        pieces.reverse();
        let written = pieces
            .iter()
            .all(|(index, piece)| partial.write_at(*index as u64 * 300_000, piece).is_ok());
        // Full of what others are filling is a legal answer.
        if written {
            partial.finish().unwrap();
        }
        println!("stored {round}");
    }
}

#[test]
fn three_processes_share_a_cache() {
    if let Some(dir) = child_dir() {
        return fill(&dir, 40);
    }
    let disk = SmallDisk::new("64m");
    let cache = DiskCache::open(disk.path(), limits(LIMIT)).unwrap();
    let empty = disk.used();
    let test = "processes::three_processes_share_a_cache";
    let mut fillers: Vec<_> = (0..3).map(|_| Filler::start(test, disk.path())).collect();
    let mut most = 0;
    while fillers.iter_mut().any(|filler| filler.0.try_wait().unwrap().is_none()) {
        most = most.max(disk.used() - empty);
        std::thread::sleep(Duration::from_millis(5));
    }
    for filler in &mut fillers {
        assert!(filler.0.wait().unwrap().success());
    }
    // Each process may have one piece on its way that the scan of another did not see.
    assert!(most <= LIMIT + 3 * 300_000, "{most} bytes");
    assert!(partials(disk.path()).is_empty());
    let report = cache.verify(&mut |_| {}).unwrap();
    assert_eq!((report.corrupt, report.unreadable), (0, 0), "{report:?}");
    assert!(report.intact > 5);
}

#[test]
fn kill_9_while_filling_leaves_only_whole_objects() {
    if let Some(dir) = child_dir() {
        return fill(&dir, u64::MAX);
    }
    let temp = private_dir();
    let test = "processes::kill_9_while_filling_leaves_only_whole_objects";
    let (mut round, mut abandoned) = (0, 0);
    // Until some kill hit a file that was being written, which nearly every one does.
    while round < 8 || (abandoned == 0 && round < 100) {
        round += 1;
        let mut filler = Filler::start(test, temp.path());
        filler.wait_for_output(2);
        // Not a wait for something: the kill is to hit different instants.
        std::thread::sleep(Duration::from_millis(round % 8 * 3));
        drop(filler);
        abandoned += partials(temp.path()).len();
        let cache = DiskCache::open(temp.path(), limits(LIMIT)).unwrap();
        assert!(partials(temp.path()).is_empty(), "opening removes what the dead left");
        let report = cache.verify(&mut |_| {}).unwrap();
        assert_eq!((report.corrupt, report.unreadable, report.foreign), (0, 0, 0), "{report:?}");
        assert!(report.intact > 0);
        let usage = cache.usage().unwrap();
        assert!(usage.object_bytes <= LIMIT);
    }
    assert!(abandoned > 0);
}

#[test]
fn opening_spares_what_the_living_fill() {
    if let Some(dir) = child_dir() {
        let cache = DiskCache::open(&dir, limits(LIMIT)).unwrap();
        let (hash, bytes) = object(1, 100_000);
        let partial = cache.begin(hash, bytes.len() as u64).unwrap();
        partial.write_at(0, &bytes[..50_000]).unwrap();
        println!("stored half");
        // Until the parent has looked.
        while !dir.join("go").exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        partial.write_at(50_000, &bytes[50_000..]).unwrap();
        partial.finish().unwrap();
        return;
    }
    let temp = private_dir();
    let mut filler = Filler::start("processes::opening_spares_what_the_living_fill", temp.path());
    filler.wait_for_output(1);
    let cache = DiskCache::open(temp.path(), limits(LIMIT)).unwrap();
    cache.prune(0).unwrap();
    assert_eq!(partials(temp.path()).len(), 1);
    std::fs::write(temp.path().join("go"), "").unwrap();
    assert!(filler.0.wait().unwrap().success());
    let (hash, bytes) = object(1, 100_000);
    crate::setup::hit(&cache, hash, bytes.len()).verify().unwrap();
}
