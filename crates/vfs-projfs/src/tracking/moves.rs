//! What renames say of placeholders: which content one may have that is not where it was made.
//!
//! Nobody can ask a placeholder for its content without downloading it, and renames are told in any
//! order (projfs.md K16). So no order is believed: all paths that renames connect are one group,
//! and a placeholder in it has the content of one of the files that were projected there. Its size
//! tells which; if two of one size are in question, its bytes must be read.

use std::collections::{BTreeMap, HashMap};

use rusty_attachments_model::PathBuf;
use rusty_attachments_vfs::ContentIdentity;

use super::paths::Key;

/// Contents that one group remembers; of more, none is believed.
const CONTENTS_MAX: usize = 64;

/// Paths that are remembered in all; then the oldest knowledge is given up, all at once.
const PATHS_MAX: usize = 100_000;

/// What a path may have had before it was part of a rename.
#[derive(Clone, Debug, Default)]
pub(super) struct Seed {
    /// Contents that a placeholder there may have had.
    pub(super) contents: Vec<ContentIdentity>,
    /// Whether it may have had content that nobody knows.
    pub(super) unknown: bool,
}

/// Paths that renames connect.
#[derive(Debug, Default)]
struct Group {
    members: Vec<PathBuf>,
    seed: Seed,
}

/// All renames of this run of the root.
#[derive(Debug, Default)]
pub(super) struct Moves {
    group_of: BTreeMap<Key, usize>,
    groups: HashMap<usize, Group>,
    next: usize,
    /// Where the item at a path is from, if renames came in their order: a guess.
    origins: BTreeMap<Key, PathBuf>,
}

impl Moves {
    /// Whether a path takes part in any rename.
    pub(super) fn knows(&self, path: &Key) -> bool {
        self.group_of.contains_key(path)
    }

    /// Connects two paths; the seeds tell of those that are new here. Gives whether more is in
    /// question now of paths that were known before.
    pub(super) fn connect(&mut self, a: (&PathBuf, Seed), b: (&PathBuf, Seed)) -> bool {
        if self.group_of.len() >= PATHS_MAX {
            tracing::warn!("too many renames: those so far are not used to tell content any more");
            *self = Self { next: self.next, ..Self::default() };
        }
        let (a, b) = (self.group(a.0, a.1), self.group(b.0, b.1));
        if a == b {
            return false;
        }
        // The smaller one joins the larger one.
        let size = |group| self.groups.get(&group).map_or(0, |group| group.members.len());
        let (into, from) = if size(a) < size(b) { (b, a) } else { (a, b) };
        let Some(joining) = self.groups.remove(&from) else { return false };
        for member in &joining.members {
            self.group_of.insert(Key::of(member.as_ref()), into);
        }
        let Some(group) = self.groups.get_mut(&into) else { return false };
        let (had, brought) = (group.seed.weight(), joining.seed.weight());
        let (before, joined) = (group.members.len(), joining.members.len());
        group.members.extend(joining.members);
        group.seed.add(&joining.seed);
        let has = group.seed.weight();
        (before > 1 && had != has) || (joined > 1 && brought != has)
    }

    fn group(&mut self, path: &PathBuf, seed: Seed) -> usize {
        let next = self.next;
        let group = *self.group_of.entry(Key::of(path.as_ref())).or_insert(next);
        if group == next {
            self.next += 1;
            self.groups.insert(group, Group { members: vec![path.clone()], seed: Seed::default() });
        }
        if let Some(group) = self.groups.get_mut(&group) {
            group.seed.add(&seed);
        }
        group
    }

    /// The one content of `size` bytes that a placeholder at a path can have; `None` if that is
    /// not certain.
    pub(super) fn content(&self, path: &Key, size: u64) -> Option<ContentIdentity> {
        let group = self.groups.get(self.group_of.get(path)?)?;
        let mut fitting = group.seed.contents.iter().filter(|content| content.size == size);
        let content = fitting.next().filter(|_| !group.seed.unknown)?;
        fitting.next().is_none().then_some(*content)
    }

    /// All paths that renames connect with this one, itself included.
    pub(super) fn connected(&self, path: &Key) -> &[PathBuf] {
        let group = self.group_of.get(path).and_then(|group| self.groups.get(group));
        group.map_or(&[], |group| &group.members)
    }

    /// Believes nothing any more of what renames connect with paths below a folder. Gives all of
    /// those paths.
    pub(super) fn distrust_below(&mut self, folder: &Key) -> Vec<PathBuf> {
        let mut groups: Vec<_> = self.group_of.range(folder.below()).map(|(_, it)| *it).collect();
        groups.sort_unstable();
        groups.dedup();
        let mut paths = Vec::new();
        for group in groups {
            if let Some(group) = self.groups.get_mut(&group) {
                group.seed.unknown = true;
                paths.extend(group.members.iter().cloned());
            }
        }
        paths
    }

