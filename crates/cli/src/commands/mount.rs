//! `mount`: manifests become a folder, served by this process or by one left in the background.

mod background;
mod serve;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use serde::Serialize;

use self::background::Verdict;
use crate::app::Context;
use crate::args::MountArgs;
use crate::config;
use crate::error::{CliError, Exit};
use crate::files::absolute;
use crate::front_end;

/// How long the background process may take: a million entries are read in a few seconds, and a
/// store may need a login.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// What is told of a mount that answers.
#[derive(Debug, Serialize)]
struct MountRecord {
    mount_point: String,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_file: Option<String>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &MountArgs) -> Result<Exit, CliError> {
    if background::is_child() {
        return run_child(context, args);
    }
    let asked = context.config.optional(config::LOG_FILE, args.log_file.clone())?;
    if args.foreground {
        return serve::run(context, args, asked.as_deref(), |mount_point| {
            tell_ready(context, mount_point, std::process::id(), asked.as_deref())
        });
    }
    let mount_point = absolute(&args.mount_point)?;
    let log_file = log_file(asked, &mount_point)?;
    let pid = background::start(&log_file, START_PATIENCE)?;
    tell_ready(context, &mount_point, pid, Some(&log_file))?;
    Ok(Exit::Success)
}

/// The background process: its parent is told how it went, and nobody after that.
fn run_child(context: &Context, args: &MountArgs) -> Result<Exit, CliError> {
    front_end::leave_session();
    let asked = context.config.optional(config::LOG_FILE, args.log_file.clone())?;
    let log_file = log_file(asked, &absolute(&args.mount_point)?)?;
    let mut told = false;
    let ended = serve::run(context, args, Some(&log_file), |_| {
        told = true;
        background::tell_parent(&Verdict::Ready { pid: std::process::id() })
            .and_then(|()| front_end::let_go_of_parent())
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
) -> Result<(), CliError> {
    let record = MountRecord {
        mount_point: mount_point.to_string_lossy().into_owned(),
        pid,
        log_file: log_file.map(|path| path.to_string_lossy().into_owned()),
    };
    let end = match log_file {
        Some(log) => format!("process {pid}, log {}", log.display()),
        None => "Ctrl-C unmounts".to_owned(),
    };
    let text = format!("mounted at {} ({end})", mount_point.display());
    context.output.result(text, "mount/1", &record)
}

/// The log of the mount at `mount_point`: one file a mount point, so that the next mount's log
/// follows the last one's.
fn log_file(asked: Option<PathBuf>, mount_point: &Path) -> Result<PathBuf, CliError> {
    if let Some(asked) = asked {
        return absolute(&asked);
    }
    let folder = config::user_folder("XDG_STATE_HOME", ".local/state").ok_or_else(|| {
        CliError::environment("choose a log file", "there is no home folder")
            .advise("Pass --log-file FILE.")
    })?;
    let name = mount_point.file_name().unwrap_or("root".as_ref()).to_string_lossy();
    let hash = ContentHash::of(mount_point.as_os_str().as_encoded_bytes()).to_string();
    let short = hash.get(..8).unwrap_or_default();
    Ok(folder.join(format!("{:.100}-{short}.log", name.replace(char::is_control, "_"))))
}
