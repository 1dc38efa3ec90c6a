//! Small commands that ask a daemon.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use projfs_emulator::contract::{FileState, HResult, Wide};
use projfs_emulator::control::{Client, changed, shown};

use super::Failure;

fn connect(at: SocketAddr) -> Result<Client, Failure> {
    Client::connect(at).map_err(Failure::Connection)
}

fn failed(what: &str) -> impl FnOnce(HResult) -> Failure {
    let what = what.to_owned();
    |code| Failure::Answer { what, code }
}

/// Prints lines. Whoever does not read them all has seen enough.
fn print(lines: impl IntoIterator<Item = impl Display>) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

/// A path as the daemon takes it: full, from wherever this was started.
fn full(path: &Path) -> Result<Wide, Failure> {
    let full = std::path::absolute(path);
    let full = full.map_err(Failure::system(format!("make '{}' a full path", path.display())))?;
    Ok(full.to_string_lossy().as_ref().into())
}

pub(super) fn state(at: SocketAddr, path: Option<&Path>) -> Result<ExitCode, Failure> {
    let client = connect(at)?;
    if let Some(path) = path {
        let state = client.on_disk_state(full(path)?);
        print([words(state.map_err(failed(&path.to_string_lossy()))?)]);
        return Ok(ExitCode::SUCCESS);
    }
    let roots = client.roots().map_err(failed("the roots"))?;
    print(roots.into_iter().map(|root| match root.provider {
        Some(process) => format!("{}: {}, process {}", root.path, process.image, process.id),
        None => format!("{}: no provider", root.path),
    }));
    Ok(ExitCode::SUCCESS)
}

/// A state in words (`projfs.md D6`).
fn words(state: FileState) -> String {
    let names: Vec<_> = state.iter_names().map(|(name, _)| name.to_lowercase()).collect();
    names.join(" ")
}

pub(super) fn violations(at: SocketAddr) -> Result<ExitCode, Failure> {
    let violations = connect(at)?.take_violations().map_err(failed("the broken rules"))?;
    let none = violations.is_empty();
    print(violations);
    Ok(if none { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn trace(at: SocketAddr) -> Result<ExitCode, Failure> {
    let trace = connect(at)?.take_trace().map_err(failed("the callbacks"))?;
    print(trace.iter().map(projfs_emulator::link::Traced::line));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn detach(at: SocketAddr, root: &Path) -> Result<ExitCode, Failure> {
    let detached = connect(at)?.detach(full(root)?);
    detached.map_err(failed(&root.to_string_lossy()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn knobs(at: SocketAddr, settings: &[String]) -> Result<ExitCode, Failure> {
    let client = connect(at)?;
    let mut knobs = client.knobs().map_err(failed("the settings"))?;
    for setting in settings {
        knobs = changed(&knobs, setting)?;
    }
    if !settings.is_empty() {
        client.set_knobs(knobs.clone()).map_err(failed("the settings"))?;
    }
    print(shown(&knobs).into_iter().map(|(key, value)| format!("{key}={value}")));
    Ok(ExitCode::SUCCESS)
}
