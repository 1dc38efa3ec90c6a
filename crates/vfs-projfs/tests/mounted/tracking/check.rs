//! What is told, compared with what other programs find.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::projected::Projected;

impl Projected {
    /// Asserts that what is told is the difference that other programs find: `find` for the names,
    /// `cat` for the content.
    #[track_caller]
    pub(super) fn check(&self) {
        let told = self.told();
        let mut lines = BTreeSet::new();
        for line in told {
            match line.strip_prefix("R ").and_then(|line| line.split_once(" > ")) {
                Some((from, to)) => lines.extend([format!("D {from}"), format!("A {to}")]),
                None => drop(lines.insert(line)),
            }
        }
        let mut expected = BTreeSet::new();
        let mut base: BTreeMap<String, Option<&str>> = BTreeMap::new();
        for (path, text) in self.files() {
            base.insert(path.clone(), Some(text));
            base.extend(path.match_indices('/').map(|(at, _)| (path[..at].to_owned(), None)));
        }
        let found = self.sh("find . -mindepth 1 -printf '%y %P\\n'");
        let mut seen = BTreeSet::new();
        for (kind, path) in found.lines().filter_map(|line| line.split_once(' ')) {
            seen.insert(path.to_owned());
            let text = (kind == "f").then(|| self.sh(&format!("cat '{path}'")));
            match base.get(path) {
                None => expected.insert(format!("A {path}")),
                Some(was) if *was != text.as_deref() => expected.insert(format!("M {path}")),
                Some(_) => false,
            };
        }
        let gone = base.keys().filter(|path| !seen.contains(*path));
        expected.extend(gone.map(|path| format!("D {path}")));
        assert_eq!(lines, expected);
    }
}
