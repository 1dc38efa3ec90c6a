//! Decoding manifests of 10,000 to 1,000,000 files, beside what parsing the same JSON costs alone.
//!
//! `cargo bench -p rusty-attachments-model --bench decode`. Quote ratios, not times: decoding over
//! `ignored` (serde_json checks the grammar and keeps nothing) and over `tree`
//! (`serde_json::Value`, what a decoder by way of a document tree would pay first).
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder, PathRef,
};

/// A job's tree: frames, textures and caches in a few hundred folders.
fn manifest(files: u64) -> Manifest {
    let mut builder = ManifestBuilder::new(Format::V2023);
    for index in 0..files {
        let path = format!(
            "project/shots/sq{:03}/publish/v{:03}/frame.{index:07}.exr",
            index % 211,
            index % 7
        );
        let file = File {
            size: index * 31 % 50_000_000,
            mtime_us: 1_700_000_000_000_000 + i64::try_from(index).unwrap() * 1_000_003,
            runnable: false,
            content: Content::Whole(ContentHash::of(&index.to_le_bytes())),
        };
        builder.push(Entry { path: PathRef::from(&*path), kind: EntryKind::File(file) }).unwrap();
    }
    builder.build().unwrap()
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manifest");
    group.sample_size(10);
    for files in [10_000, 100_000, 1_000_000] {
        let manifest = manifest(files);
        let text = manifest.encode();
        group.throughput(Throughput::Elements(files));
        group.bench_with_input(BenchmarkId::new("decode", files), &text, |bencher, text| {
            bencher.iter(|| Manifest::decode_bytes(text.as_bytes()).unwrap().len());
        });
        group.bench_with_input(BenchmarkId::new("ignored", files), &text, |bencher, text| {
            bencher
                .iter(|| serde_json::from_slice::<serde::de::IgnoredAny>(text.as_bytes()).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("tree", files), &text, |bencher, text| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(text.as_bytes()).unwrap());
        });
        group.bench_with_input(
            BenchmarkId::new("encode", files),
            &manifest,
            |bencher, manifest| {
                bencher.iter(|| manifest.encode().len());
            },
        );
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
