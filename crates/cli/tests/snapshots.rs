//! `snapshot` through the real binary, compared with what the official tools write.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Machine, vectors};

/// Rebuilds the tree that an official manifest was made of.
fn build_tree(root: &Path, tree: &Path) {
    let nodes: Vec<Value> = serde_json::from_slice(&fs::read(tree).unwrap()).unwrap();
    for node in &nodes {
        let name = base64(node["path_utf8_b64"].as_str().unwrap());
        let path = root.join(OsStr::from_bytes(&name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node["kind"].as_str().unwrap() {
            "file" => {
                fs::write(&path, content(node)).unwrap();
                set_mtime(&path, node["mtime_ns"].as_i64().unwrap());
            }
            "symlink" => symlink(node["target"].as_str().unwrap(), &path).unwrap(),
            "emptydir" => fs::create_dir_all(&path).unwrap(),
            other => panic!("{other}"),
        }
    }
}

fn content(node: &Value) -> Vec<u8> {
    if let Some(text) = node["content_b64"].as_str() {
        return base64(text);
    }
    let size = node["size"].as_u64().unwrap();
    (0..size).map(|i| (i * 131 + i / 251) as u8).collect()
}

fn set_mtime(path: &Path, nanos: i64) {
    let epoch = SystemTime::UNIX_EPOCH;
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let time = if nanos < 0 { epoch - distance } else { epoch + distance };
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == byte).unwrap();
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn snapshot(machine: &Machine, args: &[&str]) -> Value {
    let mut all = vec!["snapshot", "tree", "--store", "store", "-o", "out.manifest", "--json"];
    all.extend(args);
    let run = machine.run(&all);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.record("snapshot/1")
}

fn object(machine: &Machine, hash: &str) -> PathBuf {
    machine.path(&format!("store/Data/{hash}.xxh128"))
}

#[test]
fn trees_give_the_official_bytes_and_all_objects() {
    let index: Value =
        serde_json::from_slice(&fs::read(vectors().join("index.json")).unwrap()).unwrap();
    let mut names: Vec<_> = index["trees"].as_object().unwrap().keys().collect();
    // Links to folders and dotfiles: the official tools keep either one or the other.
    names.retain(|name| *name != "09_hidden_links_emptydirs");
    assert!(names.len() >= 5);
    for name in names {
        let machine = Machine::new();
        build_tree(&machine.folder("tree"), &vectors().join(name).join("tree.json"));
        let record = snapshot(&machine, &[]);
        let official = fs::read(vectors().join(name).join("manifest.json")).unwrap();
        let made = fs::read(machine.path("out.manifest")).unwrap();
        assert_eq!(String::from_utf8_lossy(&made), String::from_utf8_lossy(&official), "{name}");
        assert_eq!(record["manifest_hash"], index["trees"][name]["manifest_xxh128"], "{name}");
        let manifest: Value = serde_json::from_slice(&made).unwrap_or(Value::Null);
        for entry in manifest["paths"].as_array().into_iter().flatten() {
            let stored = fs::metadata(object(&machine, entry["hash"].as_str().unwrap())).unwrap();
            assert_eq!(stored.len(), entry["size"].as_u64().unwrap(), "{name}");
        }
    }
}

#[test]
fn dotfiles_are_kept_and_links_followed() {
    let machine = Machine::new();
    let vector = vectors().join("09_hidden_links_emptydirs");
    build_tree(&machine.folder("tree"), &vector.join("tree.json"));
    let record = snapshot(&machine, &[]);
    let made: Value = read_json(&machine.path("out.manifest"));
    for official in ["manifest.json", "manifest.default_glob.json"] {
        for entry in read_json(&vector.join(official))["paths"].as_array().unwrap() {
            assert!(made["paths"].as_array().unwrap().contains(entry), "{official}: {entry}");
        }
    }
    assert_eq!(made["paths"].as_array().unwrap().len(), 8);
    assert_eq!(record["skipped"][0]["reason"], "the link leads nowhere");
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_second_snapshot_uploads_only_what_is_new() {
    let machine = Machine::new();
    machine.file("tree/a", "one");
    machine.file("tree/same as a", "one");
    machine.file("tree/large", vec![7; 9 << 20]);
    let first = snapshot(&machine, &[]);
    assert_eq!((first["files"].as_u64(), first["objects_uploaded"].as_u64()), (Some(3), Some(2)));
    assert_eq!(first["bytes_uploaded"], (9 << 20) + 3);
    let second = snapshot(&machine, &[]);
    assert_eq!(second["objects_uploaded"], 0);
    assert_eq!(second["objects_present"], 2);
    assert_eq!(second["manifest_hash"], first["manifest_hash"]);
    machine.file("tree/b", "two");
    assert_eq!(snapshot(&machine, &["--jobs", "1"])["objects_uploaded"], 1);
    let left: Vec<_> = fs::read_dir(machine.path("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_draft_keeps_links_folders_bits_and_chunks() {
    let machine = Machine::new();
    let script = machine.file("tree/bin/run.sh", "#!/bin/sh\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    machine.folder("tree/empty/inner");
    symlink("../bin/run.sh", machine.path("tree/empty/link")).unwrap();
    symlink("/etc", machine.path("tree/etc")).unwrap();
    fs::remove_file(machine.path("tree/etc")).unwrap();
    machine.file("outside.txt", "outside");
    symlink("../outside.txt", machine.path("tree/escaping")).unwrap();
    machine.file("tree/big", [1, 2, 3].map(|byte| [byte; 1000]).concat());
    snapshot(&machine, &["--format", "v2025", "--chunk-size", "1000"]);
    let shown = machine.run(["manifest", "show", "out.manifest", "--json"]);
    let find = |path: &str| {
        let mut records = shown.records();
        records.retain(|record| record["path"] == path);
        records.pop().unwrap_or(Value::Null)
    };
    assert_eq!(find("bin/run.sh")["runnable"], true);
    assert_eq!(find("empty/inner")["kind"], "directory");
    assert_eq!(find("empty/link")["target"], "bin/run.sh");
    assert_eq!(find("escaping")["kind"], "file", "a link that leaves the root is followed");
    let chunks = find("big")["chunk_hashes"].as_array().unwrap().clone();
    assert_eq!(chunks.len(), 3);
    for (hash, byte) in chunks.iter().zip([1, 2, 3]) {
        let stored = fs::read(object(&machine, hash.as_str().unwrap())).unwrap();
        assert_eq!(stored, [byte; 1000]);
    }
    let valid = machine.run(["manifest", "validate", "out.manifest", "--json"]);
    assert_eq!(valid.record("validate/1")["canonical"], true);
}

#[test]
fn what_a_manifest_cannot_hold_is_told() {
    let machine = Machine::new();
    machine.file("tree/a", "a");
    symlink("nowhere", machine.path("tree/dangling")).unwrap();
    symlink("..", machine.folder("tree/sub").join("up")).unwrap();
    let status = std::process::Command::new("mkfifo").arg(machine.path("tree/fifo")).status();
    assert!(status.unwrap().success());
    let run = machine.run(["snapshot", "tree", "--store", "store", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let record = run.record("snapshot/1");
    assert_eq!(record["files"], 1);
    let mut reasons: Vec<_> = record["skipped"].as_array().unwrap().to_vec();
    reasons.sort_by_key(|skipped| skipped["path"].to_string());
    let reasons: Vec<_> =
        reasons.iter().map(|skipped| skipped["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        [
            "the link leads nowhere",
            "it is neither a file, a folder nor a link",
            "the link leads back to a folder that holds it",
        ]
    );
    let told = run.stderr.lines().filter(|line| line.starts_with("rusty-attachments: skipped '"));
    assert_eq!(told.count(), 3, "{}", run.stderr);
    assert!(machine.path("tree.manifest").exists(), "the default name");
}

#[test]
fn objects_that_the_store_lacks_are_named() {
    let machine = Machine::new();
    machine.file("tree/gone", "gone");
    machine.file("tree/short", "short");
    machine.file("tree/there", "there");
    machine.file("tree/empty", "");
    snapshot(&machine, &[]);
    let check = || {
        machine.run([
            "manifest",
            "validate",
            "out.manifest",
            "--check-store",
            "--store",
            "store",
            "--json",
        ])
    };
    let run = check();
    assert_eq!((run.code, run.record("validate/1")["missing"].as_array().unwrap().len()), (0, 0));
    let hash = |text: &str| rusty_attachments_model::ContentHash::of(text.as_bytes()).to_string();
    fs::remove_file(object(&machine, &hash("gone"))).unwrap();
    fs::write(object(&machine, &hash("short")), "sho").unwrap();
    let run = check();
    assert_eq!(run.code, 1);
    let record = run.record("validate/1");
    assert_eq!(record["valid"], true);
    let missing = record["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 2);
    assert_eq!(missing[0]["path"], "gone");
    assert_eq!(
        (missing[1]["size"].as_u64(), missing[1]["stored_size"].as_u64()),
        (Some(5), Some(3))
    );
}

#[test]
fn wrong_inputs_are_refused() {
    let machine = Machine::new();
    machine.file("tree/a", "a");
    machine.file("file", "not a folder");
    machine.folder("empty");
    let run = |args: &[&str]| machine.run([&["snapshot"], args].concat());
    run(&["no", "--store", "store"]).fails(2, &["'no'", "No such file"]);
    run(&["file", "--store", "store"]).fails(2, &["file", "it is no folder"]);
    run(&["tree"]).fails(3, &["no store is named", "--store"]);
    run(&["tree", "--store", "tree/store"]).fails(2, &["would be part of the snapshot", "--store"]);
    run(&["tree", "--store", "store", "-o", "tree/m"]).fails(2, &["part of the snapshot"]);
    run(&["tree", "--store", "store", "-o", "no/m"]).fails(1, &["write '", "no/m'"]);
    run(&["empty", "--store", "store"]).fails(1, &["empty", "no files"]);
    run(&["tree", "--store", "file/store"]).fails(1, &["file/store"]);
    assert_eq!(run(&["tree", "--store", "store", "--jobs", "0"]).code, 2);
    run(&["tree", "--store", "store", "--chunk-size", "0"]).fails(2, &["--chunk-size"]);
}

#[test]
fn a_file_that_changes_never_reaches_the_store_under_a_wrong_hash() {
    let machine = Machine::new();
    let path = machine.file("tree/growing", vec![0; 12 << 20]);
    let mut child = machine
        .command()
        .args(["snapshot", "tree", "--store", "store", "-o", "m", "--quiet"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut file = File::options().append(true).open(path).unwrap();
    // Writes for as long as the command runs, whatever it makes of it; paced, so that the file
    // stays small enough to be read again.
    while child.try_wait().unwrap().is_none() {
        file.write_all(&[1; 1000]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let Ok(objects) = fs::read_dir(machine.path("store/Data")) else { return };
    for object in objects.map(|entry| entry.unwrap().path()) {
        let name = object.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(hash) = name.strip_suffix(".xxh128") {
            let bytes = fs::read(&object).unwrap();
            let actual = rusty_attachments_model::ContentHash::of(&bytes).to_string();
            assert_eq!(actual, hash);
        }
    }
}
