//! The file names of Windows: how NTFS orders them and tells them apart, which ones a search
//! expression matches, and which ones no program could open. `PrjFileNameCompare`,
//! `PrjFileNameMatch` and `PrjDoesNameContainWildCards` are these functions (`projfs.md` B17-B19).
//!
//! A name is one component of a path as UTF-16 units without a NUL, well-formed or not. Nothing
//! here fails, and no name or pattern, however long or hostile, costs more than the product of
//! their lengths.

#![forbid(unsafe_code)]

mod compare;
mod upcase;
mod upcase_table;
mod validity;
mod wildcards;

#[cfg(test)]
mod tests;

pub use compare::{compare, compare_legacy_lower, equal, fold};
pub use upcase::upcase;
pub use validity::{MOST_UNITS, Unopenable, unopenable};
pub use wildcards::{has_wildcards, matches};
