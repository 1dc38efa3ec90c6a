//! Gets against a buffer that takes so many entries, step by step and against a model.

use proptest::collection::vec;
use proptest::prelude::*;
use rusty_attachments_vfs::NodeId;

use super::*;
use crate::projection::ProjectedKind;

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// A sorted listing of empty files.
fn listing(names: &[&str]) -> Arc<[ProjectedFileInfo]> {
    let mut names: Vec<_> = names.iter().map(|name| units(name)).collect();
    names.sort_by(|a, b| names::compare(a, b));
    names.dedup_by(|a, b| names::equal(a, b));
    let entry = |(name, node): (Vec<u16>, u64)| ProjectedFileInfo {
        name: name.into(),
        node: NodeId(node),
        kind: ProjectedKind::File,
        size: 0,
        write_time: 1,
        content: None,
    };
    names.into_iter().zip(2..).map(entry).collect()
}

/// What one Get gave.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Names(Vec<String>),
    InsufficientBuffer,
}

fn got(names: &[&str]) -> Got {
    Got::Names(names.iter().map(|name| (*name).to_owned()).collect())
}

/// One Get with a buffer for `room` entries. Names that begin with `!` are refused by ProjFS.
struct Get<'a> {
    expression: &'a str,
    restart: bool,
    single: bool,
    room: usize,
}

impl Get<'_> {
    fn ask(&self, enumeration: &mut ActiveEnumeration) -> Got {
        let mut names = Vec::new();
        enumeration.position(&units(self.expression), self.restart);
        let filled = enumeration.fill(self.single, |entry| {
            let name = String::from_utf16(&entry.name).unwrap();
            if name.starts_with('!') {
                return Added::Never;
            }
            if names.len() == self.room {
                return Added::Full;
            }
            names.push(name);
            Added::Yes
        });
        match filled {
            Filled::Entries(count) => {
                assert_eq!(count, names.len());
                Got::Names(names)
            }
            Filled::NothingFits => {
                assert!(names.is_empty());
                Got::InsufficientBuffer
            }
        }
    }
}

/// A plain Get.
fn get(enumeration: &mut ActiveEnumeration, expression: &str, room: usize) -> Got {
    Get { expression, restart: false, single: false, room }.ask(enumeration)
}

fn restart(enumeration: &mut ActiveEnumeration, expression: &str, room: usize) -> Got {
    Get { expression, restart: true, single: false, room }.ask(enumeration)
}

fn started(names: &[&str]) -> ActiveEnumeration {
    ActiveEnumeration::new(listing(names))
}

const FOUR: &[&str] = &["1a", "1b", "2c", "2d"];

#[test]
fn t2_a_first_entry_that_does_not_fit_is_no_end() {
    let mut enumeration = started(FOUR);
    assert_eq!(get(&mut enumeration, "", 0), Got::InsufficientBuffer);
    // Nothing is lost by that.
    assert_eq!(get(&mut enumeration, "", 9), got(FOUR));
    assert_eq!(get(&mut enumeration, "", 0), got(&[]));
}

#[test]
fn t3_the_entry_that_did_not_fit_comes_next() {
    let mut enumeration = started(FOUR);
    assert_eq!(get(&mut enumeration, "", 3), got(&["1a", "1b", "2c"]));
    assert_eq!(get(&mut enumeration, "", 0), Got::InsufficientBuffer);
    assert_eq!(get(&mut enumeration, "", 3), got(&["2d"]));
    assert_eq!(get(&mut enumeration, "", 3), got(&[]));
    assert_eq!(get(&mut enumeration, "", 3), got(&[]));
}

#[test]
fn t4_the_first_expression_holds_until_a_restart() {
    let mut enumeration = started(FOUR);
    assert_eq!(get(&mut enumeration, "2*", 1), got(&["2c"]));
    assert_eq!(get(&mut enumeration, "1*", 1), got(&["2d"]));
    assert_eq!(get(&mut enumeration, "*", 1), got(&[]));
    // After the end, too (projfs.md F23), and with another expression.
    assert_eq!(restart(&mut enumeration, "1*", 9), got(&["1a", "1b"]));
    assert_eq!(restart(&mut enumeration, "", 9), got(FOUR));
    // An empty first one is a first one.
    assert_eq!(get(&mut started(FOUR), "", 9), got(FOUR));
    let mut enumeration = started(FOUR);
    assert_eq!(get(&mut enumeration, "", 2), got(&["1a", "1b"]));
    assert_eq!(get(&mut enumeration, "zz*", 2), got(&["2c", "2d"]));
}

