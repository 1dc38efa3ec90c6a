//! What keeping and telling changes costs.
//!
//! `cargo bench -p rusty-attachments-vfs --bench changes`; lines of one group are to be compared.
//! The disk is that of the folder for temporary files.
#![allow(missing_docs, clippy::allow_attributes, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
};
use rusty_attachments_storage::MemoryStore;
use rusty_attachments_vfs::changes::{
    ChangeStore, FileStamp, Journal, LocalContent, LocalFile, LocalState, NameRule, VolumeBase,
};
use rusty_attachments_vfs::{AsyncExecutor, ExecutorConfig, ManifestVolume, VolumeOptions};

const RECORD: [u8; 100] = [7; 100];

fn path(index: usize) -> String {
    let (shot, pass, frame) = (index / 2000, index / 200 % 10, index % 200);
    format!("project/shots/sh{shot:04}/pass-{pass}/beauty.{frame:05}.exr")
}

fn state(index: usize) -> LocalState {
    let index = index as u64;
    LocalState::File(LocalFile {
        stamp: FileStamp { size: 4096, mtime_ns: i128::from(index) },
        executable: Some(false),
        content: LocalContent::Hashed {
            chunk_size: 0,
            hashes: vec![ContentHash::of(&index.to_le_bytes())],
        },
        renamed_from: None,
        derived_from: None,
    })
}

/// Beside a bare write of as many bytes, which is the least that an append can cost.
fn append(c: &mut Criterion) {
    let temp = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("append 100 bytes");
    group.throughput(Throughput::Elements(1));
    let mut bare = std::fs::File::create(temp.path().join("bare")).unwrap();
    group.bench_function("write", |b| b.iter(|| bare.write_all(&RECORD).unwrap()));
    let (journal, _) = Journal::open(&temp.path().join("journal"), 1).unwrap();
    group.bench_function("journal", |b| b.iter(|| journal.append(&RECORD).unwrap()));
    let store = ChangeStore::open(&temp.path().join("store"), NameRule::Exact).unwrap();
    let paths: Vec<_> = (0..10_000).map(path).collect();
    let mut index = 0;
    group.bench_function("store (10,000 paths, compacted)", |b| {
        b.iter(|| {
            index += 1;
            store.set(paths[index % paths.len()].as_str().into(), Some(state(index))).unwrap();
        });
    });
    group.finish();
}

/// An append and its sync by each of several threads at once, beside a bare fsync for each.
fn group_commit(c: &mut Criterion) {
    let temp = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("append and sync");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(1));
    let mut bare = std::fs::File::create(temp.path().join("bare")).unwrap();
    group.bench_function("write and fsync", |b| {
        b.iter(|| {
            bare.write_all(&RECORD).unwrap();
            bare.sync_data().unwrap();
        });
    });
    for threads in [1, 4, 16] {
        let (journal, _) = Journal::open(&temp.path().join(threads.to_string()), 1).unwrap();
        group.bench_function(BenchmarkId::new("journal, threads", threads), |b| {
            b.iter_custom(|count| {
                let left = AtomicU64::new(count);
                let take = || {
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                };
                let start = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            while take().is_ok() {
                                journal.append(&RECORD).unwrap();
                                journal.sync().unwrap();
                            }
                        });
                    }
                });
                start.elapsed()
            });
        });
    }
    group.finish();
}

fn replay(c: &mut Criterion) {
    const RECORDS: usize = 1_000_000;
    let temp = tempfile::tempdir().unwrap();
    let journal = temp.path().join("journal");
    let (open, _) = Journal::open(&journal, 1).unwrap();
    (0..RECORDS).for_each(|_| open.append(&RECORD).unwrap());
    drop(open);
    let folder = temp.path().join("store");
    let store = ChangeStore::open(&folder, NameRule::Exact).unwrap();
    (0..RECORDS).for_each(|i| store.set(path(i).as_str().into(), Some(state(i))).unwrap());
    drop(store);

    let mut group = c.benchmark_group("replay 1,000,000 records");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("journal", |b| {
        b.iter_with_large_drop(|| {
            let (open, replayed) = Journal::open(&journal, 1).unwrap();
            assert_eq!(replayed.records().len(), RECORDS);
            (open, replayed)
        });
    });
    group.bench_function("store", |b| {
        b.iter_with_large_drop(|| ChangeStore::open(&folder, NameRule::Exact).unwrap());
    });
    group.finish();
}

fn manifest(files: usize) -> Manifest {
    let mut builder = ManifestBuilder::new(Format::V2023);
    for index in 0..files {
        let content = Content::Whole(ContentHash::of(path(index).as_bytes()));
        let file = File { size: 4096, mtime_us: 1, runnable: false, content };
        let path = path(index);
        let entry = Entry { path: path.as_str().into(), kind: EntryKind::File(file) };
        builder.push(entry).unwrap();
    }
    builder.build().unwrap()
}

/// The same changes against a small and a large base: the cost must follow the changes.
fn classify(c: &mut Criterion) {
    const CHANGES: usize = 100_000;
    let temp = tempfile::tempdir().unwrap();
    let store = ChangeStore::open(temp.path(), NameRule::Exact).unwrap();
    for index in 0..CHANGES {
        let state = if index % 3 == 0 { LocalState::Deleted } else { state(index) };
        store.set(path(index).as_str().into(), Some(state)).unwrap();
    }
    let executor = Arc::new(AsyncExecutor::new(ExecutorConfig::default()).unwrap());
    let mut group = c.benchmark_group("classify 100,000 changes");
    group.sample_size(10).throughput(Throughput::Elements(CHANGES as u64));
    for files in [CHANGES / 2, 1_000_000] {
        let storage = Arc::new(MemoryStore::new());
        let volume = ManifestVolume::new(
            &manifest(files),
            storage,
            VolumeOptions::default(),
            Arc::clone(&executor),
        );
        let volume = volume.unwrap();
        group.bench_function(BenchmarkId::new("files in the base", files), |b| {
            b.iter_with_large_drop(|| black_box(store.changes(&VolumeBase(&*volume))));
        });
    }
    group.finish();
}

criterion_group!(benches, append, group_commit, replay, classify);
criterion_main!(benches);
