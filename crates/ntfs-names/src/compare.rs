//! The order of names in a directory, and when two names are one.

use std::cmp::Ordering;

use super::upcase::{downcase, upcase};

/// The collation of NTFS: unit by unit in upper case, a name before those that continue it
/// (`projfs.md` G1). So `_` comes after letters, and surrogates come before U+E000.
#[must_use]
pub fn compare(a: &[u16], b: &[u16]) -> Ordering {
    upper(a).cmp(upper(b))
}

/// What early builds did in place of [`compare`]: they compared in lower case, so `_` came before
/// letters while NTFS has it after them (`projfs.md` G2). Equals the same names as [`compare`].
#[must_use]
pub fn compare_legacy_lower(a: &[u16], b: &[u16]) -> Ordering {
    upper(a).map(downcase).cmp(upper(b).map(downcase))
}

/// Whether both name the same item of a directory: [`compare`] finds no order.
#[must_use]
pub fn equal(a: &[u16], b: &[u16]) -> bool {
    a.len() == b.len() && upper(a).eq(upper(b))
}

/// The key of a name in a map: names have the same key if and only if they are [`equal`], and keys
/// sort as [`compare`] sorts names.
#[must_use]
pub fn fold(name: &[u16]) -> Vec<u16> {
    upper(name).collect()
}

fn upper(name: &[u16]) -> impl Iterator<Item = u16> {
    name.iter().map(|unit| upcase(*unit))
}
