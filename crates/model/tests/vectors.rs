//! The manifests that the official package wrote, byte for byte, and its decoder's verdicts.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use rusty_attachments_model::{
    ContentHash, EntryKind, Format, Manifest, ManifestError, PathBuf as ManifestPath,
    input_manifest_name, output_manifest_name,
};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect(name)
}

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).expect(name)
}

#[test]
fn official_manifests_decode_and_encode_to_the_same_bytes() {
    let index = json("index.json");
    for (name, tree) in index["trees"].as_object().unwrap() {
        let text = read(&format!("{name}/manifest.json"));
        let manifest = Manifest::decode(&text).expect(name);
        assert_eq!(manifest, Manifest::decode_bytes(text.as_bytes()).unwrap(), "{name}");
        assert_eq!(manifest.encode(), text, "{name}");
        assert_eq!(manifest.hash().to_string(), tree["manifest_xxh128"], "{name}");
        assert_eq!(manifest.file_count() as u64, tree["files"], "{name}");
        assert_eq!(manifest.total_size(), tree["totalSize"], "{name}");
        assert_eq!(manifest.total_file_bytes(), tree["totalSize"], "{name}");
        assert_eq!(manifest.format(), Format::V2023, "{name}");
        manifest.ensure_mountable().expect(name);
    }
    let glob = read("09_hidden_links_emptydirs/manifest.default_glob.json");
    assert_eq!(Manifest::decode(&glob).unwrap().encode(), glob);
}

#[test]
fn entries_say_what_the_tree_says() {
    for name in json("index.json")["trees"].as_object().unwrap().keys() {
        let manifest = Manifest::decode(&read(&format!("{name}/manifest.json"))).unwrap();
        let tree = json(&format!("{name}/tree.json"));
        for node in tree.as_array().unwrap().iter().filter(|node| node["kind"] == "file") {
            let bytes = base64(node["path_utf8_b64"].as_str().unwrap());
            let path = ManifestPath::from_unix(&bytes);
            let entry = manifest.get(path.as_ref()).unwrap_or_else(|| panic!("{name}: {path}"));
            let EntryKind::File(file) = entry.kind else { panic!("{path}") };
            assert_eq!(file.size, node["size"]);
            assert_eq!(file.mtime_us, node["mtime_ns"].as_i64().unwrap().div_euclid(1_000));
            assert_eq!(entry.path.to_unix().as_deref(), Some(&bytes[..]));
        }
    }
}

/// What we refuse although the official decoder accepts it: `docs/manifests.md` explains each.
const REFUSED_BY_US: [&str; 9] = [
    "totalSize_bool",
    "size_negative",
    "mtime_huge",
    "hash_short",
    "path_empty",
    "path_dotdot",
    "path_dot",
    "path_double_slash",
    "file_and_dir_clash",
];

#[test]
fn verdicts_are_the_official_ones_but_for_listed_differences() {
    // The table's hashes are too short for us; what it tests is something else.
    let long = |text: &str| {
        text.replace("\"00ff\"", "\"000000000000000000000000000000ff\"")
            .replace("\"11\"", "\"00000000000000000000000000000011\"")
    };
    for (name, row) in json("12_decode_table.json").as_object().unwrap() {
        let document = long(row["json"].as_str().unwrap());
        let verdict = Manifest::decode(&document);
        let accepted = row["accepted"].as_bool().unwrap() && !REFUSED_BY_US.contains(&&**name);
        assert_eq!(verdict.is_ok(), accepted, "{name}: {verdict:?}");
        if let Ok(manifest) = verdict {
            assert_eq!(manifest.encode(), long(row["reencoded"].as_str().unwrap()), "{name}");
        }
    }
    for name in REFUSED_BY_US {
        assert_eq!(json("12_decode_table.json")[name]["accepted"], true, "{name} is no difference");
    }
}

