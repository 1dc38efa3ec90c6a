//! What a stat says, and changes of times and modes (projfs.md T1, T25, R5).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{AccessFlags, Errno, FileAttr, FileType, INodeNo, TimeOrNow};

use super::handles::{Brief, itself};
use super::{Adapter, Failure};
use crate::contract::{BasicInfo, FileState, attributes};
use crate::daemon::callers::Caller;
use crate::engine::{Access, Attributes, BasicChange, HandleId, ItemId, Open, nt_time};
use crate::link::Process;

const ALL: u16 = 0o777;
const NO_WRITES: u16 = 0o555;
const WRITES: u32 = 0o222;

/// What a setattr asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) mode: Option<u32>,
    pub(super) owner: (Option<u32>, Option<u32>),
    pub(super) size: Option<u64>,
    pub(super) access: Option<TimeOrNow>,
    pub(super) write: Option<TimeOrNow>,
    /// The handle of an `ftruncate`.
    pub(super) handle: Option<HandleId>,
}

impl Adapter {
    /// Attributes as the kernel has them.
    pub(super) fn shown(&self, known: &Attributes) -> FileAttr {
        let basic = &known.basic;
        FileAttr {
            ino: INodeNo(known.item.0),
            size: if basic.directory { 0 } else { basic.size },
            blocks: known.allocated.div_ceil(512),
            atime: time(basic.access),
            mtime: time(basic.write),
            ctime: time(basic.change),
            crtime: time(basic.creation),
            kind: kind(basic, known.link.is_some()),
            perm: mode(known),
            // 1 for directories: nobody counts their subdirectories.
            nlink: if basic.directory { 1 } else { known.names },
            uid: self.owner.0,
            gid: self.owner.1,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    /// Attributes of an entry that the kernel is about to get; it remembers the item from then on.
    pub(super) fn entry(&self, known: &Attributes) -> FileAttr {
        self.root.remember(known.item);
        self.shown(known)
    }

    /// A stat: an open for attributes (T1), unless the request is about an open file anyway.
    pub(super) async fn getattr(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        by_handle: bool,
    ) -> Result<FileAttr, Failure> {
        let known = self.root.attributes(item)?;
        // fstat comes without its handle. What has no name any more can only be open.
        if by_handle || known.names == 0 {
            return Ok(self.shown(&known));
        }
        let process = caller.process();
        Ok(self.shown(&self.attributes_by_open(&process, item, known).await?))
    }

    /// `access(2)` and `chdir(2)`: a stat, and whether writing would be refused at once (E25).
    pub(super) async fn access(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        mask: AccessFlags,
    ) -> Result<(), Failure> {
        let known = self.root.attributes(item)?;
        let known = self.attributes_by_open(&caller.process(), item, known).await?;
        let read_only = known.basic.attributes & attributes::READONLY != 0;
        if mask.contains(AccessFlags::W_OK) && read_only && !known.basic.directory {
            return Err(Errno::EACCES.into());
        }
        Ok(())
    }

    async fn attributes_by_open(
        self: &Arc<Self>,
        process: &Process,
        item: ItemId,
        known: Attributes,
    ) -> Result<Attributes, Failure> {
        if self.root.has_open(process.id, item) {
            return Ok(known);
        }
        let brief = Brief::attributes_only(self, process, item).await?;
        Ok(brief.close().await?.attributes)
    }

    /// chmod, chown, truncate, utimens.
    pub(super) async fn setattr(
        self: Arc<Self>,
        caller: Caller,
        item: ItemId,
        wanted: Wanted,
    ) -> Result<FileAttr, Failure> {
        let other = |id: Option<u32>, own| id.is_some_and(|id| id != own);
        if other(wanted.owner.0, self.owner.0) || other(wanted.owner.1, self.owner.1) {
            return Err(Errno::EPERM.into());
        }
        let process = caller.process();
        if let Some(size) = wanted.size {
            self.set_size(&process, item, wanted.handle, size).await?;
        }
        if wanted.mode.is_some() || wanted.access.is_some() || wanted.write.is_some() {
            self.set_basic(&process, item, &wanted).await?;
        }
        Ok(self.shown(&self.root.attributes(item)?))
    }

    /// By path: open for writing, SetEndOfFile, close (R5).
    async fn set_size(
        self: &Arc<Self>,
        process: &Process,
        item: ItemId,
        handle: Option<HandleId>,
        size: u64,
    ) -> Result<(), Failure> {
        if let Some(handle) = handle {
            return Ok(self.root.set_size(handle, size).await?);
        }
        let how = Open::existing(Access::WRITE);
        let brief = Brief::open(self, process, &itself(item), how).await?;
        self.root.set_size(brief.handle, size).await?;
        brief.close().await?;
        Ok(())
    }

    async fn set_basic(
        self: &Arc<Self>,
        process: &Process,
        item: ItemId,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let now = self.root.attributes(item)?.basic;
        let change = BasicChange {
            creation: None,
            access: wanted.access.map(ticks),
            write: wanted.write.map(ticks),
            attributes: wanted.mode.and_then(|mode| with_mode(&now, mode)),
        };
        // Modes that Windows has no word for change nothing, not even the item's state.
        let changes = change != BasicChange::default();
        // futimens and fchmod come without their handle too.
        let open = self.files.writable(process.id, item);
        match open {
            Some(handle) if changes => Ok(self.root.set_basic(handle, change).await?),
            Some(_) => Ok(()),
            None => {
                let how = Open::existing(Access::WRITE_ATTRIBUTES);
                let brief = Brief::open(self, process, &itself(item), how).await?;
                if changes {
                    self.root.set_basic(brief.handle, change).await?;
                }
                brief.close().await?;
                Ok(())
            }
        }
    }
}

pub(super) const fn kind(basic: &BasicInfo, link: bool) -> FileType {
    match (link, basic.directory) {
        (true, _) => FileType::Symlink,
        (_, true) => FileType::Directory,
        _ => FileType::RegularFile,
    }
}

/// Everybody may do everything, as far as Windows knows: it has no execute bits.
fn mode(known: &Attributes) -> u16 {
    if known.state.contains(FileState::TOMBSTONE) {
        return 0;
    }
    let read_only = known.basic.attributes & attributes::READONLY != 0;
    if read_only && !known.basic.directory { NO_WRITES } else { ALL }
}

/// The attributes that a mode asks for, if they are others: a mode without any write bit is
/// READONLY. Directories stay as they are, where it has no meaning.
const fn with_mode(now: &BasicInfo, mode: u32) -> Option<u32> {
    let kept = now.attributes & attributes::SETTABLE;
    let wanted = kept & !attributes::READONLY | of_mode(mode);
    if now.directory || wanted == kept { None } else { Some(wanted) }
}

/// The attributes of a new file with this mode.
pub(super) const fn of_mode(mode: u32) -> u32 {
    if mode & WRITES == 0 { attributes::READONLY } else { 0 }
}

fn time(ticks: i64) -> SystemTime {
    let (seconds, nanoseconds) = nt_time::to_unix(ticks);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let whole =
        if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    whole
        .and_then(|whole| whole.checked_add(Duration::from_nanos(nanoseconds.into())))
        .unwrap_or(UNIX_EPOCH)
}

fn ticks(time: TimeOrNow) -> i64 {
    let time = match time {
        TimeOrNow::Now => return nt_time::now(),
        TimeOrNow::SpecificTime(time) => time,
    };
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => nt_time::from_unix(since.as_secs().cast_signed(), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            // Whole seconds further back, and forward again by what that was too much.
            let back = before.as_secs().cast_signed() + i64::from(before.subsec_nanos() > 0);
            let forward = (1_000_000_000 - before.subsec_nanos()) % 1_000_000_000;
            nt_time::from_unix(-back, forward)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_both_sides_of_1970_come_back() {
        for offset in [Duration::ZERO, Duration::from_nanos(1_500_000_300), Duration::from_secs(9)]
        {
            for moment in [UNIX_EPOCH + offset, UNIX_EPOCH.checked_sub(offset).unwrap()] {
                assert_eq!(time(ticks(TimeOrNow::SpecificTime(moment))), moment);
            }
        }
    }

    #[test]
    fn only_the_write_bits_of_a_mode_count() {
        let file = |attributes| BasicInfo { attributes, ..BasicInfo::default() };
        let (archive, read_only) = (attributes::ARCHIVE, attributes::READONLY);
        assert_eq!(with_mode(&file(archive), 0o755), None);
        assert_eq!(with_mode(&file(archive), 0o444), Some(archive | read_only));
        assert_eq!(with_mode(&file(archive | read_only), 0o400), None);
        assert_eq!(with_mode(&file(archive | read_only), 0o600), Some(archive));
        assert_eq!(with_mode(&BasicInfo { directory: true, ..file(0) }, 0o555), None);
    }
}
