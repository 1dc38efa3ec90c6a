//! The entries of one folder, sorted so that those which Windows cannot tell apart are neighbours.

use ntfs_names as names;
use ntfs_names::Unopenable;
use rusty_attachments_vfs::{ListedEntry, NodeId, NodeKind};

use super::walk::{Place, Walk};

/// Used for one folder after the other, so that a walk allocates a few times only.
#[derive(Default)]
pub(super) struct Candidates {
    /// The names of all, in upper case.
    units: Vec<u16>,
    entries: Vec<Candidate>,
}

/// An entry that Windows could have, if no other had its name.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) place: Place,
    pub(super) node: NodeId,
    start: usize,
    units: u16,
    rank: Rank,
}

/// A million of them are held while a folder of a million entries is decided on.
const _: () = assert!(size_of::<Candidate>() <= 40);

/// What wins over what: a folder stands for all that is in it, and a link has no content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Folder,
    File,
    Link,
}

impl Candidate {
    pub(super) const fn is_folder(&self) -> bool {
        matches!(self.rank, Rank::Folder)
    }
}

impl Candidates {
    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.entries.clear();
    }

    /// Adds an entry, or says why Windows cannot have its name.
    pub(super) fn add(&mut self, place: Place, entry: ListedEntry<'_>) -> Result<(), Unopenable> {
        let start = self.units.len();
        self.units.extend(entry.name.utf16());
        let (_, name) = self.units.split_at_mut(start);
        if let Some(why) = names::unopenable(name) {
            self.units.truncate(start);
            return Err(why);
        }
        name.iter_mut().for_each(|unit| *unit = names::upcase(*unit));
        let rank = match entry.attributes.kind {
            NodeKind::Directory => Rank::Folder,
            NodeKind::File => Rank::File,
            NodeKind::Symlink => Rank::Link,
        };
        let (node, units) = (entry.attributes.node, name.len() as u16);
        self.entries.push(Candidate { place, node, start, units, rank });
        Ok(())
    }

    /// Groups of entries that are one name to Windows, in the order of NTFS. The first of a group
    /// is the same on every machine: by rank, then by the bytes of the names (projfs.md F22).
    pub(super) fn groups(&mut self, walk: &Walk<'_>) -> impl Iterator<Item = &[Candidate]> {
        let Self { units, entries } = self;
        let units = &*units;
        let upper =
            |entry: &Candidate| units.get(entry.start..entry.start + usize::from(entry.units));
        entries.sort_unstable_by(|a, b| {
            let bytes = |entry: &Candidate| walk.name(entry.place).as_wtf8();
            upper(a)
                .cmp(&upper(b))
                .then_with(|| a.rank.cmp(&b.rank))
                .then_with(|| bytes(a).cmp(bytes(b)))
                .then_with(|| a.place.cmp(&b.place))
        });
        entries.chunk_by(move |a, b| upper(a) == upper(b))
    }
}
