//! `demo`: the whole path on one machine, without any account.
//!
//! Makes a job in a temporary folder, snapshots it into a store beside it, mounts the manifest,
//! lists all and reads a part as a renderer would, compares every byte, and says what that cost.
//! Then mounts it as on Windows, changes it, and exports that.
//! Whatever happens, a signal included, the mount is ended and the folder deleted.

mod job;
mod projected;
mod render;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rusty_attachments_model::Manifest;
use rusty_attachments_storage::{CountingStore, LocalStore, StorageClient};
use rusty_attachments_vfs::export::HELD_BYTES_MAX;
use rusty_attachments_vfs::{CacheOptions, VolumeOptions};
use serde::Serialize;
use tempfile::TempDir;
use tokio::runtime::Handle;

use self::job::JobFile;
use self::projected::ProjFsRecord;
use crate::app::Context;
use crate::args::DemoArgs;
use crate::args::values::{ByteSize, grouped};
use crate::commands::cache::limits;
use crate::commands::snapshot::default_threads;
use crate::error::{CliError, Exit};
use crate::files::write_atomically;
use crate::front_end::{self, MountPlan, ProjFsSettings};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::snapshot::{SnapshotOptions, snapshot};
use crate::store::{io_runtime, store_error};
use crate::system;

/// What is left free on the disk beyond what the demo takes.
const SPARE_BYTES: u64 = 64 << 20;
/// Bytes a second of a studio's link, 1 Gbit/s, for what a copy of the whole job would take.
const LINK_BYTES_PER_SECOND: f64 = 125e6;

/// The result, all times in seconds.
#[derive(Debug, Default, Serialize)]
struct DemoRecord {
    files: u64,
    bytes: u64,
    make_seconds: f64,
    snapshot_seconds: f64,
    mount_seconds: f64,
    listed_files: u64,
    list_seconds: f64,
    list_fetched_bytes: u64,
    read_files: u64,
    read_bytes: u64,
    read_seconds: f64,
    unmount_seconds: f64,
    /// What came from the store in all, read-ahead included.
    fetched_bytes: u64,
    fetch_requests: u64,
    /// Every byte read was equal to its source; a demo that finds another one fails.
    verified: bool,
    /// The same job as on Windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    projfs: Option<ProjFsRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    total_seconds: f64,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DemoArgs) -> Result<Exit, CliError> {
    if !cfg!(target_os = "linux") {
        let reason = "it reads its mount in the process that serves it, which Linux alone allows";
        return Err(CliError::environment("run the demo", reason));
    }
    let job = job::plan(args.size);
    let base = args.temp_dir.clone().unwrap_or_else(env::temp_dir);
    if !base.is_dir() {
        let action = format!("work in '{}'", base.display());
        return Err(CliError::usage(action, "there is no such folder")
            .advise("Pass --temp-dir DIR for one that exists."));
    }
    check_space(&base, &job)?;
    let runtime = io_runtime()?;
    let handle = runtime.handle().clone();
    let interrupt = Interrupt::listen(&handle)?;
    let folder =
        tempfile::Builder::new().prefix("rusty-attachments-demo-").tempdir_in(&base).map_err(
            |error| CliError::caused(format!("make a folder in '{}'", base.display()), &error),
        )?;
    let demo = Demo {
        folder: folder.path().to_owned(),
        job,
        handle,
        interrupt,
        output: context.output.clone(),
    };
    let started = Instant::now();
    let result = demo.run();
    let mut record = match (result, args.keep) {
        (Ok(record), false) => {
            remove(folder)?;
            record
        }
        (Ok(mut record), true) => {
            record.kept = Some(folder.keep().to_string_lossy().into_owned());
            record
        }
        // Dropping the folder deletes it.
        (Err(error), _) => return Err(error),
    };
    record.total_seconds = started.elapsed().as_secs_f64();
    demo.conclude(&record)?;
    Ok(Exit::Success)
}

fn remove(folder: TempDir) -> Result<(), CliError> {
    let path = folder.path().to_owned();
    folder.close().map_err(|error| CliError::caused(format!("delete '{}'", path.display()), &error))
}

/// Refuses to start what the disk cannot hold: the job, its copy in the store, private copies of
/// very large files while they are uploaded, and what the cache keeps.
fn check_space(base: &Path, job: &[JobFile]) -> Result<(), CliError> {
    let total = total_bytes(job);
    let staged: u64 = job.iter().map(|file| file.size).filter(|size| *size > HELD_BYTES_MAX).sum();
    let needed = total * 2 + staged + total / 10 + SPARE_BYTES;
    match system::free_bytes(base) {
        Some(free) if free < needed => Err(CliError::runtime(
            "run the demo",
            format!(
                "it needs {} in '{}', which has {}",
                ByteSize(needed),
                base.display(),
                ByteSize(free)
            ),
        )
        .advise("Pass --temp-dir DIR for another disk, or --size 0.2 for a smaller job.")),
        _ => Ok(()),
    }
}

fn total_bytes(job: &[JobFile]) -> u64 {
    job.iter().map(|file| file.size).sum()
}

struct Demo {
    folder: PathBuf,
    job: Vec<JobFile>,
    handle: Handle,
    interrupt: Interrupt,
    output: Output,
}

