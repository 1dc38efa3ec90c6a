//! The order in which a mount's files were first touched, for later prefetch work.
//!
//! One bit a node, and a bounded list: cheap enough to be always on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{fs, io};

use crate::sync::{Mutex, lock};
use crate::volume::NodeId;

/// First touches that are noted at most; a job that touches more is known well enough by these.
const TOUCHES_MAX: usize = 200_000;

/// Traces that a cache folder holds at most, each of a few MiB.
const TRACES_MAX: usize = 32;

/// One first read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Milliseconds since the mount.
    pub after_ms: u64,
    /// The file.
    pub node: NodeId,
    /// Where the first read began, in bytes.
    pub offset: u64,
}

/// Notes each file's first read.
#[derive(Debug)]
pub struct Trace {
    started: Instant,
    seen: Box<[AtomicU64]>,
    touches: Mutex<Vec<Touch>>,
}

impl Trace {
    /// A trace for nodes with ids up to `nodes`.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            started: Instant::now(),
            seen: (0..=nodes / 64).map(|_| AtomicU64::new(0)).collect(),
            touches: Mutex::new(Vec::new()),
        }
    }

    /// Notes a read of `node` at `offset`; true if it is the first one.
    pub fn note(&self, node: NodeId, offset: u64) -> bool {
        let Some(word) = usize::try_from(node.0 / 64).ok().and_then(|at| self.seen.get(at)) else {
            return false;
        };
        let bit = 1 << (node.0 % 64);
        if word.load(Ordering::Relaxed) & bit != 0
            || word.fetch_or(bit, Ordering::Relaxed) & bit != 0
        {
            return false;
        }
        let after_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut touches = lock(&self.touches);
        if touches.len() < TOUCHES_MAX {
            touches.push(Touch { after_ms, node, offset });
        }
        true
    }

    /// The first touches so far, in order.
    #[must_use]
    pub fn touches(&self) -> Vec<Touch> {
        lock(&self.touches).clone()
    }

    /// The first touches as lines of JSON, with the path that `path_of` gives.
    #[must_use]
    pub fn to_json_lines(&self, path_of: impl Fn(NodeId) -> String) -> String {
        let mut lines = String::new();
        for Touch { after_ms, node, offset } in self.touches() {
            let path = serde_json::Value::String(path_of(node));
            // Writing to a string cannot fail.
            let _ = writeln!(lines, r#"{{"ms":{after_ms},"offset":{offset},"path":{path}}}"#);
        }
        lines
    }
}

/// Publishes a trace in `folder`, which holds the newest [`TRACES_MAX`] of them.
pub(crate) fn save(folder: &Path, name: &str, lines: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let (draft, path) = (folder.join(format!(".{name}.{}", std::process::id())), folder.join(name));
    fs::write(&draft, lines).and_then(|()| fs::rename(&draft, &path)).inspect_err(|_| {
        // A draft that cannot be removed either is removed with the oldest traces.
        let _ = fs::remove_file(&draft);
    })?;
    let mut traces: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    traces.sort_unstable();
    let surplus = traces.len().saturating_sub(TRACES_MAX);
    for (_, old) in traces.into_iter().take(surplus) {
        fs::remove_file(old)?;
    }
    Ok(path)
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_traces_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..TRACES_MAX + 5).map(|index| format!("{index:03}.jsonl")).collect();
        for (age, name) in names.iter().rev().enumerate() {
            let path = save(folder.path(), name, "{}\n").unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age as u64);
            fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        }
        save(folder.path(), &names[0], "{}\n").unwrap();
        let kept = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(kept, TRACES_MAX);
        assert!(
            folder.path().join(&names[0]).exists()
                && folder.path().join(names.last().unwrap()).exists()
        );
    }

    #[test]
    fn only_the_first_read_of_a_file_is_noted() {
        let trace = Trace::new(1_000);
        assert!(trace.note(NodeId(7), 4096));
        assert!(!trace.note(NodeId(7), 0));
        assert!(trace.note(NodeId(1_000), 0));
        assert!(!trace.note(NodeId(1_000_000), 0), "unknown nodes are ignored");
        let touched: Vec<_> =
            trace.touches().iter().map(|touch| (touch.node.0, touch.offset)).collect();
        assert_eq!(touched, [(7, 4096), (1_000, 0)]);
        assert!(trace.to_json_lines(|node| node.0.to_string()).contains(r#""path":"1000""#));
    }
}
