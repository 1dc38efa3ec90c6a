//! A file in the root that no listing shows: what the volume says of itself.
//!
//! Not an extended attribute: as long as a mount has any, `ls -l` asks for two on every file,
//! which makes it ten times slower. Each lookup takes a snapshot under a node of its own, so that
//! a reader never sees half of one report and half of another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::ReplyData;
use parking_lot::Mutex;
use rusty_attachments_vfs::{Attributes, NodeId, NodeKind};

use super::Frontend;

/// The name of the file in a mount's root that holds the volume's report, one JSON object. Not
/// listed; an entry of the volume with this name is shown instead of it.
pub const STATUS_FILE: &str = ".rusty-attachments-status";

/// Above every id that a volume gives: those count entries in memory.
const FIRST: u64 = 1 << 62;

/// Snapshots kept for their readers; the kernel gives them back as soon as they are closed.
const MOST: usize = 64;

/// The snapshots that the kernel knows of.
#[derive(Debug, Default)]
pub(super) struct StatusFiles(Mutex<Snapshots>);

#[derive(Debug, Default)]
struct Snapshots {
    taken: u64,
    kept: BTreeMap<NodeId, Snapshot>,
}

#[derive(Clone, Debug)]
struct Snapshot {
    text: Arc<str>,
    mtime_us: i64,
}

impl StatusFiles {
    /// Keeps a report and returns the file that it is.
    fn add(&self, report: String) -> Attributes {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
        let mtime_us = i64::try_from(now).unwrap_or(i64::MAX);
        let snapshot = Snapshot { text: report.into(), mtime_us };
        let mut snapshots = self.0.lock();
        let node = NodeId(FIRST + snapshots.taken);
        snapshots.taken += 1;
        if snapshots.kept.len() >= MOST {
            snapshots.kept.pop_first();
        }
        snapshots.kept.insert(node, snapshot.clone());
        snapshot.attributes(node)
    }

    fn get(&self, node: NodeId) -> Option<Snapshot> {
        if node.0 < FIRST { None } else { self.0.lock().kept.get(&node).cloned() }
    }

    pub(super) fn attributes(&self, node: NodeId) -> Option<Attributes> {
        Some(self.get(node)?.attributes(node))
    }

    /// Takes back what the kernel forgets; false if it is none of ours.
    pub(super) fn forget(&self, node: NodeId) -> bool {
        if node.0 < FIRST {
            return false;
        }
        self.0.lock().kept.remove(&node);
        true
    }
}

impl Snapshot {
    fn attributes(&self, node: NodeId) -> Attributes {
        Attributes {
            node,
            kind: NodeKind::File,
            size: self.text.len() as u64,
            mtime_us: self.mtime_us,
            executable: false,
        }
    }
}

impl Frontend {
    /// The status file, if that is what is looked for.
    pub(super) fn look_up_status(&self, parent: NodeId, name: &[u8]) -> Option<Attributes> {
        let wanted = parent == NodeId::ROOT && name == STATUS_FILE.as_bytes();
        wanted.then(|| self.status.add(self.volume.report() + "\n"))
    }

    /// Reads a status file; gives the reply back if the node is none.
    pub(super) fn answer_status_read(
        &self,
        node: NodeId,
        offset: u64,
        length: u32,
        reply: ReplyData,
    ) -> Option<ReplyData> {
        let Some(snapshot) = self.status.get(node) else { return Some(reply) };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = snapshot.text.as_bytes().get(offset..).unwrap_or_default();
        reply.data(rest.get(..length as usize).unwrap_or(rest));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_bounded_and_given_back() {
        let files = StatusFiles::default();
        let first = files.add("first".into());
        assert_eq!((first.node, first.size), (NodeId(FIRST), 5));
        let second = files.add("second".into());
        assert!(files.forget(first.node) && files.attributes(first.node).is_none());
        assert!(!files.forget(NodeId::ROOT) && files.attributes(NodeId::ROOT).is_none());
        for _ in 0..MOST {
            files.add(String::new());
        }
        assert!(files.attributes(second.node).is_none());
        assert_eq!(files.0.lock().kept.len(), MOST);
    }
}