#[test]
fn f11_single_entries_come_one_by_one() {
    let mut enumeration = started(FOUR);
    let one = Get { expression: "*", restart: false, single: true, room: 9 };
    for name in FOUR {
        assert_eq!(one.ask(&mut enumeration), got(&[name]));
    }
    assert_eq!(one.ask(&mut enumeration), got(&[]));
    assert_eq!(
        Get { room: 0, restart: true, ..one }.ask(&mut enumeration),
        Got::InsufficientBuffer
    );
}

#[test]
fn f7_an_expression_without_wildcards_is_one_name_in_any_case() {
    let mut enumeration = started(&["Straße.txt", "a.txt", "B", "ÄRGER"]);
    assert_eq!(get(&mut enumeration, "A.TXT", 9), got(&["a.txt"]));
    assert_eq!(get(&mut enumeration, "A.TXT", 9), got(&[]));
    assert_eq!(restart(&mut enumeration, "ärger", 9), got(&["ÄRGER"]));
    assert_eq!(restart(&mut enumeration, "STRASSE.TXT", 9), got(&[]));
    assert_eq!(restart(&mut enumeration, "nothing", 0), got(&[]));
}

#[test]
fn f8_wildcards_of_dos_are_understood() {
    let mut enumeration = started(&["E", "E.x", "EX", "test.txt"]);
    assert_eq!(get(&mut enumeration, "E\"*", 9), got(&["E", "E.x"]));
    assert_eq!(restart(&mut enumeration, "t<txt", 9), got(&["test.txt"]));
    assert_eq!(restart(&mut enumeration, "e>", 9), got(&["E", "EX"]));
}

#[test]
fn a_name_that_is_refused_hides_no_other() {
    let mut enumeration = started(&["!1", "!2", "a", "!b", "c"]);
    assert_eq!(get(&mut enumeration, "", 1), got(&["a"]));
    assert_eq!(get(&mut enumeration, "", 1), got(&["c"]));
    assert_eq!(get(&mut enumeration, "", 1), got(&[]));
    // Nothing that could be listed is left, which is an end and not a buffer that is too small.
    assert_eq!(get(&mut started(&["!1", "!2"]), "", 0), got(&[]));
}

#[test]
fn an_empty_folder_ends_at_once() {
    assert_eq!(get(&mut started(&[]), "", 0), got(&[]));
    assert_eq!(get(&mut started(&[]), "a*", 0), got(&[]));
    assert!(started(&[]).is_empty());
    assert_eq!(started(FOUR).len(), 4);
}

fn any_get() -> impl Strategy<Value = (String, bool, bool, usize)> {
    let expression =
        prop_oneof![Just(String::new()), Just("*".to_owned()), "[ab_*?<>\".]{1,4}", "[ab_]{1,2}",];
    (expression, prop::bool::weighted(0.15), prop::bool::weighted(0.2), 0..5_usize)
}

proptest! {
    /// The model: all that match, in order, from where the last Get ended.
    #[test]
    fn gets_give_what_matches_in_order_and_lose_nothing(
        names in vec("[!abAB_.]{1,3}", 0..20),
        gets in vec(any_get(), 1..30),
    ) {
        let listing = listing(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut enumeration = ActiveEnumeration::new(Arc::clone(&listing));
        let mut expected: Option<Vec<String>> = None;
        for (expression, restart, single, room) in gets {
            if restart || expected.is_none() {
                let pattern = units(&expression);
                let matching = |name: &[u16]| {
                    if names::has_wildcards(&pattern) {
                        names::matches(name, &pattern)
                    } else {
                        pattern.is_empty() || names::equal(name, &pattern)
                    }
                };
                let found = listing.iter().filter(|entry| matching(&entry.name));
                let names = found.map(|entry| String::from_utf16(&entry.name).unwrap());
                expected = Some(names.filter(|name| !name.starts_with('!')).collect());
            }
            let left = expected.as_mut().unwrap();
            let most = if single { room.min(1) } else { room };
            let wanted = if most == 0 && !left.is_empty() {
                Got::InsufficientBuffer
            } else {
                Got::Names(left.drain(..most.min(left.len())).collect())
            };
            let get = Get { expression: &expression, restart, single, room };
            prop_assert_eq!(get.ask(&mut enumeration), wanted);
        }
    }
}
