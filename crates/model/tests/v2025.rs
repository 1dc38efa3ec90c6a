//! The v2025 drafts: every spelling, every rule, composing and comparing.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::Path;

use rusty_attachments_model::{
    Change, Content, ContentHash, Entry, EntryKind, EntryRule, File, Format, Kind, Manifest,
    ManifestBuilder, ManifestError, PathRef, PathRule, PathStyle, UnnamedParent,
};

const H: &str = "0123456789abcdef0123456789abcdef";
const G: &str = "fedcba9876543210fedcba9876543210";

fn vector(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/v2025_draft");
    // Its writer leaves DEL raw, its Python ancestor escapes it, and so do we.
    fs::read_to_string(folder.join(name)).expect(name).replace('\u{7f}', "\\u007f")
}

fn decoded(name: &str) -> Manifest {
    Manifest::decode(&vector(name)).expect(name)
}

/// A relative snapshot with these `dirs` and `files`.
fn snapshot(dirs: &str, files: &str) -> String {
    document("relative-manifest-snapshot-beta-2025-12", dirs, files)
}

fn diff(dirs: &str, files: &str) -> String {
    document("relative-manifest-diff-beta-2025-12", dirs, files)
}

fn document(spec: &str, dirs: &str, files: &str) -> String {
    format!(
        r#"{{"dirs":[{dirs}],"fileChunkSizeBytes":100,"files":[{files}],"hashAlg":"xxh128",
            "specificationVersion":"{spec}","totalSize":0}}"#
    )
}

