//! Items change in place: states, times and attributes, data, extended attributes.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::{Timespec, Timestamps, ftruncate, futimens};

use super::lower::{self, LowerKind};
use super::record::{self, Record};
use super::{ItemId, NewPlaceholder, Store, attributes};
use crate::contract::{
    BasicInfo, FileState, Guid, HResult, PlaceholderInfo, Result, VersionInfo, Wide,
};
use crate::engine::failure::failed;
use crate::engine::nt_time;

impl Store {
    /// Records a state. FULL drops what tied the item to the projection; its write time stays as
    /// it was shown until it is written. A file that becomes hydrated gets its size: what was not
    /// written is zero (J9).
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is no state of D6, or TOMBSTONE.
    pub(in crate::engine) fn set_state(&self, id: ItemId, state: FileState) -> Result<()> {
        self.change_state(id, |_| state)
    }

    /// Adds bits to the state of a placeholder; nothing to do for others. Unlike
    /// [`Self::set_state`], it is right whatever others add at the same moment.
    ///
    /// # Errors
    /// As [`Self::set_state`].
    pub(in crate::engine) fn add_state(&self, id: ItemId, bits: FileState) -> Result<()> {
        self.change_state(id, |state| {
            if state.contains(FileState::PLACEHOLDER) { state | bits } else { state }
        })
    }

    fn change_state(&self, id: ItemId, change: impl FnOnce(FileState) -> FileState) -> Result<()> {
        self.update(id, |mut record, file| {
            let state = change(record.state);
            if state == record.state {
                return Ok(record);
            }
            if !record::is_state(state) || state == FileState::TOMBSTONE {
                return Err(HResult::INVALID_ARGUMENT);
            }
            let has_data = !record.basic.directory && record.link.is_none();
            if let Some(file) = file {
                if state == FileState::FULL {
                    set_times(file, &record.basic)?;
                } else if state.contains(FileState::HYDRATED) && has_data {
                    resize(file, record.basic.size)?;
                }
            }
            if state == FileState::FULL {
                return Ok(record.into_full());
            }
            record.state = state;
            Ok(record)
        })
    }

    /// Records size, times and attributes (zero times and absent fields are kept by the caller). Of
    /// a full item neither the size nor the change time can be set so.
    ///
    /// # Errors
    /// FILE_NOT_FOUND; DISK_FULL.
    pub(in crate::engine) fn set_basic(&self, id: ItemId, basic: BasicInfo) -> Result<()> {
        self.update(id, |mut record, file| {
            let attributes = record::kept(basic.attributes, record.basic.directory);
            let directory = record.basic.directory;
            if record.state != FileState::FULL {
                record.basic = BasicInfo { directory, attributes, ..basic };
                return Ok(record);
            }
            record.basic.attributes = attributes;
            if let Some(file) = file {
                let stat = lower::stat_of(file).map_err(|error| failed("asking a file", error))?;
                let differs = basic.creation != stat.creation;
                record.basic.creation = if differs { basic.creation } else { 0 };
                set_times(file, &basic)?;
            }
            Ok(record)
        })
    }

    /// Makes an item what a new placeholder would be, in its place: data dropped (M18). Of the root
    /// it is the mark (M1).
    ///
    /// # Errors
    /// REPARSE_POINT_ENCOUNTERED for a link of Linux; INVALID_ARGUMENT if a directory is to become
    /// a file or the reverse.
    pub(in crate::engine) fn reset(&self, id: ItemId, new: NewPlaceholder<'_>) -> Result<()> {
        let kind = self.kind(id)?;
        let record = Record { root: id == ItemId::ROOT, ..Record::placeholder(&new) };
        let is_directory = record.basic.directory && record.link.is_none();
        if kind == LowerKind::Link {
            return Err(HResult::REPARSE_POINT_ENCOUNTERED);
        }
        if is_directory != (kind == LowerKind::Directory) {
            return Err(HResult::INVALID_ARGUMENT);
        }
        let size = record.basic.size;
        // First the record: data without a record that counts it is nothing.
        self.update(id, |_, _| Ok(record))?;
        let file = self.file(id)?;
        if !is_directory {
            resize(&file, 0)?;
            resize(&file, size)?;
        }
        for (name, _) in self.extended(id)? {
            self.set_extended(id, &name, None)?;
        }
        for (name, value) in &new.info.extended {
            self.set_extended(id, name, Some(value))?;
        }
        Ok(())
    }

    /// Makes a directory, with what it has, one that is projected (M1, M6). It keeps its times and
    /// attributes.
    ///
    /// # Errors
    /// As [`Self::reset`].
    pub(in crate::engine) fn mark(
        &self,
        id: ItemId,
        instance: Guid,
        version: VersionInfo,
        origin: &Wide,
    ) -> Result<()> {
        let basic = self.item(id).ok_or(HResult::FILE_NOT_FOUND)?.basic;
        let extended = self.extended(id)?;
        let info = PlaceholderInfo { basic, version, extended, ..PlaceholderInfo::default() };
        self.reset(id, NewPlaceholder { info: &info, instance, origin })
    }

