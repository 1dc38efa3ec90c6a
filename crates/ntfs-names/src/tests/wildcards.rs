//! Patterns against what Windows was seen to do, and against a matcher that tries everything.

use proptest::prelude::*;

use super::super::{has_wildcards, matches};
use super::wide;

fn assert_matches(pattern: &str, names: &[&str]) {
    for name in names {
        assert!(matches(&wide(name), &wide(pattern)), "{pattern} should match {name}");
    }
}

fn assert_matches_none(pattern: &str, names: &[&str]) {
    for name in names {
        assert!(!matches(&wide(name), &wide(pattern)), "{pattern} should not match {name}");
    }
}

#[test]
fn an_empty_pattern_matches_all_but_the_empty_name() {
    assert_matches("", &["Test", ".", "a.b"]);
    for pattern in ["", "*", "<", ">", "\"", "Test"] {
        assert_matches_none(pattern, &[""]);
    }
}

#[test]
fn names_match_themselves_in_any_case() {
    assert_matches("Test", &["Test", "TEST", "test"]);
    assert_matches("ÉTÉ.ÿ", &["été.Ÿ"]);
    assert_matches_none("Test", &["Tes", "Test2", "Best", "Test."]);
    assert_matches_none("STRASSE", &["straße"]);
}

#[test]
fn a_star_matches_any_units_and_a_dot_is_one_of_them() {
    assert_matches("*", &["Test", "Test.txt", "."]);
    assert_matches("*est", &["Test", "est", "estest"]);
    assert_matches("T*est", &["Test"]);
    assert_matches("T*T", &["Test"]);
    assert_matches("*.TXT", &["a.b.txt", ".txt"]);
    assert_matches_none("*.txt", &["txt", "a.txt.bak"]);
    assert_matches("*.*", &["foo.txt", "foo.", ".foo"]);
    assert_matches_none("*.*", &["Test"]);
}

#[test]
fn a_question_mark_matches_one_unit() {
    assert_matches("????", &["Test", "a.bc"]);
    assert_matches_none("???", &["Test"]);
    assert_matches_none("?????", &["Test"]);
    assert_matches("T?ST", &["Test"]);
    assert_matches_none("T??ST", &["Test"]);
    assert_matches("t*?", &["Test"]);
    assert_matches_none("T*?est", &["Test"]);
    // A character beyond the basic plane is two units.
    assert_matches("??", &["\u{1F600}"]);
}

#[test]
fn a_dos_star_is_done_once_it_took_the_last_dot() {
    assert_matches("T<", &["Test"]);
    assert_matches("<est", &["Test"]);
    assert_matches("t<txt", &["Test.txt"]);
    assert_matches("<txt", &["Test.txt", "a.b.txt"]);
    assert_matches("<", &["a", "a."]);
    assert_matches_none("<", &["a.b", "a. "]);
    assert_matches("foo<", &["foo."]);
    assert_matches_none("foo<", &["foo. "]);
    assert_matches("<<", &["a.b", "a.b.c"]);
    assert_matches("<.", &["a."]);
    assert_matches_none("<.", &["a", "a.b"]);
    assert_matches_none("<\"", &["a.b.c"]);
    assert_matches("a.<", &["a.txt"]);
}

#[test]
fn a_dos_question_mark_matches_one_unit_or_nothing_before_a_dot_and_at_the_end() {
    assert_matches("Test>", &["Test"]);
    assert_matches(">>>>", &["Test", "Tes", "T"]);
    assert_matches(">>>>>", &["Test"]);
    assert_matches_none(">>>", &["Test"]);
    assert_matches("TE>>", &["Test"]);
    assert_matches("te>>>", &["Test"]);
    assert_matches_none("Te>", &["Test"]);
    assert_matches(">>>>.txt", &["Test.txt", "Te.txt", ".txt"]);
    assert_matches_none(">>>.txt", &["Test.txt"]);
    assert_matches("a>>.>>", &["ab.ba"]);
    assert_matches(">>.b>>", &["ab.ba", "ab.b"]);
    assert_matches_none(">>b.>>", &["ab.ba"]);
    assert_matches_none(">>.>>a", &["ab.ba"]);
}