/// A file entry.
fn file(name: &str) -> String {
    format!(r#"{{"name":"{name}","hash":"{H}","size":1,"mtime":1}}"#)
}

/// The paths of a document, and what is there in one letter: d, f, l, or upper case if deleted.
fn listing(text: &str) -> String {
    let manifest = Manifest::decode(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    show(&manifest)
}

fn show(manifest: &Manifest) -> String {
    let mut lines = Vec::new();
    for entry in manifest.entries() {
        let kind = match entry.kind {
            EntryKind::Directory => "d".to_owned(),
            EntryKind::File(file) => format!("f{}", file.size),
            EntryKind::Symlink { target } => format!("l>{target}"),
            EntryKind::DeletedFile => "F".to_owned(),
            EntryKind::DeletedDirectory => "D".to_owned(),
        };
        lines.push(format!("{}:{kind}", entry.path));
    }
    lines.join(" ")
}

fn rule(text: &str) -> EntryRule {
    match Manifest::decode(text) {
        Err(ManifestError::Entry { rule, .. } | ManifestError::Path { rule, .. }) => rule,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn drafts_encode_to_the_same_bytes() {
    for name in [
        "rel_snapshot.json",
        "rel_snapshot_whole_file.json",
        "rel_diff.json",
        "rel_snapshot_plus_diff.json",
        "abs_snapshot.json",
        "abs_diff.json",
    ] {
        assert_eq!(decoded(name).encode(), vector(name), "{name}");
    }
}

#[test]
fn what_a_snapshot_says() {
    let manifest = decoded("rel_snapshot.json");
    assert_eq!(
        show(&manifest),
        "big:d big/vol.vdb:f629145600 bin:d bin/run.sh:f10 del\\u{7f}.txt:f1 empty:d \
         empty/inner:d links:d links/to_tex:l>tex/\u{1F600}.png root.txt:f1 tex:d \
         tex/\u{1F600}.png:f20 tex/\u{FF21}.png:f20"
    );
    assert_eq!(manifest.chunk_size(), Some(256 << 20));
    assert_eq!(manifest.total_file_bytes(), 629_145_652);
    let volume = manifest.get(PathRef::from("big/vol.vdb")).unwrap();
    let EntryKind::File(File { content: Content::Chunked { hashes, .. }, .. }) = volume.kind else {
        panic!("{volume:?}")
    };
    assert_eq!(hashes.iter().map(ContentHash::to_string).collect::<Vec<_>>(), [H, G, H]);
    let script = manifest.get(PathRef::from("bin/run.sh")).unwrap();
    assert!(matches!(script.kind, EntryKind::File(File { runnable: true, .. })));
    manifest.ensure_mountable().unwrap();
}

#[test]
fn diffs_and_absolute_manifests_are_not_mounted_alone() {
    let message = |name| decoded(name).ensure_mountable().unwrap_err().to_string();
    assert!(message("rel_diff.json").contains("compose it onto its parent manifest e7cbec5601bb"));
    assert!(message("abs_snapshot.json").contains("absolute manifest"));
    assert_eq!(decoded("abs_diff.json").kind(), Kind::Diff);
    assert_eq!(decoded("abs_diff.json").style(), PathStyle::Absolute);
}

#[test]
fn every_spelling_is_read() {
    // January 2026: `path`, `deleted`, `target`, and the specification in `manifestVersion`.
    let text = format!(
        r#"{{"manifestVersion":"relative-manifest-diff-beta-2025-12","hashAlg":"xxh128","totalSize":1,
            "parentManifestHash":"{G}",
            "dirs":[{{"path":"a"}},{{"path":"$0/b"}},{{"path":"old","deleted":true}}],
            "files":[{{"path":"$1/f","hash":"{H}","size":1,"mtime":-5,"symlink":null}},
                     {{"path":"$0/l","symlink":{{"target":"$1/f"}}}},
                     {{"path":"gone","deleted":true,"hash":null}}]}}"#
    );
    assert_eq!(listing(&text), "a:d a/b:d a/b/f:f1 a/l:l>a/b/f gone:F old:D");
    // December 2025: plain paths, and a parent's hash is what makes a diff.
    let text = format!(
        r#"{{"manifestVersion":"2025-12-04-beta","hashAlg":"xxh128","totalSize":1,
            "files":[{{"name":"a/b/f","hash":"{H}","size":1,"mtime":1,"runnable":false}}]}}"#
    );
    let old = Manifest::decode(&text).unwrap();
    assert_eq!((show(&old).as_str(), old.kind()), ("a/b/f:f1", Kind::Snapshot));
    assert_eq!(old.chunk_size(), Some(256 << 20));
    let text = text.replace("\"files\"", &format!("\"parentManifestHash\":\"{G}\",\"files\""));
    assert_eq!(Manifest::decode(&text).unwrap().kind(), Kind::Diff);
    // Whatever was read is written as the current draft.
    let rewritten = old.encode();
    assert!(rewritten.starts_with(r#"{"dirs":[{"name":"a"},{"name":"$0/b"}],"fileChunk"#));
    assert_eq!(Manifest::decode(&rewritten).unwrap().encode(), rewritten);
}

#[test]
fn manifest_version_decides_as_in_the_official_decoder() {
    let text = format!(
        r#"{{"manifestVersion":"2023-03-03","specificationVersion":"junk","files":7,"hashAlg":"xxh128",
            "paths":[{{"path":"a","hash":"{H}","size":1,"mtime":1}}],"totalSize":1}}"#
    );
    assert_eq!(Manifest::decode(&text).unwrap().format(), Format::V2023);
    for unknown in ["relative-manifest-snapshot-2025-12", "v2023-03-03", "2026-01-01", ""] {
        let text = document(unknown, "", "");
        let error = Manifest::decode(&text).unwrap_err();
        assert!(matches!(error, ManifestError::UnknownVersion { .. }), "{unknown}: {error}");
    }
}

