//! What one Get fills in (B15, B16): the budget, and the rules of filling (F9, F10).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::context::Context;
use super::handles::{ENTRIES, Handle, Handles, Lookup};
use super::misuse::{broke, broke_somewhere};
use crate::contract::{DirEntry, Guid, HResult, Result, Wide};
use crate::link::{Driver, EntryBudget, Reply};

static BUFFERS: Handles<EntryBuffer> = Handles::new(ENTRIES);

/// How many listings are remembered that went on after their buffer was full.
const REMEMBERED: usize = 65_536;

/// PRJ_DIR_ENTRY_BUFFER_HANDLE: valid from the Get's call to its completion (L2).
#[derive(Debug)]
pub(super) struct EntryBuffer {
    handle: Handle,
    driver: Arc<dyn Driver>,
    /// PrjFillDirEntryBuffer2 is hidden (A3).
    hides_symlink_function: bool,
    directory: Wide,
    budget: EntryBudget,
    /// What the Get before had no room for, which must come first now (F9).
    expected: Option<Wide>,
    filled: Mutex<Filled>,
}

#[derive(Debug, Default)]
struct Filled {
    entries: Vec<DirEntry>,
    bytes: usize,
    /// The first that had no room.
    rejected: Option<Wide>,
    asked: bool,
    /// A rule was broken, and the Get is to fail for it.
    failed: bool,
}

/// What a Get came to.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) result: HResult,
    pub(super) reply: Reply,
    /// What the next Get must begin with.
    pub(super) rejected: Option<Wide>,
}

impl EntryBuffer {
    pub(super) fn new(
        context: &Context,
        directory: Wide,
        budget: EntryBudget,
        expected: Option<Wide>,
    ) -> Arc<Self> {
        let handle = BUFFERS.reserve();
        let buffer = Arc::new(Self {
            handle,
            driver: context.driver.clone(),
            hides_symlink_function: context.knobs.hide_symlink_functions,
            directory,
            budget,
            expected,
            filled: Mutex::default(),
        });
        BUFFERS.insert(handle, buffer.clone());
        buffer
    }

    /// The buffer of a handle.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is none, or is not valid any more.
    pub(super) fn find(handle: Handle) -> Result<Arc<Self>> {
        match BUFFERS.find(handle) {
            Lookup::Live(buffer) => return Ok(buffer),
            Lookup::Ended(Some(driver)) => {
                let what = "an entry was filled in after its Get was completed";
                // Nothing can be filled in, strict or not.
                let _ = broke(&driver, "L2", what);
            }
            Lookup::Ended(None) | Lookup::Unknown => {
                broke_somewhere("L2", "an entry was filled into what is no entry buffer");
            }
        }
        Err(HResult::INVALID_ARGUMENT)
    }

    pub(super) const fn handle(&self) -> Handle {
        self.handle
    }

    pub(super) const fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    pub(super) const fn hides_symlink_function(&self) -> bool {
        self.hides_symlink_function
    }

    /// Makes the handle invalid.
    pub(super) fn end(&self) {
        BUFFERS.end(self.handle, &self.driver);
    }

    /// Adds an entry (F9).
    ///
    /// # Errors
    /// INSUFFICIENT_BUFFER if there is no room for it.
    pub(super) fn fill(&self, entry: DirEntry) -> Result<()> {
        let name = entry.name.clone();
        let (first, full_since, added) = {
            let mut filled = self.filled.lock();
            let first = !std::mem::replace(&mut filled.asked, true);
            let full_since = filled.rejected.clone();
            (first, full_since, filled.add(entry, self.budget))
        };
        let expected = self.expected.as_ref().filter(|expected| first && **expected != name);
        if let Some(expected) = expected {
            self.fault(
                "F9",
                format_args!(
                    "begins with '{name}', but '{expected}' had no room before: it is lost"
                ),
            );
        }
        if let (true, Some(rejected)) = (added, &full_since) {
            self.fault("F9", format_args!("goes on with '{name}' after '{rejected}' had no room"));
        }
        if added { Ok(()) } else { Err(HResult::INSUFFICIENT_BUFFER) }
    }

    /// Ends the filling: what the Get answers for `result`, by the rules that it broke.
    pub(super) fn finish(&self, result: HResult) -> Got {
        let (entries, rejected, asked) = {
            let mut filled = self.filled.lock();
            (std::mem::take(&mut filled.entries), filled.rejected.take(), filled.asked)
        };
        if result.is_ok() && entries.is_empty() {
            if let Some(rejected) = &rejected {
                let what = format_args!(
                    "answers S_OK although not even '{rejected}' had room: that ends the listing; \
                     return the code of the first PrjFillDirEntryBuffer"
                );
                self.fault("F10", what);
            } else if let (false, Some(expected)) = (asked, &self.expected) {
                self.fault(
                    "F9",
                    format_args!("ends, but '{expected}' had no room before: it is lost"),
                );
            }
        }
        if result == HResult::INSUFFICIENT_BUFFER && !entries.is_empty() {
            let filled = entries.len();
            self.fault("F9", format_args!("answers {result} although {filled} entries had room"));
        }
        let result = if self.filled.lock().failed { HResult::INTERNAL_ERROR } else { result };
        let reply = if result.is_ok() { Reply::Entries(entries) } else { Reply::None };
        // Any other failure ends the listing: nobody goes on with it.
        let goes_on = result.is_ok() || result == HResult::INSUFFICIENT_BUFFER;
        Got { result, reply, rejected: rejected.filter(|_| goes_on) }
    }

    /// Forgets what was filled in: it did not reach the driver (L3). True if the Get must fail.
    pub(super) fn lose(&self) -> bool {
        let what = format!(
            "a Get of '{}' was completed without the ENUMERATION parameters and its own buffer: \
             entries are lost",
            self.directory
        );
        *self.filled.lock() = Filled { asked: true, ..Filled::default() };
        broke(&self.driver, "L3", what)
    }

    fn fault(&self, rule: &str, what: std::fmt::Arguments<'_>) {
        let strict =
            broke(&self.driver, rule, format_args!("a Get of '{}' {what}", self.directory));
        if strict {
            self.filled.lock().failed = true;
        }
    }
}

impl Filled {
    fn add(&mut self, entry: DirEntry, budget: EntryBudget) -> bool {
        let bytes = self.bytes.saturating_add(EntryBudget::cost(entry.name.units().len()));
        let has_room = bytes <= usize::try_from(budget.bytes).unwrap_or(usize::MAX)
            && self.entries.len() < usize::try_from(budget.entries).unwrap_or(usize::MAX);
        if has_room {
            self.bytes = bytes;
            self.entries.push(entry);
        } else {
            self.rejected.get_or_insert(entry.name);
        }
        has_room
    }
}

/// What each listing had no room for (F9).
#[derive(Debug, Default)]
pub(super) struct Listings {
    rejected: Mutex<BTreeMap<Guid, Wide>>,
}

impl Listings {
    /// What the next Get of a listing must begin with; told once. A restart forgets it.
    pub(super) fn expected(&self, listing: Guid, restart: bool) -> Option<Wide> {
        self.rejected.lock().remove(&listing).filter(|_| !restart)
    }

    pub(super) fn remember(&self, listing: Guid, rejected: Option<Wide>) {
        let mut kept = self.rejected.lock();
        if let Some(rejected) = rejected {
            if kept.len() >= REMEMBERED {
                kept.pop_first();
            }
            kept.insert(listing, rejected);
        }
    }

    /// The listing is over.
    pub(super) fn forget(&self, listing: Guid) {
        self.rejected.lock().remove(&listing);
    }
}
