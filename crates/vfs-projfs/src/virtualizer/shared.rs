//! What callbacks work with, and what each does once it is decoded.

use std::fmt;
use std::sync::Arc;

use windows_sys::core::HRESULT;

use super::commands::Commands;
use super::enumeration::{ActiveEnumeration, Added, Filled};
use super::hresult::of_result;
use super::hydration::Hydrator;
use super::notifications::Notification;
use super::sessions::Sessions;
use super::sink::DataSink;
use crate::api::{EntryBuffer, EntryWriter, Failure, Instance, codes};
use crate::callbacks::{OnDisk, VfsCallbacks};
use crate::projection::ProjectedFileInfo;
use crate::stats::ProjFsStats;

/// What callbacks work with: their InstanceContext.
pub(super) struct Shared {
    pub(super) instance: Arc<Instance>,
    pub(super) callbacks: Arc<VfsCallbacks>,
    pub(super) stats: Arc<ProjFsStats>,
    pub(super) commands: Arc<Commands>,
    pub(super) hydrator: Hydrator,
    /// The instance, as hydration knows it.
    pub(super) sink: Arc<dyn DataSink>,
    pub(super) sessions: Sessions,
}

/// A GetDirectoryEnumeration, decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct GetRequest<'a> {
    pub(super) enumeration: u128,
    /// Empty if there is none.
    pub(super) expression: &'a [u16],
    pub(super) restart: bool,
    pub(super) single: bool,
    pub(super) buffer: EntryBuffer,
}

impl Shared {
    pub(super) fn start_enumeration(&self, id: u128, folder: &[u16]) -> HRESULT {
        match self.callbacks.list(folder) {
            Ok(listing) => {
                self.sessions.insert(id, ActiveEnumeration::new(listing));
                codes::OK
            }
            Err(error) => failed("list", folder, error).0,
        }
    }

    /// Succeeds for enumerations that are not known, too: one may have made room (projfs.md F3).
    pub(super) fn end_enumeration(&self, id: u128) -> HRESULT {
        self.sessions.remove(id);
        codes::OK
    }

    pub(super) fn get_enumeration(&self, request: &GetRequest<'_>) -> HRESULT {
        let Some(enumeration) = self.sessions.get(request.enumeration) else {
            return codes::INVALID_ARGUMENT;
        };
        let mut enumeration = enumeration.lock();
        let mut writer = EntryWriter::new(self.instance.api(), request.buffer);
        enumeration.position(request.expression, request.restart);
        match enumeration.fill(request.single, |entry| add(&mut writer, entry)) {
            Filled::Entries(_) => codes::OK,
            Filled::NothingFits => codes::INSUFFICIENT_BUFFER,
        }
    }

    /// FILE_NOT_FOUND for what is not projected: it may be made then (projfs.md H3).
    pub(super) fn write_placeholder(&self, path: &[u16]) -> HRESULT {
        let found = match self.callbacks.describe(path) {
            Ok(Some(found)) => found,
            Ok(None) => return codes::FILE_NOT_FOUND,
            Err(error) => return failed("find", path, error).0,
        };
        let written = self.instance.write_placeholder(&found.path, &found);
        match written {
            Ok(()) => self.callbacks.presence().set(found.node, OnDisk::Placeholder),
            // Nor does a listing have it.
            Err(Failure(codes::NOT_SUPPORTED)) => return codes::FILE_NOT_FOUND,
            Err(failure) => {
                let path = String::from_utf16_lossy(&found.path);
                tracing::warn!("ProjFS did not take the placeholder of '{path}': {failure}");
            }
        }
        of_result(written)
    }

    /// Whether the projection has the name, whatever users did to it (projfs.md I2, E9).
    pub(super) fn query_name(&self, path: &[u16]) -> HRESULT {
        match self.callbacks.describe(path) {
            Ok(Some(_)) => codes::OK,
            Ok(None) => codes::FILE_NOT_FOUND,
            Err(error) => failed("find", path, error).0,
        }
    }

    pub(super) fn notified(&self, notification: &Notification<'_>) -> HRESULT {
        if notification.tell(&self.callbacks) { codes::OK } else { codes::ACCESS_DENIED }
    }
}

/// Adds an entry. One that ProjFS does not take must not hide the others.
fn add(writer: &mut EntryWriter<'_>, entry: &ProjectedFileInfo) -> Added {
    match writer.add(entry) {
        Ok(()) => Added::Yes,
        Err(Failure(codes::INSUFFICIENT_BUFFER)) => Added::Full,
        Err(failure) => {
            let name = String::from_utf16_lossy(&entry.name);
            tracing::warn!("'{name}' is not listed: ProjFS gave {failure}");
            Added::Never
        }
    }
}

fn failed(action: &str, path: &[u16], error: crate::error::ProjFsError) -> Failure {
    tracing::warn!("cannot {action} '{}': {error}", String::from_utf16_lossy(path));
    error.into()
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}
