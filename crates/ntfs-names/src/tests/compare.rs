//! The order of names, and what follows from it.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::super::{compare, compare_legacy_lower, equal, fold};
use super::{names, wide};

fn sorted<'a>(names: &[&'a str], order: impl Fn(&[u16], &[u16]) -> Ordering) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_by(|a, b| order(&wide(a), &wide(b)));
    names
}

#[test]
fn names_that_differ_in_case_are_one() {
    for (a, b) in [("readme.TXT", "README.txt"), ("Straße", "STRAßE"), ("ÿ", "Ÿ"), ("", "")] {
        assert_eq!(compare(&wide(a), &wide(b)), Ordering::Equal, "{a} {b}");
        assert!(equal(&wide(a), &wide(b)), "{a} {b}");
        assert_eq!(fold(&wide(a)), fold(&wide(b)), "{a} {b}");
    }
}

#[test]
fn names_that_only_look_alike_differ() {
    let pairs = [("straße", "STRASSE"), ("é", "e\u{301}"), ("\u{10428}", "\u{10400}"), ("ı", "I")];
    for (a, b) in pairs {
        assert_ne!(compare(&wide(a), &wide(b)), Ordering::Equal, "{a} {b}");
        assert!(!equal(&wide(a), &wide(b)), "{a} {b}");
    }
}

#[test]
fn underscore_comes_after_letters() {
    let names = ["Fileb", "File_", "FileA", "file^", "File[", "file", "file.txt", "File0"];
    let order = ["file", "file.txt", "File0", "FileA", "Fileb", "File[", "file^", "File_"];
    assert_eq!(sorted(&names, compare), order);
}

#[test]
fn underscore_came_before_letters_in_early_builds() {
    let names = ["Fileb", "File_", "FileA", "file^", "File[", "file", "file.txt", "File0"];
    let order = ["file", "file.txt", "File0", "File[", "file^", "File_", "FileA", "Fileb"];
    assert_eq!(sorted(&names, compare_legacy_lower), order);
}

#[test]
fn sharp_s_moves_before_accented_letters_in_early_builds() {
    assert_eq!(sorted(&["ß", "ä"], compare), ["ä", "ß"]);
    assert_eq!(sorted(&["ä", "ß"], compare_legacy_lower), ["ß", "ä"]);
}

#[test]
fn a_name_comes_before_those_that_continue_it() {
    assert_eq!(compare(&wide("A"), &wide("aa")), Ordering::Less);
    assert_eq!(compare(&wide("b"), &wide("AA")), Ordering::Greater);
}

#[test]
fn surrogates_come_before_the_end_of_the_basic_plane() {
    let beyond_the_plane = wide("\u{1F600}");
    for unit in [0xE000, 0xFF5A, 0xFFFF] {
        assert_eq!(compare(&beyond_the_plane, &[unit]), Ordering::Less, "U+{unit:04X}");
    }
    assert_eq!(compare(&beyond_the_plane, &[0xD7FF]), Ordering::Greater);
}

proptest! {
    #[test]
    fn both_orders_are_total(a in names(), b in names(), c in names()) {
        for order in [compare, compare_legacy_lower] {
            prop_assert_eq!(order(&a, &a), Ordering::Equal);
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            let mut sorted = [&a, &b, &c];
            sorted.sort_by(|a, b| order(a, b));
            prop_assert!(order(sorted[0], sorted[2]).is_le());
        }
    }

    #[test]
    fn both_orders_agree_with_equality_and_keys(a in names(), b in names()) {
        let is_same = fold(&a) == fold(&b);
        prop_assert_eq!(equal(&a, &b), is_same);
        prop_assert_eq!(compare(&a, &b).is_eq(), is_same);
        prop_assert_eq!(compare_legacy_lower(&a, &b).is_eq(), is_same);
        prop_assert_eq!(compare(&a, &b), fold(&a).cmp(&fold(&b)));
    }

    #[test]
    fn a_name_equals_its_key(name in names()) {
        prop_assert!(equal(&name, &fold(&name)));
        prop_assert_eq!(fold(&fold(&name)), fold(&name));
    }
}
