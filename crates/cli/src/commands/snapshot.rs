//! `snapshot`: a folder becomes a manifest file and objects in a store.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use rusty_attachments_model::{ContentHash, DEFAULT_CHUNK_SIZE};
use serde::Serialize;

use crate::app::Context;
use crate::args::values::{ByteSize, grouped};
use crate::args::{ManifestFormat, SnapshotArgs};
use crate::commands::manifest::format_name;
use crate::error::{CliError, Exit};
use crate::files::{absolute, write_atomically};
use crate::interrupt::Interrupt;
use crate::snapshot::{Snapshot, SnapshotOptions, snapshot};
use crate::store::{StoreSettings, io_runtime};

/// How many skipped paths are named one by one.
const SKIPPED_SHOWN_MAX: usize = 10;

#[derive(Debug, Serialize)]
struct SnapshotRecord<'a> {
    manifest: String,
    manifest_hash: String,
    root: String,
    format: &'a str,
    files: u64,
    bytes: u64,
    objects_uploaded: u64,
    bytes_uploaded: u64,
    objects_present: u64,
    skipped: Vec<SkippedRecord<'a>>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct SkippedRecord<'a> {
    path: String,
    reason: &'a str,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &SnapshotArgs) -> Result<Exit, CliError> {
    let started = Instant::now();
    let root = dunce::canonicalize(&args.folder).map_err(|error| {
        CliError::usage(format!("snapshot '{}'", args.folder.display()), error.to_string())
    })?;
    if !root.is_dir() {
        return Err(CliError::usage(format!("snapshot '{}'", root.display()), "it is no folder"));
    }
    let manifest_file = manifest_file(&root, args.output.as_deref())?;
    let settings = StoreSettings::resolve(&context.config, &args.store)?.creating();
    if let Some(folder) = settings.folder() {
        refuse_inside("snapshot", &root, folder, "the store", "--store")?;
    }
    let chunk_size = args.chunk_size.map_or(DEFAULT_CHUNK_SIZE, |size| size.0);
    let chunk_size = NonZeroU64::new(chunk_size)
        .ok_or_else(|| CliError::usage("use --chunk-size 0", "a chunk holds at least one byte"))?;
    let runtime = io_runtime()?;
    let interrupt = Interrupt::listen(runtime.handle())?;
    let client = runtime.block_on(interrupt.guard(settings.open()))??;
    let options = SnapshotOptions {
        chunk_size: (args.format == ManifestFormat::V2025).then_some(chunk_size),
        staging: std::env::temp_dir(),
        threads: args.jobs.map_or_else(default_threads, usize::from),
    };
    let done = snapshot(&root, &options, client, runtime.handle(), &interrupt, &context.output)?;
    let text = done.manifest.encode();
    write_atomically(&manifest_file, text.as_bytes())?;
    tell_skipped(context, &done);
    let record = SnapshotRecord {
        manifest: manifest_file.to_string_lossy().into_owned(),
        manifest_hash: ContentHash::of(text.as_bytes()).to_string(),
        root: root.to_string_lossy().into_owned(),
        format: format_name(done.manifest.format()),
        files: done.files,
        bytes: done.bytes,
        objects_uploaded: done.objects_uploaded,
        bytes_uploaded: done.bytes_uploaded,
        objects_present: done.objects_present,
        skipped: skipped_records(&done),
        seconds: started.elapsed().as_secs_f64(),
    };
    context.output.result(text_of(&record), "snapshot/1", &record)?;
    Ok(Exit::Success)
}

fn tell_skipped(context: &Context, done: &Snapshot) {
    for (path, reason) in done.skipped.iter().take(SKIPPED_SHOWN_MAX) {
        context.output.note(format_args!("skipped '{}': {reason}", path.display()));
    }
    if let Some(more) = done.skipped.len().checked_sub(SKIPPED_SHOWN_MAX).filter(|more| *more > 0) {
        context.output.note(format_args!("skipped {more} more; --json lists all of them"));
    }
}

fn skipped_records(done: &Snapshot) -> Vec<SkippedRecord<'_>> {
    let skipped = done.skipped.iter();
    skipped
        .map(|(path, reason)| SkippedRecord { path: path.to_string_lossy().into_owned(), reason })
        .collect()
}

fn text_of(record: &SnapshotRecord<'_>) -> String {
    format!(
        "{}: {} files, {}; uploaded {} objects ({}), {} were there; {:.1} s",
        record.manifest,
        grouped(record.files),
        ByteSize(record.bytes),
        grouped(record.objects_uploaded),
        ByteSize(record.bytes_uploaded),
        grouped(record.objects_present),
        record.seconds,
    )
}

/// Where the manifest goes: the file asked for, else `NAME.manifest` in the working folder.
fn manifest_file(root: &Path, asked: Option<&Path>) -> Result<PathBuf, CliError> {
    let file = match asked {
        Some(file) => absolute(file)?,
        None => {
            let mut name = root.file_name().unwrap_or("root".as_ref()).to_owned();
            name.push(".manifest");
            absolute(Path::new(&name))?
        }
    };
    refuse_inside("snapshot", root, &file, "the manifest", "--output")?;
    Ok(file)
}

/// What is written into the folder that is read would be in the next manifest.
pub(crate) fn refuse_inside(
    verb: &str,
    root: &Path,
    path: &Path,
    what: &str,
    flag: &str,
) -> Result<(), CliError> {
    if !path.starts_with(root) {
        return Ok(());
    }
    let action = format!("{verb} '{}'", root.display());
    let reason = format!("{what} '{}' would be part of the {verb}", path.display());
    Err(CliError::usage(action, reason).advise(format!("Name a place outside with {flag}.")))
}

/// Uploads wait for the network more than for the processor; each thread holds up to 8 MiB.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(8, |processors| (processors.get() * 2).clamp(8, 32))
}
