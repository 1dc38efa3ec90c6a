//! Mounts whose process died, and the list of all of ours.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::table;
use crate::error::FuseError;

/// How long a mount may take to show that it is alive.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// A mount of ours, whichever process serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountEntry {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// `rusty-attachments:LABEL`.
    pub source: OsString,
    /// Whether its process died: it answers everything with `ENOTCONN` and can be unmounted.
    pub stale: bool,
}

/// All mounts of ours that this process can see.
///
/// # Errors
/// `System` if `/proc` cannot be read.
pub fn list_mounts() -> Result<Vec<MountEntry>, FuseError> {
    let mounts: Vec<_> = table::read()?.into_iter().filter(table::Mount::is_ours).collect();
    let points: Vec<_> = mounts.iter().map(|mount| mount.point.clone()).collect();
    let dead = probe(&points);
    let entries = mounts.into_iter().zip(dead).map(|(mount, stale)| MountEntry {
        mount_point: mount.point,
        source: mount.source,
        stale,
    });
    Ok(entries.collect())
}

/// Whether the process behind a FUSE mount is gone.
pub(super) fn is_dead(point: &Path) -> bool {
    probe(&[point.to_path_buf()]) == [true]
}

/// Asks all mounts at once. One that does not answer in time is alive, if not well.
fn probe(points: &[PathBuf]) -> Vec<bool> {
    let (sender, verdicts) = mpsc::channel();
    for (index, point) in points.iter().cloned().enumerate() {
        let sender = sender.clone();
        // A thread each, because a mount that hangs holds its asker for as long as it likes.
        let _ = std::thread::Builder::new().name("mount-probe".into()).spawn(move || {
            // Not `stat`: the kernel may answer that from memory long after the process died.
            let dead = rustix::fs::statfs(&point).err() == Some(Errno::NOTCONN);
            let _ = sender.send((index, dead));
        });
    }
    drop(sender);
    let mut dead = vec![false; points.len()];
    let deadline = Instant::now() + PROBE_LIMIT;
    while let Ok((index, verdict)) =
        verdicts.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        if let Some(slot) = dead.get_mut(index) {
            *slot = verdict;
        }
    }
    dead
}
