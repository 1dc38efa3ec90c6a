//! `export`: what was changed in a mounted root becomes objects in a store and a manifest.
//!
//! The mount tells what changed, and the manifest that this is told against; the bytes are read
//! from the root by this process, as any program reads them.

mod events;

use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rusty_attachments_model::{DEFAULT_CHUNK_SIZE, Manifest, PathBuf as ManifestPath};
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs::changes::Changed;
use rusty_attachments_vfs::export::{
    Export, ExportFormat, ExportOptions, ExportReport, FolderFiles, LocalFiles, ManifestTarget,
    OutputPlace, OutputSelection,
};
use serde::Serialize;
use tokio::runtime::Handle;

use self::events::ExportProgress;
use super::changes::{find, with_advice};
use super::manifest::json_path;
use super::snapshot::{default_threads, refuse_inside};
use crate::app::Context;
use crate::args::values::{ByteSize, grouped};
use crate::args::{ExportArgs, PlaceArgs};
use crate::control::{Connection, Registered, Registry};
use crate::error::{CliError, Exit};
use crate::files::absolute;
use crate::front_end::NAME_RULE;
use crate::interrupt::Interrupt;
use crate::snapshot::{export_error, manifest_name};
use crate::store::{StoreSettings, io_runtime};

/// How many skipped paths are named one by one.
const SKIPPED_SHOWN_MAX: usize = 10;

