//! Makes the kernel forget bytes that turned out wrong after they had been shown.

use std::sync::{Arc, Weak};

use fuser::INodeNo;
use rusty_attachments_vfs::{AsyncExecutor, InvalidationWatcher};

use super::watch::Watch;

/// Drops a node's pages whenever the volume asks for it.
///
/// Holds on to nothing, because the volume may outlive the mount.
pub(super) fn forget(watch: &Arc<Watch>, executor: &Arc<AsyncExecutor>) -> InvalidationWatcher {
    let (watch, executor) = (Arc::downgrade(watch), Arc::downgrade(executor));
    Box::new(move |node| {
        let (Some(notifier), Some(executor)) =
            (watch.upgrade().and_then(|watch| watch.notifier()), Weak::upgrade(&executor))
        else {
            return;
        };
        // The kernel waits here for pages that it is still reading, and we are who answers those
        // reads: on the caller's thread this could wait for itself.
        drop(executor.spawn_blocking(move || {
            if let Err(error) = notifier.inval_inode(INodeNo(node.0), 0, 0) {
                tracing::warn!(node = node.0, "the kernel keeps bytes that are wrong: {error}");
            }
        }));
    })
}
