//! A folder becomes a manifest and CAS objects.
//!
//! A bounded number of threads hash and upload, each one file at a time; the first failure stops
//! all of them and is the result. Bytes in memory: at most 256 MiB, and eight for each thread.

mod platform;
mod upload;
mod walk;

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusty_attachments_model::{
    Entry, EntryKind, File, Format, Kind, Manifest, ManifestBuilder, ManifestError, PathStyle, Spec,
};
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs::export::{
    SourceFile, UploadOptions, Uploaded, Uploader, for_each_index,
};
use tokio::runtime::Handle;

use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;

pub(crate) use self::platform::manifest_name;
pub(crate) use self::upload::{UploadProgress, export_error};
pub(crate) use self::walk::{Links, Tree};

/// What kind of manifest to make.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotOptions {
    /// Write the v2025 draft (links, empty folders, execute bits), with large files in chunks of
    /// this many bytes; v2023 without.
    pub(crate) chunk_size: Option<NonZeroU64>,
    /// How many files are hashed and uploaded at a time.
    pub(crate) threads: usize,
    /// Where private copies of large files are made while they are uploaded.
    pub(crate) staging: PathBuf,
}

/// What a snapshot did.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) manifest: Manifest,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) objects_uploaded: u64,
    pub(crate) bytes_uploaded: u64,
    pub(crate) objects_present: u64,
    /// Paths that a manifest cannot hold, with the reason.
    pub(crate) skipped: Vec<(PathBuf, &'static str)>,
}

/// Makes a manifest of the folder `root` and puts its content into `client`.
pub(crate) fn snapshot(
    root: &Path,
    options: &SnapshotOptions,
    client: Arc<dyn StorageClient>,
    runtime: &Handle,
    interrupt: &Interrupt,
    output: &Output,
) -> Result<Snapshot, CliError> {
    let links = if options.chunk_size.is_some() { Links::Keep } else { Links::Follow };
    let tree = walk::walk(root, links)?;
    if tree.files.is_empty() && options.chunk_size.is_none() {
        let action = format!("snapshot '{}'", root.display());
        return Err(CliError::runtime(action, "it holds no files, and a v2023 manifest needs one"));
    }
    let progress = Progress::start(output, "snapshot", tree.files.len() as u64, tree.bytes());
    let upload = UploadOptions { chunk_size: options.chunk_size, staging: options.staging.clone() };
    let events = UploadProgress::new(progress, interrupt.clone());
    let uploader = Uploader::new(client, runtime.clone(), upload, Arc::new(events));
    let stored = for_each_index(options.threads, tree.files.len(), |index| {
        // No file has an index that is not asked for.
        let path = tree.files.get(index).map(|file| file.source.as_path()).unwrap_or(root);
        let (name, open) = (path.display(), || std::fs::File::open(path));
        uploader.store(SourceFile { name: &name, open: &open, known: None })
    });
    let stored = stored.map_err(export_error)?;
    let manifest = build_manifest(&tree, &stored, options).map_err(|error| {
        CliError::caused(format!("make a manifest of '{}'", root.display()), &error)
    })?;
    let tally = uploader.tally();
    Ok(Snapshot {
        manifest,
        files: stored.len() as u64,
        bytes: stored.iter().map(|file| file.stamp.size).sum(),
        objects_uploaded: tally.objects_uploaded,
        bytes_uploaded: tally.bytes_uploaded,
        objects_present: tally.objects_present,
        skipped: tree.skipped,
    })
}

fn build_manifest(
    tree: &Tree,
    stored: &[Uploaded],
    options: &SnapshotOptions,
) -> Result<Manifest, ManifestError> {
    let spec = Spec { style: PathStyle::Relative, kind: Kind::Snapshot };
    let mut builder = match options.chunk_size {
        None => ManifestBuilder::new(Format::V2023),
        Some(chunk_size) => {
            ManifestBuilder::new(Format::V2025(spec)).with_chunk_size(chunk_size.get())
        }
    };
    for (found, file) in tree.files.iter().zip(stored) {
        let kind = EntryKind::File(File {
            size: file.stamp.size,
            mtime_us: file.stamp.mtime_us(),
            runnable: options.chunk_size.is_some() && file.executable == Some(true),
            content: file.content(),
        });
        builder.push(Entry { path: found.name.as_ref(), kind })?;
    }
    if options.chunk_size.is_some() {
        for name in &tree.directories {
            builder.push(Entry { path: name.as_ref(), kind: EntryKind::Directory })?;
        }
        for (name, target) in &tree.links {
            let kind = EntryKind::Symlink { target: target.as_ref() };
            builder.push(Entry { path: name.as_ref(), kind })?;
        }
    }
    builder.build()
}
