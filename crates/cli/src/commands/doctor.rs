//! `doctor`: whether this machine can mount, and what to do where it cannot.
//!
//! Every check is made, whatever the others found, and none changes anything that it does not
//! put back.

use std::path::Path;

use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::{StorageError, cas};
use serde::Serialize;

use crate::app::Context;
use crate::args::DoctorArgs;
use crate::commands::cache::CacheSettings;
use crate::error::{CliError, Exit, chain};
use crate::front_end;
use crate::interrupt::Interrupt;
use crate::store::{StoreSettings, io_runtime};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Mounts work, something about them does not.
    Warning,
    /// Nothing can be mounted like this.
    Failed,
    /// There was nothing to check.
    Skipped,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) found: String,
    /// The command or setting that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Check {
    pub(crate) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), fix: None }
    }

    pub(crate) fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Skipped, found: found.into(), fix: None }
    }

    pub(crate) fn warning(
        check: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    pub(crate) fn failed(
        check: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Failed, found: found.into(), fix: Some(fix.into()) }
    }
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, CliError> {
    let mut checks = front_end::checks();
    checks.push(cache_check(&CacheSettings::resolve(&context.config, &args.cache)?));
    checks.push(store_check(context, args)?);
    for check in &checks {
        let word = match check.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
            State::Skipped => "skipped",
        };
        let fix = check.fix.as_ref().map_or(String::new(), |fix| format!("\n{:>26}{fix}", "fix: "));
        let text = format!("{:<13}{word:<8}{}{fix}", check.check, check.found);
        context.output.result(text, "check/1", check)?;
    }
    let failed = checks.iter().any(|check| check.state == State::Failed);
    Ok(if failed { Exit::Environment } else { Exit::Success })
}

fn cache_check(settings: &CacheSettings) -> Check {
    let folder = &settings.dir;
    let shown = folder.display();
    let fix = format!("make '{shown}' a folder that you can write to, or pass --cache-dir DIR");
    match probe_folder(folder) {
        Ok(true) => Check::ok("cache", format!("'{shown}' can be written to")),
        Ok(false) => Check::ok("cache", format!("'{shown}' is made by the first mount")),
        Err(error) => Check::failed("cache", format!("'{shown}' is not usable: {error}"), fix),
    }
}

/// Whether the folder exists; an error if it cannot be written to or, not existing, be made.
fn probe_folder(folder: &Path) -> std::io::Result<bool> {
    let nearest = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    tempfile::Builder::new().prefix(".rusty-attachments-doctor-").tempfile_in(nearest)?;
    Ok(nearest == folder)
}

fn store_check(context: &Context, args: &DoctorArgs) -> Result<Check, CliError> {
    let Ok(settings) = StoreSettings::resolve(&context.config, &args.store) else {
        return Ok(Check::skipped("store", "none is named; pass --store STORE to check it"));
    };
    let runtime = io_runtime()?;
    let interrupt = Interrupt::listen(runtime.handle())?;
    let address = settings.url();
    // No content has this hash as far as anyone knows; the answer "not found" is the good one.
    let key = cas::object_key(ContentHash::from_bytes([0; 16]));
    let asked = runtime.block_on(interrupt.guard(async {
        let client = settings.try_open().await?;
        client.head(&key).await
    }))?;
    Ok(match asked {
        Ok(_) | Err(StorageError::NotFound { .. }) => {
            Check::ok("store", format!("'{address}' answers"))
        }
        // It is there, and may be less busy when it is needed.
        Err(error @ StorageError::Throttled { .. }) => {
            Check::warning("store", chain(&error), "try again later")
        }
        Err(error) => Check::failed("store", chain(&error), store_fix(&error)),
    })
}

fn store_fix(error: &StorageError) -> &'static str {
    match error {
        StorageError::AccessDenied { .. } => {
            "check --profile; its role needs s3:GetObject and s3:ListBucket on the bucket"
        }
        StorageError::Offline { .. } => "check the network, --region and --endpoint-url",
        _ => "check the store's address, --profile and --region",
    }
}
