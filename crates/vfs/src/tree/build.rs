//! From a manifest's sorted list of paths to the arena, in time linear in the text.
//!
//! Sorted by whole paths, everything below one folder is a run, because it shares a prefix. So one
//! pass with a stack of open folders finds every folder once (*drafts*). What the order of whole
//! paths scatters are only siblings: `a` and `a/x` have `a-b` between them. Each folder's children
//! are therefore sorted on their own, which is linear where they are in order already, and there
//! duplicates and clashes meet. The arena is filled level by level, so that children become
//! neighbours; a second pass over the manifest fills in what it says about each node.
//!
//! No recursion: depth costs memory only. Beside the result it takes about 40 bytes an entry.

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, ManifestError, PathBuf, PathRef,
};

use super::error::TreeError;
use super::link::write_relative;
use super::node::{Body, Node, Span};

/// What makes up a tree.
pub(super) struct Parts {
    pub(super) nodes: Vec<Node>,
    pub(super) names: Vec<u8>,
    pub(super) targets: Vec<u8>,
    pub(super) hashes: Vec<ContentHash>,
    pub(super) total_bytes: u64,
}

/// A draft that has no node of its own, because it was merged with another.
const NOWHERE: u32 = u32::MAX;

/// Mtime of a folder or link, until it is known: the manifest states none.
const UNKNOWN: i64 = i64::MIN;

/// A node as it was met in the manifest's order. Draft 0 is the root.
#[derive(Clone, Copy)]
struct Draft<'a> {
    name: &'a [u8],
    parent: u32,
    kind: DraftKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DraftKind {
    /// A folder that only other entries' paths imply.
    Implied,
    /// A folder with an entry of its own.
    Folder,
    File,
    Link,
}

impl DraftKind {
    fn of(kind: &EntryKind<'_>) -> Result<Self, TreeError> {
        match kind {
            EntryKind::Directory => Ok(Self::Folder),
            EntryKind::File(_) => Ok(Self::File),
            EntryKind::Symlink { .. } => Ok(Self::Link),
            EntryKind::DeletedFile | EntryKind::DeletedDirectory => {
                Err(ManifestError::DiffAlone { parent: None }.into())
            }
        }
    }

    const fn is_folder(self) -> bool {
        matches!(self, Self::Implied | Self::Folder)
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Implied | Self::Folder => "folder",
            Self::File => "file",
            Self::Link => "link",
        }
    }
}

/// Builds from entries sorted by whole path; `entries` is called twice.
pub(super) fn build<'a, I>(entries: impl Fn() -> I) -> Result<Parts, TreeError>
where
    I: Iterator<Item = Entry<'a>>,
{
    let drafts = draft(entries())?;
    let (mut parts, places) = Layout::new(&drafts)?.run()?;
    let described =
        drafts.iter().zip(&places).filter(|(draft, _)| draft.kind != DraftKind::Implied);
    for (entry, (_, &place)) in entries().zip(described) {
        parts.describe(place, entry)?;
    }
    parts.date_folders();
    Ok(parts)
}

fn draft<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Result<Vec<Draft<'a>>, TreeError> {
    let mut drafts = Vec::with_capacity(entries.size_hint().0 + 1);
    drafts.push(Draft { name: &[], parent: 0, kind: DraftKind::Implied });
    // The folders of the path before, and the path itself.
    let (mut open, mut before) = (Vec::new(), &[][..]);
    for entry in entries {
        let path = entry.path.as_wtf8();
        let same = path.iter().zip(before).take_while(|(a, b)| a == b).count();
        let shared = path.iter().take(same).filter(|&&byte| byte == b'/').count();
        open.truncate(shared);
        let mut components = path.split(|&byte| byte == b'/').skip(shared).peekable();
        while let Some(name) = components.next() {
            if matches!(name, b"" | b"." | b"..") {
                return Err(TreeError::UnsafePath { path: entry.path.into() });
            }
            let parent = open.last().copied().unwrap_or_default();
            let id = u32::try_from(drafts.len()).map_err(|_| TreeError::TooLarge)?;
            let kind = if components.peek().is_some() {
                open.push(id);
                DraftKind::Implied
            } else {
                DraftKind::of(&entry.kind)?
            };
            drafts.push(Draft { name, parent, kind });
        }
        before = path;
    }
    Ok(drafts)
}

