//! The `manifest` commands, and what every command has in common, through the real binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::process::Stdio;

use serde_json::json;
use support::{Machine, manifest, vectors};

fn official_manifests() -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        folders.map(|folder| folder.join("manifest.json")).filter(|file| file.exists()).collect();
    assert!(files.len() >= 6, "the official manifests are missing");
    files
}

#[test]
fn canonicalize_prints_exactly_the_official_bytes() {
    let machine = Machine::new();
    for file in official_manifests() {
        let bytes = fs::read(&file).unwrap();
        let args = ["manifest".as_ref(), "canonicalize".as_ref(), file.as_os_str()];
        assert_eq!(machine.run(args).stdout, bytes, "{}", file.display());
        let pretty = pretty_with_escapes(&bytes);
        let from_stdin = machine.run_with_input(&["manifest", "canonicalize", "-"], &pretty);
        assert_eq!((from_stdin.code, from_stdin.stdout), (0, bytes), "{}", file.display());
    }
}

/// The same document with other white space; strings stay as they are.
fn pretty_with_escapes(bytes: &[u8]) -> Vec<u8> {
    let (mut pretty, mut in_string, mut escaped) = (Vec::new(), false, false);
    for &byte in bytes {
        if byte == b'"' && !escaped {
            in_string = !in_string;
        }
        escaped = byte == b'\\' && !escaped;
        pretty.push(byte);
        if !in_string && b",{[".contains(&byte) {
            pretty.extend(b"\n  ");
        }
    }
    pretty
}

#[test]
fn validate_says_what_is_valid_and_what_is_not() {
    let machine = Machine::new();
    let good = machine.file("good.manifest", manifest(&["a.txt", "b/c.txt"]));
    let run = machine.run(["manifest", "validate", "--json", good.to_str().unwrap()]);
    assert_eq!(run.code, 0);
    let record = run.record("validate/1");
    assert_eq!(record["valid"], true);
    assert_eq!(record["canonical"], true);
    assert_eq!(record["mountable"], true);
    assert_eq!(record["files"], 2);
    assert_eq!(record["bytes"], 10);
    assert_eq!(record["format"], "2023-03-03");

    for bad in ["", "{}", "[", &manifest(&["../up"]), &manifest(&["a", "a/b"]), "\u{feff}{}"] {
        let file = machine.file("bad.manifest", bad);
        let run = machine.run(["manifest", "validate", "--json", file.to_str().unwrap()]);
        assert_eq!(run.code, 1, "{bad}");
        let record = run.record("validate/1");
        assert_eq!(record["valid"], false, "{bad}");
        assert!(!record["error"].as_str().unwrap().is_empty());
        assert_eq!(run.stderr, "");
    }
    let both = machine.run(["manifest", "validate", "good.manifest", "bad.manifest"]);
    assert_eq!(both.code, 1);
    assert!(both.text().starts_with("good.manifest: valid: 2023-03-03, 2 files, 10 B\n"));
    assert!(both.text().contains("\nbad.manifest: invalid: "), "{}", both.text());
}

#[test]
fn show_lists_every_entry() {
    let machine = Machine::new();
    machine.file("m", manifest(&["a.txt", "\u{fc}/b.txt"]));
    let run = machine.run(["manifest", "show", "m", "--json"]);
    assert_eq!(run.record("manifest/1")["files"], 2);
    let entries: Vec<_> = run.records().into_iter().skip(1).collect();
    let expected = json!({
        "schema": "rusty-attachments/entry/1", "path": "\u{fc}/b.txt", "kind": "file", "size": 5,
        "mtime_us": 1, "runnable": false, "hash": "0123456789abcdef0123456789abcdef",
    });
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1], expected);
    let text = machine.run(["manifest", "show", "m"]).ok();
    assert_eq!(text.lines().count(), 3);
    assert!(text.ends_with("0123456789abcdef0123456789abcdef  \u{fc}/b.txt\n"), "{text}");
}

#[test]
fn merge_agrees_with_the_official_package() {
    let machine = Machine::new();
    for entry in fs::read_dir(vectors().join("11_merge")).unwrap() {
        let entry = entry.unwrap();
        let text = with_whole_hashes(&fs::read_to_string(entry.path()).unwrap());
        machine.file(entry.file_name().to_str().unwrap(), text);
    }
    let file = |name: &str| machine.path(name);
    for (inputs, expected) in [
        (&["in_m1.json", "in_m2.json"][..], "m1_m2.json"),
        (&["in_m2.json", "in_m1.json"], "m2_m1.json"),
        (&["in_m1.json", "in_m2.json", "in_m3.json"], "m1_m2_m3.json"),
    ] {
        let mut args = vec!["manifest".into(), "merge".into()];
        args.extend(inputs.iter().map(|name| file(name).into_os_string()));
        assert_eq!(machine.run(&args).stdout, fs::read(file(expected)).unwrap(), "{expected}");
        args.extend(["-o".into(), "merged".into()]);
        assert!(machine.run(&args).ok().contains("entries"));
        assert_eq!(fs::read(machine.path("merged")).unwrap(), fs::read(file(expected)).unwrap());
    }
}

