//! `manifest`: show, check, rewrite and combine manifests.

mod diff;
mod show;
mod store_check;
mod validate;

use std::path::{Path, PathBuf};

use rusty_attachments_model::{ContentHash, Format, Manifest, PathRef, UnnamedParent};
use serde::Serialize;

use self::store_check::StoreCheck;
use crate::app::Context;
use crate::args::{ManifestCommand, ToFile};
use crate::error::{CliError, Exit};
use crate::files::{read_manifest, read_manifest_and_hash, write_atomically};

/// Runs the command.
pub(crate) fn run(context: &Context, command: ManifestCommand) -> Result<Exit, CliError> {
    match command {
        ManifestCommand::Show { manifest, summary } => show::run(context, &manifest, summary),
        ManifestCommand::Validate { manifests, check_store, store } => {
            let store = check_store.then(|| StoreCheck::open(context, &store)).transpose()?;
            validate::run(context, &manifests, store.as_ref())
        }
        ManifestCommand::Canonicalize { manifest } => canonicalize(context, &manifest),
        ManifestCommand::Merge { manifests, to } => merge(context, &manifests, &to),
        ManifestCommand::Diff { old, new, to } => diff::run(context, &old, &new, &to),
        ManifestCommand::Compose { snapshot, diffs, to } => {
            compose(context, &snapshot, &diffs, &to)
        }
    }
}

fn canonicalize(context: &Context, file: &Path) -> Result<Exit, CliError> {
    context.output.bytes(read_manifest(file)?.encode().as_bytes())?;
    Ok(Exit::Success)
}

fn merge(context: &Context, files: &[PathBuf], to: &ToFile) -> Result<Exit, CliError> {
    write_manifest(context, &Parent::read(files)?.compose(&[])?.0, to)
}

fn compose(
    context: &Context,
    snapshot: &Path,
    diffs: &[PathBuf],
    to: &ToFile,
) -> Result<Exit, CliError> {
    let parent = Parent::read(&[snapshot.to_owned()])?;
    write_manifest(context, &parent.compose(diffs)?.0, to)
}

/// A manifest, and the hash of the bytes that it was read from, by which diffs name it.
pub(crate) struct Parent {
    manifest: Manifest,
    hash: ContentHash,
}

impl Parent {
    /// Reads one manifest, or several of one root, of which the last wins.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self, CliError> {
        if let [file] = files {
            let (manifest, hash) = read_manifest_and_hash(file)?;
            return Ok(Self { manifest, hash });
        }
        let manifests =
            files.iter().map(|file| read_manifest(file)).collect::<Result<Vec<_>, _>>()?;
        let all: Vec<_> = manifests.iter().collect();
        let merged = Manifest::merge(&all)
            .map_err(|error| CliError::caused("merge the manifests", &error))?;
        Ok(Self { hash: merged.hash(), manifest: merged })
    }

    /// Applies diffs, in order. Each must name the manifest that it was made from. Gives the hash
    /// by which a further diff names the outcome, too.
    pub(crate) fn compose(
        mut self,
        diffs: &[PathBuf],
    ) -> Result<(Manifest, ContentHash), CliError> {
        for file in diffs {
            let diff = read_manifest(file)?;
            self.manifest = self
                .manifest
                .compose(self.hash, &diff, UnnamedParent::Refuse)
                .map_err(|error| {
                    CliError::caused(format!("apply the diff '{}'", file.display()), &error)
                })?;
            self.hash = self.manifest.hash();
        }
        Ok((self.manifest, self.hash))
    }
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
pub(crate) fn json_path(path: PathRef<'_>) -> String {
    path.to_str().map_or_else(|| path.to_string(), str::to_owned)
}