/// Sorts the drafts into the arena, level by level.
struct Layout<'d, 'a> {
    drafts: &'d [Draft<'a>],
    /// Drafts by parent; the children of draft `i` are those from `starts[i]` to `starts[i + 1]`.
    children: Vec<u32>,
    starts: Vec<u32>,
    /// The draft behind each node, and the node of each draft.
    sources: Vec<u32>,
    places: Vec<u32>,
    nodes: Vec<Node>,
    names: Vec<u8>,
}

impl<'d, 'a> Layout<'d, 'a> {
    fn new(drafts: &'d [Draft<'a>]) -> Result<Self, TreeError> {
        let name_bytes: usize = drafts.iter().map(|draft| draft.name.len()).sum();
        if u32::try_from(name_bytes).is_err() || u32::try_from(drafts.len()).is_err() {
            return Err(TreeError::TooLarge);
        }
        let mut starts = vec![0u32; drafts.len() + 1];
        for draft in drafts.iter().skip(1) {
            starts[draft.parent as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![0; drafts.len() - 1];
        for (id, draft) in (0u32..).zip(drafts).skip(1) {
            let next = &mut next[draft.parent as usize];
            children[*next as usize] = id;
            *next += 1;
        }
        Ok(Self {
            drafts,
            children,
            starts,
            sources: Vec::with_capacity(drafts.len()),
            places: vec![NOWHERE; drafts.len()],
            nodes: Vec::with_capacity(drafts.len()),
            names: Vec::with_capacity(name_bytes),
        })
    }

    /// The arena without what the entries say, and the node of each draft.
    fn run(mut self) -> Result<(Parts, Vec<u32>), TreeError> {
        self.place(0, 0)?;
        let mut at = 0;
        while let Some(&source) = self.sources.get(at) {
            if self.draft(source).kind.is_folder() {
                self.place_children(at, source)?;
            }
            at += 1;
        }
        let Self { nodes, names, places, .. } = self;
        let parts = Parts { nodes, names, targets: Vec::new(), hashes: Vec::new(), total_bytes: 0 };
        Ok((parts, places))
    }

    fn draft(&self, id: u32) -> Draft<'a> {
        self.drafts[id as usize]
    }

    fn children(&self, source: u32) -> std::ops::Range<usize> {
        self.starts[source as usize] as usize..self.starts[source as usize + 1] as usize
    }

    fn place_children(&mut self, parent: usize, source: u32) -> Result<(), TreeError> {
        let range = self.children(source);
        let drafts = self.drafts;
        self.children[range.clone()].sort_by_key(|&child| drafts[child as usize].name);
        let first = self.nodes.len();
        for at in range {
            let child = self.children[at];
            match self.sources.last() {
                Some(&last)
                    if self.nodes.len() > first
                        && self.draft(last).name == self.draft(child).name =>
                {
                    self.merge(last, child)?;
                }
                _ => self.place(child, parent)?,
            }
        }
        // All fit into 32 bits, since the number of drafts does.
        let span = Span { start: first as u32, len: (self.nodes.len() - first) as u32 };
        self.nodes[parent].body = Body::Directory { children: span };
        Ok(())
    }

    fn place(&mut self, source: u32, parent: usize) -> Result<(), TreeError> {
        let name = self.draft(source).name;
        self.places[source as usize] = self.nodes.len() as u32;
        self.sources.push(source);
        self.nodes.push(Node {
            mtime_us: UNKNOWN,
            name_start: self.names.len() as u32,
            parent: parent as u32,
            name_len: u16::try_from(name.len()).map_err(|_| TreeError::TooLarge)?,
            executable: false,
            body: Body::Directory { children: Span::default() },
        });
        self.names.extend_from_slice(name);
        Ok(())
    }

    /// Two siblings of one name: one folder that is both named and implied, or an error. `last` has
    /// the newest node.
    fn merge(&mut self, last: u32, child: u32) -> Result<(), TreeError> {
        use DraftKind::{Folder, Implied};
        let (first, second) = (self.draft(last).kind, self.draft(child).kind);
        let implied_and_named = match (first, second) {
            (Implied, Folder) => Some((last, child)),
            (Folder, Implied) => Some((child, last)),
            _ => None,
        };
        // Entries lie below the implied one only, because a folder's entry is no part of its run.
        if let Some((implied, named)) = implied_and_named
            && self.children(named).is_empty()
            && let Some(source) = self.sources.last_mut()
        {
            *source = implied;
            let place = std::mem::replace(&mut self.places[last as usize], NOWHERE);
            self.places[implied as usize] = place;
            return Ok(());
        }
        let path = self.path(child);
        let not_folder = |kind: DraftKind, below| TreeError::NotFolder {
            path: path.clone(),
            kind: kind.noun(),
            below: self.first_below(below),
        };
        Err(match (first, second) {
            (kind, Implied) if !kind.is_folder() => not_folder(kind, child),
            (Implied, kind) if !kind.is_folder() => not_folder(kind, last),
            _ => TreeError::Duplicate { path, first: first.noun(), second: second.noun() },
        })
    }

    fn path(&self, mut id: u32) -> PathBuf {
        let mut names = Vec::new();
        while id != 0 {
            let draft = self.draft(id);
            names.push(draft.name);
            id = draft.parent;
        }
        let mut path = PathBuf::default();
        names.iter().rev().for_each(|name| path.push(PathRef::from_wtf8(name)));
        path
    }

    /// An entry somewhere below an implied folder; there always is one.
    fn first_below(&self, mut id: u32) -> PathBuf {
        while let Some(&child) = self.children[self.children(id)].first() {
            id = child;
        }
        self.path(id)
    }
}

