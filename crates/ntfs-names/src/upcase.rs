//! The case folding of NTFS: one unit becomes one unit, the same on every machine and in every
//! language (`projfs.md` G3). Letters beyond the basic plane never fold, as their surrogates do not.

use super::upcase_table::RUNS;

/// How many UTF-16 units there are.
const UNITS: usize = 1 << u16::BITS;

/// Letters that lie `step` apart from `first` to `last`, as their upper cases do from `upper` on.
pub(super) struct Run {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) step: u16,
    pub(super) upper: u16,
}

// Flat, as `$UpCase` is: a lookup is one load that cannot be out of bounds, and names touch a few
// cache lines only.
static UPPER: [u16; UNITS] = upper_cases();
static LOWER: [u16; UNITS] = inverse(&UPPER);

const fn identity() -> [u16; UNITS] {
    let mut table = [0; UNITS];
    let mut unit = 0;
    while unit < UNITS {
        table[unit] = unit as u16;
        unit += 1;
    }
    table
}

const fn upper_cases() -> [u16; UNITS] {
    let mut table = identity();
    let mut row = 0;
    while row < RUNS.len() {
        let run = &RUNS[row];
        let mut offset = 0;
        while offset <= run.last - run.first {
            table[(run.first + offset) as usize] = run.upper + offset;
            offset += run.step;
        }
        row += 1;
    }
    table
}

/// The table that leads each upper case back to its letter; no two letters share an upper case.
const fn inverse(upper: &[u16; UNITS]) -> [u16; UNITS] {
    let mut table = identity();
    let mut unit = 0;
    while unit < UNITS {
        if upper[unit] as usize != unit {
            table[upper[unit] as usize] = unit as u16;
        }
        unit += 1;
    }
    table
}

/// The unit that NTFS takes for `unit` when it compares names: its upper case, or itself.
#[must_use]
pub fn upcase(unit: u16) -> u16 {
    UPPER[usize::from(unit)]
}

/// The letter of which `unit` is the upper case, or `unit` itself.
pub(super) fn downcase(unit: u16) -> u16 {
    LOWER[usize::from(unit)]
}
