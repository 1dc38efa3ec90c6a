//! One open enumeration: a listing, a place in it, a pattern (projfs.md F6 to F11, F23).

use std::ops::Range;
use std::sync::Arc;

use ntfs_names as names;

use crate::projection::ProjectedFileInfo;

/// One open enumeration of a folder. The listing is that of its start: what changes meanwhile does
/// not show.
#[derive(Debug)]
pub struct ActiveEnumeration {
    listing: Arc<[ProjectedFileInfo]>,
    /// What is still to be looked at; `None` before the first Get.
    rest: Option<Range<usize>>,
    /// What names must match; empty if all do, or `rest` says it.
    pattern: Box<[u16]>,
}

/// What became of an entry that was to be added to a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is in.
    Yes,
    /// It does not fit any more.
    Full,
    /// It cannot be listed, in whatever buffer. The folder's others can.
    Never,
}

/// What became of a Get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// So many entries were added; none: the listing is over (projfs.md F10).
    Entries(usize),
    /// Not even one entry fits: INSUFFICIENT_BUFFER (projfs.md F9).
    NothingFits,
}

impl ActiveEnumeration {
    /// At the begin of a listing, which is sorted as NTFS sorts.
    #[must_use]
    pub fn new(listing: Arc<[ProjectedFileInfo]>) -> Self {
        Self { listing, rest: None, pattern: Box::default() }
    }

    /// How many entries the listing has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listing.len()
    }

    /// Whether the listing has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listing.is_empty()
    }

    /// Goes to the begin and takes the expression up, if this is the first Get or a restart. Of
    /// other Gets the expression is ignored (projfs.md F6).
    pub fn position(&mut self, expression: &[u16], restart: bool) {
        if self.rest.is_some() && !restart {
            return;
        }
        const EVERYTHING: [u16; 1] = [b'*' as u16];
        self.pattern = Box::default();
        self.rest = Some(if expression.is_empty() || expression == EVERYTHING {
            0..self.listing.len()
        } else if names::has_wildcards(expression) {
            self.pattern = expression.into();
            0..self.listing.len()
        } else {
            // One name: how programs look whether a file is there (projfs.md F7, F12).
            let by_name = |entry: &ProjectedFileInfo| names::compare(&entry.name, expression);
            self.listing.binary_search_by(by_name).map_or(0..0, |found| found..found + 1)
        });
    }

    /// Adds entries until one does not fit, which comes first the next time (projfs.md F9); at most
    /// one if `single` (projfs.md F11).
    pub fn fill(
        &mut self,
        single: bool,
        mut add: impl FnMut(&ProjectedFileInfo) -> Added,
    ) -> Filled {
        let mut rest = self.rest.clone().unwrap_or(0..self.listing.len());
        let mut count = 0;
        while let Some(entry) = self.listing.get(rest.clone()).and_then(<[_]>::first) {
            if self.pattern.is_empty() || names::matches(&entry.name, &self.pattern) {
                match add(entry) {
                    Added::Yes => count += 1,
                    Added::Never => {}
                    Added::Full => break,
                }
            }
            rest.start += 1;
            if single && count > 0 {
                break;
            }
        }
        // Stopped at an entry although nothing is in the buffer: it did not fit.
        let nothing_fits = count == 0 && !rest.is_empty();
        self.rest = Some(rest);
        if nothing_fits { Filled::NothingFits } else { Filled::Entries(count) }
    }
}

#[cfg(test)]
mod tests;
