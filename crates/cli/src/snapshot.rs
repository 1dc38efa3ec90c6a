//! A folder becomes a manifest and CAS objects.
//!
//! A bounded number of threads hash and upload, each one file at a time; the first failure stops
//! all of them and is the result. Bytes in memory: at most 256 MiB, and eight for each thread.

mod object;
mod platform;
mod walk;

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Kind, Manifest, ManifestBuilder,
    ManifestError, PathStyle, Spec,
};
use rusty_attachments_storage::StorageClient;
use tokio::runtime::Handle;

use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;

pub(crate) use self::object::HELD_BYTES_MAX;
use self::object::{HashedFile, Room, Tally, Uploader};
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
    let uploader = Uploader {
        client,
        runtime: runtime.clone(),
        interrupt: interrupt.clone(),
        progress: &progress,
        chunk_size: options.chunk_size.map(NonZeroU64::get),
        staging: &options.staging,
        stored: Mutex::new(HashSet::new()),
        room: Room::new(),
        tally: Tally::default(),
    };
    let hashed = hash_all(&tree, &uploader, options.threads)?;
    let manifest = build_manifest(&tree, &hashed, options).map_err(|error| {
        CliError::caused(format!("make a manifest of '{}'", root.display()), &error)
    })?;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Snapshot {
        manifest,
        files: hashed.len() as u64,
        bytes: hashed.iter().map(|file| file.size).sum(),
        objects_uploaded: count(&uploader.tally.objects_uploaded),
        bytes_uploaded: count(&uploader.tally.bytes_uploaded),
        objects_present: count(&uploader.tally.objects_present),
        skipped: tree.skipped,
    })
}

/// Hashes and uploads every file of `tree`; the results are in the tree's order.
fn hash_all(
    tree: &Tree,
    uploader: &Uploader<'_>,
    threads: usize,
) -> Result<Vec<HashedFile>, CliError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let work = || -> Result<Vec<(usize, HashedFile)>, CliError> {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = tree.files.get(index) else { break };
            let hashed = uploader.file(&file.source);
            failed.fetch_or(hashed.is_err(), Ordering::Relaxed);
            done.push((index, hashed?));
        }
        Ok(done)
    };
    let mut all = Vec::with_capacity(tree.files.len());
    thread::scope(|scope| {
        let count = threads.clamp(1, tree.files.len().max(1));
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let panicked = |_| CliError::runtime("snapshot the folder", "a worker thread panicked");
            all.extend(worker.join().map_err(panicked)??);
        }
        Ok::<_, CliError>(())
    })?;
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, hashed)| hashed).collect())
}

fn build_manifest(
    tree: &Tree,
    hashed: &[HashedFile],
    options: &SnapshotOptions,
) -> Result<Manifest, ManifestError> {
    let spec = Spec { style: PathStyle::Relative, kind: Kind::Snapshot };
    let mut builder = match options.chunk_size {
        None => ManifestBuilder::new(Format::V2023),
        Some(chunk_size) => {
            ManifestBuilder::new(Format::V2025(spec)).with_chunk_size(chunk_size.get())
        }
    };
    for (found, file) in tree.files.iter().zip(hashed) {
        let content = match (file.hashes.as_slice(), options.chunk_size) {
            (hashes @ [_, _, ..], Some(chunk_size)) => {
                Content::Chunked { chunk_size: chunk_size.get(), hashes }
            }
            (hashes, _) => Content::Whole(hashes.first().copied().unwrap_or(ContentHash::EMPTY)),
        };
        let kind = EntryKind::File(File {
            size: file.size,
            mtime_us: file.mtime_us,
            runnable: options.chunk_size.is_some() && file.runnable,
            content,
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
