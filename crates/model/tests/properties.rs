//! What must hold for any manifest, against small reference models.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusty_attachments_model::{
    Change, Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
    ManifestError, PathBuf, PathRef, UnnamedParent,
};

/// What is at a path, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File { seed: u8, size: u64, mtime_us: i64, runnable: bool, chunks: Vec<ContentHash> },
    Link(PathBuf),
    GoneFile,
    GoneFolder,
}

/// A tree as UTF-16 path -> (path, node), which sorts as manifests do.
type Tree = BTreeMap<Vec<u16>, (PathBuf, Node)>;

const CHUNK: u64 = 100;

fn key(path: PathRef<'_>) -> Vec<u16> {
    path.utf16().collect()
}

/// A component: mostly from a small set, so that paths meet, and sometimes any UTF-16 at all.
fn component() -> impl Strategy<Value = Vec<u16>> {
    const NAMES: &[&str] = &[
        "a",
        "b",
        "a!",
        "a-b",
        "A",
        "$0",
        "C:x",
        "\u{e9}",
        "\u{7f}",
        "q\"\\",
        "\u{1F600}",
        "\u{FF21}",
        "...",
    ];
    let any_units = proptest::collection::vec(any::<u16>(), 1..6).prop_filter("a name", |units| {
        let text =
            char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('x')).collect::<String>();
        !text.contains(['/', '\0']) && text != "." && text != ".." && !text.ends_with(':')
    });
    prop_oneof![
        8 => proptest::sample::select(NAMES).prop_map(|name| name.encode_utf16().collect()),
        1 => Just(vec![0xD83D]),
        1 => any_units,
    ]
}

fn path() -> impl Strategy<Value = PathBuf> {
    proptest::collection::vec(component(), 1..5).prop_map(|components| {
        let mut path = PathBuf::default();
        components.iter().for_each(|component| path.push(wtf8(component).as_ref()));
        path
    })
}

/// UTF-16 as WTF-8, written anew here so that the crate is not its own judge.
fn wtf8(units: &[u16]) -> PathBuf {
    let mut bytes = Vec::new();
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(c) => bytes.extend_from_slice(c.to_string().as_bytes()),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                bytes.extend([0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]);
            }
        }
    }
    PathBuf::from_wtf8(bytes)
}

fn node(diff: bool) -> impl Strategy<Value = Node> {
    let file = (any::<u8>(), 0..350u64, any::<i64>(), any::<bool>(), any::<bool>());
    let file = file.prop_map(|(seed, size, mtime_us, runnable, chunked)| {
        let count = if chunked && size > CHUNK { size.div_ceil(CHUNK) } else { 0 };
        let chunks = (0..count).map(|at| ContentHash::of(&[seed, at as u8])).collect();
        Node::File { seed, size, mtime_us, runnable, chunks }
    });
    prop_oneof![
        8 => file,
        2 => Just(Node::Folder),
        1 => path().prop_map(Node::Link),
        u32::from(diff) * 4 => Just(Node::GoneFile),
        u32::from(diff) * 4 => Just(Node::GoneFolder),
    ]
}

impl Node {
    fn is_gone(&self) -> bool {
        matches!(self, Node::GoneFile | Node::GoneFolder)
    }

    fn is_leaf(&self) -> bool {
        !matches!(self, Node::Folder | Node::GoneFolder)
    }
}

/// Whether two entries cannot be in one manifest.
fn clash(a: (&PathBuf, &Node), b: (&PathBuf, &Node)) -> bool {
    let below = |a: (&PathBuf, &Node), b: (&PathBuf, &Node)| {
        b.1.is_leaf() && a.0.as_ref().is_below(b.0.as_ref())
    };
    a.0 == b.0 || below(a, b) || below(b, a)
}

/// Whether a link's target could not be told from a reference.
fn is_ambiguous(tree: &Tree) -> bool {
    let leaf = tree.get(&key(PathRef::from("$0"))).is_some_and(|(_, node)| node.is_leaf());
    let through = |(_, node): &(PathBuf, Node)| matches!(node, Node::Link(target) if target.as_ref().as_wtf8().starts_with(b"$0/"));
    leaf && tree.values().any(through)
}

/// A tree without clashes: of the drawn entries, those that fit the ones before.
fn tree(diff: bool) -> impl Strategy<Value = Tree> {
    proptest::collection::vec((path(), node(diff)), 0..24)
        .prop_map(|drawn| {
            let mut tree = Tree::new();
            for (path, node) in drawn {
                if !tree.values().any(|(other, there)| clash((&path, &node), (other, there))) {
                    tree.insert(key(path.as_ref()), (path, node));
                }
            }
            tree
        })
        .prop_filter("targets that can be written", |tree| !is_ambiguous(tree))
}

