//! One export: content first, the manifest last.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::path::PathBuf as FilePath;
use std::sync::Arc;

use rusty_attachments_model::{ContentHash, Manifest, PathBuf, PathRef};
use rusty_attachments_storage::StorageClient;
use tokio::runtime::Handle;

use super::error::ExportError;
use super::files::LocalFiles;
use super::manifest::{
    ChangeManifest, OutputSelection, SkipReason, Skipped, base_file, diff_chunk_size,
    diff_manifest, output_files, output_manifest,
};
use super::place::OutputPlace;
use super::publish::{destinations, publish};
use super::settle::{Job, Settled, Settler};
use super::upload::{UploadEvents, UploadOptions, UploadTally, Uploader};
use super::workers::for_each_index;
use crate::changes::{ChangeKind, Changed, FileStamp, LocalContent, LocalState};

/// What an export tells, and asks.
pub trait ExportEvents: UploadEvents {
    /// So many files with so many bytes will be looked at. Called once, before all else.
    fn begins(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }

    /// A file was hashed that nobody wrote to for a while, so that its hashes hold as long as its
    /// stamp does. Called by several threads.
    fn hashed(&self, path: PathRef<'_>, stamp: FileStamp, content: LocalContent) {
        let _ = (path, stamp, content);
    }
}

impl ExportEvents for () {}

/// Which manifest to make.
#[derive(Clone, Debug)]
pub enum ExportFormat {
    /// The official v2023 manifest of new and modified files.
    Outputs(OutputSelection),
    /// The v2025 diff of everything.
    Diff {
        /// The hash of the bytes that the base was decoded from.
        base_hash: ContentHash,
        /// Bytes in each chunk of large files; the base's own counts if it has one.
        chunk_size: NonZeroU64,
    },
}

/// Where a manifest goes.
#[derive(Clone, Debug)]
pub enum ManifestTarget {
    /// A local file; what is there is replaced.
    File(FilePath),
    /// Where Deadline Cloud looks for a job's outputs. Not for diffs: one of them there would make
    /// official tools fail on all outputs of the job.
    Queue(OutputPlace),
}

/// How to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// Which manifest.
    pub format: ExportFormat,
    /// Where it goes.
    pub targets: Vec<ManifestTarget>,
    /// How many files are hashed and uploaded at a time.
    pub threads: usize,
    /// The folder for private copies of very large files while they are uploaded.
    pub staging: FilePath,
}

/// What an export did.
#[derive(Clone, Debug)]
pub struct ExportReport {
    /// The manifest and where it is; `None` if there were no changes to tell.
    pub manifest: Option<ExportedManifest>,
    /// What was uploaded and what was there.
    pub tally: UploadTally,
    /// Changes that are not in the manifest.
    pub skipped: Vec<Skipped>,
}

/// A manifest that an export made.
#[derive(Clone, Debug)]
pub struct ExportedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// Keys in the store.
    pub keys: Vec<String>,
    /// Local files.
    pub files: Vec<FilePath>,
}

/// What is to be exported.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// The tree that the changes are told against.
    pub base: &'a Manifest,
    /// What differs.
    pub changes: &'a [Changed],
    /// Where changed files are.
    pub files: &'a dyn LocalFiles,
    /// How to export.
    pub options: &'a ExportOptions,
}

