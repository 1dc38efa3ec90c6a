//! Reading, writing, cutting and extending what a handle has open (projfs.md T3 to T8, T28).

use std::fs::File;
use std::io::{ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::{ReadWriteFlags, pwritev2};

use super::super::failure::io_failed;
use super::super::root::Root;
use super::super::store::Item;
use super::handles::{Change, Handle};
use super::{Access, HandleId};
use crate::contract::{FileState, HResult, Result};

/// What lets a handle change data.
const WRITING: Access = Access::WRITE.union(Access::APPEND);

impl Root {
    /// Reads (T3, T4); fewer bytes only at the end.
    ///
    /// # Errors
    /// ACCESS_DENIED without READ; what hydration failed with.
    pub async fn read(&self, handle: HandleId, offset: u64, length: u32) -> Result<Vec<u8>> {
        let handle = self.handles.get(handle)?;
        handle.may(Access::READ)?;
        loop {
            let item = self.file(&handle)?;
            let rest = item.basic.size.saturating_sub(offset);
            if rest == 0 || length == 0 {
                return Ok(Vec::new());
            }
            self.hydrate(&handle.caller, handle.item).await?;
            let file = self.store.data(handle.item)?;
            let wanted = usize::try_from(rest.min(length.into())).unwrap_or(usize::MAX);
            let read = read_at(&file, offset, wanted)
                .map_err(|error| io_failed("reading a lower file", &error))?;
            // Updates record the new version, which is another allocation, before they drop the data
            // (M18): only if it is still the same, what was read is not a hole, nor of two versions.
            let same = Arc::ptr_eq(&self.file(&handle)?.version, &item.version);
            if same && self.to_hydrate(handle.item)?.is_none() {
                return Ok(read);
            }
        }
    }

    /// Writes all of it (T8, T20); an APPEND handle writes at the end.
    ///
    /// # Errors
    /// ACCESS_DENIED without WRITE or APPEND; DISK_FULL; a refused conversion (E17).
    pub async fn write(&self, handle: HandleId, offset: u64, data: &[u8]) -> Result<()> {
        let handle = self.handles.get(handle)?;
        let file = self.writable(&handle).await?;
        if data.is_empty() {
            return Ok(());
        }
        handle.changed(Change::Data);
        if handle.access.contains(Access::WRITE) {
            file.write_all_at(data, offset)
                .map_err(|error| io_failed("writing a lower file", &error))
        } else {
            append(&file, data).map_err(|error| io_failed("writing a lower file", &error))
        }
    }

    /// Cuts or extends (T28).
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn set_size(&self, handle: HandleId, size: u64) -> Result<()> {
        let handle = self.handles.get(handle)?;
        let file = self.writable(&handle).await?;
        handle.changed(Change::Size);
        file.set_len(size).map_err(|error| io_failed("writing a lower file", &error))
    }

    /// Writes what is cached to disk.
    ///
    /// # Errors
    /// HANDLE, DISK_FULL.
    pub async fn flush(&self, handle: HandleId) -> Result<()> {
        let handle = self.handles.get(handle)?;
        if handle.change() == Change::None {
            return Ok(());
        }
        self.store
            .data(handle.item)?
            .sync_all()
            .map_err(|error| io_failed("writing a lower file", &error))
    }

    /// The lower file of a handle that may change it, full from now on (E17).
    async fn writable(&self, handle: &Handle) -> Result<Arc<File>> {
        handle.may(WRITING)?;
        self.file(handle)?;
        self.make_full(&handle.caller, handle.item, true).await?;
        self.store.data(handle.item)
    }

    /// The item of a handle, if it has content.
    fn file(&self, handle: &Handle) -> Result<Item> {
        let item = self.store.item(handle.item).ok_or(HResult::FILE_NOT_FOUND)?;
        if item.directory || item.link.is_some() {
            return Err(HResult::INVALID_ARGUMENT);
        }
        if item.state.contains(FileState::TOMBSTONE) {
            return Err(HResult::VIRTUALIZATION_UNAVAILABLE);
        }
        Ok(item)
    }
}

fn read_at(file: &File, offset: u64, wanted: usize) -> std::io::Result<Vec<u8>> {
    let mut data = vec![0; wanted];
    let mut filled = 0;
    while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    data.truncate(filled);
    Ok(data)
}

/// Writes at the end, wherever it is by then.
fn append(file: &File, mut data: &[u8]) -> std::io::Result<()> {
    while !data.is_empty() {
        match pwritev2(file, &[IoSlice::new(data)], 0, ReadWriteFlags::APPEND) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => data = data.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
