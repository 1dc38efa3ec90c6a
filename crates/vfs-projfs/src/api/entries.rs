//! What a Get fills in.

use std::ptr;

use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_EXTENDED_INFO;

use super::functions::ProjFsApi;
use super::instance::{EntryBuffer, Failure};
use super::{codes, info};
use crate::projection::{ProjectedFileInfo, ProjectedKind};

/// Fills the buffer of one Get. Names get their NUL in one piece of memory for all of them.
#[derive(Debug)]
pub(crate) struct EntryWriter<'a> {
    api: &'a ProjFsApi,
    buffer: EntryBuffer,
    name: Vec<u16>,
    target: Vec<u16>,
}

impl<'a> EntryWriter<'a> {
    pub(crate) const fn new(api: &'a ProjFsApi, buffer: EntryBuffer) -> Self {
        Self { api, buffer, name: Vec::new(), target: Vec::new() }
    }

    /// Adds one entry. INSUFFICIENT_BUFFER: it did not fit (projfs.md F9).
    pub(crate) fn add(&mut self, entry: &ProjectedFileInfo) -> Result<(), Failure> {
        set(&mut self.name, &entry.name);
        let basic = info::basic(entry);
        let link = match &entry.kind {
            ProjectedKind::Symlink { target, .. } => {
                set(&mut self.target, target);
                Some(info::link(&self.target))
            }
            ProjectedKind::Directory | ProjectedKind::File => None,
        };
        let (name, buffer) = (self.name.as_ptr(), ptr::without_provenance_mut(self.buffer.0));
        let code = match (self.api.PrjFillDirEntryBuffer2, link) {
            (None, Some(_)) => codes::NOT_SUPPORTED,
            // SAFETY: strings are NUL-terminated; everything that is pointed to lives during the
            // call; the buffer is that of a Get that is not answered yet.
            (None, None) => unsafe {
                (self.api.PrjFillDirEntryBuffer)(name, &raw const basic, buffer)
            },
            (Some(fill), link) => {
                let link = link.as_ref().map_or(ptr::null::<PRJ_EXTENDED_INFO>(), ptr::from_ref);
                // SAFETY: as above.
                unsafe { fill(buffer, name, &raw const basic, link) }
            }
        };
        Failure::check(code)
    }
}

/// Makes `text` these units and a NUL.
fn set(text: &mut Vec<u16>, units: &[u16]) {
    text.clear();
    text.extend_from_slice(units);
    text.push(0);
}