impl std::fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("changes", &self.changes.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Export<'_> {
    /// Stores all content, then the manifest. May be repeated, and goes on where it stopped.
    ///
    /// # Errors
    /// As [`ExportError`] says; then there is no manifest, or the old one.
    ///
    /// # Panics
    /// On a thread of an asynchronous runtime.
    pub fn run(
        &self,
        client: Arc<dyn StorageClient>,
        runtime: Handle,
        events: Arc<dyn ExportEvents>,
    ) -> Result<ExportReport, ExportError> {
        let is_diff = matches!(self.options.format, ExportFormat::Diff { .. });
        let destinations = destinations(&self.options.targets, is_diff)?;
        let uploader = Uploader::new(
            client,
            runtime,
            UploadOptions { chunk_size: self.chunk_size(), staging: self.options.staging.clone() },
            Arc::clone(&events) as Arc<dyn UploadEvents>,
        );
        let jobs = self.jobs();
        events.begins(jobs.len() as u64, jobs.iter().map(|job| job.file.stamp.size).sum());
        let settler = Settler {
            base: self.base,
            files: self.files,
            uploader: &uploader,
            events: events.as_ref(),
            whole_files: !is_diff,
        };
        let settled = for_each_index(self.options.threads, jobs.len(), |index| {
            jobs.get(index).map_or(Ok(Settled::Gone), |job| settler.settle(job))
        })?;
        let mut skipped = Vec::new();
        let changes = self.settled_changes(jobs, settled, &mut skipped);
        let made = self.manifest(&changes)?;
        skipped.extend(made.skipped);
        let manifest = made.manifest.map(|manifest| publish(&uploader, manifest, destinations));
        Ok(ExportReport { manifest: manifest.transpose()?, tally: uploader.tally(), skipped })
    }

    /// Bytes in each chunk of the files of the manifest to make.
    fn chunk_size(&self) -> Option<NonZeroU64> {
        match &self.options.format {
            ExportFormat::Outputs(_) => None,
            ExportFormat::Diff { chunk_size, .. } => {
                diff_chunk_size(self.base, chunk_size.get()).and_then(NonZeroU64::new)
            }
        }
    }

    fn manifest(&self, changes: &[Changed]) -> Result<ChangeManifest, ExportError> {
        Ok(match &self.options.format {
            ExportFormat::Outputs(selection) => output_manifest(self.base, changes, selection)?,
            ExportFormat::Diff { base_hash, chunk_size } => {
                diff_manifest(self.base, *base_hash, chunk_size.get(), changes)?
            }
        })
    }

    /// All files whose content the manifest will name, each once.
    fn jobs(&self) -> Vec<Job> {
        let unsure = |changed: &&Changed| changed.kind == ChangeKind::Unhashed;
        let unsure: HashSet<_> =
            self.changes.iter().filter(unsure).map(|changed| changed.path.as_ref()).collect();
        let job = |path: PathBuf, file| Job { unsure: unsure.contains(&path.as_ref()), path, file };
        if let ExportFormat::Outputs(selection) = &self.options.format {
            let (outputs, _) = output_files(self.base, self.changes, selection);
            let mut known = HashSet::new();
            let outputs = outputs.into_iter().filter(|output| known.insert(output.source.clone()));
            return outputs.map(|output| job(output.source, output.file)).collect();
        }
        let files = self.changes.iter().filter_map(|changed| match &changed.state {
            LocalState::File(file) => Some(job(changed.path.clone(), file.clone())),
            _ => None,
        });
        files.collect()
    }

    /// The change list with what the files turned out to be.
    fn settled_changes(
        &self,
        jobs: Vec<Job>,
        settled: Vec<Settled>,
        skipped: &mut Vec<Skipped>,
    ) -> Vec<Changed> {
        let mut settled: HashMap<_, _> =
            jobs.into_iter().map(|job| job.path).zip(settled).collect();
        let mut changes: Vec<_> = self
            .changes
            .iter()
            .filter_map(|changed| match settled.remove(&changed.path) {
                None => Some(changed.clone()),
                Some(settled) => self.settled_change(changed, settled, skipped),
            })
            .collect();
        // What is left are files of the base to which links lead; they are no changes themselves.
        changes.extend(settled.into_iter().map(|(path, settled)| match settled {
            Settled::File(file) | Settled::Same(file) => {
                Changed { path, kind: ChangeKind::ModeChanged, state: LocalState::File(file) }
            }
            Settled::Gone => gone(path),
        }));
        changes
    }

    fn settled_change(
        &self,
        changed: &Changed,
        settled: Settled,
        skipped: &mut Vec<Skipped>,
    ) -> Option<Changed> {
        let path = changed.path.clone();
        match settled {
            Settled::File(file) => {
                let kind = changed.kind.clone();
                Some(Changed { path, kind, state: LocalState::File(file) })
            }
            Settled::Same(file) => {
                let mode_changed = file.executable.is_some_and(|executable| {
                    let in_base = base_file(self.base, path.as_ref());
                    in_base.is_some_and(|in_base| in_base.runnable != executable)
                });
                let kind = ChangeKind::ModeChanged;
                mode_changed.then_some(Changed { path, kind, state: LocalState::File(file) })
            }
            Settled::Gone => {
                skipped.push(Skipped { path: path.clone(), reason: SkipReason::Vanished });
                Some(gone(path))
            }
        }
    }
}

fn gone(path: PathBuf) -> Changed {
    Changed { path, kind: ChangeKind::Deleted, state: LocalState::Deleted }
}