#[test]
fn a_dos_dot_matches_a_dot_or_nothing_at_the_end() {
    assert_matches("Test\"", &["Test", "Test."]);
    assert_matches_none("Test\"", &["Test.txt"]);
    assert_matches("E\"*", &["E", "E.x", "e."]);
    assert_matches_none("E\"*", &["Ex"]);
    assert_matches("\"\"", &["."]);
}

/// `*.*`, `?.?` and the like as typed in Win32, in the form that a file system sees.
#[test]
fn patterns_that_win32_translated_match_as_in_dos() {
    assert_matches("<\"*", &["footxt", "foo.txt", ".foo", "foo."]);
    assert_matches(">\">", &["a.b", "a.", "a"]);
    assert_matches_none(">\">", &["ab", "a.bc", "ab.c"]);
    assert_matches(">>\">>", &["a.b", "a.bc", "ab.ba", "ab."]);
    assert_matches_none(">>\"\">>", &["a.b"]);
    assert_matches(">>\"\"\">>", &["ab."]);
    assert_matches_none(">>b\">>", &["ab.ba"]);
    assert_matches(">>\"b>>", &["ab.ba", "ab.b"]);
    assert_matches_none(">>\">>a", &["ab.ba"]);
    assert_matches(">>\">>\">>", &["ab.ba"]);
    assert_matches_none(">>\">>\">>", &["abba"]);
    assert_matches_none(">>\"ab\"ba", &["ab.ba"]);
    assert_matches("ab\"ba\">>", &["ab.ba"]);
    assert_matches_none("ab\">>\"ba", &["ab.ba"]);
    assert_matches("a>>\"b>>\"c>>>", &["ab.ba.cab"]);
}

#[test]
fn each_of_the_five_wildcards_is_one() {
    for name in ["*", "a?", "<b", "a>b", "\"", "*.*"] {
        assert!(has_wildcards(&wide(name)), "{name}");
    }
    for name in ["", "Test.txt", "[a-z]", "a|b:c/d\\e", "＊？"] {
        assert!(!has_wildcards(&wide(name)), "{name}");
    }
}

/// Trying every way to match these would outlive the machine.
#[test]
fn hostile_patterns_end() {
    let name = wide(&format!("{}.", "a.".repeat(127)));
    for symbols in ["*a", "<a", "*?", "<.", "*<", "**", "<<", "*>\""] {
        let pattern = wide(&format!("{}b", symbols.repeat(500)));
        assert!(!matches(&name, &pattern), "{symbols}");
    }
}

/// Tries everything, straight from `projfs.md` G4.
fn tried(name: &[u16], pattern: &[char]) -> bool {
    let Some((symbol, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    let dot = u16::from(b'.');
    let last_dot = name.iter().rposition(|unit| *unit == dot);
    match *symbol {
        '*' => (0..=name.len()).any(|taken| tried(&name[taken..], rest)),
        '<' => {
            // From before the last dot up to it, or else to anywhere.
            let most = last_dot.map_or(name.len(), |last_dot| last_dot + 1);
            (0..=most).any(|taken| tried(&name[taken..], rest))
        }
        '>' if name.is_empty() || name[0] == dot => {
            let others = rest.iter().position(|symbol| *symbol != '>').unwrap_or(rest.len());
            tried(name, &rest[others..])
        }
        '"' if name.is_empty() => tried(name, rest),
        '"' => name[0] == dot && tried(&name[1..], rest),
        '?' | '>' => !name.is_empty() && tried(&name[1..], rest),
        literal => {
            name.first().is_some_and(|unit| literal.eq_ignore_ascii_case(&char::from(*unit as u8)))
                && tried(&name[1..], rest)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn matching_is_as_trying_everything(name in "[abAB.]{1,8}", pattern in "[aB.*<>?\"]{1,8}") {
        let symbols: Vec<char> = pattern.chars().collect();
        prop_assert_eq!(matches(&wide(&name), &wide(&pattern)), tried(&wide(&name), &symbols));
    }

    #[test]
    fn a_pattern_without_wildcards_matches_what_equals_it(
        name in super::names(), pattern in super::names()
    ) {
        prop_assume!(!has_wildcards(&pattern) && !pattern.is_empty());
        prop_assert_eq!(matches(&name, &pattern), super::super::equal(&name, &pattern));
        prop_assert!(matches(&pattern, &pattern));
    }
}
