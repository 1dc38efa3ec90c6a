//! What is left in a process after starts that failed, stops and drops. Alone in its process, so
//! that threads and open files can be counted.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_projfs::emulator::Emulator;
use rusty_attachments_vfs_projfs::{ProjFsOptions, ProjFsWriteOptions, WritableProjFs};

fn count(of: &str) -> usize {
    fs::read_dir(Path::new("/proc/self").join(of)).unwrap().count()
}

/// What is open.
fn files() -> Vec<PathBuf> {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|file| fs::read_link(file.unwrap().path()).ok()).collect()
}

/// Waits until no more is there than before: threads that were told to end take a moment.
#[track_caller]
fn assert_back(what: &str, before: (usize, usize)) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = (count("task"), count("fd"));
        if now.0 <= before.0 && now.1 <= before.1 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: {before:?} threads and files became {now:?}: {:?}",
            files()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn nothing_leaks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let vfs = |cache: &str| {
        let write_options = ProjFsWriteOptions::default().with_cache_dir(folder.path().join(cache));
        let volume = Tree::new().file("a", "text").build();
        let options = ProjFsOptions::new(root.clone());
        WritableProjFs::with_volume(Arc::clone(&volume) as _, None, options, write_options).unwrap()
    };
    // What is made once for good, such as tokio's means to hear signals.
    drop(Emulator::serve(&root).unwrap());
    let before_all = (count("task"), count("fd"));
    {
        let _served = Emulator::serve(&root).unwrap();
        let first = vfs("cache");
        first.start().unwrap();
        first.stop().unwrap();
        let before = (count("task"), count("fd"));
        for _ in 0..3 {
            first.start().unwrap();
            assert_eq!(fs::read(root.join("a")).unwrap(), b"text");
            first.stop().unwrap();
        }
        assert_back("starts and stops", before);
        for _ in 0..3 {
            // The root is another cache's.
            vfs("other").start().unwrap_err();
        }
        assert_back("starts that fail", before);
        for _ in 0..3 {
            vfs("cache").start().unwrap();
        }
        assert_back("drops", before);
    }
    assert_back("the emulator", before_all);
}
