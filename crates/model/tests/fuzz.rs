//! The fuzz targets' code, run over all vectors and over mutations of them, with any compiler.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use rusty_attachments_model::Manifest;

#[path = "../fuzz/bodies.rs"]
mod bodies;

/// All documents among the vectors, those within tables included.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut seeds = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), &mut seeds);
    seeds
});

fn collect(folder: &Path, seeds: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the vectors") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, seeds);
        } else if path.ends_with("12_decode_table.json") {
            let table: serde_json::Value =
                serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            for row in table.as_object().unwrap().values() {
                let text = row["json"]
                    .as_str()
                    .unwrap()
                    .replace("\"00ff\"", "\"99aa06d3014798d86001c324468d497f\"");
                seeds.push(text.into_bytes());
            }
        } else if path.extension().is_some_and(|extension| extension == "json") {
            seeds.push(fs::read(path).unwrap());
        }
    }
}

/// Pieces of text that mean something in a manifest.
const TOKENS: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1.5",
    "1e400",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "99999999999999999999999999999999999999999",
    "..",
    "/",
    "//",
    ".",
    "$0/",
    "$1/",
    "$18446744073709551616/",
    "C:",
    "\u{0}",
    "\\u0000",
    "\\ud83d",
    "\\udcff",
    "\"delete\":true",
    "\"deleted\":true",
    "\"runnable\":true",
    "\"symlink\":{\"name\":\"a\"}",
    "\"symlink\":{\"target\":\"$0/..\"}",
    "\"chunkhashes\":[]",
    "\"fileChunkSizeBytes\":1,",
    "\"name\":\"a\"",
    "\"path\":\"a/b\"",
    "-diff-",
    "-snapshot-",
    "absolute",
    "relative",
    "2023-03-03",
    "2025-12-04-beta",
    "\u{feff}",
    "\u{1F600}",
    "{\"name\":\"a\",\"delete\":true},",
    "\"parentManifestHash\":\"99aa06d3014798d86001c324468d497f\",",
];

#[derive(Clone, Debug)]
enum Mutation {
    Insert(Index, &'static str),
    Replace(Index, &'static str),
    Delete(Index, usize),
    Flip(Index, u8),
    Copy(Index, Index, usize),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let token = || proptest::sample::select(TOKENS);
    prop_oneof![
        4 => (any::<Index>(), token()).prop_map(|(at, token)| Mutation::Insert(at, token)),
        4 => (any::<Index>(), token()).prop_map(|(at, token)| Mutation::Replace(at, token)),
        3 => (any::<Index>(), 1..40usize).prop_map(|(at, len)| Mutation::Delete(at, len)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        3 => (any::<Index>(), any::<Index>(), 1..120usize).prop_map(|(a, b, len)| Mutation::Copy(a, b, len)),
        1 => any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let end = |at: usize, len: usize| at.saturating_add(len).min(length);
    match mutation {
        Mutation::Insert(at, token) => {
            let at = at.index(length);
            bytes.splice(at..at, token.bytes());
        }
        Mutation::Replace(at, token) => {
            let at = at.index(length);
            bytes.splice(at..end(at, token.len()), token.bytes());
        }
        Mutation::Delete(at, len) => {
            let at = at.index(length);
            bytes.drain(at..end(at, *len));
        }
        Mutation::Flip(at, bits) => bytes[at.index(length)] ^= bits,
        Mutation::Copy(from, to, len) => {
            let from = from.index(length);
            let piece = bytes[from..end(from, *len)].to_vec();
            let to = to.index(length);
            bytes.splice(to..to, piece);
        }
        Mutation::Cut(at) => bytes.truncate(at.index(length)),
    }
}

#[test]
fn vectors_pass() {
    let accepted = SEEDS.iter().filter(|seed| Manifest::decode_bytes(seed).is_ok()).count();
    assert!(accepted >= 20, "only {accepted} of {} vectors decode", SEEDS.len());
    for seed in SEEDS.iter() {
        bodies::decode(seed);
        bodies::round_trip(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_documents_get_a_verdict(
        seed in any::<Index>(),
        mutations in proptest::collection::vec(mutation(), 1..6),
    ) {
        let mut bytes = seed.get(&SEEDS).clone();
        mutations.iter().for_each(|mutation| apply(&mut bytes, mutation));
        bodies::decode(&bytes);
        bodies::round_trip(&bytes);
    }

    #[test]
    fn any_bytes_get_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        bodies::decode(&bytes);
        bodies::round_trip(&bytes);
    }
}
