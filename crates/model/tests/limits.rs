//! Every limit: what it allows just passes, one more is refused by name.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use rusty_attachments_model::{Limits, Manifest, ManifestError};

const H: &str = "0123456789abcdef0123456789abcdef";

fn v2023(paths: &[&str]) -> String {
    let entry = |path: &&str| format!(r#"{{"path":"{path}","hash":"{H}","size":1,"mtime":1}}"#);
    let paths: Vec<_> = paths.iter().map(entry).collect();
    let paths = paths.join(",");
    format!(
        r#"{{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[{paths}],"totalSize":0}}"#
    )
}

fn v2025(dirs: &str, files: &str) -> String {
    format!(
        r#"{{"dirs":[{dirs}],"fileChunkSizeBytes":1,"files":[{files}],"hashAlg":"xxh128",
            "specificationVersion":"relative-manifest-snapshot-beta-2025-12","totalSize":0}}"#
    )
}

/// Decodes `text` with the limit that `set` makes `most`, and with one less.
fn check(text: &str, most: u64, set: fn(&mut Limits, u64)) -> String {
    let with = |value| {
        let mut limits = Limits::default();
        set(&mut limits, value);
        Manifest::decode_with(text, &limits)
    };
    with(most).unwrap_or_else(|error| panic!("{text}: {error}"));
    with(most - 1).unwrap_err().to_string()
}

