//! The measurements.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use peak_alloc::PeakAlloc;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder, PathRef,
};
use rusty_attachments_storage::MemoryStore;
use rusty_attachments_testkit::rig::{Rig, quiet};
use rusty_attachments_vfs::{NodeId, Volume};
use rusty_attachments_vfs_projfs::{ManifestProjection, ProjectionOptions};

/// Counts what the projection keeps; costs each allocation a few nanoseconds.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MILLION: usize = 1_000_000;
const FOLDER: usize = 100_000;

/// A render job's layout: 5,000 folders of 200 frames.
fn frames(files: usize) -> impl Iterator<Item = String> {
    (0..files).map(|i| {
        let (shot, pass, frame) = (i / 2000, i / 200 % 10, i % 200);
        format!("project/shots/sh{shot:04}/pass-{pass}/beauty.{frame:05}.exr")
    })
}

/// One folder of textures in mixed case below `above`: the order of NTFS is not that of bytes.
fn textures(above: &str) -> impl Iterator<Item = String> {
    (0..FOLDER).map(move |i| {
        let name = ["Wood", "marble", "_tmp", "Grün"][i * 7 % 4];
        format!("{above}{name}_{:06}.tex", i.wrapping_mul(7919) % FOLDER)
    })
}

fn manifest(paths: impl Iterator<Item = String>) -> Manifest {
    let mut builder = ManifestBuilder::new(Format::V2023);
    for path in paths {
        let content = Content::Whole(ContentHash::of(path.as_bytes()));
        let file = File { size: 4096, mtime_us: 1, runnable: false, content };
        let entry = Entry { path: path.as_str().into(), kind: EntryKind::File(file) };
        builder.push(entry).unwrap();
    }
    builder.build().unwrap()
}

fn rig(paths: impl Iterator<Item = String>) -> Rig {
    Rig::new(&manifest(paths), Arc::new(MemoryStore::new()), quiet(64 << 20))
}

fn project(rig: &Rig) -> ManifestProjection {
    let volume = Arc::clone(&rig.volume) as Arc<dyn Volume>;
    ManifestProjection::new(volume, ProjectionOptions::default()).unwrap()
}

fn units(path: &str) -> Vec<u16> {
    path.encode_utf16().collect()
}

/// Lists every folder; gives how many entries there are.
fn list_all(projection: &ManifestProjection) -> usize {
    let (mut entries, mut pending) = (0, vec![NodeId::ROOT]);
    while let Some(folder) = pending.pop() {
        let listing = projection.listing(folder).unwrap().unwrap();
        entries += listing.len();
        pending.extend(listing.iter().filter(|entry| entry.is_directory()).map(|entry| entry.node));
    }
    entries
}

fn memory(_: &mut Criterion) {
    let used = || MEMORY.current_usage() as f64;
    let per = |bytes: f64, entries: usize| bytes / entries as f64;
    for (layout, rig, entries) in [
        ("in 5,000 folders", rig(frames(MILLION)), MILLION),
        ("in one folder", rig((0..MILLION).map(|i| format!("cache_{i:07}.vdb"))), MILLION),
    ] {
        let before = used();
        MEMORY.reset_peak_usage();
        let projection = project(&rig);
        let (kept, peak) = (used() - before, MEMORY.peak_usage() as f64 - before);
        println!(
            "1,000,000 files {layout}: {:.3} bytes an entry kept by the projection, {:.1} while \
             names are decided",
            per(kept, entries),
            per(peak, entries)
        );
        list_all(&projection);
        println!(
            "1,000,000 files {layout}: {:.1} MiB after every folder was listed",
            (used() - before) / f64::from(1 << 20)
        );
    }
    let rig = rig(textures(""));
    let projection = project(&rig);
    let before = used();
    let listing = projection.listing(NodeId::ROOT).unwrap().unwrap();
    println!("a listing in memory: {:.1} bytes an entry", per(used() - before, listing.len()));
}

fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    group.sample_size(10).throughput(Throughput::Elements(MILLION as u64));
    let (many, one) = (
        rig(frames(MILLION)),
        rig((0..10).flat_map(|i| textures(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"][i]))),
    );
    group.bench_function("1,000,000 files in 5,000 folders", |b| b.iter(|| project(&many)));
    group.bench_function("1,000,000 files in one folder, mixed case", |b| b.iter(|| project(&one)));
    group.bench_function("1,000,000 files listed", |b| {
        b.iter_with_setup(|| project(&many), |projection| list_all(&projection));
    });
}

fn listing(c: &mut Criterion) {
    let rig = rig(textures(""));
    let mut group = c.benchmark_group("listing of 100,000");
    group.throughput(Throughput::Elements(FOLDER as u64));
    group.sample_size(20).bench_function("built", |b| {
        b.iter_with_setup(
            || project(&rig),
            |projection| {
                let listing = projection.listing(NodeId::ROOT).unwrap();
                (projection, listing)
            },
        );
    });
    let projection = project(&rig);
    group.bench_function("again", |b| {
        b.iter(|| projection.listing(black_box(NodeId::ROOT)).unwrap());
    });
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup among 100,000");
    for (depth, above) in [(1, ""), (8, "project/shots/sh0010/publish/textures/v003/4k/")] {
        let rig = rig(textures(above));
        let projection = project(&rig);
        let exact: Vec<_> = textures(above).step_by(97).collect();
        let asked: Vec<_> =
            exact.iter().map(|path| units(&path.replace('/', "\\").to_lowercase())).collect();
        group.throughput(Throughput::Elements(asked.len() as u64));
        group.bench_function(BenchmarkId::new("in lower case", depth), |b| {
            b.iter(|| {
                for path in &asked {
                    black_box(projection.find(path).unwrap().unwrap());
                }
            });
        });
        group.bench_function(BenchmarkId::new("volume, exact", depth), |b| {
            b.iter(|| {
                for path in &exact {
                    let down = |at, name| rig.volume.lookup(at, name).unwrap().node;
                    black_box(PathRef::from(&**path).components().fold(NodeId::ROOT, down));
                }
            });
        });
    }
}

criterion_group!(benches, memory, decide, listing, lookup);

pub(crate) fn run() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
