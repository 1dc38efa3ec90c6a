//! `root.json`: whose state this is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::write_atomically;
use crate::error::ProjFsError;

const FILE: &str = "root.json";
const SCHEMA: &str = "rusty-attachments/projfs-root/1";

/// Whose state this is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    schema: String,
    /// The root for people; which one it is says the folder's name.
    root: String,
    /// The root's one GUID (projfs.md M2).
    instance: Uuid,
}

impl Record {
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// A new identity, on disk before anything is marked with it.
    pub(super) fn begin(folder: &Path, root: &Path) -> Result<Self, ProjFsError> {
        let root = root.to_string_lossy().into_owned();
        let record = Self { schema: SCHEMA.into(), root, instance: Uuid::new_v4() };
        let path = Self::path(folder);
        let text = serde_json::to_vec_pretty(&record).map_err(io::Error::from);
        let written = text.and_then(|text| write_atomically(&path, &text));
        written.map_err(ProjFsError::io("write", path))?;
        Ok(record)
    }

    /// What was begun; `None` if nothing was.
    pub(super) fn read(folder: &Path, root: &Path) -> Result<Option<Self>, ProjFsError> {
        let path = Self::path(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ProjFsError::io("read", path)(error)),
        };
        let damaged = |why: &str| {
            let root = root.display();
            let reason = format!(
                "{why}; copy what you need out of '{root}', delete that folder and '{}', and start \
                 again",
                folder.display()
            );
            ProjFsError::state(&path, reason)
        };
        let record: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
        if record.schema != SCHEMA {
            return Err(damaged(&format!("it is of another version ('{}')", record.schema)));
        }
        Ok(Some(record))
    }

    /// The root that a state folder is for, if that can be read.
    pub(super) fn peek(folder: &Path) -> Option<PathBuf> {
        let text = fs::read(Self::path(folder)).ok()?;
        serde_json::from_slice(&text).ok().map(|record: Self| record.root.into())
    }

    pub(super) const fn instance_id(&self) -> u128 {
        self.instance.as_u128()
    }
}