#[test]
fn each_limit_holds_exactly() {
    let text = v2023(&["a/bb", "c"]);
    let refused = check(&text, text.len() as u64, |limits, most| limits.manifest_bytes = most);
    assert_eq!(
        refused,
        format!(
            "the manifest has too many bytes: {} exceed the limit of {}",
            text.len(),
            text.len() - 1
        )
    );
    let refused = check(&text, 2, |limits, most| limits.entries = most);
    assert_eq!(refused, "the manifest has too many entries: 2 exceed the limit of 1");
    let refused = check(&text, 5, |limits, most| limits.text_bytes = most);
    assert_eq!(refused, "the manifest has too many bytes of paths: 5 exceed the limit of 4");
    let refused = check(&text, 4, |limits, most| limits.path_bytes = most);
    assert_eq!(refused, "entry 0 of 'paths' ('a/bb'): the path has 4 bytes, more than 3");
    let refused = check(&text, 2, |limits, most| limits.path_depth = most);
    assert_eq!(refused, "entry 0 of 'paths' ('a/bb'): the path has more than 1 components");
    let refused = check(&text, 2, |limits, most| limits.component_units = most);
    assert_eq!(
        refused,
        "entry 0 of 'paths' ('a/bb'): the path has a component of more than 1 UTF-16 units"
    );
    let chunked = v2025(
        "",
        &format!(r#"{{"name":"f","size":3,"mtime":1,"chunkhashes":["{H}","{H}","{H}"]}}"#),
    );
    let refused = check(&chunked, 3, |limits, most| limits.chunks = most);
    assert_eq!(refused, "the manifest has too many chunk hashes: 3 exceed the limit of 2");
}

#[test]
fn link_targets_count_as_text() {
    let link = v2025("", r#"{"name":"l","symlink":{"name":"abc"}}"#);
    let refused = check(&link, 4, |limits, most| limits.text_bytes = most);
    assert_eq!(refused, "the manifest has too many bytes of paths: 4 exceed the limit of 3");
    let refused = check(&link, 3, |limits, most| limits.path_bytes = most);
    assert_eq!(refused, "entry 0 of 'files' ('l'): the link's target has 3 bytes, more than 2");
}

/// A few kilobytes of references must not become gigabytes of paths.
#[test]
fn references_cannot_blow_up() {
    let name = "n".repeat(200);
    let mut dirs = vec![format!(r#"{{"name":"{name}"}}"#)];
    dirs.extend((0..400).map(|at| format!(r#"{{"name":"${at}/{name}"}}"#)));
    let error = Manifest::decode(&v2025(&dirs.join(","), "")).unwrap_err();
    assert!(error.to_string().contains("bytes, more than 32767"), "{error}");
    let files: Vec<_> =
        (0..1000).map(|at| format!(r#"{{"name":"$100/{at}","symlink":{{"name":"x"}}}}"#)).collect();
    dirs.truncate(101);
    let text = v2025(&dirs.join(","), &files.join(","));
    let limits = {
        let mut limits = Limits::default();
        limits.text_bytes = 10 << 20;
        limits
    };
    let error = Manifest::decode_with(&text, &limits).unwrap_err();
    assert!(matches!(error, ManifestError::Limit { what: "bytes of paths", .. }), "{error}");
}

#[test]
fn sizes_cannot_overflow() {
    let max = i64::MAX;
    let one = v2023(&["a"]).replace("\"size\":1", &format!("\"size\":{max}"));
    assert_eq!(Manifest::decode(&one).unwrap().total_file_bytes(), max.cast_unsigned());
    let error =
        Manifest::decode(&one.replace(&max.to_string(), "9223372036854775808")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry 0 of 'paths' ('a'): 'size' is out of range: 0 to 9223372036854775807 are allowed"
    );
    let two = v2023(&["a", "b"]).replacen("\"size\":1", &format!("\"size\":{max}"), 1);
    let error = Manifest::decode(&two).unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry 1 of 'paths' ('b'): the sizes of all files up to here exceed 9223372036854775807 bytes"
    );
}

#[test]
fn times_may_be_negative_and_far() {
    for time in [i64::MIN, -1, 0, i64::MAX] {
        let text = v2023(&["a"]).replace("\"mtime\":1", &format!("\"mtime\":{time}"));
        let manifest = Manifest::decode(&text).unwrap();
        assert_eq!(manifest.files().next().unwrap().1.mtime_us, time);
    }
    for bad in ["1.5", "true", "null", "\"1\"", "[]", "{}", "-9223372036854775809", "1e3"] {
        let text = v2023(&["a"]).replace("\"mtime\":1", &format!("\"mtime\":{bad}"));
        let error = Manifest::decode(&text).unwrap_err().to_string();
        assert!(error.starts_with("entry 0 of 'paths' ('a'): 'mtime' is "), "{bad}: {error}");
    }
}

#[test]
fn errors_name_the_entry() {
    let cases = [
        (
            v2023(&["a", "b", "../x"]),
            "entry 2 of 'paths' ('../x'): the path has a component '..' and could leave the root",
        ),
        (v2023(&["a", "a"]), "'a': appears more than once"),
        (v2023(&["a", "a/b"]), "'a/b': lies below 'a', which is a file"),
        (v2023(&["a\\u0000"]), "entry 0 of 'paths' ('a\\u{0}'): the path holds a NUL character"),
        (
            v2023(&["a"]).replace(H, "ABCD"),
            "entry 0 of 'paths' ('a'): 'hash' is not an xxh128 hash of 32 lower-case hex digits",
        ),
        (v2023(&["a"]).replace("\"path\"", "\"p\""), "entry 0 of 'paths': 'path' is missing"),
        (v2023(&["a"]).replace("[{", "[3,{"), "entry 0 of 'paths': is not a JSON object"),
        (
            v2023(&["a"]).replace("totalSize\":0", "totalSize\":-1"),
            "the manifest's 'totalSize' is out of range: 0 to 9223372036854775807 are allowed",
        ),
        (
            v2023(&["a"]).replace("xxh128", "md5"),
            "unsupported hashAlg 'md5': only xxh128 is defined",
        ),
        (v2023(&[]), "the manifest has no entries: without files there is no 2023-03-03 manifest"),
        (
            format!("\u{feff}{}", v2023(&["a"])),
            "the manifest starts with a byte order mark: store it as UTF-8 without one",
        ),
        ("[]".to_owned(), "the manifest is not a JSON object"),
        ("{}".to_owned(), "the manifest's 'manifestVersion' is missing"),
        (
            "{".to_owned(),
            "the manifest is not valid JSON: EOF while parsing an object (line 1, column 1)",
        ),
    ];
    for (text, expected) in cases {
        let error = Manifest::decode(&text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let mut bytes = v2023(&["a"]).into_bytes();
    bytes[5] = 0xFF;
    assert_eq!(Manifest::decode_bytes(&bytes), Err(ManifestError::NotUtf8 { offset: 5 }));
}

/// Entries in the worst order, deep paths and long chains of prefixes: all of it must end soon.
#[test]
fn hostile_shapes_stay_linear() {
    // Names that are each a prefix of the next, so that every one is a candidate folder.
    let prefixes: Vec<String> = (1..250).map(|length| "!".repeat(length)).collect();
    let names: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    assert_eq!(Manifest::decode(&v2023(&names)).unwrap().len(), 249);
    let deepest = "a/".repeat(2047) + "a";
    assert_eq!(Manifest::decode(&v2023(&[&deepest])).unwrap().len(), 1);
    let nested = format!("{{\"x\":{}1{},{}", "[".repeat(127), "]".repeat(127), &v2023(&["a"])[1..]);
    Manifest::decode(&nested).unwrap();
    let too_deep = format!("{{\"x\":{}", "[".repeat(5_000_000));
    assert!(Manifest::decode(&too_deep).is_err());
    let mut reversed: Vec<String> = (0..50_000).map(|at| format!("d{}/f{at:05}", at % 7)).collect();
    reversed.reverse();
    let names: Vec<&str> = reversed.iter().map(String::as_str).collect();
    assert_eq!(Manifest::decode(&v2023(&names)).unwrap().len(), 50_000);
}
