//! Which projected files are on disk: two bits a node, and running totals for `status`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusty_attachments_vfs::{NodeId, NodeKind, Volume};

/// What of a projected file is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDisk {
    /// Nothing.
    Virtual,
    /// Its metadata.
    Placeholder,
    /// Its content as well.
    Hydrated,
    /// It is the user's now: written to, deleted, moved.
    Local,
}

impl OnDisk {
    const fn bits(self) -> u64 {
        match self {
            Self::Virtual => 0,
            Self::Placeholder => 1,
            Self::Hydrated => 2,
            Self::Local => 3,
        }
    }

    const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Virtual,
            1 => Self::Placeholder,
            2 => Self::Hydrated,
            _ => Self::Local,
        }
    }
}

/// Files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// A [`Tally`] that many threads count in.
#[derive(Debug, Default)]
struct Total {
    files: AtomicU64,
    bytes: AtomicU64,
}

/// Nodes in one word.
const NODES_A_WORD: u64 = 32;

/// Two bits for every node, and how many files are in which state. Lock-free.
pub(crate) struct Presence {
    volume: Arc<dyn Volume>,
    words: Box<[AtomicU64]>,
    /// By the bits of [`OnDisk`].
    totals: [Total; 4],
}

impl Presence {
    /// For a volume of which nothing is on disk. Costs a look at each of its nodes.
    pub(crate) fn new(volume: Arc<dyn Volume>) -> Self {
        let nodes = volume.usage().nodes;
        let words = (0..=nodes / NODES_A_WORD).map(|_| AtomicU64::new(0)).collect();
        let presence = Self { volume, words, totals: Default::default() };
        for node in 1..=nodes {
            presence.count(NodeId(node), None, OnDisk::Virtual);
        }
        presence
    }

    /// Notes what is on disk. Placeholders do not undo `Hydrated` or `Local`.
    pub(crate) fn set(&self, node: NodeId, on_disk: OnDisk) {
        let Some((word, shift)) = self.place(node) else { return };
        let update = |bits: u64| {
            let stays = on_disk == OnDisk::Placeholder && bits >> shift & 3 > on_disk.bits();
            (!stays).then_some(bits & !(3 << shift) | on_disk.bits() << shift)
        };
        if let Ok(before) = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            let before = OnDisk::from_bits(before >> shift);
            if before != on_disk {
                self.count(node, Some(before), on_disk);
            }
        }
    }

    /// What was noted.
    #[cfg(test)]
    pub(crate) fn get(&self, node: NodeId) -> OnDisk {
        let bits = self.place(node).map(|(word, shift)| word.load(Ordering::Relaxed) >> shift);
        OnDisk::from_bits(bits.unwrap_or_default())
    }

    /// How many files are in a state. Right once no other thread notes any more.
    pub(crate) fn tally(&self, on_disk: OnDisk) -> Tally {
        self.total(on_disk).map_or_else(Tally::default, |total| Tally {
            files: total.files.load(Ordering::Relaxed),
            bytes: total.bytes.load(Ordering::Relaxed),
        })
    }

    fn place(&self, node: NodeId) -> Option<(&AtomicU64, u64)> {
        let word = self.words.get(usize::try_from(node.0 / NODES_A_WORD).ok()?)?;
        Some((word, node.0 % NODES_A_WORD * 2))
    }

    fn total(&self, on_disk: OnDisk) -> Option<&Total> {
        self.totals.get(usize::try_from(on_disk.bits()).ok()?)
    }

    /// Moves a file from one total to another.
    fn count(&self, node: NodeId, before: Option<OnDisk>, now: OnDisk) {
        let Ok(attributes) = self.volume.attributes(node) else { return };
        if attributes.kind != NodeKind::File {
            return;
        }
        if let Some(total) = before.and_then(|before| self.total(before)) {
            total.files.fetch_sub(1, Ordering::Relaxed);
            total.bytes.fetch_sub(attributes.size, Ordering::Relaxed);
        }
        if let Some(total) = self.total(now) {
            total.files.fetch_add(1, Ordering::Relaxed);
            total.bytes.fetch_add(attributes.size, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("totals", &self.totals).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rusty_attachments_testkit::volume::Tree;

    use super::*;

    #[test]
    fn totals_follow_every_file_from_state_to_state() {
        let mut tree = Tree::new().directory("d/empty");
        for index in 0..100_u64 {
            tree = tree.pattern(format!("d/{index}").as_str(), index);
        }
        let volume = tree.build();
        let presence = Presence::new(volume.clone());
        let all = Tally { files: 100, bytes: 4950 };
        assert_eq!(presence.tally(OnDisk::Virtual), all);

        let (seven, nine) = (volume.node("d/7"), volume.node("d/9"));
        presence.set(seven, OnDisk::Placeholder);
        presence.set(nine, OnDisk::Hydrated);
        presence.set(volume.node("d"), OnDisk::Placeholder);
        assert_eq!(presence.tally(OnDisk::Placeholder), Tally { files: 1, bytes: 7 });
        assert_eq!(presence.tally(OnDisk::Hydrated), Tally { files: 1, bytes: 9 });
        assert_eq!(presence.tally(OnDisk::Virtual), Tally { files: 98, bytes: 4934 });

        presence.set(nine, OnDisk::Placeholder);
        assert_eq!(presence.get(nine), OnDisk::Hydrated, "a placeholder undoes no content");
        presence.set(nine, OnDisk::Local);
        presence.set(nine, OnDisk::Placeholder);
        assert_eq!(presence.get(nine), OnDisk::Local);
        presence.set(nine, OnDisk::Virtual);
        presence.set(seven, OnDisk::Virtual);
        assert_eq!(presence.tally(OnDisk::Virtual), all);
        presence.set(NodeId(u64::MAX), OnDisk::Local);
        assert_eq!(presence.tally(OnDisk::Local), Tally::default());
    }

    #[test]
    fn neighbours_do_not_disturb_each_other() {
        let files = (0..64).fold(Tree::new(), |tree, index| tree.file(&*format!("{index}"), "x"));
        let volume = files.build();
        let presence = Presence::new(volume.clone());
        std::thread::scope(|scope| {
            for on_disk in [OnDisk::Placeholder, OnDisk::Hydrated, OnDisk::Local, OnDisk::Virtual] {
                let (presence, volume) = (&presence, &volume);
                scope.spawn(move || {
                    for index in (on_disk.bits()..64).step_by(4) {
                        presence.set(volume.node(&index.to_string()), on_disk);
                    }
                });
            }
        });
        for on_disk in [OnDisk::Placeholder, OnDisk::Hydrated, OnDisk::Local, OnDisk::Virtual] {
            assert_eq!(presence.tally(on_disk).files, 16, "{on_disk:?}");
        }
    }
}
