//! A root gets a newer manifest: stale placeholders are updated, vanished ones removed, what users
//! changed stays (projfs.md M17 to M24, T16, T20).
//!
//! The scan tells which items on disk were made for another manifest. Each is held against what is
//! projected now, so doing it again, after a crash or a failure, changes nothing that is done.

use std::cmp::Reverse;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_vfs::ContentIdentity;
use rusty_attachments_vfs::changes::{Conflict, FileStamp, LocalContent, LocalFile, LocalState};

use super::base::Projected;
use super::look::{Looker, Manner};
use super::paths::{Key, narrow, wide};
use crate::callbacks::OnDisk;
use crate::disk::{ItemKind, ItemState};
use crate::error::ProjFsError;
use crate::projection::{Found, ProjectedFileInfo, ProjectedKind};

/// What a remount did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RemountReport {
    /// Placeholders that got new metadata.
    pub updated: u64,
    /// Items that are gone with the manifest that had them.
    pub removed: u64,
    /// Paths (with `/`) that could not be brought up to date, and why; they are tried again at the
    /// next start (projfs.md N9).
    pub failed: Vec<(String, String)>,
    /// Paths that users changed, and the manifest too; the users' version stays.
    pub conflicts: Vec<Conflict>,
}

/// What is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remove {
    /// A clean file or link.
    File,
    /// A folder in which nothing is left, but for tombstones.
    Directory,
    /// What hides a name that a user deleted.
    Tombstone,
}

/// Changes what is on disk. Nothing on disk at the path is success.
pub(crate) trait Updater: Send + Sync {
    /// Brings a placeholder up to date.
    fn update(&self, path: &[u16], info: &ProjectedFileInfo) -> Result<(), UpdateRefused>;
    /// Removes an item.
    fn delete(&self, path: &[u16], what: Remove) -> Result<(), UpdateRefused>;
}

/// Why an item stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpdateRefused {
    /// Somebody changed it.
    Dirty,
    /// It is a folder with something in it.
    NotEmpty,
    /// A program has it open, or another reason.
    Failed(String),
}

/// An item on disk that may have been made for another manifest than the one that is projected.
#[derive(Debug)]
pub(super) struct Stale {
    /// As it is spelled on disk.
    pub(super) path: PathBuf,
    pub(super) kind: ItemKind,
    pub(super) is_tombstone: bool,
}

impl Looker {
    /// Brings what the last scan found stale up to date. The root runs, the thread that looks does
    /// not yet.
    pub(super) fn remount(&mut self, updater: &dyn Updater) -> Result<RemountReport, ProjFsError> {
        let mut report = RemountReport::default();
        let mut stale = std::mem::take(&mut self.stale);
        // Children before their folders (projfs.md M20).
        stale.sort_by_cached_key(|stale| Reverse(Key::of(stale.path.as_ref())));
        for stale in stale {
            let path = stale.path.as_ref();
            let Some(was) = self.was(path)? else { continue };
            let now = self.bases.projection.find(&wide(path))?;
            if stale.is_tombstone {
                self.bring_tombstone(path, &was, now.as_ref(), updater, &mut report)?;
            } else if self.store.get(path).is_none() && !self.is_hidden(path) {
                self.bring_placeholder(&stale, &was, now.as_ref(), updater, &mut report)?;
            }
        }
        report.conflicts.extend(self.store.conflicts(&Projected(&self.bases.projection)));
        report.conflicts.sort_by(|a, b| a.path.as_ref().cmp_utf16(b.path.as_ref()));
        report.conflicts.dedup_by(|a, b| a.path == b.path);
        if report.failed.is_empty() {
            self.bases.shown.clear();
        }
        Ok(report)
    }

