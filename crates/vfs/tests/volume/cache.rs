//! The volume and its disk cache: warm starts, and files that should not be trusted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusty_attachments_model::{ContentHash, PathRef};
use rusty_attachments_storage::cas;
use rusty_attachments_testkit::{Fault, FaultKind, Job};
use rusty_attachments_vfs::{NodeId, Volume, VolumeOptions};

use rusty_attachments_testkit::rig::{PATIENCE, Rig, noise, quiet, with_cache};

const MIB: u64 = 1 << 20;

/// The file of the cache that holds `hash`, once it is there.
fn cached_file(dir: &Path, hash: ContentHash) -> PathBuf {
    fn find(dir: &Path, name: &str) -> Option<PathBuf> {
        fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
            let path = entry.path();
            if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
        })
    }
    let start = Instant::now();
    loop {
        if let Some(found) = find(dir, &hash.to_string()) {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{hash} was never cached");
        std::thread::yield_now();
    }
}

/// Options for each of the three ways in which content is held.
fn ways() -> [VolumeOptions; 3] {
    let mut streamed = quiet(64 * MIB);
    streamed.content.whole_max = 0;
    streamed.content.verified_first_max = 0;
    [quiet(64 * MIB), streamed, quiet(256 << 10)]
}

#[test]
fn a_second_volume_is_served_without_the_store() {
    for size in [1000, 3_000_000] {
        for options in ways() {
            let dir = tempfile::tempdir().unwrap();
            let bytes = noise(size, 1);
            let options = with_cache(options, dir.path());
            let cold = Rig::of_bytes(&bytes, options.clone());
            assert!(cold.read_all(cold.file(), 128 << 10).unwrap() == bytes);
            cached_file(dir.path(), ContentHash::of(&bytes));
            drop(cold);
            let warm = Rig::of_bytes(&bytes, options);
            warm.faults.arm(Fault::new(FaultKind::Offline));
            assert!(warm.read_all(warm.file(), 128 << 10).unwrap() == bytes);
        }
    }
}

#[test]
fn planted_files_are_not_believed() {
    for size in [1000, 3_000_000] {
        for options in ways() {
            let dir = tempfile::tempdir().unwrap();
            let bytes = noise(size, 2);
            let options = with_cache(options, dir.path());
            let cold = Rig::of_bytes(&bytes, options.clone());
            cold.read_all(cold.file(), 1 << 20).unwrap();
            let file = cached_file(dir.path(), ContentHash::of(&bytes));
            drop(cold);
            fs::remove_file(&file).unwrap();
            fs::write(&file, noise(size, 666)).unwrap();
            let next = Rig::of_bytes(&bytes, options);
            assert!(next.read_all(next.file(), 128 << 10).unwrap() == bytes);
        }
    }
}

#[test]
fn a_complete_file_is_offered_to_the_kernel_only_when_verified() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = noise(3_000_000, 3);
    let options = with_cache(quiet(64 * MIB), dir.path());
    let rig = Rig::of_bytes(&bytes, options.clone());
    assert!(rig.volume.local_file(rig.file()).is_none());
    rig.read_all(rig.file(), 1 << 20).unwrap();
    cached_file(dir.path(), ContentHash::of(&bytes));
    drop(rig);
    let rig = Rig::of_bytes(&bytes, options);
    let file = rig.volume.local_file(rig.file()).expect("cached and stamped");
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut &*file, &mut read).unwrap();
    assert!(read == bytes);
    assert!(rig.volume.local_file(NodeId::ROOT).is_none());
}

#[test]
fn siblings_are_fetched_ahead_of_a_walk() {
    let job = Job::builder().files(300).sizes(100..5000).depth(1).unicode(false).build();
    let options = VolumeOptions { memory_budget: 64 * MIB, ..VolumeOptions::default() };
    let rig = Rig::of_job(&job, options);
    let listing = rig.volume.children(NodeId::ROOT).unwrap();
    let folders: Vec<_> = (0..listing.len())
        .map(|index| listing.entry(index).unwrap().attributes.node)
        .chain([NodeId::ROOT])
        .collect();
    for folder in folders {
        let Ok(listing) = rig.volume.children(folder) else { continue };
        for index in 0..listing.len() {
            let entry = listing.entry(index).unwrap();
            if entry.attributes.size > 0 {
                rig.read(entry.attributes.node, 0, 10_000).unwrap();
            }
        }
    }
    assert!(rig.volume.stats().prefetched_objects.get() > 100);
    for file in job.files() {
        assert!(
            rig.counts.gets_of(&cas::object_key(file.hash)) <= 1,
            "{} fetched twice",
            file.path
        );
        let node = rig.node(PathRef::from_wtf8(file.path.as_ref().as_wtf8()));
        assert!(rig.read_all(node, 1 << 20).unwrap() == file.bytes());
    }
}

#[test]
fn the_order_of_first_reads_is_kept_with_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = noise(1000, 7);
    let rig = Rig::of_bytes(&bytes, with_cache(quiet(MIB), dir.path()));
    assert_eq!(rig.volume.save_trace().unwrap(), None, "nothing was read");
    rig.read(rig.file(), 500, 10).unwrap();
    rig.read(rig.file(), 0, 10).unwrap();
    let saved = rig.volume.save_trace().unwrap().expect("a file with the trace");
    let lines = fs::read_to_string(saved).unwrap();
    assert!(lines.ends_with("\"offset\":500,\"path\":\"f\"}\n") && lines.lines().count() == 1);
}
