//! Placeholders are changed by the running instance.

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_UPDATE_ALLOW_DIRTY_METADATA, PRJ_UPDATE_ALLOW_READ_ONLY, PRJ_UPDATE_ALLOW_TOMBSTONE,
    PRJ_UPDATE_FAILURE_CAUSE_DIRTY_DATA, PRJ_UPDATE_FAILURE_CAUSE_DIRTY_METADATA,
    PRJ_UPDATE_FAILURE_CAUSE_TOMBSTONE,
};

use crate::api::{Failure, FailureCauses, Instance, codes};
use crate::projection::ProjectedFileInfo;
use crate::tracking::{Remove, UpdateRefused, Updater};

/// Whether a file may be opened for writing is no change of it.
const ALLOWED: i32 = PRJ_UPDATE_ALLOW_READ_ONLY;
/// What users did to a file's content, metadata or name.
const DIRTY: i32 = PRJ_UPDATE_FAILURE_CAUSE_DIRTY_DATA
    | PRJ_UPDATE_FAILURE_CAUSE_DIRTY_METADATA
    | PRJ_UPDATE_FAILURE_CAUSE_TOMBSTONE;

impl Updater for Instance {
    fn update(&self, path: &[u16], info: &ProjectedFileInfo) -> Result<(), UpdateRefused> {
        Self::update(self, path, info, ALLOWED.cast_unsigned()).map_err(refused)
    }

    fn delete(&self, path: &[u16], what: Remove) -> Result<(), UpdateRefused> {
        let allowed = match what {
            Remove::File => ALLOWED,
            // It is dirty as soon as something in it was made or deleted (projfs.md E5).
            Remove::Directory => {
                ALLOWED | PRJ_UPDATE_ALLOW_DIRTY_METADATA | PRJ_UPDATE_ALLOW_TOMBSTONE
            }
            Remove::Tombstone => PRJ_UPDATE_ALLOW_TOMBSTONE,
        };
        Self::delete(self, path, allowed.cast_unsigned()).map_err(refused)
    }
}

fn refused((failure, causes): (Failure, FailureCauses)) -> UpdateRefused {
    if causes.0 & DIRTY.cast_unsigned() != 0 {
        return UpdateRefused::Dirty;
    }
    match failure {
        Failure(codes::DIRECTORY_NOT_EMPTY) => UpdateRefused::NotEmpty,
        Failure(code) => UpdateRefused::Failed(format!(
            "ProjFS gave {:#010x}; is it open in a program?",
            code.cast_unsigned()
        )),
    }
}
