//! How large the file system says it is: `statfs`.

use fuser::ReplyStatfs;

use super::Frontend;
use crate::names::MAX_NAME;

/// The unit that sizes are told in.
const BLOCK: u32 = 4096;

impl Frontend {
    pub(super) fn answer_statfs(&self, reply: ReplyStatfs) {
        let usage = self.volume.usage();
        let used = usage.bytes.div_ceil(u64::from(BLOCK));
        let free = usage.bytes_free / u64::from(BLOCK);
        let blocks = used.saturating_add(free);
        reply.statfs(blocks, free, free, usage.nodes, 0, BLOCK, MAX_NAME as u32, BLOCK);
    }
}