    /// Where the item at a path was before any rename, if renames came in their order.
    pub(super) fn origin(&self, path: &Key) -> Option<&PathBuf> {
        self.origins.get(path)
    }

    /// Notes where the item that went from one path to another is from; `None`: not from a
    /// projected path.
    pub(super) fn set_origin(&mut self, from: &Key, to: Key, origin: Option<PathBuf>) {
        self.origins.remove(from);
        if self.origins.len() >= PATHS_MAX {
            self.origins.clear();
        }
        match origin {
            Some(origin) => self.origins.insert(to, origin),
            None => self.origins.remove(&to),
        };
    }
}

impl Moves {
    /// A folder was renamed: what is known of origins goes along.
    pub(super) fn rename_origins(&mut self, from: &Key, to: &Key) {
        let below: Vec<_> = self.origins.range(from.below()).map(|(key, _)| key.clone()).collect();
        for key in below {
            if let Some(origin) = self.origins.remove(&key) {
                self.origins.insert(key.moved(from, to), origin);
            }
        }
    }
}

impl Seed {
    /// Changes when anything is added.
    fn weight(&self) -> (usize, bool) {
        (self.contents.len(), self.unknown)
    }

    fn add(&mut self, other: &Self) {
        for content in &other.contents {
            if !self.contents.contains(content) {
                self.contents.push(*content);
            }
        }
        self.unknown |= other.unknown || self.contents.len() > CONTENTS_MAX;
        self.contents.truncate(CONTENTS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use rusty_attachments_model::ContentHash;

    use super::*;

    fn content(text: &str) -> ContentIdentity {
        let hash = ContentHash::of(text.as_bytes());
        ContentIdentity { size: text.len() as u64, chunk_size: None, hash }
    }

    fn seed(text: &str) -> Seed {
        Seed { contents: vec![content(text)], unknown: false }
    }

    fn key(path: &str) -> Key {
        Key::of(path.into())
    }

    fn path(path: &str) -> PathBuf {
        path.into()
    }

    #[test]
    fn a_chain_is_one_group_in_whatever_order_it_is_told() {
        let steps = [("a", "b"), ("b", "c"), ("c", "d")];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
            let mut moves = Moves::default();
            for step in order {
                let (from, to) = steps[step];
                let of = |at: &str| if at == "a" { seed("alpha") } else { Seed::default() };
                moves.connect((&path(from), of(from)), (&path(to), of(to)));
            }
            assert_eq!(moves.content(&key("D"), 5), Some(content("alpha")));
            assert_eq!(moves.content(&key("d"), 4), None);
            assert_eq!(moves.connected(&key("b")).len(), 4);
        }
    }

    #[test]
    fn contents_of_one_size_are_not_told_apart() {
        let mut moves = Moves::default();
        moves.connect((&path("a"), seed("alpha")), (&path("b"), seed("bravo")));
        assert_eq!(moves.content(&key("a"), 5), None);
        let mut moves = Moves::default();
        moves.connect((&path("a"), seed("alpha")), (&path("b"), seed("longer")));
        assert_eq!(moves.content(&key("a"), 6), Some(content("longer")));
        assert_eq!(moves.content(&key("c"), 6), None);
    }

    #[test]
    fn unknown_content_spoils_a_group() {
        let mut moves = Moves::default();
        moves.connect((&path("a"), seed("alpha")), (&path("x/b"), Seed::default()));
        assert_eq!(moves.distrust_below(&key("X")), [path("a"), path("x/b")]);
        assert_eq!(moves.content(&key("a"), 5), None);
        assert_eq!(moves.distrust_below(&key("a")), []);
    }

    #[test]
    fn memory_is_bounded() {
        let mut moves = Moves::default();
        for index in 0..CONTENTS_MAX + 2 {
            let text = "x".repeat(index);
            moves.connect((&path("a"), seed(&text)), (&path("b"), Seed::default()));
        }
        assert_eq!(moves.content(&key("a"), 3), None, "too many to believe any");
        for index in 0..PATHS_MAX {
            let (from, to) = (path(&format!("{index}")), path(&format!("{index}.to")));
            moves.connect((&from, Seed::default()), (&to, Seed::default()));
            moves.set_origin(&Key::of(from.as_ref()), Key::of(to.as_ref()), Some(from));
        }
        assert!(moves.group_of.len() <= PATHS_MAX + 2 && moves.origins.len() <= PATHS_MAX);
    }
}