fn entry<'a>(path: &'a PathBuf, node: &'a Node) -> Entry<'a> {
    let kind = match node {
        Node::Folder => EntryKind::Directory,
        Node::Link(target) => EntryKind::Symlink { target: target.as_ref() },
        Node::GoneFile => EntryKind::DeletedFile,
        Node::GoneFolder => EntryKind::DeletedDirectory,
        Node::File { seed, size, mtime_us, runnable, chunks } => {
            let content = match chunks.is_empty() {
                true => Content::Whole(ContentHash::of(&[*seed])),
                false => Content::Chunked { chunk_size: CHUNK, hashes: chunks },
            };
            EntryKind::File(File { size: *size, mtime_us: *mtime_us, runnable: *runnable, content })
        }
    };
    Entry { path: path.as_ref(), kind }
}

fn build<'a>(
    format: Format,
    nodes: impl Iterator<Item = &'a (PathBuf, Node)>,
) -> Result<Manifest, ManifestError> {
    let mut builder = ManifestBuilder::new(format).with_chunk_size(CHUNK);
    for (path, node) in nodes {
        builder.push(entry(path, node))?;
    }
    builder.build()
}

fn entries(tree: &Tree) -> Vec<Entry<'_>> {
    tree.values().map(|(path, node)| entry(path, node)).collect()
}

/// The tree with every folder that something in it implies.
fn with_folders(tree: &Tree) -> Tree {
    let mut all = tree.clone();
    for (path, node) in tree.values() {
        let mut folder = path.as_ref().parent();
        while let Some(parent) = folder
            && !node.is_gone()
        {
            all.entry(key(parent)).or_insert_with(|| (parent.into(), Node::Folder));
            folder = parent.parent();
        }
    }
    all
}

/// What composing must give: one entry after the other, as a file system would do it.
fn compose(parent: &Tree, diff: &Tree) -> Tree {
    let mut tree = with_folders(parent);
    let below = |tree: &Tree, folder: &PathBuf| -> Vec<Vec<u16>> {
        let inside = |(path, _): &&(PathBuf, Node)| path.as_ref().is_below(folder.as_ref());
        tree.values().filter(inside).map(|(path, _)| key(path.as_ref())).collect()
    };
    for (at, (_, node)) in diff {
        if *node == Node::GoneFile && tree.get(at).is_some_and(|(_, there)| there.is_leaf()) {
            tree.remove(at);
        }
    }
    for (at, (path, node)) in diff.iter().rev() {
        let is_empty = below(&tree, path).is_empty();
        if *node == Node::GoneFolder
            && is_empty
            && tree.get(at).is_some_and(|(_, there)| !there.is_leaf())
        {
            tree.remove(at);
        }
    }
    for (path, node) in diff.values().filter(|(_, node)| !node.is_gone()) {
        let mut folder = path.as_ref().parent();
        while let Some(parent) = folder {
            tree.insert(key(parent), (parent.into(), Node::Folder));
            folder = parent.parent();
        }
        if node.is_leaf() {
            for gone in below(&tree, path) {
                tree.remove(&gone);
            }
        }
        tree.insert(key(path.as_ref()), (path.clone(), node.clone()));
    }
    tree
}

/// Only what v2023 can say.
fn plain(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    tree.retain(|_, (_, node)| matches!(node, Node::File { .. }));
    for (_, node) in tree.values_mut() {
        if let Node::File { runnable, chunks, .. } = node {
            *runnable = false;
            chunks.clear();
        }
    }
    tree
}

