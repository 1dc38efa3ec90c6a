//! `manifest show`: what a manifest says.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use rusty_attachments_model::{Content, Entry, EntryKind, File, Manifest};
use serde::Serialize;

use super::{format_name, json_path};
use crate::app::Context;
use crate::args::values::{ByteSize, grouped};
use crate::error::{CliError, Exit};
use crate::files::read_manifest;

/// What a manifest is, in a few numbers.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) format: &'static str,
    pub(super) entries: u64,
    pub(super) files: u64,
    pub(super) directories: u64,
    pub(super) symlinks: u64,
    pub(super) deletions: u64,
    pub(super) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_manifest_hash: Option<String>,
}

impl Summary {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let mut summary = Self {
            format: format_name(manifest.format()),
            entries: manifest.len() as u64,
            files: 0,
            directories: 0,
            symlinks: 0,
            deletions: 0,
            bytes: 0,
            parent_manifest_hash: manifest.parent_hash().map(|hash| hash.to_string()),
        };
        for entry in manifest.entries() {
            match entry.kind {
                EntryKind::File(file) => {
                    summary.files += 1;
                    summary.bytes += file.size;
                }
                EntryKind::Directory => summary.directories += 1,
                EntryKind::Symlink { .. } => summary.symlinks += 1,
                EntryKind::DeletedFile | EntryKind::DeletedDirectory => summary.deletions += 1,
            }
        }
        summary
    }

    /// `2023-03-03, 12 files, 3.4 MiB`, and what else there is.
    pub(super) fn text(&self) -> String {
        let mut text =
            format!("{}, {} files, {}", self.format, grouped(self.files), ByteSize(self.bytes));
        let others = [
            (self.directories, "folders"),
            (self.symlinks, "links"),
            (self.deletions, "deletions"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
        text
    }
}

/// One entry; what does not apply to its kind is left out.
#[derive(Debug, Default, Serialize)]
struct EntryRecord {
    schema: &'static str,
    path: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runnable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_hashes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

pub(super) fn run(context: &Context, file: &Path, only_summary: bool) -> Result<Exit, CliError> {
    let manifest = read_manifest(file)?;
    let summary = Summary::of(&manifest);
    let output = &context.output;
    output.result(format_args!("# {}", summary.text()), "manifest/1", &summary)?;
    if only_summary {
        return Ok(Exit::Success);
    }
    // A million entries: one buffered writer instead of a system call for each line.
    let mut out = BufWriter::new(io::stdout().lock());
    for entry in manifest.entries() {
        let written = if output.is_json() {
            serde_json::to_writer(&mut out, &record(&entry))
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
        } else {
            writeln!(out, "{}", line(&entry))
        };
        written.map_err(|error| CliError::from_output(&error))?;
    }
    out.flush().map_err(|error| CliError::from_output(&error))?;
    Ok(Exit::Success)
}

fn record(entry: &Entry<'_>) -> EntryRecord {
    let mut record = EntryRecord {
        schema: "rusty-attachments/entry/1",
        path: json_path(entry.path),
        kind: kind_name(&entry.kind),
        ..EntryRecord::default()
    };
    match entry.kind {
        EntryKind::File(File { size, mtime_us, runnable, content }) => {
            record.size = Some(size);
            record.mtime_us = Some(mtime_us);
            record.runnable = Some(runnable);
            match content {
                Content::Whole(hash) => record.hash = Some(hash.to_string()),
                Content::Chunked { chunk_size, hashes } => {
                    record.chunk_size = Some(chunk_size);
                    record.chunk_hashes = Some(hashes.iter().map(ToString::to_string).collect());
                }
            }
        }
        EntryKind::Symlink { target } => record.target = Some(json_path(target)),
        EntryKind::Directory | EntryKind::DeletedFile | EntryKind::DeletedDirectory => {}
    }
    record
}

fn line(entry: &Entry<'_>) -> String {
    let path = entry.path;
    match entry.kind {
        EntryKind::File(File { size, content, .. }) => {
            let content = match content {
                Content::Whole(hash) => hash.to_string(),
                Content::Chunked { hashes, .. } => format!("{} chunks", hashes.len()),
            };
            format!("{size:>14}  {content:<32}  {path}")
        }
        EntryKind::Symlink { target } => format!("{:>14}  {:<32}  {path} -> {target}", "link", ""),
        other => format!("{:>14}  {:<32}  {path}", kind_name(&other), ""),
    }
}

fn kind_name(kind: &EntryKind<'_>) -> &'static str {
    match kind {
        EntryKind::Directory => "directory",
        EntryKind::File(_) => "file",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::DeletedFile => "deleted-file",
        EntryKind::DeletedDirectory => "deleted-dir",
    }
}
