//! What tests of the house read: sources of all crates, and which tests they have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of ours, with its text.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("crates"), root().join("benches")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    assert!(sources.len() > 20, "found {} source files only", sources.len());
    sources
}

/// Every function that a test attribute or `proptest!` makes a test, with the files that have one
/// of this name.
pub(crate) fn test_functions() -> BTreeMap<String, Vec<PathBuf>> {
    let mut tests: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (path, text) in sources() {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let (true, Some(name)) = (is_test, name) {
                let name = name.split(['(', '<']).next().unwrap_or_default();
                tests.entry(name.to_owned()).or_default().push(path.clone());
                is_test = false;
            }
        }
    }
    assert!(tests.len() > 20, "found {} tests only", tests.len());
    tests
}

pub(crate) fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}
