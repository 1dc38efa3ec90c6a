//! `manifest validate`: whether manifests keep the rules, and whether they can be mounted alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rusty_attachments_model::{ContentHash, Manifest};
use serde::Serialize;

use super::show::Summary;
use super::store_check::{Missing, StoreCheck};
use crate::app::Context;
use crate::error::{CliError, Exit, chain};
use crate::files::read_input;

#[derive(Debug, Serialize)]
struct Valid {
    manifest: String,
    valid: bool,
    /// Whether the bytes are those that `canonicalize` prints.
    canonical: bool,
    /// Whether it is a whole tree with relative paths.
    mountable: bool,
    /// Of the bytes as they are.
    hash: String,
    /// What the store lacks, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<Missing>>,
    #[serde(flatten)]
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Invalid {
    manifest: String,
    valid: bool,
    error: String,
}

pub(super) fn run(
    context: &Context,
    files: &[PathBuf],
    store: Option<&StoreCheck>,
) -> Result<Exit, CliError> {
    let mut exit = Exit::Success;
    for file in files {
        if !is_valid(context, file, store)? {
            exit = Exit::Runtime;
        }
    }
    Ok(exit)
}

fn is_valid(context: &Context, file: &Path, store: Option<&StoreCheck>) -> Result<bool, CliError> {
    let bytes = read_input(file)?;
    let name = file.to_string_lossy().into_owned();
    match Manifest::decode_bytes(&bytes) {
        Ok(manifest) => {
            let summary = Summary::of(&manifest);
            let mountable = manifest.ensure_mountable().is_ok();
            let note = if mountable { "" } else { " (cannot be mounted alone)" };
            let missing = store.map(|store| store.missing(context, &manifest)).transpose()?;
            let mut text = format!("{name}: valid: {}{note}", summary.text());
            for object in missing.iter().flatten() {
                let _ = write!(text, "\n{name}: missing: {object}");
            }
            let complete = missing.as_ref().is_none_or(Vec::is_empty);
            let record = Valid {
                manifest: name,
                valid: true,
                canonical: manifest.encode().as_bytes() == bytes,
                mountable,
                hash: ContentHash::of(&bytes).to_string(),
                missing,
                summary,
            };
            context.output.result(text, "validate/1", &record)?;
            Ok(complete)
        }
        Err(error) => {
            let error = chain(&error);
            let text = format!("{name}: invalid: {error}");
            let record = Invalid { manifest: name, valid: false, error };
            context.output.result(text, "validate/1", &record)?;
            Ok(false)
        }
    }
}
