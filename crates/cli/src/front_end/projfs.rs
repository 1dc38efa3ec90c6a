//! ProjFS: a root that programs may change, and a process that commands ask about it.

use std::any::Any;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::changes::Changed;
use rusty_attachments_vfs_projfs::{
    ProjFsError, ProjFsOptions, ProjFsWriteOptions, ProtectInputs, WritableProjFs,
};
use serde_json::Value;

use super::uploads::Uploads;
use super::{Listed, MountPlan, ProjFsSettings, Remarks, Remount, Served, Unrefreshed};
use crate::control::{Answers, Connection, Registered, Registry, Server};
use crate::error::{CliError, Exit, chain};
use crate::files::absolute;
use crate::store::io_runtime;
use crate::system::{UserFolder, user_folder};

/// How long what programs did may take to be noted before a question for changes fails.
const CHANGES_PATIENCE: Duration = Duration::from_secs(60);
/// How many names an error lists; the log has all of them.
const NAMES_TOLD_MAX: usize = 20;

/// What must live as long as the root is shown, and end after it.
pub(super) type Ground = Box<dyn Any + Send>;

/// A root that this process shows.
struct ProjFsServed {
    shown: Arc<Shown>,
    server: Server,
    ground: Mutex<Option<Ground>>,
}

/// What is asked by commands.
struct Shown {
    fs: WritableProjFs,
    manifest_hash: ContentHash,
    uploads: Option<Arc<Uploads>>,
}

/// Shows a manifest in `root`.
pub(super) fn serve(
    plan: MountPlan,
    root: PathBuf,
    ground: Option<Ground>,
) -> Result<Box<dyn Served>, CliError> {
    if plan.allow_other {
        tracing::info!("'allow-other' has no effect: Windows asks the rights of each file");
    }
    let registry = Registry::of_user()?;
    let mut write_options = write_options(&plan.projfs)?;
    let uploads = match plan.projfs.upload_on_close {
        true => Some(Arc::new(Uploads::start(&root, Arc::clone(&plan.client), &plan.handle)?)),
        false => None,
    };
    if let Some(uploads) = &uploads {
        write_options = write_options.with_observer(Arc::clone(uploads) as _);
    }
    let mut options = ProjFsOptions::new(root.clone());
    if let Some(threads) = plan.threads {
        options = options.with_worker_threads(threads);
    }
    options.command_timeout = plan.volume.read_timeout.unwrap_or(options.command_timeout);
    options.volume = plan.volume;
    options.strict_names = plan.projfs.strict_names;
    let failed = |error: ProjFsError| projfs_error(&root, &error);
    let fs =
        WritableProjFs::new(&plan.manifest, plan.client, options, write_options).map_err(failed)?;
    drop(plan.manifest);
    fs.start().map_err(failed)?;
    let entry =
        Registered { root: fs.root().to_owned(), pid: std::process::id(), label: plan.label };
    let shown = Arc::new(Shown { fs, manifest_hash: plan.manifest_hash, uploads });
    let answers: Arc<dyn Answers> = Arc::clone(&shown) as _;
    match Server::start(&plan.handle, registry, &entry, answers) {
        Ok(server) => Ok(Box::new(ProjFsServed { shown, server, ground: Mutex::new(ground) })),
        Err(error) => {
            // Nobody could reach it: worth more than that it runs.
            let _ = shown.fs.stop();
            Err(error)
        }
    }
}

fn write_options(settings: &ProjFsSettings) -> Result<ProjFsWriteOptions, CliError> {
    let folder = match &settings.state_dir {
        Some(folder) => absolute(folder)?,
        None => user_folder(UserFolder::State).ok_or_else(|| {
            CliError::environment("choose a folder for changes", "there is no home folder")
                .advise("Pass --state-dir DIR.")
        })?,
    };
    let options = ProjFsWriteOptions::default().with_cache_dir(folder);
    Ok(match settings.protect_inputs {
        true => options.with_policy(Arc::new(ProtectInputs)),
        false => options,
    })
}

impl Served for ProjFsServed {
    fn mount_point(&self) -> &Path {
        self.shown.fs.root()
    }

    fn remarks(&self) -> Remarks {
        let fs = &self.shown.fs;
        let remount = fs.remount_report().map(|report| Remount {
            updated: report.updated,
            removed: report.removed,
            failed: report
                .failed
                .into_iter()
                .map(|(path, reason)| Unrefreshed { path, reason })
                .collect(),
            conflicts: report.conflicts.iter().map(|found| found.path.to_string()).collect(),
        });
        let names = fs.name_report().faults().iter().map(ToString::to_string).collect();
        Remarks { names, remount }
    }

