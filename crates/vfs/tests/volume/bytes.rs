//! What is read is what the manifest means, however it is read and however little memory there is.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use proptest::prelude::*;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, ManifestBuilder, PathRef,
};
use rusty_attachments_storage::{
    MemoryStore, Object, ObjectInfo, Payload, StorageClient, StorageError, cas,
};
use rusty_attachments_testkit::Job;
use rusty_attachments_vfs::{
    AsyncExecutor, ContentOptions, ExecutorConfig, ManifestVolume, NodeId, VerifyPolicy,
    VfsErrorKind, Volume, VolumeOptions,
};

use rusty_attachments_testkit::rig::{Rig, block_on, noise, one_file, quiet, with_cache};

const MIB: u64 = 1 << 20;

#[test]
fn every_byte_of_a_job_with_and_without_a_cache() {
    let job = Job::builder().files(120).large(3 * MIB).large(20 * MIB).not_utf8(true).build();
    let dir = tempfile::tempdir().unwrap();
    for options in [VolumeOptions::default(), with_cache(VolumeOptions::default(), dir.path())] {
        let rig = Rig::of_job(&job, options);
        for file in job.files() {
            let node = rig.node(file.path.as_ref());
            assert!(rig.read_all(node, 128 << 10).unwrap() == file.bytes(), "{}", file.path);
        }
    }
}

#[test]
fn each_object_is_fetched_once_however_many_read_it() {
    let bytes = noise(5 << 20, 1);
    let rig = Rig::of_bytes(&bytes, quiet(64 * MIB));
    let node = rig.file();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert!(rig.read_all(node, 64 << 10).unwrap() == bytes));
        }
    });
    assert_eq!(rig.counts.gets_of(&cas::object_key(ContentHash::of(&bytes))), 1);
}

#[test]
fn a_streamed_object_is_fetched_about_once_by_parallel_readers() {
    let bytes = noise(40 << 20, 2);
    let mut options = quiet(128 * MIB);
    options.content.whole_max = MIB;
    options.content.verified_first_max = MIB;
    let rig = Rig::of_bytes(&bytes, options);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(rig.read_all(rig.file(), 128 << 10).unwrap() == bytes));
        }
    });
    let fetched = rig.volume.stats().store_bytes.get();
    assert!(fetched <= bytes.len() as u64 * 21 / 20, "{fetched} bytes for {}", bytes.len());
}

#[test]
fn memory_smaller_than_an_object_still_serves_it() {
    let bytes = noise(9 << 20, 3);
    for budget in [64 << 10, 1 << 20, 16 << 20] {
        let rig = Rig::of_bytes(&bytes, quiet(budget));
        assert!(rig.read_all(rig.file(), 100_000).unwrap() == bytes, "budget {budget}");
    }
}

#[test]
fn many_readers_of_many_objects_share_a_small_budget() {
    let job = Job::builder().files(24).sizes(MIB..2 * MIB).build();
    let rig = Rig::of_job(&job, quiet(2 * MIB));
    std::thread::scope(|scope| {
        for reader in 0..8 {
            let (job, rig) = (&job, &rig);
            scope.spawn(move || {
                for step in 0..24 {
                    let file = &job.files()[(step * 5 + reader * 3) % 24];
                    let node = rig.node(file.path.as_ref());
                    assert!(rig.read_all(node, 128 << 10).unwrap() == file.bytes());
                }
            });
        }
    });
}

#[test]
fn memory_and_requests_are_never_waited_for_in_a_circle() {
    let job = Job::builder().files(32).sizes(60_000..62_000).large(500_000).large(500_001).build();
    let mut options = quiet(256 << 10);
    options.content.max_requests = 1;
    let rig = Rig::of_job(&job, options);
    std::thread::scope(|scope| {
        for reader in 0..12 {
            let (job, rig) = (&job, &rig);
            scope.spawn(move || {
                for step in 0..job.files().len() {
                    let file = &job.files()[(step * 7 + reader * 11) % job.files().len()];
                    let node = rig.node(file.path.as_ref());
                    assert!(rig.read_all(node, 64 << 10).unwrap() == file.bytes());
                }
            });
        }
    });
}

#[test]
fn chunked_files_read_across_their_chunks() {
    let bytes = noise(700_000, 4);
    let rig = Rig::of_chunks(&bytes, 256 << 10, quiet(16 * MIB));
    assert!(rig.read_all(rig.file(), 100_000).unwrap() == bytes);
    assert!(rig.read(rig.file(), 0, 1 << 20).unwrap() == bytes, "one read over all chunks");
}

#[test]
fn legacy_keys_are_found() {
    let bytes = noise(1000, 5);
    let hash = ContentHash::of(&bytes);
    let store = Arc::new(MemoryStore::new());
    let payload = Payload::Bytes(bytes.clone().into());
    block_on(store.put(&cas::legacy_object_key(hash), payload)).unwrap();
    let rig = Rig::new(&one_file(hash, 1000), store, quiet(MIB));
    assert_eq!(rig.read_all(rig.file(), 4096).unwrap(), bytes);
}

