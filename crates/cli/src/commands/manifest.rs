//! `manifest`: show, check, rewrite and combine manifests.

mod diff;
mod show;
mod validate;

use std::path::{Path, PathBuf};

use rusty_attachments_model::{ContentHash, Format, Manifest, PathRef};
use serde::Serialize;

use crate::app::Context;
use crate::args::{ManifestCommand, ToFile};
use crate::error::{CliError, Exit};
use crate::files::{read_manifest, write_atomically};

/// Runs the command.
pub(crate) fn run(context: &Context, command: ManifestCommand) -> Result<Exit, CliError> {
    match command {
        ManifestCommand::Show { manifest, summary } => show::run(context, &manifest, summary),
        ManifestCommand::Validate { manifests } => validate::run(context, &manifests),
        ManifestCommand::Canonicalize { manifest } => canonicalize(context, &manifest),
        ManifestCommand::Merge { manifests, to } => merge(context, &manifests, &to),
        ManifestCommand::Diff { old, new } => diff::run(context, &old, &new),
    }
}

fn canonicalize(context: &Context, file: &Path) -> Result<Exit, CliError> {
    context.output.bytes(read_manifest(file)?.encode().as_bytes())?;
    Ok(Exit::Success)
}

fn merge(context: &Context, files: &[PathBuf], to: &ToFile) -> Result<Exit, CliError> {
    write_manifest(context, &merged(files)?, to)
}

/// Reads manifests of one root and merges them, the last one winning.
pub(crate) fn merged(files: &[PathBuf]) -> Result<Manifest, CliError> {
    let manifests = files.iter().map(|file| read_manifest(file)).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<_> = manifests.iter().collect();
    Manifest::merge(&all).map_err(|error| CliError::caused("merge the manifests", &error))
}

#[derive(Debug, Serialize)]
struct WrittenRecord {
    manifest: String,
    manifest_hash: String,
    entries: usize,
}

fn write_manifest(context: &Context, manifest: &Manifest, to: &ToFile) -> Result<Exit, CliError> {
    let text = manifest.encode();
    let Some(file) = &to.output else {
        context.output.bytes(text.as_bytes())?;
        return Ok(Exit::Success);
    };
    write_atomically(file, text.as_bytes())?;
    let record = WrittenRecord {
        manifest: file.to_string_lossy().into_owned(),
        manifest_hash: ContentHash::of(text.as_bytes()).to_string(),
        entries: manifest.len(),
    };
    let text = format!("{}: {} entries", record.manifest, record.entries);
    context.output.result(text, "manifest-written/1", &record)?;
    Ok(Exit::Success)
}

/// The format as a manifest itself would name it.
pub(crate) fn format_name(format: Format) -> &'static str {
    match format {
        Format::V2023 => "2023-03-03",
        Format::V2025(spec) => spec.name(),
    }
}

/// A path for JSON: as it is where text can hold it, else with escapes.
fn json_path(path: PathRef<'_>) -> String {
    path.to_str().map_or_else(|| path.to_string(), str::to_owned)
}
