//! The model against `openjd-snapshots`, an independent codec of the same formats.
//!
//! It agrees with the official rules but for what is left out here: DEL is written raw, lone
//! surrogates and negative times are errors, odd hashes and empty manifests pass (`deadline.md`
//! 1.6), and its diffs do not say how a file becomes a folder.
#![expect(clippy::unwrap_used, reason = "tests")]

use openjd_snapshots::codec::{DecodedManifest, decode_manifest, encode_snapshot_v2023};
use openjd_snapshots::{
    FileEntry, Snapshot, compose_snapshot_with_diffs, encode_snapshot_diff_v2025,
    encode_snapshot_v2025,
};
use proptest::prelude::*;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder, PathRef,
    UnnamedParent,
};

/// A path: folders in lower case, so that files never serve as folders.
fn path() -> impl Strategy<Value = String> {
    let folders = ["a", "b", "a-b", "x y", "$0", "\u{1F4C1}", "\u{FF0E}"];
    let names = ["F", "F.txt", "\u{1F600}.png", "\u{FF21}", "q\"uote\\.txt", "\u{e9}\u{1}\t"];
    let folders = proptest::collection::vec(proptest::sample::select(folders.to_vec()), 0..4);
    (folders, proptest::sample::select(names.to_vec())).prop_map(|(mut folders, name)| {
        folders.push(name);
        folders.join("/")
    })
}

/// A file: a seed for its hash, bytes, microseconds, execute bit.
type Drawn = (String, (u8, u64, i64, bool));

fn files() -> impl Strategy<Value = std::collections::BTreeMap<String, (u8, u64, i64, bool)>> {
    proptest::collection::btree_map(path(), (0..4u8, 0..250u64, 0..i64::MAX, any::<bool>()), 1..12)
}

const CHUNK: u64 = 100;

fn manifest<'a>(format: Format, files: impl Iterator<Item = Drawn> + 'a) -> Manifest {
    let mut builder = ManifestBuilder::new(format).with_chunk_size(CHUNK);
    for (path, (seed, size, mtime_us, runnable)) in files {
        let chunked = format != Format::V2023 && size > CHUNK;
        let hashes = vec![ContentHash::of(&[seed]); size.div_ceil(CHUNK) as usize];
        let content = match chunked {
            true => Content::Chunked { chunk_size: CHUNK, hashes: &hashes },
            false => Content::Whole(ContentHash::of(&[seed])),
        };
        let runnable = runnable && format != Format::V2023;
        let kind = EntryKind::File(File { size, mtime_us, runnable, content });
        builder.push(Entry { path: PathRef::from(&*path), kind }).unwrap();
    }
    builder.build().unwrap()
}

fn as_snapshot(text: &str) -> Snapshot {
    match decode_manifest(text).unwrap() {
        DecodedManifest::Snapshot(snapshot) => snapshot,
        other => panic!("no snapshot: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn v2023_bytes_agree(files in files()) {
        let ours = manifest(Format::V2023, files.into_iter()).encode();
        let theirs = as_snapshot(&ours);
        prop_assert_eq!(encode_snapshot_v2023(&theirs).unwrap(), ours);
    }

    #[test]
    fn v2025_bytes_agree(files in files(), links in proptest::collection::vec((path(), path()), 0..4)) {
        let mut theirs = as_snapshot(&manifest(Format::SNAPSHOT_2025, files.clone().into_iter()).encode());
        let mut builder = ManifestBuilder::new(Format::SNAPSHOT_2025).with_chunk_size(CHUNK);
        let ours = manifest(Format::SNAPSHOT_2025, files.clone().into_iter());
        ours.entries().for_each(|entry| builder.push(entry).unwrap());
        for (at, (path, target)) in links.iter().enumerate() {
            let path = format!("{path}.link{at}");
            let kind = EntryKind::Symlink { target: PathRef::from(&**target) };
            builder.push(Entry { path: PathRef::from(&*path), kind }).unwrap();
            theirs.files.push(FileEntry::symlink(path, target.clone()));
        }
        let ours = builder.build().unwrap().encode();
        prop_assert_eq!(encode_snapshot_v2025(&theirs).unwrap(), ours);
    }

    #[test]
    fn their_diffs_compose_as_ours_do(old in files(), new in files()) {
        let text = |files: &std::collections::BTreeMap<_, _>| {
            manifest(Format::SNAPSHOT_2025, files.clone().into_iter()).encode()
        };
        let (old, new) = (text(&old), text(&new));
        let (parent, current) = (as_snapshot(&old), as_snapshot(&new));
        let hash = ContentHash::of(old.as_bytes());
        let options = openjd_snapshots::DiffOptions {
            parent_manifest_hash: Some(hash.to_string()),
            ..Default::default()
        };
        let their_diff = openjd_snapshots::diff_snapshots(&parent, &current, &options).unwrap();
        let their_text = encode_snapshot_diff_v2025(&their_diff).unwrap();
        let base = Manifest::decode(&old).unwrap();
        let diff = Manifest::decode(&their_text).unwrap();
        let composed = base.compose(hash, &diff, UnnamedParent::Refuse).unwrap();

        let theirs = compose_snapshot_with_diffs(&parent, &[&their_diff]).unwrap();
        prop_assert_eq!(composed.encode(), encode_snapshot_v2025(&theirs).unwrap());
        prop_assert_eq!(composed.encode(), new);

        // And ours is one that they read and compose to the same.
        let our_diff = base.diff(&Manifest::decode(&composed.encode()).unwrap(), hash).unwrap().encode();
        let DecodedManifest::SnapshotDiff(our_diff) = decode_manifest(&our_diff).unwrap() else {
            panic!("no diff: {our_diff}")
        };
        let theirs = compose_snapshot_with_diffs(&parent, &[&our_diff]).unwrap();
        prop_assert_eq!(encode_snapshot_v2025(&theirs).unwrap(), composed.encode());
    }
}