#[test]
fn reads_past_the_end_and_of_folders() {
    let rig = Rig::of_bytes(b"hello", quiet(MIB));
    assert_eq!(rig.read(rig.file(), 3, 100).unwrap(), b"lo");
    assert_eq!(rig.read(rig.file(), 5, 100).unwrap(), b"");
    assert_eq!(rig.read(rig.file(), u64::MAX, usize::MAX).unwrap(), b"");
    assert!(rig.read(NodeId::ROOT, 0, 1).is_err());
    assert!(rig.read(NodeId(99), 0, 1).is_err());
}

#[test]
fn a_second_size_for_the_same_hash_is_refused_and_never_cut_to_fit() {
    let bytes = noise(600_000, 6);
    let hash = ContentHash::of(&bytes);
    let mut builder = ManifestBuilder::new(Format::V2023);
    for (path, size) in [("long", 600_001), ("right", 600_000), ("short", 599_999)] {
        let file = File { size, mtime_us: 1, runnable: false, content: Content::Whole(hash) };
        builder.push(Entry { path: PathRef::from(path), kind: EntryKind::File(file) }).unwrap();
    }
    let manifest = builder.build().unwrap();
    // Whole, and in blocks.
    for budget in [16 * MIB, 256 << 10] {
        let store = Arc::new(MemoryStore::new());
        let payload = Payload::Bytes(bytes.clone().into());
        block_on(store.put(&cas::object_key(hash), payload)).unwrap();
        let rig = Rig::new(&manifest, store, quiet(budget));
        let read = |name: &str| rig.read_all(rig.node(PathRef::from(name)), 100_000);
        assert!(read("right").unwrap() == bytes);
        assert_eq!(read("long").unwrap_err().kind(), VfsErrorKind::Corrupt);
        assert_eq!(read("short").unwrap_err().kind(), VfsErrorKind::Corrupt);
        assert!(read("right").unwrap() == bytes);
    }
}

/// Objects of zeros, of any size, that nobody could hold.
#[derive(Debug)]
struct Zeros(u64);

#[async_trait]
impl StorageClient for Zeros {
    async fn get(&self, _: &str, range: Option<Range<u64>>) -> Result<Object, StorageError> {
        let range = range.unwrap_or(0..self.0);
        let length = usize::try_from(range.end - range.start).unwrap();
        assert!(length <= 8 << 20, "asked for {length} bytes at once");
        Ok(Object::from_bytes(self.0, vec![0; length].into()))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        Ok(ObjectInfo { key: key.to_owned(), size: self.0 })
    }

    async fn put(&self, key: &str, _: Payload) -> Result<(), StorageError> {
        Err(StorageError::Unsupported { operation: "put", key: key.to_owned() })
    }
}

#[test]
fn the_header_of_a_huge_object_costs_a_few_mebibytes() {
    let size = 40 << 30;
    let manifest = one_file(ContentHash::of(b"never complete"), size);
    let executor = Arc::new(AsyncExecutor::new(ExecutorConfig::default()).unwrap());
    let store = Arc::new(Zeros(size));
    let volume = ManifestVolume::new(&manifest, store, quiet(64 * MIB), executor).unwrap();
    let node = volume.lookup(NodeId::ROOT, PathRef::from("f")).unwrap().node;
    for offset in (0..MIB).step_by(128 << 10).chain([20 << 30, size - 4096]) {
        let data = block_on(volume.read(node, offset, 128 << 10).finish()).unwrap();
        assert!(data.iter().all(|&byte| byte == 0));
    }
    let fetched = volume.stats().store_bytes.get();
    assert!(fetched <= 6 * MIB, "{fetched} bytes fetched");
}

/// One random way to hold and read a file.
#[derive(Clone, Debug)]
struct Scenario {
    size: usize,
    budget: u64,
    whole_max: u64,
    verify: VerifyPolicy,
    cached: bool,
    reads: Vec<(u64, usize)>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    (0usize..3_000_000).prop_flat_map(|size| {
        let policy = prop_oneof![Just(VerifyPolicy::OnComplete), Just(VerifyPolicy::BeforeRead)];
        let reads = prop::collection::vec((0..=size as u64 + 10, 0usize..400_000), 1..40);
        (
            64u64 << 10..8 << 20,
            prop_oneof![Just(0), Just(1 << 20), Just(64 << 20)],
            policy,
            any::<bool>(),
            reads,
        )
            .prop_map(move |(budget, whole_max, verify, cached, reads)| Scenario {
                size,
                budget,
                whole_max,
                verify,
                cached,
                reads,
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_reads_agree_with_the_bytes(scenario in scenario(), seed: u64) {
        let bytes = noise(scenario.size, seed);
        let dir = tempfile::tempdir().unwrap();
        let mut options = quiet(scenario.budget);
        options.content = ContentOptions {
            whole_max: scenario.whole_max,
            verify: scenario.verify,
            ..options.content
        };
        if scenario.cached {
            options = with_cache(options, dir.path());
        }
        let rig = Rig::of_bytes(&bytes, options);
        for (offset, length) in scenario.reads {
            let start = bytes.len().min(usize::try_from(offset).unwrap());
            let end = bytes.len().min(start + length);
            prop_assert!(rig.read(rig.file(), offset, length).unwrap() == bytes[start..end]);
        }
    }
}
