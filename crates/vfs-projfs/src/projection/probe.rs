//! Whether the library orders names as NTFS does.

use std::cmp::Ordering;
use std::fmt;

use ntfs_names as names;

/// Names that a wrong comparison is known or likely to order otherwise: what stands between upper
/// and lower case in ASCII (projfs.md G2), and what locales or longer foldings make of letters (G3).
const PAIRS: [(&str, &str); 13] = [
    ("_", "a"),
    ("_", "A"),
    ("[", "b"),
    ("FileA", "File_"),
    ("a", "A"),
    ("a", "ab"),
    ("\u{e9}", "\u{c9}"),
    ("\u{e9}", "e\u{301}"),
    ("\u{df}", "SS"),
    ("i", "\u{130}"),
    ("\u{131}", "I"),
    ("\u{1F600}", "\u{E000}"),
    ("\u{10428}", "\u{10400}"),
];

/// Two names that a comparison orders otherwise than NTFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disagreement {
    a: &'static str,
    b: &'static str,
    ntfs: Ordering,
    given: Ordering,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b, ntfs, given } = self;
        let word = |order| match order {
            Ordering::Less => "before",
            Ordering::Equal => "the same as",
            Ordering::Greater => "after",
        };
        write!(f, "'{a}' is {} '{b}', and {} it on NTFS", word(*given), word(*ntfs))
    }
}

/// The first pair of names that `compare` orders otherwise than listings are sorted. Early builds
/// of `PrjFileNameCompare` have one; listings stay in the order of NTFS (projfs.md G2).
pub(crate) fn probe(compare: impl Fn(&[u16], &[u16]) -> Ordering) -> Option<Disagreement> {
    PAIRS.iter().find_map(|&(a, b)| {
        let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        let (ntfs, given) = (names::compare(&units(a), &units(b)), compare(&units(a), &units(b)));
        (ntfs != given).then_some(Disagreement { a, b, ntfs, given })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_ntfs_passes() {
        assert_eq!(probe(names::compare), None);
    }

    /// projfs.md G2: early builds compared in lower case.
    #[test]
    fn early_builds_are_recognised() {
        let found = probe(names::compare_legacy_lower).unwrap();
        assert_eq!(found.to_string(), "'_' is before 'a', and after it on NTFS");
    }

    #[test]
    fn comparisons_of_other_kinds_are_recognised() {
        assert!(probe(|a, b| a.cmp(b)).is_some(), "by case");
        let full = |units: &[u16]| String::from_utf16_lossy(units).to_uppercase();
        assert!(probe(|a, b| full(a).cmp(&full(b))).is_some(), "foldings that lengthen");
    }
}