    /// The lower file, open for reading and writing. It is opened once for all who keep it at the
    /// same time.
    ///
    /// # Errors
    /// ACCESS_DENIED for directories; VIRTUALIZATION_METADATA_CORRUPT.
    pub(in crate::engine) fn data(&self, id: ItemId) -> Result<Arc<File>> {
        self.check(id)?;
        if self.kind(id)? != LowerKind::File {
            return Err(HResult::ACCESS_DENIED);
        }
        self.file(id)
    }

    /// Drops a file's data: `size` bytes of hole remain. A placeholder is not hydrated then.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(in crate::engine) fn drop_data(&self, id: ItemId, size: u64) -> Result<()> {
        let file = self.data(id)?;
        self.update(id, |mut record, _| {
            record.state.remove(FileState::HYDRATED);
            Ok(record)
        })?;
        resize(&file, 0)?;
        resize(&file, size)
    }

    /// Extended attributes of the item's users, without our own.
    ///
    /// # Errors
    /// FILE_NOT_FOUND.
    pub(in crate::engine) fn extended(&self, id: ItemId) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if self.kind(id)? == LowerKind::Link {
            return Ok(Vec::new());
        }
        let failed = |error| failed("reading extended attributes", error);
        let file = self.file(id)?;
        let mut found = Vec::new();
        for name in attributes::users(&*file).map_err(failed)? {
            let value = attributes::get(&*file, &attributes::of_users(&name)).map_err(failed)?;
            found.extend(value.map(|value| (name, value)));
        }
        Ok(found)
    }

    /// Sets (`Some`) or removes one.
    ///
    /// # Errors
    /// FILE_NOT_FOUND if there is none to remove; NOT_SUPPORTED for a link of Linux.
    pub(in crate::engine) fn set_extended(
        &self,
        id: ItemId,
        name: &[u8],
        value: Option<&[u8]>,
    ) -> Result<()> {
        if self.kind(id)? == LowerKind::Link {
            return Err(HResult::NOT_SUPPORTED);
        }
        let file = self.file(id)?;
        let attribute = attributes::of_users(name);
        match value {
            Some(value) => attributes::set(&*file, &attribute, value),
            None => attributes::remove(&*file, &attribute),
        }
        .map_err(|error| failed("changing an extended attribute", error))
    }

    /// Changes an item's record, on disk and then in memory. A link of Linux has no file to keep
    /// one with: its record lasts as long as the driver.
    pub(super) fn update(
        &self,
        id: ItemId,
        change: impl FnOnce(Record, Option<&File>) -> Result<Record>,
    ) -> Result<()> {
        let writing = {
            let index = self.index.lock();
            index.get(id).ok_or(HResult::FILE_NOT_FOUND)?.writing.clone()
        };
        let _writing = writing.lock();
        self.check(id)?;
        let (record, kind) = {
            let index = self.index.lock();
            let entry = index.get(id).ok_or(HResult::FILE_NOT_FOUND)?;
            (entry.record.clone(), entry.kind)
        };
        let file = if kind == LowerKind::Link { None } else { Some(self.file(id)?) };
        let changed = change(Record::clone(&record), file.as_deref())?;
        if changed == *record {
            return Ok(());
        }
        if let Some(file) = file {
            write_record(&file, &changed)?;
        }
        if let Some(entry) = self.index.lock().get_mut(id) {
            entry.record = Arc::new(changed);
        }
        Ok(())
    }
}

/// Writes a record in one step; none if there is nothing to say.
pub(super) fn write_record(file: &File, record: &Record) -> Result<()> {
    let written = if record.says_nothing() {
        match attributes::remove(file, attributes::RECORD) {
            Err(rustix::io::Errno::NODATA) => Ok(()),
            done => done,
        }
    } else {
        attributes::set(file, attributes::RECORD, &record.to_bytes()?)
    };
    written.map_err(|error| failed("writing the record of an item", error))
}

fn resize(file: &File, size: u64) -> Result<()> {
    ftruncate(file, size).map_err(|error| failed("setting a file's size", error))
}

/// Gives a lower file the access and write time of an item.
fn set_times(file: &File, basic: &BasicInfo) -> Result<()> {
    let time = |time| {
        let (seconds, nanoseconds) = nt_time::to_unix(time);
        Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() }
    };
    let times =
        Timestamps { last_access: time(basic.access), last_modification: time(basic.write) };
    futimens(file, &times).map_err(|error| failed("setting a file's times", error))
}
