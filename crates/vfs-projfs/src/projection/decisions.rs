//! Which entries Windows gets, decided once.
//!
//! Names that Windows cannot have are left out with what is below them. Of names that differ only
//! in case one is shown, the same one on every machine; folders that differ only in case become one,
//! as they do when files are downloaded to Windows.

use std::collections::HashMap;
use std::sync::Arc;

use ntfs_names as names;
use rusty_attachments_vfs::{ListedEntry, NodeId, NodeKind, Volume};

use super::candidates::{Candidate, Candidates};
use super::info::{ProjectedFileInfo, ProjectedKind, windows_time};
use super::links::{LinkPolicy, Links, Shown};
use super::report::{NameFault, NameReport};
use super::walk::{Step, Walk};
use super::wide;
use crate::error::ProjFsError;

/// What was decided. Empty but for what is not shown as it is written.
#[derive(Debug)]
pub(super) struct Decisions {
    policy: LinkPolicy,
    /// The nodes that no listing has under their own name.
    hidden: HashMap<NodeId, Why>,
    /// Folders that show the entries of others too.
    merged: HashMap<NodeId, Vec<NodeId>>,
    /// Where links lead whose targets are spelled in another case.
    ends: HashMap<NodeId, NodeId>,
}

/// Why a node is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is left out, with what is below it.
    Omitted,
    /// It is a folder that is shown as one with this other.
    Merged(NodeId),
}

/// Decides on names first and on links then, because links lead to names.
pub(super) fn decide(
    volume: &dyn Volume,
    policy: LinkPolicy,
) -> Result<(Decisions, NameReport), ProjFsError> {
    let (hidden, merged, ends) = Default::default();
    let mut decisions = Decisions { policy, hidden, merged, ends };
    let mut report = NameReport::default();
    let has_links = decisions.decide_names(volume, &mut report)?;
    if has_links {
        decisions.decide_links(volume, &mut report)?;
    }
    Ok((decisions, report))
}

impl Decisions {
    /// Gives whether there are links.
    fn decide_names(
        &mut self,
        volume: &dyn Volume,
        report: &mut NameReport,
    ) -> Result<bool, ProjFsError> {
        let mut has_links = false;
        let mut candidates = Candidates::default();
        let mut walk = Walk::new(volume)?;
        loop {
            candidates.clear();
            for (place, _, entry) in walk.entries() {
                has_links |= entry.attributes.kind == NodeKind::Symlink;
                if let Err(why) = candidates.add(place, entry) {
                    self.hidden.insert(entry.attributes.node, Why::Omitted);
                    report.add(|| NameFault::Impossible { path: walk.path(place), why });
                }
            }
            let mut folders = Vec::new();
            for equals in candidates.groups(&walk) {
                self.settle(equals, &walk, report, &mut folders);
            }
            if !walk.go_on(folders)? {
                return Ok(has_links);
            }
        }
    }

    /// Settles which of some entries that Windows cannot tell apart is shown.
    fn settle(
        &mut self,
        equals: &[Candidate],
        walk: &Walk<'_>,
        report: &mut NameReport,
        folders: &mut Vec<Step>,
    ) {
        let Some((shown, others)) = equals.split_first() else { return };
        let step = |of: &Candidate, joins| Step { place: of.place, node: of.node, joins };
        if shown.is_folder() {
            folders.push(step(shown, false));
        }
        for other in others {
            let paths = || (walk.path(other.place), walk.path(shown.place));
            if other.is_folder() {
                folders.push(step(other, true));
                self.hidden.insert(other.node, Why::Merged(shown.node));
                self.merged.entry(shown.node).or_default().push(other.node);
                report.add(|| {
                    let (path, shown) = paths();
                    NameFault::Merged { path, shown }
                });
            } else {
                self.hidden.insert(other.node, Why::Omitted);
                report.add(|| {
                    let (path, shown) = paths();
                    NameFault::Collides { path, shown }
                });
            }
        }
    }

