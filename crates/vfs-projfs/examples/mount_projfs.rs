//! Shows a manifest as a folder: on Windows by ProjFS, on Linux by the emulator.
//!
//! `cargo run -p rusty-attachments-vfs-projfs --example mount_projfs -- manifest.json C:\mount\point
//! --store C:\store`, with `--features s3` also for `--store s3://bucket/prefix`. Ctrl-C stops it and
//! tells what was changed; all files stay where they are.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "an example for a terminal"
)]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rusty_attachments_model::Manifest;
use rusty_attachments_storage::{OpenOptions, StoreUrl, open_store};
use rusty_attachments_vfs_projfs::{
    ProjFsOptions, ProjFsWriteOptions, ProtectInputs, WritableProjFs,
};
use tokio::runtime::Runtime;

/// How long to wait for the list of changes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows a manifest as a folder.
#[derive(Debug, Parser)]
struct Arguments {
    /// The manifest.
    manifest: PathBuf,
    /// The folder: empty, or shown before. It is made if it does not exist.
    root: PathBuf,
    /// Where the content is: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, env = "RUSTY_ATTACHMENTS_STORE")]
    store: StoreUrl,
    /// Where to keep what must outlive this process [default: the user's application data].
    #[arg(long)]
    cache_dir: Option<PathBuf>,
    /// Refuse to change, move or delete what the manifest has.
    #[arg(long)]
    protect_inputs: bool,
    /// Refuse manifests with names that Windows cannot have.
    #[arg(long)]
    strict_names: bool,
}

fn main() -> ExitCode {
    // On Windows, what follows is in the kernel.
    #[cfg(target_os = "linux")]
    rusty_attachments_vfs_projfs::emulator::host_daemon();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match show(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Shows the manifest until Ctrl-C.
fn show(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let manifest = Manifest::decode_bytes(&std::fs::read(&arguments.manifest)?)?;
    let runtime = Runtime::new()?;
    let interrupted = runtime.spawn(tokio::signal::ctrl_c());
    let storage = runtime.block_on(open_store(&arguments.store, &OpenOptions::default()))?;

    let mut options = ProjFsOptions::new(arguments.root);
    options.strict_names = arguments.strict_names;
    let mut write_options = ProjFsWriteOptions::default();
    if let Some(folder) = arguments.cache_dir {
        write_options = write_options.with_cache_dir(folder);
    }
    if arguments.protect_inputs {
        write_options = write_options.with_policy(Arc::new(ProtectInputs));
    }

    #[cfg(target_os = "linux")]
    let _emulator = rusty_attachments_vfs_projfs::emulator::Emulator::serve(&options.root)?;

    let vfs = WritableProjFs::new(&manifest, storage, options, write_options)?;
    vfs.start()?;
    println!("{} shows the files; Ctrl-C stops it", vfs.root().display());
    runtime.block_on(interrupted)??;
    for change in vfs.changes(PATIENCE)? {
        println!("{:?}: {}", change.kind, change.path);
    }
    vfs.stop()?;
    Ok(())
}