/// The differences that the table has no row for; the official decoder accepts each document.
#[test]
fn further_differences_are_as_documented() {
    let good = r#"{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[{"hash":"000000000000000000000000000000ff","mtime":1,"path":"a","size":1}],"totalSize":1,"x":0}"#;
    Manifest::decode(good).unwrap();
    let nested = |depth: usize| format!("\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
    let second = |path: &str| {
        let entry =
            r#"{"hash":"000000000000000000000000000000ff","mtime":1,"path":"PATH","size":1}],"#;
        format!("}},{}", entry.replace("PATH", path))
    };
    let refused = [
        ("00ff\"", "00FF\"".to_owned()),
        ("\"size\":1", "\"size\":true".to_owned()),
        ("\"mtime\":1", "\"mtime\":false".to_owned()),
        ("\"totalSize\":1", "\"totalSize\":-1".to_owned()),
        ("\"size\":1", "\"size\":9223372036854775808".to_owned()),
        ("\"mtime\":1", "\"mtime\":-9223372036854775809".to_owned()),
        ("\"a\"", "\"/a\"".to_owned()),
        ("\"a\"", "\"a/\"".to_owned()),
        ("\"a\"", "\"a\\u0000\"".to_owned()),
        ("\"a\"", "\"C:/a\"".to_owned()),
        ("\"a\"", "\"C:\"".to_owned()),
        ("}],", second("a")),
        ("\"x\":0", "\"x\":NaN".to_owned()),
        ("\"x\":0", "\"x\":[-Infinity]".to_owned()),
    ];
    for (from, to) in refused {
        let text = good.replacen(from, &to, 1);
        assert_ne!(text, good, "{from}");
        assert!(Manifest::decode(&text).is_err(), "{text}");
    }
    // And what only looks odd is accepted, as there.
    let accepted = [
        ("\"x\":0", nested(900)),
        ("\"mtime\":1", "\"mtime\":-0".to_owned()),
        ("\"path\"", "\"p\\u0061th\"".to_owned()),
        ("\"a\"", "\"C:a\"".to_owned()),
        ("\"a\"", "\"c:\\\\x\"".to_owned()),
        ("}],", second("A")),
        ("\"x\":0", "\"paths\":[{\"path\":\"b\",\"hash\":\"000000000000000000000000000000ff\",\"size\":0,\"mtime\":0}]".to_owned()),
    ];
    for (from, to) in accepted {
        let text = good.replacen(from, &to, 1);
        assert_ne!(text, good, "{from}");
        Manifest::decode(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// Pads the odd short hashes of a document, on whichever side it stands.
fn with_long_hashes(name: &str) -> String {
    let mut document = read(name);
    for hash in ["aa", "bb", "b2", "cc", "dd", "ee", "ff"] {
        document = document.replace(&format!("\"{hash}\""), &format!("\"{hash:0>32}\""));
    }
    document
}

#[test]
fn merges_are_the_official_ones() {
    let input = |name: &str| {
        Manifest::decode(&with_long_hashes(&format!("11_merge/in_{name}.json"))).unwrap()
    };
    let (m1, m2, m3) = (input("m1"), input("m2"), input("m3"));
    let merged = |manifests: &[&Manifest]| Manifest::merge(manifests).unwrap();
    let expected = |name: &str| with_long_hashes(&format!("11_merge/{name}.json"));
    assert_eq!(merged(&[&m1, &m2]).encode(), expected("m1_m2"));
    assert_eq!(merged(&[&m2, &m1]).encode(), expected("m2_m1"));
    let clash = merged(&[&m1, &m2, &m3]);
    assert_eq!(clash.encode(), expected("m1_m2_m3"));
    let refused = clash.ensure_mountable().unwrap_err().to_string();
    assert_eq!(refused, "'d/x': lies below 'd', which is a file");
    assert_eq!(merged(&[&m1]), m1);
    assert_eq!(Manifest::merge(&[]), Err(ManifestError::NothingToMerge));
}

#[test]
fn names_are_the_official_ones() {
    for row in json("13_root_strings.json")["rows"].as_array().unwrap() {
        let root = row["rootPath"].as_str().unwrap();
        assert_eq!(input_manifest_name(root), row["input_manifest_name"]);
        assert_eq!(output_manifest_name(None, root), row["output_manifest_name_no_location"]);
        let with_location = output_manifest_name(Some("Loc1"), root);
        assert_eq!(with_location, row["output_manifest_name_location_Loc1"]);
    }
}

#[test]
fn content_hashes_are_the_official_ones() {
    for row in json("14_xxh128.json").as_array().unwrap() {
        let len = row["len"].as_u64().unwrap();
        let bytes: Vec<u8> = (0..len).map(|i| (i * 131 + i / 251) as u8).collect();
        assert_eq!(ContentHash::of(&bytes).to_string(), row["xxh128"], "{len}");
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = digits.iter().position(|digit| *digit == byte).unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
