//! Which files are open, and how.
//!
//! The kernel refuses to have one inode open through the page cache and by passthrough at once,
//! and demands one backing file per inode (`fuse_file_io_open`). So the first open of a file
//! decides how it is read, all others follow until the last is closed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rusty_attachments_vfs::NodeId;

/// The open files of a mount. `B` is what stands for a backing file.
#[derive(Debug)]
pub(super) struct OpenFiles<B>(Mutex<HashMap<NodeId, OpenFile<B>>>);

#[derive(Debug)]
struct OpenFile<B> {
    handles: u64,
    mode: Mode<B>,
}

/// How a file is read.
#[derive(Debug)]
pub(super) enum Mode<B> {
    /// Through requests and the page cache.
    Cached,
    /// By the kernel itself, from this backing file.
    Passthrough(Arc<B>),
}

impl<B> Clone for Mode<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Cached => Self::Cached,
            Self::Passthrough(backing) => Self::Passthrough(Arc::clone(backing)),
        }
    }
}

impl<B> Default for OpenFiles<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> OpenFiles<B> {
    /// Opens a file once more if it is open already.
    pub(super) fn join(&self, node: NodeId) -> Option<Mode<B>> {
        let mut files = self.0.lock();
        let file = files.get_mut(&node)?;
        file.handles += 1;
        Some(file.mode.clone())
    }

    /// Opens a file: the way `mode` says, unless somebody was faster.
    pub(super) fn open(&self, node: NodeId, mode: Mode<B>) -> Mode<B> {
        let mut files = self.0.lock();
        let file = files.entry(node).or_insert_with(|| OpenFile { handles: 0, mode: mode.clone() });
        file.handles += 1;
        let taken = file.mode.clone();
        drop(files);
        // Here `mode`, if it came too late, is dropped: closing a backing file is a system call.
        taken
    }

    /// Closes a file once. The last close gives the backing file back.
    pub(super) fn close(&self, node: NodeId) {
        let mut files = self.0.lock();
        let Some(file) = files.get_mut(&node) else { return };
        file.handles -= 1;
        let last = if file.handles == 0 { files.remove(&node) } else { None };
        drop(files);
        drop(last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backing(mode: &Mode<u32>) -> Option<u32> {
        match mode {
            Mode::Cached => None,
            Mode::Passthrough(backing) => Some(**backing),
        }
    }

    #[test]
    fn the_first_open_decides_until_the_last_close() {
        let (files, node) = (OpenFiles::<u32>::default(), NodeId(7));
        assert!(files.join(node).is_none());
        assert_eq!(backing(&files.open(node, Mode::Cached)), None);
        assert_eq!(backing(&files.open(node, Mode::Passthrough(Arc::new(1)))), None);
        files.close(node);
        assert_eq!(files.join(node).map(|mode| backing(&mode)), Some(None));
        files.close(node);
        files.close(node);
        assert!(files.join(node).is_none());
        assert_eq!(backing(&files.open(node, Mode::Passthrough(Arc::new(2)))), Some(2));
        assert_eq!(backing(&files.open(node, Mode::Passthrough(Arc::new(3)))), Some(2));
    }

    proptest! {
        /// Whoever opens a file gets the mode of those who have it open, whatever the order.
        #[test]
        fn all_who_have_a_file_open_have_it_alike(
            steps in proptest::collection::vec((0_u64..3, 0_u8..4), 0..100),
        ) {
            let files = OpenFiles::<u32>::default();
            let mut model: HashMap<u64, Vec<Option<u32>>> = HashMap::new();
            for (number, (node, step)) in (0_u32..).zip(steps) {
                let handles = model.entry(node).or_default();
                let current = handles.first().copied();
                let mode = match step {
                    0 => Mode::Passthrough(Arc::new(number)),
                    1 => Mode::Cached,
                    2 => {
                        let joined = files.join(NodeId(node)).map(|mode| backing(&mode));
                        prop_assert_eq!(joined, current);
                        handles.extend(joined);
                        continue;
                    }
                    _ => {
                        files.close(NodeId(node));
                        handles.pop();
                        continue;
                    }
                };
                let wanted = current.unwrap_or_else(|| backing(&mode));
                let given = backing(&files.open(NodeId(node), mode));
                prop_assert_eq!(given, wanted);
                handles.push(given);
            }
        }
    }

    #[test]
    fn the_last_close_gives_the_backing_file_back() {
        let (files, node, backing) = (OpenFiles::default(), NodeId(7), Arc::new(()));
        let watch = Arc::downgrade(&backing);
        drop(files.open(node, Mode::Passthrough(backing)));
        drop(files.join(node));
        files.close(node);
        assert!(watch.upgrade().is_some());
        files.close(node);
        assert!(watch.upgrade().is_none());
        // A close too many does no harm.
        files.close(node);
    }
}
