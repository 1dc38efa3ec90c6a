//! What the tree and the pool cost, beside what the standard maps cost for the same in the same run.
//!
//! `cargo bench -p rusty-attachments-vfs --bench tree`; lines of one group are to be compared.
#![allow(missing_docs, clippy::allow_attributes, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a benchmark")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
};
use rusty_attachments_vfs::{BlockKey, INodeManager, MemoryPool, NodeId};

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// A render job's layout: shots, folders of frames, names that sort differently by path and by
/// component.
fn paths(files: usize) -> Vec<String> {
    (0..files)
        .map(|i| {
            let (shot, pass, frame) = (i / 2000, i / 200 % 10, i % 200);
            format!(
                "project/shots/sh{shot:04}/pass-{pass}{}/beauty.{frame:05}.exr",
                ["", "-v2"][pass % 2]
            )
        })
        .collect()
}

fn manifest(paths: &[String]) -> Manifest {
    let mut builder = ManifestBuilder::new(Format::V2023);
    for path in paths {
        let content = Content::Whole(ContentHash::of(path.as_bytes()));
        let file = File { size: 4096, mtime_us: 1, runnable: false, content };
        let entry = Entry { path: path.as_str().into(), kind: EntryKind::File(file) };
        builder.push(entry).unwrap();
    }
    builder.build().unwrap()
}

fn tree(c: &mut Criterion) {
    for size in SIZES {
        let paths = paths(size);
        let manifest = manifest(&paths);
        let tree = Arc::new(INodeManager::build(&manifest).unwrap());
        let names: usize =
            (1..=tree.len() as u64).map(|id| tree.name(NodeId(id)).unwrap().as_wtf8().len()).sum();
        println!(
            "{size} files: {} bytes an entry beside its name",
            (tree.memory_bytes() - names) / size
        );

        let mut group = c.benchmark_group("build");
        group.sample_size(10).throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("tree", size), |b| {
            b.iter_with_large_drop(|| INodeManager::build(&manifest).unwrap());
        });
        group.bench_function(BenchmarkId::new("BTreeMap", size), |b| {
            b.iter_with_large_drop(|| {
                manifest
                    .files()
                    .map(|(path, file)| (path.as_wtf8(), file))
                    .collect::<BTreeMap<_, _>>()
            });
        });
        group.bench_function(BenchmarkId::new("HashMap", size), |b| {
            b.iter_with_large_drop(|| {
                manifest
                    .files()
                    .map(|(path, file)| (path.as_wtf8(), file))
                    .collect::<HashMap<_, _>>()
            });
        });
        group.finish();
        lookup(c, &paths, &tree);
        listing(c, &paths, &tree);
    }
}

/// One component of a path, as the kernel asks; the maps need the whole path for the same.
fn lookup(c: &mut Criterion, paths: &[String], tree: &INodeManager) {
    let size = paths.len();
    let questions: Vec<_> = (0..size)
        .step_by((size / 10_000).max(1))
        .map(|i| &paths[i.wrapping_mul(7919) % size])
        .map(|path| {
            let (folder, name) = path.rsplit_once('/').unwrap();
            (tree.find(folder.into()).unwrap(), name, path.as_str())
        })
        .collect();
    let by_path: BTreeMap<&str, usize> = paths.iter().map(String::as_str).zip(0..).collect();
    let by_hash: HashMap<&str, usize> = paths.iter().map(String::as_str).zip(0..).collect();

    let mut group = c.benchmark_group("lookup");
    group.throughput(Throughput::Elements(questions.len() as u64));
    group.bench_function(BenchmarkId::new("tree", size), |b| {
        b.iter(|| {
            for &(folder, name, _) in &questions {
                black_box(tree.lookup(folder, name.into()).unwrap());
            }
        });
    });
    group.bench_function(BenchmarkId::new("BTreeMap", size), |b| {
        b.iter(|| questions.iter().for_each(|&(_, _, path)| _ = black_box(by_path[path])));
    });
    group.bench_function(BenchmarkId::new("HashMap", size), |b| {
        b.iter(|| questions.iter().for_each(|&(_, _, path)| _ = black_box(by_hash[path])));
    });
    group.finish();
}

/// Every folder listed with attributes, as `ls -lR` does; the map is walked once in its order.
fn listing(c: &mut Criterion, paths: &[String], tree: &Arc<INodeManager>) {
    let size = paths.len();
    let map: BTreeMap<&str, usize> = paths.iter().map(String::as_str).zip(0..).collect();
    let mut group = c.benchmark_group("list everything");
    group.sample_size(10).throughput(Throughput::Elements(size as u64));
    group.bench_function(BenchmarkId::new("tree", size), |b| {
        b.iter(|| {
            for id in 1..=tree.len() as u64 {
                let Some(listing) = tree.listing(NodeId(id)) else { continue };
                for index in 0..listing.len() {
                    black_box(listing.entry(index));
                }
            }
        });
    });
    group.bench_function(BenchmarkId::new("BTreeMap", size), |b| {
        b.iter(|| map.iter().for_each(|entry| _ = black_box(entry)));
    });
    group.finish();
}

/// Taking and releasing a block that is there, beside a map behind a lock that hands out `Arc`s.
fn pool(c: &mut Criterion) {
    const BLOCKS: u32 = 10_000;
    let key = |index: u32| BlockKey { object: ContentHash::of(&index.to_le_bytes()), index };
    let keys: Vec<_> = (0..BLOCKS).map(|i| key(i.wrapping_mul(7919) % BLOCKS)).collect();
    let pool = MemoryPool::new(u64::from(BLOCKS) * 4096);
    let map: std::sync::Mutex<HashMap<_, _>> =
        std::sync::Mutex::new(keys.iter().map(|&key| (key, Arc::new(vec![0u8; 4096]))).collect());
    for &key in &keys {
        pool.try_reserve(4096).unwrap().insert(key, vec![0; 4096]);
    }
    let mut group = c.benchmark_group("pool hit");
    group.throughput(Throughput::Elements(u64::from(BLOCKS)));
    group.bench_function("pool", |b| {
        b.iter(|| keys.iter().for_each(|key| _ = black_box(pool.get(key).unwrap())));
    });
    group.bench_function("Mutex<HashMap>", |b| {
        b.iter(|| {
            keys.iter().for_each(|key| _ = black_box(Arc::clone(&map.lock().unwrap()[key])));
        });
    });
    group.finish();

    // Every insertion throws a block out: the cost must not depend on how many there are.
    let mut group = c.benchmark_group("pool miss with eviction");
    for blocks in [100, BLOCKS, 10 * BLOCKS] {
        let pool = MemoryPool::new(u64::from(blocks) * 1024);
        (0..blocks)
            .for_each(|i| drop(pool.try_reserve(1024).unwrap().insert(key(i), vec![0; 1024])));
        let mut next = blocks;
        group.bench_function(BenchmarkId::from_parameter(blocks), |b| {
            b.iter_batched(
                || {
                    next += 1;
                    (key(next), vec![0; 1024])
                },
                |(key, bytes)| drop(pool.try_reserve(1024).unwrap().insert(key, bytes)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, tree, pool);
criterion_main!(benches);
