//! `mount`: manifests become a folder, served by this process or by one left in the background.

mod background;
mod serve;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use serde::Serialize;

use self::background::Verdict;
use crate::app::Context;
use crate::args::MountArgs;
use crate::args::values::grouped;
use crate::config;
use crate::error::{CliError, Exit};
use crate::files::absolute;
use crate::front_end::Remarks;
use crate::system::{self, UserFolder, user_folder};

/// How long the background process may take: a million entries are read in a few seconds, and a
/// store may need a login.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How many remarks of a kind are told one by one.
const REMARKS_SHOWN_MAX: usize = 10;

/// What is told of a mount that answers.
#[derive(Debug, Serialize)]
struct MountRecord {
    mount_point: String,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_file: Option<String>,
    #[serde(flatten)]
    remarks: Remarks,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &MountArgs) -> Result<Exit, CliError> {
    if background::is_child() {
        return run_child(context, args);
    }
    let asked = context.config.optional(config::LOG_FILE, args.log_file.clone())?;
    if args.foreground {
        return serve::run(context, args, asked.as_deref(), |mount_point, remarks| {
            tell_ready(context, mount_point, std::process::id(), asked.as_deref(), remarks)
        });
    }
    let mount_point = absolute(&args.mount_point)?;
    let log_file = log_file(asked, &mount_point)?;
    let (pid, remarks) = background::start(&log_file, START_PATIENCE)?;
    tell_ready(context, &mount_point, pid, Some(&log_file), remarks)?;
    Ok(Exit::Success)
}

/// The background process: its parent is told how it went, and nobody after that.
fn run_child(context: &Context, args: &MountArgs) -> Result<Exit, CliError> {
    system::leave_session();
    let asked = context.config.optional(config::LOG_FILE, args.log_file.clone())?;
    let log_file = log_file(asked, &absolute(&args.mount_point)?)?;
    let mut told = false;
    let ended = serve::run(context, args, Some(&log_file), |_, remarks| {
        told = true;
        background::tell_parent(&Verdict::Ready { pid: std::process::id(), remarks })
            .and_then(|()| system::let_go_of_parent())
            .map_err(|error| CliError::caused("tell the command that the mount is ready", &error))
    });
    if let (Err(error), false) = (&ended, told) {
        let verdict = Verdict::Failed { message: error.to_string(), code: error.exit().code() };
        // The error is in the log too, should nobody listen.
        let _ = background::tell_parent(&verdict);
    }
    ended
}

fn tell_ready(
    context: &Context,
    mount_point: &Path,
    pid: u32,
    log_file: Option<&Path>,
    remarks: Remarks,
) -> Result<(), CliError> {
    tell_remarks(context, &remarks);
    let record = MountRecord {
        mount_point: mount_point.to_string_lossy().into_owned(),
        pid,
        log_file: log_file.map(|path| path.to_string_lossy().into_owned()),
        remarks,
    };
    let end = match log_file {
        Some(log) => format!("process {pid}, log {}", log.display()),
        None => "Ctrl-C unmounts".to_owned(),
    };
    let text = format!("mounted at {} ({end})", mount_point.display());
    context.output.result(text, "mount/1", &record)
}

/// What people should know of a new mount. The record has all of it.
fn tell_remarks(context: &Context, remarks: &Remarks) {
    let Remarks { names, remount } = remarks;
    tell_some(context, names.iter().map(String::as_str));
    let Some(remount) = remount else { return };
    context.output.note(format_args!(
        "the manifest is another one than before: {} items were brought up to date, {} removed",
        grouped(remount.updated),
        grouped(remount.removed),
    ));
    let failed = remount.failed.iter();
    let failed = failed.map(|item| format!("'{}' is as it was before: {}", item.path, item.reason));
    tell_some(context, failed);
    let conflicts = remount.conflicts.iter();
    tell_some(
        context,
        conflicts.map(|path| format!("'{path}' was changed here and in the job; yours stays")),
    );
}

fn tell_some(context: &Context, texts: impl ExactSizeIterator<Item = impl Display>) {
    let more = texts.len().saturating_sub(REMARKS_SHOWN_MAX);
    texts.take(REMARKS_SHOWN_MAX).for_each(|text| context.output.note(text));
    if more > 0 {
        context.output.note(format_args!("and {more} more; --json and the log list all of them"));
    }
}

/// The log of the mount at `mount_point`: one file a mount point, so that the next mount's log
/// follows the last one's.
fn log_file(asked: Option<PathBuf>, mount_point: &Path) -> Result<PathBuf, CliError> {
    if let Some(asked) = asked {
        return absolute(&asked);
    }
    let folder = user_folder(UserFolder::State).ok_or_else(|| {
        CliError::environment("choose a log file", "there is no home folder")
            .advise("Pass --log-file FILE.")
    })?;
    let name = mount_point.file_name().unwrap_or("root".as_ref()).to_string_lossy();
    let hash = ContentHash::of(mount_point.as_os_str().as_encoded_bytes()).to_string();
    let short = hash.get(..8).unwrap_or_default();
    Ok(folder.join(format!("{:.100}-{short}.log", name.replace(char::is_control, "_"))))
}
