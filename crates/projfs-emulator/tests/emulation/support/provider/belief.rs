//! What the provider takes for changed. Right: notifications say where to look, the disk says what
//! is there (`projfs.md K16`), and a scan at start finds what happened meanwhile (N1).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use projfs_emulator::contract::{FileState, HResult, Notification, Wide};

use super::Inner;
use super::command::{Command, Kind};
use super::fault::Fault;

/// What is to be handed in at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A local item: made, written to or moved here.
    Local,
    /// A projected name that is gone.
    Gone,
}

/// What notifications have told.
#[derive(Debug, Default)]
pub(super) struct Belief {
    fault: Option<Fault>,
    /// Where to look.
    touched: BTreeSet<Wide>,
    /// What notifications said last of each path, for a provider that trusts them.
    told: BTreeMap<Wide, Change>,
    /// Directories that were listed before, for a provider that lists once.
    listed: BTreeSet<Wide>,
}

impl Belief {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self { fault, ..Self::default() }
    }

    pub(super) fn touch(&mut self, path: Wide) {
        self.touched.insert(path);
    }

    /// Takes up a notification.
    pub(super) fn notified(&mut self, command: &Command) {
        let Kind::Notify { notification, destination, .. } = &command.kind else { return };
        let path = command.path.clone();
        match notification {
            Notification::NewFileCreated
            | Notification::FileOverwritten
            | Notification::PreConvertToFull
            | Notification::ClosedFileModified => {
                self.told.insert(path.clone(), Change::Local);
                self.touch(path);
            }
            Notification::ClosedFileDeleted => {
                self.told.insert(path.clone(), Change::Gone);
                self.touch(path);
            }
            Notification::FileRenamed | Notification::HardlinkCreated
                if self.fault != Some(Fault::OverlooksRenames) =>
            {
                let destination = destination.clone().unwrap_or_default();
                if *notification == Notification::FileRenamed {
                    self.told.insert(path.clone(), Change::Gone);
                }
                self.told.insert(destination.clone(), Change::Local);
                self.touch(path);
                self.touch(destination);
            }
            _ => {}
        }
    }

    /// Whether notifications said that this is a local item.
    pub(super) fn knows_local(&self, path: &Wide) -> bool {
        self.told.get(path) == Some(&Change::Local)
    }

    /// Whether notifications said that this name is gone.
    pub(super) fn knows_gone(&self, path: &Wide) -> bool {
        self.told.get(path) == Some(&Change::Gone)
    }

    pub(super) fn lists_first_time(&mut self, path: &Wide) -> bool {
        self.listed.insert(path.clone())
    }
}

impl Inner {
    /// Notes everything that is on disk as worth a look, before the start (N1).
    pub(super) fn look_at_everything(&self) {
        if self.options.fault != Some(Fault::TrustsNotifications) {
            self.touch_below(&Wide::default());
        }
    }

    fn touch_below(&self, folder: &Wide) {
        let path = self.root.join(folder.to_string().replace('\\', "/"));
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let path = folder.join(&Wide::from(entry.file_name().to_str().unwrap()));
            self.belief.lock().touch(path.clone());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.touch_below(&path);
            }
        }
    }

    /// What has changed. Not for callback threads: it looks at the disk (M15).
    pub(super) fn believes(&self) -> BTreeMap<String, Change> {
        if self.options.fault == Some(Fault::TrustsNotifications) {
            return self.told();
        }
        let mut changes = BTreeMap::new();
        let mut looked_at = BTreeSet::new();
        loop {
            let touched = self.belief.lock().touched.clone();
            let Some(path) = touched.difference(&looked_at).next().cloned() else { break };
            match self.state(&path) {
                Ok(state) if state.contains(FileState::FULL) => {
                    // One notification for a directory that came, none for what is in it (K18).
                    self.touch_below(&path);
                    changes.insert(path.to_string(), Change::Local);
                }
                // A tombstone reads as not found, or as itself once the provider has stopped (M15).
                Ok(FileState::TOMBSTONE)
                | Err(HResult::FILE_NOT_FOUND | HResult::PATH_NOT_FOUND)
                    if self.projection.read().find(&path).is_some() =>
                {
                    changes.insert(path.to_string(), Change::Gone);
                }
                Ok(_) | Err(_) => {}
            }
            looked_at.insert(path);
        }
        changes
    }

    fn told(&self) -> BTreeMap<String, Change> {
        let told = self.belief.lock().told.clone();
        let projected = |path: &Wide| self.projection.read().find(path).is_some();
        told.into_iter()
            .filter(|(path, change)| *change == Change::Local || projected(path))
            .map(|(path, change)| (path.to_string(), change))
            .collect()
    }
}
