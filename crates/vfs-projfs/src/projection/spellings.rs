//! What links lead to whose targets are spelled in another case than the names: nothing on Linux,
//! but Windows finds it, and jobs made on Windows rely on that.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ntfs_names as names;
use rusty_attachments_vfs::{NodeId, Volume};

use super::decisions::Decisions;
use super::wide;
use crate::error::ProjFsError;

/// Kept only while links are decided on, since it holds all names of the folders that were asked
/// for; where links lead exactly to what they say, that is none.
#[derive(Default)]
pub(super) struct Spellings {
    folders: HashMap<NodeId, HashMap<Vec<u16>, NodeId>>,
    /// The ends of the links that need another spelling.
    pub(super) ends: HashMap<NodeId, NodeId>,
}

impl Spellings {
    /// What Windows finds under a name in a folder.
    pub(super) fn find(
        &mut self,
        volume: &dyn Volume,
        decisions: &Decisions,
        folder: NodeId,
        name: &[u8],
    ) -> Result<Option<NodeId>, ProjFsError> {
        let folder = decisions.shown_as(folder);
        let shown = match self.folders.entry(folder) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(shown_names(volume, decisions, folder)?),
        };
        Ok(shown.get(&names::fold(&wide(name))).copied())
    }
}

fn shown_names(
    volume: &dyn Volume,
    decisions: &Decisions,
    folder: NodeId,
) -> Result<HashMap<Vec<u16>, NodeId>, ProjFsError> {
    let mut shown = HashMap::new();
    for source in decisions.sources(folder) {
        let listing = volume.children(source)?;
        for entry in (0..listing.len()).filter_map(|index| listing.entry(index)) {
            if decisions.why_hidden(entry.attributes.node).is_none() {
                let name = names::fold(&wide(entry.name.as_wtf8()));
                shown.insert(name, entry.attributes.node);
            }
        }
    }
    Ok(shown)
}
