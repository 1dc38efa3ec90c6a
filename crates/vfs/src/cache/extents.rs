//! A set of byte ranges: which parts of a file are there.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint, non-adjacent ranges, by start. Memory grows with the number of gaps, not of inserts.
#[derive(Debug, Default)]
pub(super) struct ExtentSet(BTreeMap<u64, u64>);

impl ExtentSet {
    /// Adds a range; it merges with those that it touches.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        while let Some((&first, &last)) = self.0.range(..=end).next_back() {
            if last < start {
                break;
            }
            self.0.remove(&first);
            (start, end) = (start.min(first), end.max(last));
        }
        self.0.insert(start, end);
    }

    /// Whether any byte of the range is in the set.
    pub(super) fn intersects(&self, range: &Range<u64>) -> bool {
        !range.is_empty()
            && self.0.range(..range.end).next_back().is_some_and(|(_, &end)| end > range.start)
    }

    /// Whether every byte of the range is in the set.
    pub(super) fn contains(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.run_end(range.start) >= range.end
    }

    /// The end of the bytes that follow `offset` without a gap; `offset` itself if it is not there.
    pub(super) fn run_end(&self, offset: u64) -> u64 {
        self.0.range(..=offset).next_back().map_or(offset, |(_, &end)| end.max(offset))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_bytes(
            inserts in prop::collection::vec((0u64..64, 0u64..12), 0..20),
            (start, length) in (0u64..70, 0u64..20),
        ) {
            let mut set = ExtentSet::default();
            let mut model = [false; 128];
            for (start, length) in inserts {
                set.insert(start..start + length);
                model[start as usize..(start + length) as usize].fill(true);
            }
            let range = start..start + length;
            let bytes = &model[start as usize..(start + length) as usize];
            prop_assert_eq!(set.intersects(&range), bytes.contains(&true));
            prop_assert_eq!(set.contains(&range), !bytes.contains(&false));
            let run = model[start as usize..].iter().take_while(|there| **there).count() as u64;
            prop_assert_eq!(set.run_end(start), start + run);
            let runs = (0..127).filter(|&i| model[i] && !model[i + 1]).count();
            prop_assert_eq!(set.0.len(), runs, "ranges that touch are merged");
        }
    }
}
