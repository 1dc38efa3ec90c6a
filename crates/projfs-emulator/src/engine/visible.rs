//! What an application sees of an item: the attributes that its state adds (projfs.md E11, E12).

use super::store::Item;
use crate::contract::{BasicInfo, FileState, attributes};

/// By a handle of the item.
pub(super) fn shown(item: &Item) -> BasicInfo {
    let mut shown = item.basic;
    shown.attributes |= of_kind(item) | of_state(item);
    if shown.attributes == 0 {
        shown.attributes = attributes::NORMAL;
    }
    shown
}

/// In a listing while a provider runs: without the reparse point, which programs take for a
/// symbolic link where there is none.
pub(super) fn listed(item: &Item) -> BasicInfo {
    let mut listed = shown(item);
    if item.link.is_none() {
        listed.attributes &= !attributes::REPARSE_POINT;
    }
    listed
}

fn of_kind(item: &Item) -> u32 {
    let directory = if item.directory { attributes::DIRECTORY } else { 0 };
    let link = if item.link.is_some() { attributes::REPARSE_POINT } else { 0 };
    directory | link
}

fn of_state(item: &Item) -> u32 {
    use attributes::{ARCHIVE, HIDDEN, RECALL_ON_DATA_ACCESS, REPARSE_POINT, SPARSE, SYSTEM};
    if item.state.contains(FileState::TOMBSTONE) {
        return REPARSE_POINT | ARCHIVE | HIDDEN | SYSTEM;
    }
    if !item.state.contains(FileState::PLACEHOLDER) || item.link.is_some() {
        return 0;
    }
    match (item.directory, item.state.contains(FileState::HYDRATED)) {
        (true, _) => REPARSE_POINT | RECALL_ON_DATA_ACCESS,
        (false, false) => REPARSE_POINT | SPARSE | RECALL_ON_DATA_ACCESS,
        (false, true) => REPARSE_POINT | SPARSE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::attributes::{
        ARCHIVE, DIRECTORY, HIDDEN, NORMAL, RECALL_ON_DATA_ACCESS, REPARSE_POINT, SPARSE, SYSTEM,
    };
    use crate::contract::{Guid, Wide};
    use crate::engine::ItemId;

    fn item(state: FileState, directory: bool, link: Option<Wide>) -> Item {
        Item {
            id: ItemId(2),
            file: Guid::default(),
            state,
            directory,
            link,
            basic: BasicInfo { directory, ..BasicInfo::default() },
            allocated: 0,
            version: Arc::default(),
            instance: Guid::default(),
            origin: Wide::default(),
            renamed: false,
            names: 1,
        }
    }

    #[test]
    fn attributes_tell_the_state() {
        let recall = REPARSE_POINT | RECALL_ON_DATA_ACCESS;
        let hydrated = FileState::PLACEHOLDER | FileState::HYDRATED;
        for (state, directory, attributes) in [
            (FileState::PLACEHOLDER, false, recall | SPARSE),
            (hydrated, false, REPARSE_POINT | SPARSE),
            (FileState::FULL, false, NORMAL),
            (FileState::PLACEHOLDER | FileState::DIRTY, true, recall | DIRECTORY),
            (FileState::FULL, true, DIRECTORY),
            (FileState::TOMBSTONE, false, REPARSE_POINT | ARCHIVE | HIDDEN | SYSTEM),
        ] {
            assert_eq!(shown(&item(state, directory, None)).attributes, attributes, "{state:?}");
        }
    }

    #[test]
    fn listings_show_reparse_points_of_links_only() {
        let file = item(FileState::PLACEHOLDER, false, None);
        assert_eq!(listed(&file).attributes, SPARSE | RECALL_ON_DATA_ACCESS);
        let link = item(FileState::PLACEHOLDER, false, Some("a".into()));
        assert_eq!(listed(&link).attributes, REPARSE_POINT);
    }
}
