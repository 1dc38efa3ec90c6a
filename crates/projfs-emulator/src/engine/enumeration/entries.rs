//! What an application sees of an entry (projfs.md E11, E12, F14, F16).

use std::collections::VecDeque;

use super::Pattern;
use crate::contract::operations::Entry;
use crate::contract::{BasicInfo, DirEntry, HResult, Result, Wide, attributes};
use crate::engine::nt_time;
use crate::engine::root::Root;
use crate::engine::store::{Found, Item};
use crate::engine::visible::{listed, shown};

/// An entry for what is on disk. `as_listed`: without what listings hide while a provider runs.
pub(super) fn on_disk(found: Found, as_listed: bool) -> Entry {
    let Found { name, item } = found;
    let basic = if as_listed { listed(&item) } else { shown(&item) };
    Entry { name, basic, link: item.link, item: Some(item.id) }
}

/// An entry for what is virtual.
pub(super) fn projected(entry: DirEntry) -> Entry {
    let DirEntry { name, basic, link } = entry;
    Entry { name, basic: recalled(basic, link.is_some()), link, item: None }
}

/// `.` and `..`, as far as they match: made by the file system, never by the provider.
pub(super) fn dots(root: &Root, directory: &Item, pattern: &Pattern) -> Result<VecDeque<Entry>> {
    let above = match root.store.place(directory.id) {
        Some((above, _)) => root.store.item(above).ok_or(HResult::PATH_NOT_FOUND)?,
        None => directory.clone(),
    };
    let both = [(".", directory.clone()), ("..", above)];
    let both = both.map(|(name, item)| Found { name: Wide::from(name), item });
    let matching = both.into_iter().filter(|dot| pattern.takes(&dot.name));
    Ok(matching.map(|dot| on_disk(dot, true)).collect())
}

/// What is given is used, but DIRECTORY is derived, and times that are not given are the present.
fn recalled(given: BasicInfo, link: bool) -> BasicInfo {
    let derived = attributes::DIRECTORY | attributes::REPARSE_POINT | attributes::NORMAL;
    let now = nt_time::now();
    let time = |given| if given == 0 { now } else { given };
    let directory = if given.directory { attributes::DIRECTORY } else { 0 };
    let link = if link { attributes::REPARSE_POINT } else { 0 };
    BasicInfo {
        creation: time(given.creation),
        access: time(given.access),
        write: time(given.write),
        change: time(given.change),
        attributes: given.attributes & !derived | directory | link | attributes::RECALL_ON_OPEN,
        ..given
    }
}