#[test]
fn references() {
    let dirs = r#"{"name":"a"},{"name":"$0/b"}"#;
    assert_eq!(listing(&snapshot(dirs, &file("$1/f"))), "a:d a/b:d a/b/f:f1");
    assert_eq!(listing(&snapshot(dirs, &file("$cash/a"))), "$cash/a:f1 a:d a/b:d");
    assert_eq!(listing(&snapshot(dirs, &file("$0"))), "$0:f1 a:d a/b:d");
    assert_eq!(listing(&snapshot(dirs, &file("$/x"))), "$/x:f1 a:d a/b:d");
    for dangling in ["$2/f", "$7/x", "$99999999999999999999999/x"] {
        let found = rule(&snapshot(dirs, &file(dangling)));
        assert!(matches!(found, EntryRule::DanglingReference(_)), "{dangling}: {found}");
    }
    let forward = rule(&snapshot(r#"{"name":"$0/b"},{"name":"a"}"#, ""));
    assert_eq!(forward.to_string(), "'$0/' refers to no earlier entry of 'dirs'");
    // A folder that is really called `$0` comes back as itself.
    let mut builder = ManifestBuilder::new(Format::SNAPSHOT_2025);
    let content = Content::Whole(ContentHash::EMPTY);
    let kind = EntryKind::File(File { size: 0, mtime_us: 0, runnable: false, content });
    builder.push(Entry { path: PathRef::from("$0/lit.txt"), kind }).unwrap();
    let text = builder.build().unwrap().encode();
    assert_eq!(listing(&text), "$0:d $0/lit.txt:f0");
}

#[test]
fn contents_must_be_one_thing() {
    let one = |fields: &str| snapshot("", &format!(r#"{{"name":"f","mtime":1,{fields}}}"#));
    let hash = format!(r#""hash":"{H}""#);
    let chunks = |n: usize| format!(r#""chunkhashes":[{}]"#, vec![format!("\"{H}\""); n].join(","));
    Manifest::decode(&one(&format!(r#""size":101,{}"#, chunks(2)))).unwrap();
    Manifest::decode(&one(&format!(r#""size":300,{}"#, chunks(3)))).unwrap();
    // A whole hash above the chunk size is what drafts without chunking write.
    Manifest::decode(&one(&format!(r#""size":300,{hash}"#))).unwrap();

    assert_eq!(rule(&one(r#""size":1"#)), EntryRule::NoContent);
    assert_eq!(rule(&one(&format!(r#""size":101,{hash},{}"#, chunks(2)))), EntryRule::MixedContent);
    assert_eq!(rule(&one(&format!(r#"{hash},"symlink":{{"name":"x"}}"#))), EntryRule::MixedContent);
    for (size, count) in [(0, 0), (1, 1), (100, 1), (101, 1), (101, 3), (300, 4)] {
        let found = rule(&one(&format!(r#""size":{size},{}"#, chunks(count))));
        assert!(matches!(found, EntryRule::ChunkCount { .. }), "{size}/{count}: {found}");
    }
    let huge = rule(&one(&format!(r#""size":{},{}"#, i64::MAX, chunks(1))));
    assert!(matches!(huge, EntryRule::ChunkCount { .. }));
    let whole = one(&format!(r#""size":101,{}"#, chunks(2))).replace(":100,", ":-1,");
    assert_eq!(rule(&whole), EntryRule::ChunksWithoutSize);
    for bad in ["0", "-2", "1.0", "true", "\"1\"", "9223372036854775808"] {
        let text = snapshot("", "").replace(":100,", &format!(":{bad},"));
        assert!(matches!(Manifest::decode(&text), Err(ManifestError::Field(_))), "{bad}");
    }
    let not_text = one(r#""size":101,"chunkhashes":[1,2]"#);
    assert_eq!(rule(&not_text).to_string(), "'chunkhashes' is not a string");
    assert_eq!(
        rule(&one(&format!(r#""size":1,"runnable":1,{hash}"#))).to_string(),
        "'runnable' is not a boolean"
    );
}

#[test]
fn links_stay_inside_and_are_no_folders() {
    let link = |name: &str, target: &str| {
        format!(r#"{{"name":"{name}","symlink":{{"name":"{target}"}}}}"#)
    };
    let dirs = r#"{"name":"a"}"#;
    assert_eq!(listing(&snapshot(dirs, &link("$0/l", "..foo"))), "a:d a/l:l>..foo");
    let refused = [
        ("/etc/passwd", PathRule::Absolute),
        ("C:/x", PathRule::Drive),
        ("..", PathRule::DotDot),
        ("../../x", PathRule::DotDot),
        ("$0/../../x", PathRule::DotDot),
        ("", PathRule::Empty),
        (".", PathRule::Dot),
    ];
    for (target, expected) in refused {
        assert_eq!(
            rule(&snapshot(dirs, &link("$0/l", target))),
            EntryRule::Target(expected),
            "{target}"
        );
    }
    let below = snapshot(dirs, &format!("{},{}", link("l", "a"), file("l/x")));
    assert_eq!(rule(&below), EntryRule::BelowLink { link: "l".into() });
}

#[test]
fn clashes_are_found() {
    let two = |a: &str, b: &str| snapshot("", &format!("{},{}", file(a), file(b)));
    assert_eq!(rule(&two("a", "a")), EntryRule::Duplicate);
    assert_eq!(rule(&snapshot(r#"{"name":"a"}"#, &file("a"))), EntryRule::Duplicate);
    assert_eq!(rule(&snapshot(r#"{"name":"a"},{"name":"a"}"#, "")), EntryRule::Duplicate);
    assert_eq!(
        rule(&snapshot(r#"{"name":"a/b"}"#, &file("a"))),
        EntryRule::BelowFile { file: "a".into() }
    );
    // Others sort between a file and what lies below it.
    let between = ["a", "a!", "a!b", "a-b", "a.b", "a/b/c"].map(file).join(",");
    assert_eq!(rule(&snapshot("", &between)), EntryRule::BelowFile { file: "a".into() });
    assert_eq!(listing(&two("a", "ab/x")), "a:f1 ab/x:f1");
}

#[test]
fn deletions_belong_to_diffs() {
    let gone = r#"{"name":"a","delete":true}"#;
    assert_eq!(rule(&snapshot("", gone)), EntryRule::DeletionInSnapshot);
    assert_eq!(rule(&snapshot(gone, "")), EntryRule::DeletionInSnapshot);
    assert_eq!(listing(&diff(gone, "")), "a:D");
    assert_eq!(listing(&diff("", gone)), "a:F");
    let both = format!(r#"{{"name":"a","delete":true,"hash":"{H}","size":1,"mtime":1}}"#);
    assert_eq!(rule(&diff("", &both)), EntryRule::MixedContent);
    assert_eq!(rule(&diff("", &format!("{gone},{gone}"))), EntryRule::Duplicate);
}

#[test]
fn a_creation_voids_the_deletion_that_it_implies() {
    let deleted = |name: &str| format!(r#"{{"name":"{name}","delete":true}}"#);
    let cases = [
        // A file becomes a folder.
        (diff(r#"{"name":"a"}"#, &format!("{},{}", deleted("a"), file("$0/b"))), "a:d a/b:f1"),
        (diff("", &format!("{},{}", deleted("a"), file("a/b"))), "a/b:f1"),
        // A folder becomes a file.
        (diff(&deleted("a"), &format!("{},{}", file("a"), deleted("$0/b"))), "a:f1"),
        (
            diff(
                &format!("{},{}", deleted("a"), deleted("a/c")),
                &format!("{},{}", file("a"), deleted("a/c/d")),
            ),
            "a:f1",
        ),
        // A folder is emptied and filled again.
        (diff(&deleted("a"), &file("$0/b")), "a:D a/b:f1"),
    ];
    for (text, expected) in cases {
        assert_eq!(listing(&text), expected, "{text}");
        let manifest = Manifest::decode(&text).unwrap();
        let again = Manifest::decode(&manifest.encode()).unwrap();
        assert_eq!(again.encode(), manifest.encode());
    }
    // The void deletion hides no real clash.
    let text = diff("", &[deleted("a"), file("a/b"), file("a/b/c")].join(","));
    assert_eq!(rule(&text), EntryRule::BelowFile { file: "a/b".into() });
    let text = diff("", &[deleted("a"), deleted("a/b")].join(","));
    assert_eq!(rule(&text), EntryRule::BelowFile { file: "a".into() });
}

#[test]
fn a_diff_is_composed_onto_its_parent() {
    let (parent, diff) = (decoded("rel_snapshot.json"), decoded("rel_diff.json"));
    let hash = diff.parent_hash().unwrap();
    let composed = parent.compose(hash, &diff, UnnamedParent::Refuse).unwrap();
    assert_eq!(composed.encode(), vector("rel_snapshot_plus_diff.json"));

    let wrong = parent.compose(ContentHash::EMPTY, &diff, UnnamedParent::Accept);
    assert!(matches!(wrong, Err(ManifestError::WrongParent { .. })));
    let kinds = diff.compose(hash, &diff, UnnamedParent::Accept);
    assert!(matches!(kinds, Err(ManifestError::WrongKind { .. })));
    let kinds = parent.compose(hash, &parent, UnnamedParent::Accept);
    assert!(matches!(kinds, Err(ManifestError::WrongKind { .. })));
    let styles = parent.compose(hash, &decoded("abs_diff.json"), UnnamedParent::Accept);
    assert!(matches!(styles, Err(ManifestError::Mismatch { what: "path style" })));
}

/// Composes a diff without a parent's hash onto a snapshot.
fn composed(parent: &str, diff: &str) -> String {
    let (parent, diff) = (Manifest::decode(parent).unwrap(), Manifest::decode(diff).unwrap());
    let refused = parent.compose(parent.hash(), &diff, UnnamedParent::Refuse);
    assert_eq!(refused, Err(ManifestError::UnnamedParent));
    show(&parent.compose(parent.hash(), &diff, UnnamedParent::Accept).unwrap())
}

#[test]
fn composing_follows_the_file_system() {
    let deleted = |name: &str| format!(r#"{{"name":"{name}","delete":true}}"#);
    let parent = snapshot("", &["a", "d/e/f", "d/g", "x/y"].map(file).join(","));
    // A folder is deleted only if nothing is left in it, however the deletions are ordered.
    assert_eq!(
        composed(&parent, &diff(&deleted("d"), "")),
        "a:f1 d:d d/e:d d/e/f:f1 d/g:f1 x:d x/y:f1"
    );
    let all = [deleted("d"), deleted("d/e")].join(",");
    let files = [deleted("d/g"), deleted("d/e/f")].join(",");
    assert_eq!(composed(&parent, &diff(&all, &files)), "a:f1 x:d x/y:f1");
    assert_eq!(composed(&parent, &diff(&all, &deleted("d/e/f"))), "a:f1 d:d d/g:f1 x:d x/y:f1");
    // Emptied, but not deleted.
    assert_eq!(composed(&parent, &diff("", &deleted("x/y"))), "a:f1 d:d d/e:d d/e/f:f1 d/g:f1 x:d");
    // A file takes the place of a folder and of all that is in it, and the other way round.
    assert_eq!(composed(&parent, &diff("", &file("d"))), "a:f1 d:f1 x:d x/y:f1");
    assert_eq!(
        composed(&parent, &diff("", &file("a/b/c"))),
        "a:d a/b:d a/b/c:f1 d:d d/e:d d/e/f:f1 d/g:f1 x:d x/y:f1"
    );
    // Deletions of what is not there change nothing; a file's deletion spares a folder.
    let nothing = [deleted("no"), deleted("d"), deleted("x/z")].join(",");
    assert_eq!(composed(&parent, &diff("", &nothing)), "a:f1 d:d d/e:d d/e/f:f1 d/g:f1 x:d x/y:f1");
    // Deleted and filled again.
    assert_eq!(
        composed(&parent, &diff(&deleted("x"), &[deleted("x/y"), file("x/z")].join(","))),
        "a:f1 d:d d/e:d d/e/f:f1 d/g:f1 x:d x/z:f1"
    );
}

#[test]
fn changes_are_listed() {
    let old = Manifest::decode(&snapshot("", &["a", "b", "c"].map(file).join(","))).unwrap();
    let touched = file("b").replace("\"mtime\":1", "\"mtime\":2");
    let new = Manifest::decode(&snapshot("", &[touched, file("c"), file("d")].join(","))).unwrap();
    let list: Vec<_> = old
        .changes(&new)
        .map(|change| match change {
            Change::Added(entry) => format!("+{}", entry.path),
            Change::Modified { old, new } => {
                assert_eq!(old.path, new.path);
                format!("~{}", new.path)
            }
            Change::Deleted(entry) => format!("-{}", entry.path),
        })
        .collect();
    assert_eq!(list, ["-a", "~b", "+d"]);
    assert_eq!(old.changes(&old).count(), 0);
}

#[test]
fn manifests_that_do_not_fit_are_not_combined() {
    let (snapshot_a, diff_a) = (snapshot("", &file("a")), diff("", &file("a")));
    let other = Manifest::decode(&snapshot_a.replace(":100,", ":200,")).unwrap();
    let (snapshot_a, diff_a) =
        (Manifest::decode(&snapshot_a).unwrap(), Manifest::decode(&diff_a).unwrap());
    let mismatch = Err(ManifestError::Mismatch { what: "chunk size" });
    assert_eq!(Manifest::merge(&[&snapshot_a, &other]), mismatch);
    assert_eq!(snapshot_a.diff(&other, ContentHash::EMPTY), mismatch);
    assert_eq!(other.compose(ContentHash::EMPTY, &diff_a, UnnamedParent::Accept), mismatch);
    assert!(matches!(Manifest::merge(&[&diff_a, &diff_a]), Err(ManifestError::WrongKind { .. })));
    assert!(matches!(
        snapshot_a.diff(&diff_a, ContentHash::EMPTY),
        Err(ManifestError::WrongKind { .. })
    ));
    let v2023 = snapshot_a.to_v2023().unwrap();
    assert_eq!(
        Manifest::merge(&[&v2023, &snapshot_a]),
        Err(ManifestError::Mismatch { what: "format" })
    );
    // A later file over an earlier folder would not be a tree.
    let above = Manifest::decode(&snapshot(r#"{"name":"a"}"#, &file("$0/b"))).unwrap();
    assert!(Manifest::merge(&[&above, &snapshot_a]).is_err());
}

#[test]
fn a_snapshot_is_written_as_v2023() {
    let snapshot = decoded("rel_snapshot.json");
    let refused = snapshot.to_v2023().unwrap_err().to_string();
    assert_eq!(
        refused,
        "'big/vol.vdb': is a chunked file, which a 2023-03-03 manifest cannot express"
    );
    let mut builder = ManifestBuilder::new(snapshot.format());
    for entry in snapshot.entries().filter(|entry| entry.path != PathRef::from("big/vol.vdb")) {
        builder.push(entry).unwrap();
    }
    let converted = builder.build().unwrap().to_v2023().unwrap();
    assert_eq!(converted.encode(), vector("v2023_from_rel_snapshot.json"));
    assert!(decoded("rel_diff.json").to_v2023().is_err());
    assert!(decoded("abs_snapshot.json").to_v2023().is_err());
}

#[test]
fn links_are_followed_into_v2023() {
    let link = |name: &str, target: &str| {
        format!(r#"{{"name":"{name}","symlink":{{"name":"{target}"}}}}"#)
    };
    let convert =
        |files: &[String]| Manifest::decode(&snapshot("", &files.join(","))).unwrap().to_v2023();
    let files = [
        file("d/f"),
        link("chain", "l1"),
        link("l1", "l2"),
        link("l2", "d/f"),
        link("nowhere", "no"),
        link("loop", "loop"),
        link("s/on_the_way", "through/f"),
    ];
    let folder = convert(&[&files[..], &[link("through", "d")]].concat()).unwrap_err();
    assert_eq!(
        folder.to_string(),
        "'through': is a link to a folder, which a 2023-03-03 manifest cannot express"
    );
    assert_eq!(show(&convert(&files).unwrap()), "chain:f1 d/f:f1 l1:f1 l2:f1");
    assert_eq!(convert(&[link("only", "no")]), Err(ManifestError::Empty));
}