    /// Hides the links that cannot be shown. Each is followed to its end as if all others were
    /// shown, so that the order does not matter: what hides one hides all that lead through it.
    fn decide_links(
        &mut self,
        volume: &dyn Volume,
        report: &mut NameReport,
    ) -> Result<(), ProjFsError> {
        let mut hidden = Vec::new();
        let mut links = Links::new(volume, self).with_spellings();
        let mut walk = Walk::new(volume)?;
        loop {
            let mut folders = Vec::new();
            for (place, folder, entry) in walk.entries() {
                let node = entry.attributes.node;
                let why_hidden = self.why_hidden(node);
                match entry.attributes.kind {
                    NodeKind::Directory if why_hidden != Some(Why::Omitted) => {
                        folders.push(Step { place, node, joins: false });
                    }
                    NodeKind::Symlink if why_hidden.is_none() => {
                        if let Shown::Not { target, why } = links.shown(folder, node)? {
                            hidden.push((node, Why::Omitted));
                            report.add(|| NameFault::Link { path: walk.path(place), target, why });
                        }
                    }
                    _ => {}
                }
            }
            if !walk.go_on(folders)? {
                self.ends = links.into_ends();
                self.hidden.extend(hidden);
                return Ok(());
            }
        }
    }

    pub(super) const fn policy(&self) -> LinkPolicy {
        self.policy
    }

    pub(super) fn why_hidden(&self, node: NodeId) -> Option<Why> {
        self.hidden.get(&node).copied()
    }

    /// Where a link leads whose target is spelled in another case.
    pub(super) fn end(&self, link: NodeId) -> Option<NodeId> {
        self.ends.get(&link).copied()
    }

    /// The folder that shows the entries of this one.
    pub(super) fn shown_as(&self, folder: NodeId) -> NodeId {
        match self.why_hidden(folder) {
            Some(Why::Merged(shown)) => shown,
            Some(Why::Omitted) | None => folder,
        }
    }

    /// The folders whose entries a folder shows.
    pub(super) fn sources(&self, folder: NodeId) -> impl Iterator<Item = NodeId> {
        let others = self.merged.get(&folder).into_iter().flatten();
        std::iter::once(folder).chain(others.copied())
    }

    /// What a folder shows, sorted as NTFS sorts; `None` if the node is no folder.
    pub(super) fn listing(
        &self,
        volume: &dyn Volume,
        folder: NodeId,
    ) -> Result<Option<Arc<[ProjectedFileInfo]>>, ProjFsError> {
        if volume.attributes(folder)?.kind != NodeKind::Directory {
            return Ok(None);
        }
        let mut links = Links::new(volume, self);
        let mut shown = Vec::new();
        for source in self.sources(folder) {
            let listing = volume.children(source)?;
            shown.reserve_exact(listing.len());
            for entry in (0..listing.len()).filter_map(|index| listing.entry(index)) {
                if self.why_hidden(entry.attributes.node).is_none() {
                    shown.extend(info(volume, &mut links, source, entry)?);
                }
            }
        }
        shown.sort_unstable_by(|a, b| names::compare(&a.name, &b.name));
        Ok(Some(shown.into()))
    }
}

fn info(
    volume: &dyn Volume,
    links: &mut Links<'_>,
    folder: NodeId,
    entry: ListedEntry<'_>,
) -> Result<Option<ProjectedFileInfo>, ProjFsError> {
    let mut shown = entry.attributes;
    let kind = match shown.kind {
        NodeKind::Directory => ProjectedKind::Directory,
        NodeKind::File => ProjectedKind::File,
        NodeKind::Symlink => match links.shown(folder, shown.node)? {
            Shown::Link { target, directory } => ProjectedKind::Symlink { target, directory },
            Shown::File(target) => {
                shown = target;
                ProjectedKind::File
            }
            Shown::Not { .. } => return Ok(None),
        },
    };
    let is_file = kind == ProjectedKind::File;
    Ok(Some(ProjectedFileInfo {
        name: wide(entry.name.as_wtf8()).into_boxed_slice(),
        node: shown.node,
        size: if is_file { shown.size } else { 0 },
        write_time: windows_time(shown.mtime_us),
        content: if is_file { volume.content_identity(shown.node) } else { None },
        kind,
    }))
}