    /// What was projected at a path before.
    fn was(&self, path: PathRef<'_>) -> Result<Option<Found>, ProjFsError> {
        for shown in &self.bases.shown {
            if let Some(found) = shown.projection.find(&wide(path))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A user deleted it. If the manifest did so, too, nothing is left to hide.
    fn bring_tombstone(
        &self,
        path: PathRef<'_>,
        was: &Found,
        now: Option<&Found>,
        updater: &dyn Updater,
        report: &mut RemountReport,
    ) -> Result<(), ProjFsError> {
        if let Some(now) = now {
            if now.content != was.content {
                let (path, derived_from, base) = (narrow(&now.path), was.content, now.content);
                report.conflicts.push(Conflict { path, derived_from, base });
            }
            return Ok(());
        }
        match updater.delete(&wide(path), Remove::Tombstone) {
            Ok(()) => self.forget(path)?,
            Err(refused) => report.fail(path, &refused),
        }
        Ok(())
    }

    fn bring_placeholder(
        &mut self,
        stale: &Stale,
        was: &Found,
        now: Option<&Found>,
        updater: &dyn Updater,
        report: &mut RemountReport,
    ) -> Result<(), ProjFsError> {
        let path = stale.path.as_ref();
        let is_file = |found: &Found| found.kind == ProjectedKind::File;
        // Spelled in the same way: another spelling needs another placeholder.
        let same = now.filter(|now| narrow(&now.path) == stale.path);
        let is_folder = stale.kind == ItemKind::Directory;
        if is_folder && same.is_some_and(|same| same.is_directory()) {
            return Ok(());
        }
        let same_file = same.filter(|same| is_file(same) && stale.kind == ItemKind::File);
        // Windows does nothing for content that it knows, though it has another time (projfs.md M18).
        let is_update = same_file.is_some_and(|now| now.content != was.content);
        let (done, count) = match same_file {
            Some(now) if is_update => (updater.update(&wide(path), now), &mut report.updated),
            Some(_) => (updater.delete(&wide(path), Remove::File), &mut report.updated),
            None => {
                let what = if is_folder { Remove::Directory } else { Remove::File };
                (updater.delete(&wide(path), what), &mut report.removed)
            }
        };
        match done {
            Ok(()) => {
                *count += 1;
                let on_disk = if is_update { OnDisk::Placeholder } else { OnDisk::Virtual };
                if let Some(now) = now.filter(|now| is_file(now)) {
                    self.presence.set(now.node, OnDisk::Virtual);
                    self.presence.set(now.node, on_disk);
                }
                Ok(())
            }
            Err(UpdateRefused::Dirty) => self.keep_dirty(path, was, report),
            // Users' files are in it, or its name only changed its case.
            Err(UpdateRefused::NotEmpty) if now.is_some_and(|now| now.is_directory()) => Ok(()),
            Err(UpdateRefused::NotEmpty) if self.has_local_items(path) => {
                self.note_folder(path.into(), false)
            }
            Err(refused) => {
                report.fail(path, &refused);
                Ok(())
            }
        }
    }

    /// An item that somebody touched keeps what it was made for: to the new manifest, that is a
    /// change, and a conflict.
    fn keep_dirty(
        &mut self,
        path: PathRef<'_>,
        was: &Found,
        report: &mut RemountReport,
    ) -> Result<(), ProjFsError> {
        let item = self.disk.look(&wide(path)).map_err(|it| self.failed("look at", path, it))?;
        let (Some(item), Some(_)) = (item, was.content) else {
            report.fail(path, &UpdateRefused::Dirty);
            return Ok(());
        };
        if item.state.is_full() {
            return self.found(path, &item, &Manner::default());
        }
        let content = self.content_of_size(path, item.size)?;
        let file = LocalFile {
            stamp: FileStamp { size: item.size, mtime_ns: item.mtime_ns },
            executable: None,
            content: content.map_or(LocalContent::Unhashed, LocalContent::Base),
            renamed_from: None,
            derived_from: content.or(was.content),
        };
        let path = self.spelled(path, narrow(&item.name).as_ref())?;
        Ok(self.store.set(path.as_ref(), Some(LocalState::File(file)))?)
    }

    /// The one content that was projected at a path, at any time, with a size; `None` if there
    /// were several: then only the bytes tell.
    fn content_of_size(
        &self,
        path: PathRef<'_>,
        size: u64,
    ) -> Result<Option<ContentIdentity>, ProjFsError> {
        let projected = self.bases.at(path)?;
        let mut fitting =
            projected.iter().filter_map(|found| found.content).filter(|it| it.size == size);
        let first = fitting.next();
        Ok(first.filter(|first| fitting.all(|other| other == *first)))
    }

    /// Deletes a placeholder that is no good, so that the projection shows again; `false` if that
    /// should be tried later. What is the user's by now, or somewhere else, is left alone.
    pub(super) fn repair(
        &mut self,
        path: PathRef<'_>,
        updater: &dyn Updater,
    ) -> Result<bool, ProjFsError> {
        let item = self.disk.look(&wide(path)).map_err(|it| self.failed("look at", path, it))?;
        let is_placeholder = item.is_some_and(|item| {
            item.kind == ItemKind::File
                && !item.state.is_full()
                && item.state != ItemState::Tombstone
        });
        if !is_placeholder || self.store.get(path).is_some() || self.is_hidden(path) {
            return Ok(true);
        }
        match updater.delete(&wide(path), Remove::File) {
            Ok(()) => {
                self.set_presence(path, OnDisk::Virtual)?;
                Ok(true)
            }
            // Whoever touched it keeps it.
            Err(UpdateRefused::Dirty | UpdateRefused::NotEmpty) => Ok(true),
            Err(UpdateRefused::Failed(why)) => {
                tracing::debug!("cannot delete '{path}', which has wrong content, yet: {why}");
                Ok(false)
            }
        }
    }

    fn has_local_items(&self, folder: PathRef<'_>) -> bool {
        let below = self.store.below(folder);
        below.iter().any(|(_, state)| *state != LocalState::Deleted)
    }
}

impl RemountReport {
    fn fail(&mut self, path: PathRef<'_>, refused: &UpdateRefused) {
        let why = match refused {
            UpdateRefused::Dirty => "somebody changed it",
            UpdateRefused::NotEmpty => "something in it could not be removed",
            UpdateRefused::Failed(why) => why,
        };
        tracing::warn!("cannot bring '{path}' up to date: {why}");
        self.failed.push((path.to_string(), why.to_owned()));
    }
}
