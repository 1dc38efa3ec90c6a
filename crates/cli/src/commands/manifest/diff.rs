//! `manifest diff`: what changed from one manifest to another.

use std::path::Path;

use rusty_attachments_model::{Change, PathRef};
use serde::Serialize;

use super::{json_path, write_manifest};
use crate::app::Context;
use crate::args::ToFile;
use crate::error::{CliError, Exit};
use crate::files::{read_manifest, read_manifest_and_hash};

#[derive(Debug, Serialize)]
struct ChangeRecord<'a> {
    change: &'a str,
    path: String,
}

/// Lists the changes, or writes them as a diff manifest if a file is named for it.
pub(super) fn run(
    context: &Context,
    old: &Path,
    new: &Path,
    to: &ToFile,
) -> Result<Exit, CliError> {
    let (old, parent_hash) = read_manifest_and_hash(old)?;
    let new = read_manifest(new)?;
    if to.output.is_some() {
        let diff = old
            .diff(&new, parent_hash)
            .map_err(|error| CliError::caused("compare the manifests", &error))?;
        return write_manifest(context, &diff, to);
    }
    for change in old.changes(&new) {
        // The words are those of the official command.
        let (word, path) = match change {
            Change::Added(entry) => ("new", entry.path),
            Change::Modified { new, .. } => ("modified", new.path),
            Change::Deleted(entry) => ("deleted", entry.path),
        };
        tell(context, word, path)?;
    }
    Ok(Exit::Success)
}

fn tell(context: &Context, word: &str, path: PathRef<'_>) -> Result<(), CliError> {
    let record = ChangeRecord { change: word, path: json_path(path) };
    context.output.result(format_args!("{word:<8}  {path}"), "change/1", &record)
}
