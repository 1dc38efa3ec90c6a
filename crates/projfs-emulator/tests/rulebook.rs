//! `docs/projfs-emulator.md` says for every rule which test holds it, or why none does; here that
//! is checked: every rule has a row, and every test that is named exists.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The letters of the rules, and how many there are of each.
const RULES: [(char, usize); 16] = [
    ('A', 6),
    ('B', 26),
    ('C', 11),
    ('D', 8),
    ('E', 26),
    ('T', 28),
    ('F', 23),
    ('G', 14),
    ('H', 12),
    ('I', 3),
    ('J', 16),
    ('K', 24),
    ('L', 11),
    ('M', 25),
    ('N', 9),
    ('P', 8),
];

/// The scenarios.
const SCENARIOS: usize = 78;

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

/// Names in backticks that are those of functions.
fn named(cell: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.contains('_') && word.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    cell.split('`').skip(1).step_by(2).filter(is_name).collect()
}

/// Every function of this crate that a test attribute or `proptest!` makes a test.
fn test_functions() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut folders = vec![crate_folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests.extend(tests_of(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    tests
}

fn tests_of(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let (true, Some(name)) = (is_test, name) {
            tests.push(name.split(['(', '<']).next().unwrap_or_default().to_owned());
            is_test = false;
        }
    }
    tests
}

/// Each expected number has exactly one row, whose last cell names tests that exist or gives a
/// reason.
fn assert_held(heading: &str, expected: &BTreeSet<String>) {
    let tests = test_functions();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for row in rows(heading) {
        let [number, .., held] = &row[..] else { panic!("a row has a number and tests: {row:?}") };
        if !seen.insert(number.clone()) {
            faults.push(format!("{number} has two rows"));
        }
        if held.is_empty() {
            faults.push(format!("{number} names neither a test nor a reason"));
        }
        let unknown = named(held).into_iter().filter(|name| !tests.contains(*name));
        faults.extend(unknown.map(|name| format!("{number} names '{name}', which is no test")));
    }
    faults.extend(expected.difference(&seen).map(|number| format!("{number} has no row")));
    faults.extend(seen.difference(expected).map(|number| format!("{number} is no rule")));
    assert!(faults.is_empty(), "{heading}:\n{}", faults.join("\n"));
}

#[test]
fn each_rule_is_held_by_a_test_or_says_why_not() {
    let numbers = |(letter, count)| (1..=count).map(move |number| format!("{letter}{number}"));
    assert_held("Rules and tests", &RULES.into_iter().flat_map(numbers).collect());
}

#[test]
fn each_scenario_is_held_by_a_test_or_says_why_not() {
    let numbers = (1..=SCENARIOS).map(|number| format!("S{number}")).collect();
    assert_held("Scenarios and tests", &numbers);
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
