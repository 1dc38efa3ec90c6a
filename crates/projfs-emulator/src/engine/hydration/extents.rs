//! Which bytes of a file were written.

use std::collections::BTreeMap;

/// Ranges of bytes, apart from each other and not empty.
#[derive(Debug, Default)]
pub(super) struct Extents {
    /// Ends by starts.
    ends: BTreeMap<u64, u64>,
}

impl Extents {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds the bytes from `start` to before `end`.
    pub(super) fn add(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        // Those that overlap or touch become one.
        while let Some((&earlier, &its_end)) = self.ends.range(..=end).next_back() {
            if its_end < start {
                break;
            }
            self.ends.remove(&earlier);
            start = start.min(earlier);
            end = end.max(its_end);
        }
        self.ends.insert(start, end);
    }

    /// Whether all bytes from `start` to before `end` are in.
    pub(super) fn cover(&self, start: u64, end: u64) -> bool {
        let before = self.ends.range(..=start).next_back();
        start >= end || before.is_some_and(|(_, its_end)| *its_end >= end)
    }
}