proptest! {
    #[test]
    fn v2023_round_trips(tree in tree(false)) {
        let tree = plain(&tree);
        prop_assume!(!tree.is_empty());
        let manifest = build(Format::V2023, tree.values().rev()).unwrap();
        prop_assert_eq!(manifest.entries().collect::<Vec<_>>(), entries(&tree));
        let text = manifest.encode();
        prop_assert_eq!(&Manifest::decode(&text).unwrap(), &manifest);
        // Whoever writes the document in another order and style means the same manifest.
        let value: serde_json::Value = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(_) => return Ok(()), // Lone surrogates, which serde_json cannot hold.
        };
        let mut shuffled = value.clone();
        shuffled["paths"].as_array_mut().unwrap().reverse();
        let pretty = serde_json::to_string_pretty(&shuffled).unwrap();
        prop_assert_eq!(&Manifest::decode(&pretty).unwrap(), &manifest);
    }

    #[test]
    fn v2025_round_trips(tree in tree(false)) {
        let manifest = build(Format::SNAPSHOT_2025, tree.values().rev()).unwrap();
        prop_assert_eq!(manifest.entries().collect::<Vec<_>>(), entries(&tree));
        let again = Manifest::decode(&manifest.encode()).unwrap();
        prop_assert_eq!(again.encode(), manifest.encode());
        let mut found = again.entries().filter(|entry| manifest.get(entry.path).is_some());
        prop_assert!(found.by_ref().eq(manifest.entries()));
        for entry in again.entries().filter(|entry| manifest.get(entry.path).is_none()) {
            prop_assert_eq!(entry.kind, EntryKind::Directory);
        }
    }

    #[test]
    fn diffs_round_trip(tree in tree(true)) {
        let manifest = build(Format::DIFF_2025, tree.values()).unwrap();
        let again = Manifest::decode(&manifest.encode()).unwrap();
        prop_assert_eq!(again.encode(), manifest.encode());
    }

    #[test]
    fn clashes_are_found_wherever_they_are(drawn in proptest::collection::vec((path(), node(false)), 0..12)) {
        let all: Tree = drawn.iter().map(|(path, node)| (key(path.as_ref()), (path.clone(), node.clone()))).collect();
        let clashes = is_ambiguous(&all) || drawn.iter().enumerate().any(|(at, a)| {
            drawn.iter().skip(at + 1).any(|b| clash((&a.0, &a.1), (&b.0, &b.1)))
        });
        let built = build(Format::SNAPSHOT_2025, drawn.iter());
        prop_assert_eq!(built.is_err(), clashes, "{:?}", built);
    }

    #[test]
    fn composing_is_what_a_file_system_would_do(parent in tree(false), diff in tree(true)) {
        let base = build(Format::SNAPSHOT_2025, parent.values()).unwrap();
        let changes = build(Format::DIFF_2025, diff.values()).unwrap();
        let expected = compose(&parent, &diff);
        prop_assume!(!is_ambiguous(&expected));
        let composed = base.compose(base.hash(), &changes, UnnamedParent::Accept).unwrap();
        prop_assert_eq!(composed.entries().collect::<Vec<_>>(), entries(&expected));
    }

    #[test]
    fn a_diff_leads_from_old_to_new(old in tree(false), new in tree(false)) {
        let (before, after) = (build(Format::SNAPSHOT_2025, old.values()).unwrap(), build(Format::SNAPSHOT_2025, new.values()).unwrap());
        prop_assume!(!is_ambiguous(&old.clone().into_iter().chain(new.clone()).collect()));
        let diff = before.diff(&after, before.hash()).unwrap();
        prop_assert_eq!(Manifest::decode(&diff.encode()).unwrap().parent_hash(), Some(before.hash()));
        let composed = before.compose(before.hash(), &diff, UnnamedParent::Refuse).unwrap();
        let expected = with_folders(&new);
        prop_assert_eq!(composed.entries().collect::<Vec<_>>(), entries(&expected));
        prop_assert_eq!(before.diff(&before, before.hash()).unwrap().len(), 0);
    }

    #[test]
    fn changes_are_what_differs(old in tree(false), new in tree(false)) {
        let (before, after) = (build(Format::SNAPSHOT_2025, old.values()).unwrap(), build(Format::SNAPSHOT_2025, new.values()).unwrap());
        let mut rebuilt = old;
        for change in before.changes(&after) {
            match change {
                Change::Deleted(entry) => prop_assert!(rebuilt.remove(&key(entry.path)).is_some()),
                Change::Added(entry) => {
                    prop_assert_eq!(rebuilt.insert(key(entry.path), new[&key(entry.path)].clone()), None);
                }
                Change::Modified { old, new: entry } => {
                    prop_assert!(old != entry);
                    rebuilt.insert(key(entry.path), new[&key(entry.path)].clone()).unwrap();
                }
            }
        }
        prop_assert_eq!(rebuilt, new);
    }

    #[test]
    fn the_last_manifest_wins(trees in proptest::collection::vec(tree(false), 2..5)) {
        let trees: Vec<_> = trees.iter().map(plain).filter(|tree| !tree.is_empty()).collect();
        prop_assume!(!trees.is_empty());
        let manifests: Vec<_> =
            trees.iter().map(|tree| build(Format::V2023, tree.values()).unwrap()).collect();
        let merged = Manifest::merge(&manifests.iter().collect::<Vec<_>>()).unwrap();
        let expected: Tree = trees.into_iter().flatten().collect();
        prop_assert_eq!(merged.entries().collect::<Vec<_>>(), entries(&expected));
        prop_assert_eq!(merged.total_size(), merged.total_file_bytes());
    }

    #[test]
    fn order_is_that_of_utf16_units(a in path(), b in path()) {
        prop_assert_eq!(a.as_ref().cmp_utf16(b.as_ref()), key(a.as_ref()).cmp(&key(b.as_ref())));
    }

    #[test]
    fn odd_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 1..8)) {
        let path = PathRef::from_wtf8(&bytes);
        let units: Vec<u16> = path.utf16().collect();
        prop_assert_eq!(path.is_well_formed(), wtf8(&units).as_ref() == path);
        let node = Node::Folder;
        let owned = PathBuf::from(path);
        let built = build(Format::SNAPSHOT_2025, [(owned, node)].iter());
        prop_assert!(built.is_err() || path.is_well_formed());
    }
}
