//! `changes`: what differs from the manifest in a root that is mounted.

use std::env;
use std::path::Path;

use rusty_attachments_vfs::changes::{ChangeKind, Changed, LocalContent, LocalState};
use serde::Serialize;

use super::manifest::json_path;
use crate::app::Context;
use crate::args::ChangesArgs;
use crate::args::values::grouped;
use crate::control::{Connection, Registered, Registry};
use crate::error::{CliError, Exit};
use crate::files::absolute;
use crate::store::io_runtime;
use crate::system::command_line;

/// One path that differs.
#[derive(Debug, Serialize)]
struct ChangeRecord {
    change: &'static str,
    path: String,
    /// Where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What is there now.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The hash of its bytes; several for a file in chunks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ChangesRecord {
    root: String,
    changes: usize,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &ChangesArgs) -> Result<Exit, CliError> {
    let registry = Registry::of_user()?;
    let mount = find(&registry, args.root.as_deref())?;
    let changes = io_runtime()?.block_on(Connection::changes(&registry, &mount));
    let changes = changes.map_err(|error| with_advice(error, &mount))?;
    for changed in &changes {
        context.output.result(text_of(changed), "local-change/1", &record_of(changed))?;
    }
    let root = mount.root.to_string_lossy().into_owned();
    let text = match changes.len() {
        0 => format!("nothing in {root} differs from its manifest"),
        1 => format!("1 change in {root}"),
        count => format!("{} changes in {root}", grouped(count as u64)),
    };
    let record = ChangesRecord { root, changes: changes.len() };
    context.output.result(text, "changes/1", &record)?;
    Ok(Exit::Success)
}

/// The mount that a command is about: the one named, else the one that the working folder is in,
/// else the only one.
pub(crate) fn find(registry: &Registry, root: Option<&Path>) -> Result<Registered, CliError> {
    if let Some(root) = root {
        let root = absolute(root)?;
        return registry.find(&root)?.ok_or_else(|| not_mounted(&root));
    }
    let mut mounts = registry.all()?;
    let here = env::current_dir().unwrap_or_default();
    if let Some(index) = mounts.iter().position(|mount| here.starts_with(&mount.root)) {
        return Ok(mounts.swap_remove(index));
    }
    match mounts.len() {
        1 => Ok(mounts.swap_remove(0)),
        0 => Err(CliError::usage("tell what changed", "no root is mounted with ProjFS")
            .advise("Mount one first: what was changed in it before is kept.")),
        count => {
            let roots: Vec<_> =
                mounts.iter().map(|mount| format!("'{}'", mount.root.display())).collect();
            let reason = format!("{count} roots are mounted: {}", roots.join(", "));
            Err(CliError::usage("choose a root", reason).advise("Name one."))
        }
    }
}

fn not_mounted(root: &Path) -> CliError {
    let action = format!("ask the mount at '{}'", root.display());
    CliError::usage(action, "nothing is mounted there with ProjFS").advise(
        "Mount it again as it was, 'rusty-attachments mount MANIFEST... ROOT': what was changed in \
         it is kept. 'rusty-attachments status' lists what is mounted.",
    )
}

/// What to do about a mount that is not served any more.
pub(crate) fn with_advice(error: CliError, mount: &Registered) -> CliError {
    if error.exit() != Exit::Environment {
        return error;
    }
    error.advise(format!(
        "Mount it again as it was: what was changed in it is kept. Or clear it: {}",
        command_line("unmount", &mount.root)
    ))
}

fn text_of(changed: &Changed) -> String {
    let path = &changed.path;
    match &changed.kind {
        ChangeKind::Added => format!("A {path}"),
        ChangeKind::Modified => format!("M {path}"),
        ChangeKind::Deleted => format!("D {path}"),
        ChangeKind::Renamed { from } => format!("R {from} -> {path}"),
        ChangeKind::ModeChanged => format!("X {path}"),
        ChangeKind::Unhashed => format!("? {path}"),
    }
}

fn record_of(changed: &Changed) -> ChangeRecord {
    let (change, from) = match &changed.kind {
        ChangeKind::Added => ("added", None),
        ChangeKind::Modified => ("modified", None),
        ChangeKind::Deleted => ("deleted", None),
        ChangeKind::Renamed { from } => ("renamed", Some(json_path(from.as_ref()))),
        ChangeKind::ModeChanged => ("mode-changed", None),
        ChangeKind::Unhashed => ("unhashed", None),
    };
    let (kind, size, hashes) = match &changed.state {
        LocalState::Deleted => ("nothing", None, Vec::new()),
        LocalState::Directory => ("directory", None, Vec::new()),
        LocalState::Symlink { .. } => ("symlink", None, Vec::new()),
        LocalState::File(file) => {
            let hashes = match &file.content {
                LocalContent::Hashed { hashes, .. } => {
                    hashes.iter().map(ToString::to_string).collect()
                }
                LocalContent::Base(identity) if identity.chunk_size.is_none() => {
                    vec![identity.hash.to_string()]
                }
                LocalContent::Base(_) | LocalContent::Unhashed => Vec::new(),
            };
            ("file", Some(file.stamp.size), hashes)
        }
    };
    ChangeRecord { change, path: json_path(changed.path.as_ref()), from, kind, size, hashes }
}
