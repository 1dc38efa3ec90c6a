//! The rules of the house that a compiler does not know: what may depend on what, how long files
//! are, that files say what they own, and that each invariant of `docs/architecture.md` is held by
//! a test that exists.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod house;

use std::fs;
use std::path::{Path, PathBuf};

use house::{assert_none, root, sources, test_functions};

/// Lines of a file without its tests (role: a reader holds one file in mind).
const MOST_LINES: usize = 600;

/// A crate may use those further up only; the front ends share a row, so none may use another.
const ROWS: [&[&str]; 5] = [
    &["rusty-attachments-model"],
    &["rusty-attachments-storage"],
    &["rusty-attachments-vfs"],
    &["rusty-attachments-vfs-fuse", "rusty-attachments-vfs-projfs"],
    &["rusty-attachments"],
];

/// Knows nothing of attachments, and serves tests of whatever provider.
const EMULATOR: &str = "projfs-emulator";

/// The front end that runs on the emulator where there is no Windows.
const ON_EMULATOR: &str = "rusty-attachments-vfs-projfs";

/// Knows names and nothing else; whoever deals with Windows may use it.
const NAMES: &str = "ntfs-names";

fn is_test_file(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
        if lines > MOST_LINES && !is_test_file(&path) {
            faults.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert_none("files have at most 600 lines without their tests", &faults);
}

#[test]
fn files_say_what_they_own() {
    let undocumented = |(path, text): (PathBuf, String)| {
        let documented = text.trim_start().starts_with("//!");
        // A file of a test module is documented by what it tests.
        (!documented && !path.ends_with("tests.rs")).then(|| path.display().to_string())
    };
    let faults: Vec<_> = sources().into_iter().filter_map(undocumented).collect();
    assert_none("files start with a module doc", &faults);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"], ["#[ig", "nore"], ["to", "do!("]];
    let marks = marks.map(|parts| parts.concat());
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                faults.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert_none("work is finished or an issue, tests run", &faults);
}

#[test]
fn arrows_point_down() {
    let row = |name: &str| ROWS.iter().position(|row| row.contains(&name));
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path().join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap();
        let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
        let name = name.trim_matches('"');
        for (section, dependency) in dependencies(&text) {
            let allowed = match (row(name), row(&dependency)) {
                _ if name == NAMES => false,
                _ if dependency == NAMES => name.starts_with(EMULATOR) || name == ON_EMULATOR,
                _ if name.starts_with(EMULATOR) => dependency == EMULATOR,
                _ if name == ON_EMULATOR && dependency == EMULATOR => section.contains("linux"),
                // The test kit stands on what all front ends share, and is used by tests alone.
                (None, Some(used)) => used <= 2,
                (_, None) => section.contains("dev-dependencies"),
                (Some(_), Some(_)) if section.contains("dev-dependencies") => true,
                (Some(user), Some(used)) => used < user,
            };
            if !allowed {
                faults.push(format!("{name} uses {dependency}"));
            }
        }
    }
    assert_none("crates use what is below them only", &faults);
}

/// Our own crates that a manifest names, with the section that names each.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let ours = name.starts_with("rusty-attachments") || name == EMULATOR || name == NAMES;
        if section.contains("dependencies") && ours {
            found.push((section.clone(), name.to_owned()));
        }
    }
    found
}

#[test]
fn each_invariant_is_held_by_a_test() {
    let document = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let tests = test_functions();
    let mut numbers = Vec::new();
    let mut faults = Vec::new();
    for line in document.lines().filter(|line| line.starts_with("| I-")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, held_by] = cells[..] else {
            panic!("an invariant has a number, a text and its tests: {line}")
        };
        numbers.push(number.trim_start_matches("I-").parse::<usize>().unwrap());
        let named: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            faults.push(format!("{number} names no test"));
        }
        let unknown = named.iter().filter(|name| !tests.contains_key(**name));
        faults.extend(unknown.map(|name| format!("{number} names '{name}', which is no test")));
    }
    assert_eq!(
        numbers,
        (1..=numbers.len()).collect::<Vec<_>>(),
        "invariants are numbered in order"
    );
    assert!(numbers.len() >= 8, "found {} invariants only", numbers.len());
    assert_none("each invariant is held by a test", &faults);
}
