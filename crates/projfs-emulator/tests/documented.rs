//! `docs/projfs-emulator.md` explains every knob and every violation that the emulator has.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(crate_folder().join("../../docs/projfs-emulator.md")).unwrap()
}

/// The rows of a table below a heading: cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let document = document();
    let (_, below) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = below.split("\n## ").next().unwrap();
    let cells = |line: &str| {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(cells).collect()
}

/// Numbers of rules that are reported: strings such as "F13" in the sources.
fn reported(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            reported(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.extend(code.split('"').filter(|word| is_rule(word)).map(str::to_owned));
        }
    }
}

fn is_rule(word: &str) -> bool {
    let Some((letter, digits)) = word.split_at_checked(1) else { return false };
    letter.chars().all(|it| it.is_ascii_uppercase())
        && (1..=2).contains(&digits.len())
        && digits.chars().all(|it| it.is_ascii_digit())
}

#[test]
fn each_violation_is_explained() {
    let mut found = BTreeSet::new();
    reported(&crate_folder().join("src"), &mut found);
    let explained: BTreeSet<_> = rows("Violations").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(explained, found);
}

#[test]
fn each_knob_is_explained() {
    let explained: BTreeSet<_> =
        rows("Knobs").into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let knobs = serde_json::to_value(projfs_emulator::Knobs::default()).unwrap();
    let knobs: BTreeSet<_> = knobs.as_object().unwrap().keys().cloned().collect();
    assert_eq!(explained, knobs);
}