    fn wait(&self) -> Result<(), CliError> {
        self.server.wait_for_stop();
        Ok(())
    }

    fn end(&self) -> Result<(), CliError> {
        let root = self.mount_point();
        self.server.retire();
        let ended = self.shown.fs.stop().map_err(|error| projfs_error(root, &error));
        if let Some(uploads) = &self.shown.uploads {
            uploads.end();
        }
        drop(self.ground.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.server.close(&ended);
        ended
    }
}

impl Answers for Shown {
    fn report(&self) -> Result<Value, CliError> {
        let mut report: Value = serde_json::from_str(&self.fs.report())
            .map_err(|error| CliError::caused("tell the state of the mount", &error))?;
        if let (Some(uploads), Some(report)) = (&self.uploads, report.as_object_mut()) {
            report.insert("uploads".to_owned(), uploads.report());
        }
        Ok(report)
    }

    fn changes(&self) -> Result<Vec<Changed>, CliError> {
        let changes = self.fs.changes(CHANGES_PATIENCE);
        changes.map_err(|error| projfs_error(self.fs.root(), &error))
    }

    fn base(&self) -> Result<(String, ContentHash), CliError> {
        let manifest = self.fs.manifest().ok_or_else(|| {
            CliError::runtime("tell the manifest that is shown", "only a volume is known")
        })?;
        Ok((manifest.encode(), self.manifest_hash))
    }
}

/// The mount whose root is at `path`, whether or not anybody serves it.
pub(super) fn find(path: &Path) -> Result<Option<Registered>, CliError> {
    let registry = Registry::of_user()?;
    // Most often it is spelled as it is noted; what hangs is not touched then.
    match std::path::absolute(path).ok().map(|path| registry.find(&path)).transpose()?.flatten() {
        Some(found) => Ok(Some(found)),
        None if registry.all()?.is_empty() => Ok(None),
        None => registry.find(&absolute(path)?),
    }
}

/// All mounts that are noted. Notes of folders that are gone are removed.
pub(super) fn list() -> Result<Vec<Listed>, CliError> {
    let registry = Registry::of_user()?;
    let entries = registry.all()?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = io_runtime()?;
    let mut listed = Vec::new();
    for entry in entries {
        let stale = !runtime.block_on(Connection::is_served(&registry, &entry));
        let gone = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        if stale && fs::symlink_metadata(&entry.root).is_err_and(gone) {
            registry.remove(&entry.root);
            continue;
        }
        let source = format!("rusty-attachments:{} (ProjFS)", entry.label);
        listed.push(Listed { mount_point: entry.root, source, stale, pid: Some(entry.pid) });
    }
    Ok(listed)
}

/// What a mount says of itself, as JSON.
pub(super) fn report(mount: &Registered) -> Result<String, CliError> {
    let report = io_runtime()?.block_on(Connection::report(&Registry::of_user()?, mount))?;
    Ok(report.to_string())
}

/// Ends a mount, or forgets one whose process is gone; says whether there was one.
pub(super) fn unmount(mount: &Registered, lazy: bool) -> Result<bool, CliError> {
    if lazy {
        let reason = "ProjFS ends at once, also while programs have files open";
        return Err(CliError::usage("use --lazy", reason));
    }
    let registry = Registry::of_user()?;
    match io_runtime()?.block_on(Connection::stop(&registry, mount)) {
        Err(error) if error.exit() == Exit::Environment => {
            registry.remove(&mount.root);
            Ok(false)
        }
        ended => ended.map(|()| true),
    }
}

/// What a root's failure means for the command.
pub(super) fn projfs_error(root: &Path, error: &ProjFsError) -> CliError {
    let action = || format!("mount at '{}'", root.display());
    match error {
        ProjFsError::FeatureMissing { .. } => CliError::told(chain(error), Exit::Environment),
        ProjFsError::Root { .. } => CliError::told(chain(error), Exit::Usage),
        ProjFsError::Names { report } => {
            let faults = report.faults();
            let told: Vec<_> =
                faults.iter().take(NAMES_TOLD_MAX).map(ToString::to_string).collect();
            let more = match faults.len().checked_sub(NAMES_TOLD_MAX) {
                Some(more @ 1..) => format!("; and {more} more, which the log lists"),
                _ => String::new(),
            };
            let reason =
                format!("Windows cannot have {} names: {}{more}", faults.len(), told.join("; "));
            CliError::usage(action(), reason).advise("Leave --strict-names out to mount the rest.")
        }
        _ => CliError::sentence(action(), error),
    }
}