#[derive(Debug, Serialize)]
struct ExportRecord {
    root: String,
    changes: usize,
    /// The v2023 manifest of the outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<ManifestRecord>,
    /// The v2025 diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<ManifestRecord>,
    objects_uploaded: u64,
    bytes_uploaded: u64,
    objects_present: u64,
    skipped: Vec<SkippedRecord>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct ManifestRecord {
    manifest_hash: String,
    entries: usize,
    bytes: u64,
    files: Vec<String>,
    keys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SkippedRecord {
    path: String,
    reason: String,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<Exit, CliError> {
    let started = Instant::now();
    let registry = Registry::of_user()?;
    let mount = find(&registry, args.root.as_deref())?;
    let wanted = Wanted::of(&mount.root, args)?;
    let settings = StoreSettings::resolve(&context.config, &args.store)?.creating();
    if let Some(folder) = settings.folder() {
        refuse_inside("export", &mount.root, folder, "the store", "--store")?;
    }
    let runtime = io_runtime()?;
    let interrupt = Interrupt::listen(runtime.handle())?;
    let changes = runtime
        .block_on(interrupt.guard(Connection::changes(&registry, &mount)))?
        .map_err(|error| with_advice(error, &mount))?;
    let mut record = ExportRecord {
        root: mount.root.to_string_lossy().into_owned(),
        changes: changes.len(),
        outputs: None,
        diff: None,
        objects_uploaded: 0,
        bytes_uploaded: 0,
        objects_present: 0,
        skipped: Vec::new(),
        seconds: 0.0,
    };
    tell_missing(context, &mount.root, &changes, &wanted.folders);
    if !changes.is_empty() {
        let base = runtime
            .block_on(interrupt.guard(Connection::base(&registry, &mount)))?
            .map_err(|error| with_advice(error, &mount))?;
        let client = runtime.block_on(interrupt.guard(settings.open()))??;
        let work = Work {
            context,
            mount: &mount,
            base: &base.manifest,
            changes: &changes,
            client,
            handle: runtime.handle().clone(),
            interrupt: &interrupt,
            threads: args.jobs.map_or_else(default_threads, usize::from),
        };
        if !wanted.output_targets.is_empty() {
            let selection = OutputSelection::new(&wanted.folders, NAME_RULE);
            let format = ExportFormat::Outputs(selection);
            record.outputs = work.run(format, wanted.output_targets, &mut record)?;
        }
        if let Some(file) = wanted.diff {
            let chunk_size = NonZeroU64::new(DEFAULT_CHUNK_SIZE).unwrap_or(NonZeroU64::MAX);
            let format = ExportFormat::Diff { base_hash: base.hash, chunk_size };
            record.diff = work.run(format, vec![ManifestTarget::File(file)], &mut record)?;
        }
    }
    record.seconds = started.elapsed().as_secs_f64();
    tell_skipped(context, &record.skipped);
    context.output.result(text_of(&record), "export/1", &record)?;
    Ok(Exit::Success)
}

/// What is to be made of the changes.
struct Wanted {
    /// Folders of outputs; empty for all.
    folders: Vec<ManifestPath>,
    output_targets: Vec<ManifestTarget>,
    diff: Option<PathBuf>,
}

impl Wanted {
    fn of(root: &Path, args: &ExportArgs) -> Result<Self, CliError> {
        let folders = args.outputs.iter().map(|folder| folder_in(root, folder));
        let folders = folders.collect::<Result<_, _>>()?;
        let outside = |file: &Path, flag: &str| {
            let file = absolute(file)?;
            refuse_inside("export", root, &file, "the manifest", flag)?;
            Ok::<_, CliError>(file)
        };
        let diff = args.diff.as_deref().map(|file| outside(file, "--diff")).transpose()?;
        let mut output_targets = Vec::new();
        output_targets.extend(output_place(root, &args.place).map(ManifestTarget::Queue));
        if let Some(file) = &args.manifest {
            output_targets.push(ManifestTarget::File(outside(file, "--manifest")?));
        }
        if output_targets.is_empty() && diff.is_none() {
            let mut name = root.file_name().unwrap_or("root".as_ref()).to_owned();
            name.push(".outputs.manifest");
            output_targets.push(ManifestTarget::File(outside(name.as_ref(), "--manifest")?));
        }
        Ok(Self { folders, output_targets, diff })
    }
}

/// The task that the ids name; they are all there or none is.
fn output_place(root: &Path, args: &PlaceArgs) -> Option<OutputPlace> {
    let root = || root.to_string_lossy().into_owned();
    Some(OutputPlace {
        asset_root: args.asset_root.clone().unwrap_or_else(root),
        file_system_location_name: args.file_system_location_name.clone(),
        farm: args.farm_id.clone()?,
        queue: args.queue_id.clone()?,
        job: args.job_id.clone()?,
        step: args.step_id.clone()?,
        task: args.task_id.clone(),
        session_action: args.session_action_id.clone()?,
        started: args.started.map_or_else(SystemTime::now, |moment| moment.0),
    })
}

/// A folder below the root as a manifest has it; "" for the root itself.
fn folder_in(root: &Path, folder: &Path) -> Result<ManifestPath, CliError> {
    use std::path::Component;
    let refused = |reason: &str| {
        CliError::usage(format!("take '{}' for a folder of outputs", folder.display()), reason)
            .advise("Name a folder below the root, such as renders.")
    };
    let below = if folder.is_absolute() {
        // The root is spelled without links; what is below it may not exist.
        folder.strip_prefix(root).map_err(|_| refused("it is not in the root"))?
    } else {
        folder
    };
    let mut path = ManifestPath::default();
    for component in below.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => path.push(manifest_name(name).as_ref()),
            _ => return Err(refused("it leads out of the root")),
        }
    }
    Ok(path)
}

/// What exports of both kinds share.
struct Work<'a> {
    context: &'a Context,
    mount: &'a Registered,
    base: &'a Manifest,
    changes: &'a [Changed],
    client: Arc<dyn StorageClient>,
    handle: Handle,
    interrupt: &'a Interrupt,
    threads: usize,
}

