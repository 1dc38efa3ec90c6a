//! An application for which Windows words are needed: through the control interface, in the name of
//! some process.

use projfs_emulator::contract::operations::{
    Access, Attributes, BasicChange, Disposition, Entry, HandleId, ItemId, Kind, Open, Opened,
    Query, Share, Target,
};
use projfs_emulator::contract::{FileState, HResult, Result};
use projfs_emulator::control::OnRoot;

use super::tree::wide;

/// Some process that uses the root. Paths have slashes.
pub(crate) struct App(pub(super) OnRoot);

/// A directory that an application lists.
pub(crate) struct Listing<'a> {
    app: &'a App,
    handle: HandleId,
}

pub(crate) fn target(path: &str) -> Target {
    Target { from: ItemId::ROOT, path: wide(path) }
}

impl App {
    /// What the control interface offers.
    pub(crate) const fn raw(&self) -> &OnRoot {
        &self.0
    }

    pub(crate) fn open_as(&self, path: &str, how: Open) -> Result<Opened> {
        self.0.open(target(path), how)
    }

    /// Opens what exists.
    pub(crate) fn open(&self, path: &str, access: Access) -> Result<HandleId> {
        Ok(self.open_as(path, Open::existing(access))?.handle)
    }

    /// Opens or makes, sharing everything.
    pub(crate) fn create(&self, path: &str, disposition: Disposition) -> Result<Opened> {
        let access = Access::READ | Access::WRITE;
        let how = Open { disposition, kind: Kind::File, ..Open::existing(access) };
        self.open_as(path, how)
    }

    pub(crate) fn make_directory(&self, path: &str) -> Result<()> {
        let how = Open {
            disposition: Disposition::Create,
            kind: Kind::Directory,
            ..Open::existing(Access::READ)
        };
        let opened = self.open_as(path, how)?;
        self.0.close(opened.handle)
    }

    pub(crate) fn close(&self, handle: HandleId) {
        self.0.close(handle).unwrap();
    }

    /// Opens for attributes only, as a stat does.
    pub(crate) fn stat(&self, path: &str) -> Result<Attributes> {
        let opened = self.open_as(path, Open::existing(Access::empty()))?;
        self.close(opened.handle);
        Ok(opened.attributes)
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let opened = self.open_as(path, Open::existing(Access::READ))?;
        let size = u32::try_from(opened.attributes.basic.size).unwrap();
        let read = self.0.read(opened.handle, 0, size);
        self.close(opened.handle);
        read
    }

    /// Writes over the beginning of what exists.
    pub(crate) fn write(&self, path: &str, data: &str) -> Result<()> {
        let handle = self.open(path, Access::WRITE)?;
        let written = self.0.write(handle, 0, data.as_bytes());
        self.close(handle);
        written
    }

    /// Deletes by disposition.
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        let handle = self.open(path, Access::DELETE)?;
        let deleted = self.0.set_disposition(handle, true);
        self.close(handle);
        deleted
    }

    /// Deletes by the handle's close, which never fails (K5).
    pub(crate) fn delete_on_close(&self, path: &str) -> Result<()> {
        let how = Open { delete_on_close: true, ..Open::existing(Access::DELETE) };
        let opened = self.open_as(path, how)?;
        self.0.close(opened.handle)
    }

    pub(crate) fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        let handle = self.open(from, Access::DELETE)?;
        let renamed = self.0.rename(handle, target(to), replace);
        self.close(handle);
        renamed
    }

    pub(crate) fn link(&self, from: &str, to: &str) -> Result<()> {
        let handle = self.open(from, Access::WRITE_ATTRIBUTES)?;
        let linked = self.0.link(handle, target(to));
        self.close(handle);
        linked
    }

    pub(crate) fn set_basic(&self, path: &str, change: BasicChange) -> Result<()> {
        let handle = self.open(path, Access::WRITE_ATTRIBUTES)?;
        let set = self.0.set_basic(handle, change);
        self.close(handle);
        set
    }

    pub(crate) fn set_attributes(&self, path: &str, attributes: u32) -> Result<()> {
        self.set_basic(path, BasicChange { attributes: Some(attributes), ..BasicChange::default() })
    }

    /// Begins to list.
    pub(crate) fn listing(&self, path: &str) -> Result<Listing<'_>> {
        let how = Open { kind: Kind::Directory, ..Open::existing(Access::READ) };
        Ok(Listing { app: self, handle: self.open_as(path, how)?.handle })
    }

    /// Everything in a directory but `.` and `..`.
    pub(crate) fn entries(&self, path: &str) -> Result<Vec<Entry>> {
        let entries = self.listing(path)?.rest(&Query { buffer: 64 << 10, ..Query::default() })?;
        let dots = |entry: &Entry| matches!(entry.name.to_string().as_str(), "." | "..");
        Ok(entries.into_iter().filter(|entry| !dots(entry)).collect())
    }

    /// The names of everything in a directory but `.` and `..`.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>> {
        Ok(names(&self.entries(path)?))
    }

    /// Waits until nobody has an item open, then says its state.
    pub(crate) fn state(&self, path: &str) -> Result<FileState> {
        Ok(self.stat(path)?.state)
    }
}

/// The names of entries.
pub(crate) fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.to_string()).collect()
}

impl Listing<'_> {
    /// Next entries.
    pub(crate) fn next(&self, query: &Query) -> Result<Vec<Entry>> {
        self.app.0.query_directory(self.handle, query.clone())
    }

    /// The names of next entries.
    pub(crate) fn next_names(&self, query: &Query) -> Result<Vec<String>> {
        Ok(names(&self.next(query)?))
    }

    /// All entries to the end; a restart happens once.
    pub(crate) fn rest(&self, query: &Query) -> Result<Vec<Entry>> {
        let mut all = self.next(query)?;
        let query = Query { restart: false, ..query.clone() };
        loop {
            match self.next(&query) {
                Ok(entries) => all.extend(entries),
                Err(HResult::NO_MORE_FILES) => return Ok(all),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        // The daemon may be gone.
        let _ = self.app.0.close(self.handle);
    }
}

/// Opens what exists and lets others read and write meanwhile, but not delete.
pub(crate) fn without_delete_share(access: Access) -> Open {
    Open { share: Share::READ | Share::WRITE, ..Open::existing(access) }
}
