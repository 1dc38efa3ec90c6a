//! Documents say for every rule of ProjFS which test holds it, or why none does; here that is
//! checked: every rule has one row, and every test that is named exists.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod house;

use std::collections::BTreeSet;
use std::fs;

use house::{assert_none, root, test_functions};

/// A letter, and how many numbers it has.
type Series = (&'static str, usize);

/// A table of a document: a number, what it is about, and the tests that hold it or a reason.
struct Table {
    document: &'static str,
    heading: &'static str,
    series: &'static [Series],
    /// The folders below `crates` that may have the tests.
    crates: &'static [&'static str],
}

const EMULATOR: Table = Table {
    document: "docs/projfs-emulator.md",
    heading: "Rules and tests",
    series: &[
        ("A", 6),
        ("B", 26),
        ("C", 11),
        ("D", 8),
        ("E", 26),
        ("T", 28),
        ("F", 23),
        ("G", 14),
        ("H", 12),
        ("I", 3),
        ("J", 16),
        ("K", 24),
        ("L", 11),
        ("M", 25),
        ("N", 9),
        ("P", 8),
    ],
    crates: &["projfs-emulator", "ntfs-names"],
};

const SCENARIOS: Table = Table { heading: "Scenarios and tests", series: &[("S", 78)], ..EMULATOR };

/// In this document T are the twenty rules that are most commonly got wrong.
const FRONT_END: Table = Table {
    document: "docs/vfs-projfs.md",
    heading: "Rules and tests",
    series: &[
        ("T", 20),
        ("F", 23),
        ("G", 14),
        ("H", 12),
        ("I", 3),
        ("J", 16),
        ("K", 24),
        ("L", 11),
        ("M", 25),
        ("N", 9),
    ],
    crates: &["vfs-projfs", "vfs", "ntfs-names", "model", "storage", "cli", "testkit"],
};

const TRAPS: Table =
    Table { heading: "Traps and tests", series: &[("A", 31), ("B", 34)], ..FRONT_END };

/// A row: the number, and the cell that says what holds it.
struct Row {
    number: String,
    held: String,
}

impl Table {
    fn rows(&self) -> Vec<Row> {
        let document = fs::read_to_string(root().join(self.document)).unwrap();
        let (_, below) = document.split_once(&format!("\n## {}\n", self.heading)).unwrap();
        let section = below.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
        let row = |line: &str| {
            let cells: Vec<_> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let [number, .., held] = cells[..] else { panic!("{line}: a number and tests") };
            Row { number: number.to_owned(), held: held.to_owned() }
        };
        rows.map(row).collect()
    }

    fn numbers(&self) -> BTreeSet<String> {
        let numbers =
            |&(letter, count): &Series| (1..=count).map(move |number| format!("{letter}{number}"));
        self.series.iter().flat_map(numbers).collect()
    }

    fn assert_held(&self) {
        let tests = test_functions();
        let folders: Vec<_> =
            self.crates.iter().map(|name| root().join("crates").join(name)).collect();
        let is_test = |name: &str| {
            let files = tests.get(name).map(Vec::as_slice).unwrap_or_default();
            files.iter().any(|file| folders.iter().any(|folder| file.starts_with(folder)))
        };
        let (expected, mut seen, mut faults) = (self.numbers(), BTreeSet::new(), Vec::new());
        for Row { number, held } in self.rows() {
            if held.is_empty() {
                faults.push(format!("{number} names neither a test nor a reason"));
            }
            let unknown = named(&held).into_iter().filter(|name| !is_test(name));
            faults.extend(unknown.map(|name| format!("{number} names '{name}', which is no test")));
            if !seen.insert(number.clone()) {
                faults.push(format!("{number} has two rows"));
            }
        }
        faults.extend(expected.difference(&seen).map(|number| format!("{number} has no row")));
        faults.extend(seen.difference(&expected).map(|number| format!("{number} is no rule")));
        assert_none(&format!("{}, {}", self.document, self.heading), &faults);
    }
}

/// Names in backticks that are those of functions.
fn named(cell: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.contains('_') && word.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    cell.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn each_rule_is_held_by_a_test_or_says_why_not() {
    EMULATOR.assert_held();
    FRONT_END.assert_held();
}

#[test]
fn each_scenario_is_held_by_a_test_or_says_why_not() {
    SCENARIOS.assert_held();
}

#[test]
fn each_trap_is_held_by_a_test_or_says_why_not() {
    TRAPS.assert_held();
}

#[test]
fn each_rule_that_is_commonly_got_wrong_has_a_test_of_its_name() {
    let rows = FRONT_END.rows().into_iter().filter(|row| row.number.starts_with('T'));
    let without = rows.filter(|Row { number, held }| {
        let prefix = format!("{}_", number.to_ascii_lowercase());
        !named(held).iter().any(|name| name.starts_with(&prefix))
    });
    let faults: Vec<_> = without.map(|row| row.number).collect();
    assert_none("these rules have tests of their names", &faults);
}