impl Work<'_> {
    /// Exports once, and adds what that did to `record`.
    fn run(
        &self,
        format: ExportFormat,
        targets: Vec<ManifestTarget>,
        record: &mut ExportRecord,
    ) -> Result<Option<ManifestRecord>, CliError> {
        let staging = std::env::temp_dir();
        let options = ExportOptions { format, targets, threads: self.threads, staging };
        let files = FolderFiles::new(self.mount.root.clone());
        let export =
            Export { base: self.base, changes: self.changes, files: &files, options: &options };
        let events = ExportProgress::new(&self.context.output, self.interrupt);
        let ExportReport { manifest, tally, skipped, .. } = export
            .run(Arc::clone(&self.client), self.handle.clone(), Arc::new(events))
            .map_err(export_error)?;
        record.objects_uploaded += tally.objects_uploaded;
        record.bytes_uploaded += tally.bytes_uploaded;
        record.objects_present += tally.objects_present;
        for skipped in skipped {
            let path = json_path(skipped.path.as_ref());
            let reason = skipped.reason.to_string();
            if !record.skipped.iter().any(|known| known.path == path) {
                record.skipped.push(SkippedRecord { path, reason });
            }
        }
        Ok(manifest.map(|exported| ManifestRecord {
            manifest_hash: exported.hash.to_string(),
            entries: exported.manifest.len(),
            bytes: exported.manifest.total_size(),
            files: exported.files.iter().map(|file| file.display().to_string()).collect(),
            keys: exported.keys,
        }))
    }
}

/// A folder of outputs that neither is nor was there is likely a slip.
fn tell_missing(context: &Context, root: &Path, changes: &[Changed], folders: &[ManifestPath]) {
    let files = FolderFiles::new(root.to_owned());
    for folder in folders {
        let selection = OutputSelection::new(std::slice::from_ref(folder), NAME_RULE);
        let is_known = changes.iter().any(|changed| selection.contains(changed.path.as_ref()));
        let opened = files.open(folder.as_ref());
        if !is_known && opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let folder = json_path(folder.as_ref());
            context.output.note(format_args!("there is no folder '{folder}' in the root"));
        }
    }
}

fn tell_skipped(context: &Context, skipped: &[SkippedRecord]) {
    for SkippedRecord { path, reason } in skipped.iter().take(SKIPPED_SHOWN_MAX) {
        context.output.note(format_args!("skipped '{path}': {reason}"));
    }
    if let Some(more @ 1..) = skipped.len().checked_sub(SKIPPED_SHOWN_MAX) {
        context.output.note(format_args!("skipped {more} more; --json lists all of them"));
    }
}

fn text_of(record: &ExportRecord) -> String {
    let root = &record.root;
    if record.changes == 0 {
        return format!("nothing in {root} differs from its manifest: no manifest is written");
    }
    let mut text = String::new();
    for (what, manifest) in [("outputs", &record.outputs), ("diff", &record.diff)] {
        let Some(manifest) = manifest else { continue };
        for place in manifest.files.iter().chain(&manifest.keys) {
            let entries = grouped(manifest.entries as u64);
            let bytes = ByteSize(manifest.bytes);
            text.push_str(&format!("{place}: {what}, {entries} entries, {bytes}\n"));
        }
    }
    if text.is_empty() {
        return format!(
            "none of the {} changes in {root} is an output: no manifest is written",
            grouped(record.changes as u64)
        );
    }
    text + &format!(
        "uploaded {} objects ({}), {} were there; {:.1} s",
        grouped(record.objects_uploaded),
        ByteSize(record.bytes_uploaded),
        grouped(record.objects_present),
        record.seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_outputs_are_below_the_root() {
        let root = std::env::temp_dir().join("job");
        let found = |folder: &str| folder_in(&root, folder.as_ref()).map(|path| path.to_string());
        assert_eq!(found("renders/left").unwrap(), "renders/left");
        assert_eq!(found("./renders/").unwrap(), "renders");
        assert_eq!(found(".").unwrap(), "");
        let inside = root.join("renders");
        assert_eq!(found(inside.to_str().unwrap()).unwrap(), "renders");
        for outside in ["..", "a/../../b", "/"] {
            assert_eq!(found(outside).unwrap_err().exit(), Exit::Usage, "{outside}");
        }
    }
}
