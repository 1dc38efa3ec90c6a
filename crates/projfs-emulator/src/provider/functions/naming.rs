//! PrjFileNameCompare, PrjFileNameMatch, PrjDoesNameContainWildCards. NULL is taken for "".

use windows_sys::core::PCWSTR;

use super::super::arguments::wide;
use super::guarded;
use crate::names;

/// PrjFileNameCompare (B17, G1): negative, 0, positive.
///
/// # Safety
/// The strings must be NULL or readable.
pub(in super::super) unsafe extern "system" fn file_name_compare(
    left: PCWSTR,
    right: PCWSTR,
) -> i32 {
    // SAFETY: the caller's promise.
    guarded(0, || unsafe { names::compare(&units(left), &units(right)) } as i32)
}

/// PrjFileNameCompare as early builds had it (G2).
///
/// # Safety
/// As [`file_name_compare`].
pub(in super::super) unsafe extern "system" fn file_name_compare_legacy(
    left: PCWSTR,
    right: PCWSTR,
) -> i32 {
    // SAFETY: the caller's promise.
    guarded(0, || unsafe { names::compare_legacy_lower(&units(left), &units(right)) } as i32)
}

/// PrjFileNameMatch (B18, G4).
///
/// # Safety
/// As [`file_name_compare`].
pub(in super::super) unsafe extern "system" fn file_name_match(
    name: PCWSTR,
    pattern: PCWSTR,
) -> bool {
    // SAFETY: the caller's promise.
    guarded(false, || unsafe { names::matches(&units(name), &units(pattern)) })
}

/// PrjDoesNameContainWildCards (B19, G6).
///
/// # Safety
/// As [`file_name_compare`].
pub(in super::super) unsafe extern "system" fn does_name_contain_wild_cards(name: PCWSTR) -> bool {
    // SAFETY: the caller's promise.
    guarded(false, || unsafe { names::has_wildcards(&units(name)) })
}

/// # Safety
/// As [`file_name_compare`].
unsafe fn units(string: PCWSTR) -> Vec<u16> {
    // SAFETY: the caller's promise.
    unsafe { wide(string) }.unwrap_or_default().units().to_vec()
}