/// The official merge's vectors have hashes of two digits, which we refuse.
fn with_whole_hashes(text: &str) -> String {
    let text = text.replace(r#""hash": ""#, r#""hash":""#);
    let mut parts = text.split(r#""hash":""#);
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let (hash, rest) = part.split_once('"').unwrap();
        whole += &format!(r#""hash":"{}{hash}"{rest}"#, "0".repeat(32 - hash.len()));
    }
    whole
}

#[test]
fn diff_lists_changes() {
    let machine = Machine::new();
    machine.file("old", manifest(&["a", "b"]));
    machine.file(
        "new",
        manifest(&["b", "c"]).replace(r#""mtime":1,"path":"b""#, r#""mtime":2,"path":"b""#),
    );
    let text = machine.run(["manifest", "diff", "old", "new"]).ok();
    assert_eq!(text, "deleted   a\nmodified  b\nnew       c\n");
    let records = machine.run(["manifest", "diff", "old", "new", "--json"]).records();
    let expected = json!({"schema": "rusty-attachments/change/1", "change": "new", "path": "c"});
    assert_eq!(records[2], expected);
}

#[test]
fn a_missing_file_is_wrong_usage_and_is_named() {
    let machine = Machine::new();
    for command in ["show", "validate", "canonicalize", "merge"] {
        machine.run(["manifest", command, "no/such"]).fails(2, &["read 'no/such'", "No such file"]);
    }
    let run = machine.run(["manifest", "show", "no/such", "--json"]);
    let record = run.record("error/1");
    assert_eq!((record["kind"].as_str(), record["code"].as_u64()), (Some("usage"), Some(2)));
    machine.file("bad", "{}");
    machine.run(["manifest", "show", "bad"]).fails(1, &["use the manifest 'bad'"]);
}

#[test]
fn usage_errors_and_help_have_their_codes() {
    let machine = Machine::new();
    for args in [&["frobnicate"][..], &[], &["manifest"], &["manifest", "show"], &["--nonsense"]] {
        let run = machine.run(args);
        assert_eq!((run.code, run.text()), (2, ""), "{args:?}");
        assert!(!run.stderr.is_empty());
    }
    assert!(machine.run(["--version"]).ok().starts_with("rusty-attachments 0."));
    assert!(machine.run(["manifest", "merge", "--help"]).ok().contains("Example:"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let machine = Machine::new();
    let names: Vec<_> = (0..20_000).map(|index| format!("some/folder/file_{index:06}")).collect();
    machine.file("m", manifest(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut child = machine
        .command()
        .args(["manifest", "show", "m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

#[test]
fn settings_come_from_file_environment_and_flags_in_this_order() {
    let machine = Machine::new();
    let file =
        machine.file(".config/rusty-attachments/config.toml", "store = 'here'\nmemory = '1GiB'");
    let shown = |key: &str| {
        let mut command = machine.command();
        command.args(["config", "show", "--json"]).env("RUSTY_ATTACHMENTS_MEMORY", "2GiB");
        let records = machine.finish(&mut command).records();
        records.into_iter().find(|record| record["key"] == key).unwrap()
    };
    assert_eq!(shown("store")["value"], "here");
    assert_eq!(shown("store")["origin"], format!("file {}", file.display()));
    assert_eq!(shown("memory")["value"], "2GiB");
    assert_eq!(shown("memory")["origin"], "environment RUSTY_ATTACHMENTS_MEMORY");
    assert_eq!(shown("cache-size")["origin"], "default");
    assert_eq!(shown("region")["value"], json!(null));

    machine.file("other.toml", "memroy = '1GiB'");
    let run = machine.run(["config", "show", "--config", "other.toml"]);
    run.fails(2, &["'other.toml'", "'memroy'", "Did you mean 'memory'?"]);
    machine.run(["config", "show", "--config", "none.toml"]).fails(2, &["'none.toml'"]);
}

#[test]
fn every_shell_gets_completions() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = machine.run(["completions", shell]).ok();
        assert!(script.contains("canonicalize"), "{shell}");
    }
    assert_eq!(machine.run(["completions", "tcsh"]).code, 2);
}