impl Parts {
    /// Fills in what the manifest says about one node.
    fn describe(&mut self, place: u32, entry: Entry<'_>) -> Result<(), TreeError> {
        // A folder that is both named and implied may have moved; there is nothing to say of it.
        let Some(node) = self.nodes.get_mut(place as usize) else { return Ok(()) };
        match entry.kind {
            EntryKind::File(File { size, mtime_us, runnable, content }) => {
                self.total_bytes = self.total_bytes.saturating_add(size);
                node.mtime_us = mtime_us;
                node.executable = runnable;
                node.body = match content {
                    Content::Whole(hash) => Body::Whole { size, hash },
                    Content::Chunked { chunk_size, hashes } => {
                        let start = self.hashes.len();
                        self.hashes.extend_from_slice(hashes);
                        let hashes = span(start, self.hashes.len())?;
                        Body::Chunked { size, chunk_size, hashes }
                    }
                };
            }
            EntryKind::Symlink { target } => {
                let start = self.targets.len();
                write_relative(entry.path, target, &mut self.targets);
                let target = span(start, self.targets.len())?;
                // `st_size` has to be what `readlink` returns, and escaped bytes are shorter there.
                let text = PathRef::from_wtf8(target.of(&self.targets));
                let unix_len = text.to_unix().map_or(text.as_wtf8().len(), |unix| unix.len());
                node.body = Body::Symlink { target, unix_len: unix_len as u32 };
            }
            EntryKind::Directory | EntryKind::DeletedFile | EntryKind::DeletedDirectory => {}
        }
        Ok(())
    }

    /// Dates what the manifest does not date: a folder is as new as the newest file below it, all
    /// else (links, folders without files) as the folder it is in. Steady between mounts, and
    /// better in a listing than 1970.
    fn date_folders(&mut self) {
        // Parents come before their children in the arena.
        for at in (1..self.nodes.len()).rev() {
            let Node { mtime_us, parent, .. } = self.nodes[at];
            let parent = &mut self.nodes[parent as usize];
            parent.mtime_us = parent.mtime_us.max(mtime_us);
        }
        for at in 0..self.nodes.len() {
            let Node { mtime_us, parent, body, .. } = self.nodes[at];
            let dated = matches!(body, Body::Whole { .. } | Body::Chunked { .. });
            if mtime_us == UNKNOWN && !dated {
                let parent = self.nodes[parent as usize].mtime_us;
                self.nodes[at].mtime_us = if at == 0 { 0 } else { parent };
            }
        }
    }
}

fn span(start: usize, end: usize) -> Result<Span, TreeError> {
    let start = u32::try_from(start).map_err(|_| TreeError::TooLarge)?;
    let end = u32::try_from(end).map_err(|_| TreeError::TooLarge)?;
    Ok(Span { start, len: end - start })
}
