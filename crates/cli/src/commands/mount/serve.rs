//! Serving a mount until a signal, an unmount or a fault ends it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_vfs::{CacheOptions, VerifyPolicy, VolumeOptions};
use tokio::runtime::Handle;

use crate::app::Context;
use crate::args::values::{Switch, TimeSpan};
use crate::args::{MountArgs, VerifyMode};
use crate::commands::cache::CacheSettings;
use crate::commands::manifest::Parent;
use crate::config::{self, Config, Setting};
use crate::error::{CliError, Exit};
use crate::front_end::{self, MountPlan, ProjFsSettings, Remarks, Served};
use crate::interrupt::Interrupt;
use crate::logging;
use crate::store::{StoreSettings, io_runtime};

/// How long what commands asked of the mount may take to end after it.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Mounts, calls `on_ready`, and serves until the mount ends.
///
/// If `on_ready` fails, the mount ends at once: nobody knows of it.
pub(super) fn run(
    context: &Context,
    args: &MountArgs,
    log_file: Option<&Path>,
    on_ready: impl FnOnce(&Path, Remarks) -> Result<(), CliError>,
) -> Result<Exit, CliError> {
    start_log(context, args, log_file)?;
    let runtime = io_runtime()?;
    let ended = serve(context, args, runtime.handle(), on_ready);
    runtime.shutdown_timeout(SHUTDOWN_PATIENCE);
    ended.map(|()| Exit::Success)
}

fn serve(
    context: &Context,
    args: &MountArgs,
    handle: &Handle,
    on_ready: impl FnOnce(&Path, Remarks) -> Result<(), CliError>,
) -> Result<(), CliError> {
    refuse_flags(args)?;
    let config = &context.config;
    let volume = volume_options(config, args)?;
    let store = StoreSettings::resolve(config, &args.store)?;
    let (manifest, manifest_hash) = Parent::read(&args.manifests)?.compose(&args.diffs)?;
    let interrupt = Interrupt::listen(handle)?;
    let client = handle.block_on(interrupt.guard(store.open()))??;
    let mounted = front_end::serve(MountPlan {
        manifest,
        manifest_hash,
        client,
        volume,
        threads: config.optional::<u16>(config::THREADS, args.threads)?.map(usize::from),
        mount_point: args.mount_point.clone(),
        label: label(args),
        allow_other: is_set(config, config::ALLOW_OTHER, args.allow_other)?,
        projfs: projfs_settings(config, args)?,
        handle: handle.clone(),
    })?;
    let mounted: Arc<dyn Served> = Arc::from(mounted);
    tracing::info!(mount_point = %mounted.mount_point().display(), store = %store.url(), "mounted");

    let told = on_ready(mounted.mount_point(), mounted.remarks());
    let served = told.and_then(|()| wait_for_end(handle, &interrupt, &mounted));
    let ended = mounted.end();
    tracing::info!("unmounted");
    served.and(ended)
}

/// Waits for a signal, or for an unmount from outside.
fn wait_for_end(
    handle: &Handle,
    interrupt: &Interrupt,
    mounted: &Arc<dyn Served>,
) -> Result<(), CliError> {
    let waiting = Arc::clone(mounted);
    handle.block_on(async {
        tokio::select! {
            over = handle.spawn_blocking(move || waiting.wait()) => match over {
                Ok(over) => over,
                Err(panic) => Err(CliError::caused("serve the mount", &panic)),
            },
            () = interrupt.wait() => Ok(()),
        }
    })
}

/// Refuses flags that the front end has no use for: who gives them expects something.
fn refuse_flags(args: &MountArgs) -> Result<(), CliError> {
    let fuse = [("--allow-other", args.allow_other), ("--verify", args.verify.is_some())];
    let projfs = [
        ("--protect-inputs", args.protect_inputs),
        ("--strict-names", args.strict_names),
        ("--state-dir", args.state_dir.is_some()),
        ("--upload-on-close", args.upload_on_close),
    ];
    let (refused, reason) = if cfg!(windows) || args.projfs_emulator {
        (&fuse[..], "it is for FUSE, and this is a mount with ProjFS")
    } else {
        (&projfs[..], "it is for ProjFS, and this is a mount with FUSE")
    };
    match refused.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(CliError::usage(format!("use {flag}"), reason)),
        None => Ok(()),
    }
}

fn projfs_settings(config: &Config, args: &MountArgs) -> Result<ProjFsSettings, CliError> {
    Ok(ProjFsSettings {
        emulator: args.projfs_emulator,
        protect_inputs: is_set(config, config::PROTECT_INPUTS, args.protect_inputs)?,
        strict_names: is_set(config, config::STRICT_NAMES, args.strict_names)?,
        state_dir: config.optional(config::STATE_DIR, args.state_dir.clone())?,
        upload_on_close: is_set(config, config::UPLOAD_ON_CLOSE, args.upload_on_close)?,
    })
}

fn is_set(config: &Config, setting: &Setting, flag: bool) -> Result<bool, CliError> {
    Ok(flag || config.value(setting, None::<Switch>)?.0)
}

fn start_log(context: &Context, args: &MountArgs, file: Option<&Path>) -> Result<(), CliError> {
    let level = context.config.value(config::LOG_LEVEL, args.log_level.clone())?;
    match file {
        Some(file) => logging::to_file(&level, file),
        None => logging::to_stderr(&level),
    }
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

/// What the mount is called in the system's table: the first manifest's name.
fn label(args: &MountArgs) -> String {
    let name = args.manifests.first().and_then(|manifest| manifest.file_stem());
    name.map_or_else(|| "mount".to_owned(), |name| name.to_string_lossy().into_owned())
}
