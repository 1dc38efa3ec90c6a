//! `cache`: how much is cached, whether it is intact, and less of it.

use std::path::PathBuf;
use std::sync::Arc;

use rusty_attachments_vfs::{CacheError, CacheLimits, DiskCache};
use serde::Serialize;

use crate::app::Context;
use crate::args::values::{ByteSize, grouped};
use crate::args::{CacheArgs, CacheCommand};
use crate::config::{self, Config};
use crate::error::{CliError, Exit, chain};
use crate::files::absolute;
use crate::progress::Progress;
use crate::system::{UserFolder, user_folder};

/// What the cache leaves free on its disk, whatever its own limit says: a render that cannot write
/// its frame is worse than an object that is fetched twice.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// Where the cache is and how large it may become.
#[derive(Clone, Debug)]
pub(crate) struct CacheSettings {
    pub(crate) dir: PathBuf,
    pub(crate) limits: CacheLimits,
}

impl CacheSettings {
    /// Takes flags first, then the environment and the file.
    pub(crate) fn resolve(config: &Config, args: &CacheArgs) -> Result<Self, CliError> {
        let asked = config.optional(config::CACHE_DIR, args.cache_dir.clone())?;
        let dir = asked.or_else(|| user_folder(UserFolder::Cache));
        let dir = dir.ok_or_else(|| {
            CliError::environment("choose the cache folder", "there is no home folder")
                .advise("Pass --cache-dir DIR or --no-cache.")
        })?;
        let size = config.value(config::CACHE_SIZE, args.cache_size)?;
        // A mount in the background leaves the working folder.
        Ok(Self { dir: absolute(&dir)?, limits: limits(size.0) })
    }

    /// The cache, if its folder exists: looking at a cache does not make one.
    fn open_existing(&self) -> Result<Option<Arc<DiskCache>>, CliError> {
        if !self.dir.exists() {
            return Ok(None);
        }
        let failed = |error: CacheError| self.error("open", &error);
        DiskCache::open(&self.dir, self.limits).map(Some).map_err(failed)
    }

    fn error(&self, verb: &str, error: &CacheError) -> CliError {
        CliError::sentence(format!("{verb} the cache '{}'", self.dir.display()), error)
    }
}

/// Limits for a cache of `max_bytes`.
pub(crate) const fn limits(max_bytes: u64) -> CacheLimits {
    CacheLimits { max_bytes, min_free_bytes: FREE_BYTES_MIN }
}

/// Runs the command.
pub(crate) fn run(context: &Context, command: &CacheCommand) -> Result<Exit, CliError> {
    match command {
        CacheCommand::Show(args) => show(context, &CacheSettings::resolve(&context.config, args)?),
        CacheCommand::Verify(args) => {
            verify(context, &CacheSettings::resolve(&context.config, args)?)
        }
        CacheCommand::Prune { cache, to } => {
            let settings = CacheSettings::resolve(&context.config, cache)?;
            prune(context, &settings, to.map_or(settings.limits.max_bytes, |size| size.0))
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct UsageRecord {
    dir: String,
    objects: u64,
    bytes: u64,
    partials: u64,
    partial_bytes: u64,
    max_bytes: u64,
    disk_free_bytes: Option<u64>,
}

fn show(context: &Context, settings: &CacheSettings) -> Result<Exit, CliError> {
    let mut record = UsageRecord {
        dir: settings.dir.to_string_lossy().into_owned(),
        max_bytes: settings.limits.max_bytes,
        ..UsageRecord::default()
    };
    if let Some(cache) = settings.open_existing()? {
        let usage = cache.usage().map_err(|error| settings.error("read", &error))?;
        record.objects = usage.objects;
        record.bytes = usage.object_bytes;
        record.partials = usage.partials;
        record.partial_bytes = usage.partial_bytes;
        record.disk_free_bytes = usage.free_bytes;
    }
    let partials = match record.partials {
        0 => String::new(),
        count => format!(", {} being fetched ({})", grouped(count), ByteSize(record.partial_bytes)),
    };
    let text = format!(
        "{}: {} objects, {} of {}{partials}",
        record.dir,
        grouped(record.objects),
        ByteSize(record.bytes),
        ByteSize(record.max_bytes),
    );
    context.output.result(text, "cache/1", &record)?;
    Ok(Exit::Success)
}

#[derive(Debug, Default, Serialize)]
struct VerifyRecord {
    dir: String,
    intact: u64,
    bytes: u64,
    corrupt: u64,
    unreadable: u64,
    foreign: u64,
    problems: Vec<String>,
}

fn verify(context: &Context, settings: &CacheSettings) -> Result<Exit, CliError> {
    let mut record =
        VerifyRecord { dir: settings.dir.to_string_lossy().into_owned(), ..Default::default() };
    if let Some(cache) = settings.open_existing()? {
        let failed = |error: CacheError| settings.error("verify", &error);
        let usage = cache.usage().map_err(failed)?;
        let progress =
            Progress::start(&context.output, "verify", usage.objects, usage.object_bytes);
        let mut bytes_told = 0;
        let report = cache.verify(&mut |done| {
            progress.add_bytes(done.bytes - bytes_told);
            progress.add_file();
            bytes_told = done.bytes;
        });
        drop(progress);
        let report = report.map_err(failed)?;
        record.intact = report.intact;
        record.bytes = report.intact_bytes;
        record.corrupt = report.corrupt;
        record.unreadable = report.unreadable;
        record.foreign = report.foreign;
        record.problems = report.problems.iter().map(|problem| chain(problem)).collect();
    }
    for problem in &record.problems {
        context.output.warn(problem);
    }
    let text = format!(
        "{}: {} objects intact ({}), {} damaged and dropped, {} unreadable, {} foreign files",
        record.dir,
        grouped(record.intact),
        ByteSize(record.bytes),
        record.corrupt,
        record.unreadable,
        record.foreign,
    );
    context.output.result(text, "cache-verify/1", &record)?;
    Ok(if record.corrupt + record.unreadable == 0 { Exit::Success } else { Exit::Runtime })
}

#[derive(Debug, Default, Serialize)]
struct PruneRecord {
    dir: String,
    removed: u64,
    removed_bytes: u64,
    remaining_bytes: u64,
}

fn prune(context: &Context, settings: &CacheSettings, to: u64) -> Result<Exit, CliError> {
    let mut record =
        PruneRecord { dir: settings.dir.to_string_lossy().into_owned(), ..Default::default() };
    if let Some(cache) = settings.open_existing()? {
        let report = cache.prune(to).map_err(|error| settings.error("prune", &error))?;
        record.removed = report.removed;
        record.removed_bytes = report.removed_bytes;
        record.remaining_bytes = report.remaining_bytes;
    }
    let text = format!(
        "{}: dropped {} objects ({}), {} remain",
        record.dir,
        grouped(record.removed),
        ByteSize(record.removed_bytes),
        ByteSize(record.remaining_bytes),
    );
    context.output.result(text, "cache-prune/1", &record)?;
    Ok(Exit::Success)
}
