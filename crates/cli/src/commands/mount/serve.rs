//! Serving a mount until a signal, an unmount or a fault ends it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_model::Manifest;
use rusty_attachments_vfs::{
    AsyncExecutor, CacheOptions, ExecutorConfig, ManifestVolume, VerifyPolicy, VolumeOptions,
};

use crate::app::Context;
use crate::args::values::{Switch, TimeSpan};
use crate::args::{MountArgs, VerifyMode};
use crate::commands::cache::CacheSettings;
use crate::commands::manifest::Parent;
use crate::config::{self, Config};
use crate::error::{CliError, Exit};
use crate::front_end::{self, Mounted};
use crate::interrupt::Interrupt;
use crate::logging;
use crate::store::StoreSettings;

/// After a signal, how long programs may keep files open in the detached mount.
const HOLDER_PATIENCE: Duration = Duration::from_secs(10);
/// How long fetches may take to stop once the mount is gone.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Mounts, calls `on_ready`, and serves until the mount ends.
///
/// If `on_ready` fails, the mount ends at once: nobody knows of it.
pub(super) fn run(
    context: &Context,
    args: &MountArgs,
    log_file: Option<&Path>,
    on_ready: impl FnOnce(&Path) -> Result<(), CliError>,
) -> Result<Exit, CliError> {
    start_log(context, args, log_file)?;
    let options = volume_options(&context.config, args)?;
    let store = StoreSettings::resolve(&context.config, &args.store)?;
    let allow_other =
        args.allow_other || context.config.value(config::ALLOW_OTHER, None::<Switch>)?.0;
    let manifest = load_manifest(args)?;

    let executor = Arc::new(start_executor(&context.config, args)?);
    let handle = executor.handle().map_err(|error| CliError::caused("start the mount", &error))?;
    let interrupt = Interrupt::listen(&handle)?;
    let client = handle.block_on(interrupt.guard(store.open()))??;
    let volume = ManifestVolume::new(&manifest, client, options, Arc::clone(&executor))
        .map_err(|error| CliError::sentence("mount the manifest", &error))?;
    drop(manifest);
    let label = label(args);
    let mounted = Arc::new(front_end::mount(
        Arc::clone(&volume) as _,
        &executor,
        &args.mount_point,
        label,
        allow_other,
    )?);
    tracing::info!(mount_point = %mounted.mount_point().display(), store = %store.url(), "mounted");

    let told = on_ready(mounted.mount_point());
    let ended = match told {
        Ok(()) => wait_for_end(&handle, &interrupt, &mounted),
        Err(error) => end(&mounted).and(Err(error)),
    };
    drop(mounted);
    if let Err(error) = volume.save_trace() {
        tracing::warn!(%error, "the next mount of this job will know less");
    }
    if let Err(error) = executor.shutdown(SHUTDOWN_PATIENCE) {
        tracing::warn!(%error, "fetches did not stop in time");
    }
    ended.map(|()| Exit::Success)
}

fn wait_for_end(
    handle: &tokio::runtime::Handle,
    interrupt: &Interrupt,
    mounted: &Arc<Mounted>,
) -> Result<(), CliError> {
    let waiting = Arc::clone(mounted);
    let over = handle.block_on(async {
        tokio::select! {
            over = handle.spawn_blocking(move || waiting.wait()) => Some(over),
            () = interrupt.wait() => None,
        }
    });
    match over {
        None => end(mounted),
        Some(Ok(Ok(()))) => {
            tracing::info!("unmounted from outside");
            Ok(())
        }
        Some(Ok(Err(error))) => Err(front_end::fuse_error(&error)),
        Some(Err(panic)) => Err(CliError::caused("serve the mount", &panic)),
    }
}

/// Unmounts. Programs that have files open get a moment to close them; the folder is free at once.
fn end(mounted: &Mounted) -> Result<(), CliError> {
    let Err(busy) = mounted.unmount() else {
        tracing::info!("unmounted");
        return Ok(());
    };
    tracing::warn!(error = %busy, "detaching while in use");
    mounted.unmount_lazy().map_err(|error| front_end::fuse_error(&error))?;
    if !mounted.wait_timeout(HOLDER_PATIENCE) {
        tracing::warn!("files are still open; their readers get errors from now on");
    }
    Ok(())
}

fn start_log(context: &Context, args: &MountArgs, file: Option<&Path>) -> Result<(), CliError> {
    let level = context.config.value(config::LOG_LEVEL, args.log_level.clone())?;
    match file {
        Some(file) => logging::to_file(&level, file),
        None => logging::to_stderr(&level),
    }
}

fn load_manifest(args: &MountArgs) -> Result<Manifest, CliError> {
    Parent::read(&args.manifests)?.compose(&args.diffs)
}

fn volume_options(config: &Config, args: &MountArgs) -> Result<VolumeOptions, CliError> {
    let verify = match config.value(config::VERIFY, args.verify)? {
        VerifyMode::OnComplete => VerifyPolicy::OnComplete,
        VerifyMode::BeforeRead => VerifyPolicy::BeforeRead,
    };
    let TimeSpan(read_timeout) = config.value(config::READ_TIMEOUT, args.read_timeout)?;
    let mut options = VolumeOptions {
        memory_budget: config.value(config::MEMORY, args.memory)?.0,
        read_timeout: Some(read_timeout),
        ..VolumeOptions::default()
    };
    options.content.verify = verify;
    let asked_for_cache = args.cache.cache_dir.is_some() || args.cache.cache_size.is_some();
    let no_cache =
        args.no_cache || (!asked_for_cache && config.value(config::NO_CACHE, None::<Switch>)?.0);
    if !no_cache {
        let CacheSettings { dir, limits } = CacheSettings::resolve(config, &args.cache)?;
        options.cache = Some(CacheOptions { dir, limits });
    }
    Ok(options)
}

fn start_executor(config: &Config, args: &MountArgs) -> Result<AsyncExecutor, CliError> {
    let mut executor = ExecutorConfig::default();
    if let Some(threads) = config.optional::<u16>(config::THREADS, args.threads)? {
        executor.worker_threads = usize::from(threads).clamp(1, 256);
    }
    AsyncExecutor::new(executor).map_err(|error| CliError::caused("start the I/O threads", &error))
}

/// What the mount is called in the system's table: the first manifest's name.
fn label(args: &MountArgs) -> String {
    let name = args.manifests.first().and_then(|manifest| manifest.file_stem());
    name.map_or_else(|| "mount".to_owned(), |name| name.to_string_lossy().into_owned())
}