impl Demo {
    fn run(&self) -> Result<DemoRecord, CliError> {
        let mut record = DemoRecord {
            files: self.job.len() as u64,
            bytes: total_bytes(&self.job),
            ..DemoRecord::default()
        };
        let source = self.subfolder("job")?;
        let text = format!("made a job of {}", amount(record.files, record.bytes));
        record.make_seconds =
            self.step(&text, || job::write(&source, &self.job, &self.interrupt))?.1;

        let store = LocalStore::create(self.folder.join("store"))
            .map_err(|error| store_error("make the demo's store", &error))?;
        let counting = Arc::new(CountingStore::new(Arc::new(store.ephemeral())));
        let (manifest, seconds) =
            self.step("snapshot into a local store", || self.snapshot(&source, &counting))?;
        record.snapshot_seconds = seconds;

        self.use_mount(&mut record, &source, manifest, &counting)?;
        record.projfs = Some(self.use_projfs()?);
        record.verified = true;
        Ok(record)
    }

    fn snapshot(&self, source: &Path, store: &Arc<CountingStore>) -> Result<Manifest, CliError> {
        let options = SnapshotOptions {
            chunk_size: None,
            threads: default_threads(),
            staging: self.folder.clone(),
        };
        let client: Arc<dyn StorageClient> = Arc::clone(store) as _;
        let done = snapshot(source, &options, client, &self.handle, &self.interrupt, &self.output)?;
        let text = done.manifest.encode();
        write_atomically(&self.folder.join("job.manifest"), text.as_bytes())?;
        Ok(done.manifest)
    }

    fn use_mount(
        &self,
        record: &mut DemoRecord,
        source: &Path,
        manifest: Manifest,
        store: &Arc<CountingStore>,
    ) -> Result<(), CliError> {
        let before = store.counts();
        let mount_point = self.subfolder("mount")?;
        let (mounted, seconds) = self.step("mounted its manifest", || {
            let cache = CacheOptions { dir: self.folder.join("cache"), limits: limits(20 << 30) };
            let options = VolumeOptions { cache: Some(cache), ..VolumeOptions::default() };
            front_end::serve(MountPlan {
                manifest_hash: manifest.hash(),
                manifest,
                client: Arc::clone(store) as _,
                volume: options,
                threads: None,
                mount_point: mount_point.clone(),
                label: "demo".to_owned(),
                allow_other: false,
                projfs: ProjFsSettings::default(),
                handle: self.handle.clone(),
            })
        })?;
        record.mount_seconds = seconds;
        let (files, seconds) =
            self.step("listed everything", || render::list(&mount_point, &self.job))?;
        (record.listed_files, record.list_seconds) = (files, seconds);
        record.list_fetched_bytes = store.counts().bytes_read - before.bytes_read;

        let (tally, seconds) = self
            .step("read a part of it as a renderer, and compared it", || {
                render::render(&mount_point, source, &self.job, &self.interrupt)
            })?;
        (record.read_files, record.read_bytes) = (tally.files, tally.bytes);
        record.read_seconds = seconds;

        // Fetches ahead of the readers count too, and have ended with the mount.
        let ((), seconds) = self.step("unmounted", || mounted.end())?;
        record.unmount_seconds = seconds;
        let after = store.counts();
        record.fetched_bytes = after.bytes_read - before.bytes_read;
        record.fetch_requests = after.gets - before.gets;
        Ok(())
    }

    /// Runs one step and tells it with its time.
    fn step<T>(
        &self,
        text: &str,
        work: impl FnOnce() -> Result<T, CliError>,
    ) -> Result<(T, f64), CliError> {
        self.interrupt.check()?;
        let started = Instant::now();
        let done = work()?;
        let seconds = started.elapsed().as_secs_f64();
        if !self.output.is_json() {
            self.output.line(format_args!("{text:<60}{seconds:>7.2} s"))?;
        }
        Ok((done, seconds))
    }

    fn subfolder(&self, name: &str) -> Result<PathBuf, CliError> {
        let path = self.folder.join(name);
        fs::create_dir(&path)
            .map_err(|error| CliError::caused(format!("make '{}'", path.display()), &error))?;
        Ok(path)
    }

    fn conclude(&self, record: &DemoRecord) -> Result<(), CliError> {
        if self.output.is_json() {
            return self.output.record("demo/1", record);
        }
        let percent = record.fetched_bytes as f64 * 100.0 / record.bytes.max(1) as f64;
        let link = |bytes: u64| bytes as f64 / LINK_BYTES_PER_SECOND;
        let end = match &record.kept {
            Some(path) => format!("Kept in {path}"),
            None => "Nothing is left behind".to_owned(),
        };
        self.output.line(format_args!(
            "\nListing {} files fetched {}. Reading {} was enough for the frame,\n\
             every byte of it equal to the source.\n\
             Fetched {} in {} requests, {percent:.1} % of what a full copy would have cost ({}).\n\
             At 1 Gbit/s that is {:.2} s instead of {:.2} s before the first frame starts.\n\
             {end}; {:.1} s in all.",
            grouped(record.listed_files),
            ByteSize(record.list_fetched_bytes),
            amount(record.read_files, record.read_bytes),
            ByteSize(record.fetched_bytes),
            grouped(record.fetch_requests),
            ByteSize(record.bytes),
            link(record.fetched_bytes),
            link(record.bytes),
            record.total_seconds,
        ))
    }
}

fn amount(files: u64, bytes: u64) -> String {
    format!("{} files, {}", grouped(files), ByteSize(bytes))
}
