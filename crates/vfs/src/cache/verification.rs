//! Checking every object of the cache, for people who doubt their disk.

use std::sync::Arc;

use rusty_attachments_model::ContentHash;

use super::disk::DiskCache;
use super::error::CacheError;

/// Problems that a report lists; more are only counted.
const LISTED: usize = 100;

/// How far a verification has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Objects hashed so far.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Objects that there were at the start.
    pub total_objects: u64,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Objects whose bytes have their hash.
    pub intact: u64,
    /// Bytes of them.
    pub intact_bytes: u64,
    /// Objects with wrong bytes and files that cannot be objects, removed where possible.
    pub corrupt: u64,
    /// Objects that could not be read.
    pub unreadable: u64,
    /// Files among the objects that the cache did not make; they were left alone.
    pub foreign: u64,
    /// The first hundred problems.
    pub problems: Vec<CacheError>,
}

impl DiskCache {
    /// Hashes every object, stamped or not, and removes those that are wrong. `progress` is called
    /// after each.
    ///
    /// # Errors
    /// `Io` if the folders cannot be listed.
    pub fn verify(
        self: &Arc<Self>,
        progress: &mut dyn FnMut(&VerifyProgress),
    ) -> Result<VerifyReport, CacheError> {
        let total_objects = self.usage()?.objects;
        let mut done = VerifyProgress { total_objects, ..VerifyProgress::default() };
        let mut report = VerifyReport::default();
        let visited = self.layout.visit_objects(&mut |_, _, hash| {
            let Some(hash) = hash else {
                report.foreign += 1;
                return;
            };
            match self.verify_object(hash) {
                Ok(None) => return,
                Ok(Some(size)) => {
                    report.intact += 1;
                    report.intact_bytes += size;
                    done.bytes += size;
                }
                Err(error) => report.add(error),
            }
            done.objects += 1;
            progress(&done);
        });
        visited.map_err(|error| CacheError::io("scan", self.layout.path(), &error))?;
        Ok(report)
    }

    /// The size of an intact object; `None` if it was evicted meanwhile.
    fn verify_object(self: &Arc<Self>, hash: ContentHash) -> Result<Option<u64>, CacheError> {
        let Some(object) = self.open_object(hash, None)? else { return Ok(None) };
        object.verify()?;
        Ok(Some(object.size()))
    }
}

impl VerifyReport {
    fn add(&mut self, problem: CacheError) {
        if matches!(problem, CacheError::Corrupt { .. }) {
            self.corrupt += 1;
        } else {
            self.unreadable += 1;
        }
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        }
    }
}
