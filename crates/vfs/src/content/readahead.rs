//! Which blocks of a streamed object to fetch before they are asked for.
//!
//! Only a reader that moves forward gets read-ahead, and never more than twice what it has read:
//! a header costs a few blocks, a whole volume soon fills the window.

use std::ops::Range;

/// Readers of one object that are told apart.
const CURSORS_MAX: usize = 16;

/// The first window of a reader that starts at the beginning: 1 MiB of full-sized blocks.
const FIRST_WINDOW: u32 = 4;

/// How far, in blocks, the kernel may reorder the reads of one reader.
const REORDER: u32 = 8;

/// One reader's place.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// The block that it will ask for next.
    next: u32,
    /// Blocks read in a row.
    run: u32,
    /// Everything before this block was asked for or fetched ahead.
    issued: u32,
    /// When it was last seen, in reads of this object.
    seen: u64,
}

/// The readers of one object.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    cursors: Vec<Cursor>,
    reads: u64,
}

impl ReadAhead {
    /// Notes a read of blocks `first..=last` of `count`, and says what to fetch ahead of it, at
    /// most `window_max` blocks beyond.
    pub(super) fn note(
        &mut self,
        first: u32,
        last: u32,
        count: u32,
        window_max: u32,
    ) -> Option<Range<u32>> {
        self.reads += 1;
        let after = last.saturating_add(1);
        let Some(cursor) = self.cursor(first) else {
            let run = if first == 0 { FIRST_WINDOW / 2 } else { 0 };
            self.add(Cursor { next: after, run, issued: after, seen: self.reads });
            // A reader that starts at the beginning is likely to go on.
            return if first == 0 { self.ahead(0, count, window_max) } else { None };
        };
        let reads = self.reads;
        let found = self.cursors.get_mut(cursor)?;
        found.seen = reads;
        if after > found.next {
            found.run = found.run.saturating_add(after - found.next);
            found.next = after;
            found.issued = found.issued.max(after);
        }
        self.ahead(first, count, window_max)
    }

    fn cursor(&self, first: u32) -> Option<usize> {
        let near = |cursor: &Cursor| {
            first.saturating_add(REORDER) >= cursor.next && first <= cursor.next + REORDER
        };
        self.cursors.iter().position(near)
    }

    fn add(&mut self, cursor: Cursor) {
        if self.cursors.len() < CURSORS_MAX {
            self.cursors.push(cursor);
        } else if let Some(oldest) = self.cursors.iter_mut().min_by_key(|cursor| cursor.seen) {
            *oldest = cursor;
        }
    }

    fn ahead(&mut self, first: u32, count: u32, window_max: u32) -> Option<Range<u32>> {
        let at = self.cursor(first)?;
        let cursor = self.cursors.get_mut(at)?;
        if cursor.run == 0 {
            return None;
        }
        let window = cursor.run.saturating_mul(2).max(FIRST_WINDOW).min(window_max);
        let target = cursor.next.saturating_add(window).min(count);
        // Fetch in pieces worth a request, but let a small window fill.
        let worthwhile = (window / 4).clamp(1, 32);
        if target < cursor.issued.saturating_add(worthwhile) && target != count {
            return None;
        }
        let range = cursor.issued..target;
        cursor.issued = cursor.issued.max(target);
        (!range.is_empty()).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_costs_a_few_blocks() {
        let mut readers = ReadAhead::default();
        let ahead = readers.note(0, 0, 160_000, 256).unwrap();
        assert!(ahead.end <= 1 + FIRST_WINDOW, "{ahead:?}");
    }

    #[test]
    fn random_reads_fetch_nothing_ahead() {
        let mut readers = ReadAhead::default();
        for block in [5_000, 100, 90_000, 777, 20_000] {
            assert_eq!(readers.note(block, block, 160_000, 256), None);
        }
    }

    #[test]
    fn a_sequential_reader_never_meets_a_block_that_was_not_asked_for() {
        let (count, window) = (10_000, 256);
        let mut readers = ReadAhead::default();
        let mut issued = 0;
        for block in 0..count {
            if let Some(ahead) = readers.note(block, block, count, window) {
                assert!(ahead.start <= issued.max(block + 1), "gap before {ahead:?}");
                assert!(ahead.end <= block + 1 + window);
                issued = ahead.end;
            }
            assert!(block < 4 || block < issued, "block {block} was not fetched ahead");
        }
        assert_eq!(issued, count);
    }

    #[test]
    fn interleaved_readers_are_told_apart() {
        let mut readers = ReadAhead::default();
        let mut fetched = 0;
        for step in 0..64 {
            for reader in 0..4 {
                let block = reader * 1_000 + step;
                fetched += readers.note(block, block, 4_000, 64).map_or(0, |ahead| ahead.len());
            }
        }
        assert!(fetched >= 4 * 64, "{fetched}");
    }
}
