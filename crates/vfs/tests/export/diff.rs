//! A diff composed onto its base is the changed tree, for any two trees.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder, PathBuf,
    PathRef, UnnamedParent,
};
use rusty_attachments_vfs::changes::{
    Base, BaseEntry, ChangeKind, ChangeSet, FileStamp, LocalContent, LocalFile, LocalState,
    NameRule, classify,
};
use rusty_attachments_vfs::export::diff_manifest;
use rusty_attachments_vfs::{ContentIdentity, NodeKind};

const CHUNK: u64 = 4;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Folder,
    File {
        bytes: Vec<u8>,
        runnable: bool,
    },
    /// The target from the root.
    Link(String),
}

/// Without the root; every parent is a folder of its own.
type Tree = BTreeMap<String, Node>;

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(move |(at, _)| &path[..at])
}

/// Entries that cannot be, because something above is no folder, are left out.
fn tree(entries: Vec<(String, Node)>) -> Tree {
    let mut tree = Tree::new();
    for (path, node) in entries {
        let fits = parents(&path).all(|above| tree.get(above).is_none_or(|n| *n == Node::Folder));
        if !fits || tree.contains_key(&path) {
            continue;
        }
        for above in parents(&path).map(str::to_owned).collect::<Vec<_>>() {
            tree.insert(above, Node::Folder);
        }
        tree.insert(path, node);
    }
    let folders: Vec<_> = tree
        .iter()
        .filter(|(_, node)| **node == Node::Folder)
        .map(|(path, _)| path.clone())
        .collect();
    // Other links cannot be told; they have a test of their own.
    tree.retain(|_, node| match node {
        Node::Link(target) => parents(target).all(|above| folders.iter().any(|f| f == above)),
        _ => true,
    });
    tree
}

fn trees() -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(vec!["a", "b", "a-", "A", "\u{1F600}", "\u{FF21}"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let bytes = prop::collection::vec(prop::sample::select(vec![b'x', b'y']), 0..10);
    let node = prop_oneof![
        2 => Just(Node::Folder),
        5 => (bytes, any::<bool>()).prop_map(|(bytes, runnable)| Node::File { bytes, runnable }),
        1 => path.clone().prop_map(Node::Link),
    ];
    prop::collection::vec((path, node), 0..16).prop_map(tree)
}

/// Depends on nothing but the content: times alone are no change.
fn mtime_us(bytes: &[u8]) -> i64 {
    bytes.iter().fold(7, |time, byte| time * 31 + i64::from(*byte)) - 1_000_000
}

fn hashes(bytes: &[u8]) -> Vec<ContentHash> {
    match bytes.len() as u64 > CHUNK {
        true => bytes.chunks(CHUNK as usize).map(ContentHash::of).collect(),
        false => vec![ContentHash::of(bytes)],
    }
}

fn content(hashes: &[ContentHash]) -> Content<'_> {
    match hashes {
        [hash] => Content::Whole(*hash),
        hashes => Content::Chunked { chunk_size: CHUNK, hashes },
    }
}

fn identity(bytes: &[u8]) -> ContentIdentity {
    ContentIdentity::of(bytes.len() as u64, content(&hashes(bytes)))
}

/// What a snapshot of the tree gives; without the folders that other entries imply, it still is
/// a manifest of the same tree.
fn snapshot(tree: &Tree, all_folders: bool) -> Manifest {
    let mut builder = ManifestBuilder::new(Format::SNAPSHOT_2025).with_chunk_size(CHUNK);
    for (path, node) in tree {
        let below = format!("{path}/");
        let implied = tree.keys().any(|other| other.starts_with(&below));
        let path = PathRef::from(path.as_str());
        match node {
            Node::Folder if implied && !all_folders => {}
            Node::Folder => builder.push(Entry { path, kind: EntryKind::Directory }).unwrap(),
            Node::Link(target) => {
                let kind = EntryKind::Symlink { target: target.as_str().into() };
                builder.push(Entry { path, kind }).unwrap();
            }
            Node::File { bytes, runnable } => {
                let (hashes, size) = (hashes(bytes), bytes.len() as u64);
                let (mtime_us, runnable, content) = (mtime_us(bytes), *runnable, content(&hashes));
                let kind = EntryKind::File(File { size, mtime_us, runnable, content });
                builder.push(Entry { path, kind }).unwrap();
            }
        }
    }
    builder.build().unwrap()
}

/// The target as it is written in a link at `path`.
fn written(path: &str, target: &str) -> Vec<u8> {
    format!("{}{target}", "../".repeat(parents(path).count())).into_bytes()
}

struct TreeBase<'a>(&'a Tree);

impl Base for TreeBase<'_> {
    fn entry(&self, path: PathRef<'_>) -> Option<BaseEntry> {
        let path = path.to_str()?;
        if path.is_empty() {
            return Some(BaseEntry { kind: NodeKind::Directory, content: None, executable: false });
        }
        Some(match self.0.get(path)? {
            Node::Folder => {
                BaseEntry { kind: NodeKind::Directory, content: None, executable: false }
            }
            Node::Link(_) => {
                BaseEntry { kind: NodeKind::Symlink, content: None, executable: false }
            }
            Node::File { bytes, runnable } => BaseEntry {
                kind: NodeKind::File,
                content: Some(identity(bytes)),
                executable: *runnable,
            },
        })
    }

    fn names(&self, folder: PathRef<'_>) -> Vec<PathBuf> {
        let below = match folder.to_str() {
            Some("") => String::new(),
            folder => format!("{}/", folder.unwrap()),
        };
        let names = self.0.keys().filter_map(|path| path.strip_prefix(&below));
        names.filter(|name| !name.contains('/')).map(PathBuf::from).collect()
    }

    fn link_target(&self, path: PathRef<'_>) -> Option<Vec<u8>> {
        match self.0.get(path.to_str()?)? {
            Node::Link(target) => Some(written(path.to_str()?, target)),
            _ => None,
        }
    }
}

/// The notes of a front end that saw `old` become `new`. Files whose content is gone elsewhere
/// were renamed if `renames`.
fn notes(old: &Tree, new: &Tree, renames: bool) -> ChangeSet {
    let mut set = ChangeSet::new(NameRule::Exact);
    for path in old.keys().filter(|path| !new.contains_key(*path)) {
        set.set(path.as_str().into(), Some(LocalState::Deleted));
    }
    let mut gone: Vec<_> = old.iter().filter(|(path, _)| !new.contains_key(*path)).collect();
    for (path, node) in new.iter().filter(|(path, node)| old.get(*path) != Some(*node)) {
        let state = match node {
            Node::Folder => LocalState::Directory,
            Node::Link(target) => LocalState::Symlink { target: written(path, target) },
            Node::File { bytes, runnable } => {
                let same = |(_, node): &(&String, &Node)| matches!(node, Node::File { bytes: old, .. } if old == bytes);
                let source = gone.iter().position(same).filter(|_| renames);
                let from = source.map(|at| gone.swap_remove(at).0.as_str());
                let mtime_ns = i128::from(mtime_us(bytes)) * 1000 + 999;
                let hashed =
                    LocalContent::Hashed { chunk_size: CHUNK, hashes: hashes_of_chunks(bytes) };
                LocalState::File(LocalFile {
                    stamp: FileStamp { size: bytes.len() as u64, mtime_ns },
                    executable: Some(*runnable),
                    content: from.map_or(hashed, |_| LocalContent::Base(identity(bytes))),
                    renamed_from: from.map(PathBuf::from),
                    derived_from: None,
                })
            }
        };
        set.set(path.as_str().into(), Some(state));
    }
    set
}

/// As the change list hashes: an empty file has no chunk, a short one has one.
fn hashes_of_chunks(bytes: &[u8]) -> Vec<ContentHash> {
    bytes.chunks(CHUNK as usize).map(ContentHash::of).collect()
}

fn composed(base: &Manifest, old: &Tree, new: &Tree, renames: bool) -> Manifest {
    let changes = classify(&notes(old, new, renames), &TreeBase(old));
    let made = diff_manifest(base, base.hash(), CHUNK, &changes).unwrap();
    assert_eq!(made.skipped, []);
    let Some(diff) = made.manifest else {
        assert!(changes.is_empty(), "{changes:?}");
        return snapshot(old, true);
    };
    let text = diff.encode();
    assert!(text.contains(r#""specificationVersion":"relative-manifest-diff-beta-2025-12""#));
    let decoded = Manifest::decode(&text).unwrap();
    assert_eq!(decoded.parent_hash(), Some(base.hash()));
    base.compose(base.hash(), &decoded, UnnamedParent::Refuse).unwrap()
}

proptest! {
    #[test]
    fn composed_onto_the_base_it_is_a_snapshot_of_the_changed_tree(
        old in trees(), new in trees(), renames: bool, names_folders: bool,
    ) {
        let base = snapshot(&old, names_folders);
        prop_assert_eq!(composed(&base, &old, &new, renames), snapshot(&new, true));
    }
}

#[test]
fn changes_of_kind_and_exchanged_names_are_told() {
    let file = |bytes: &[u8]| Node::File { bytes: bytes.to_vec(), runnable: false };
    let trees = [
        vec![("a/x", file(b"1")), ("a/y/z", file(b"2")), ("b", file(b"3"))],
        vec![("a", file(b"3")), ("b/x", file(b"1"))],
        vec![("b", Node::Link("a".to_owned())), ("a/x", Node::Folder)],
        vec![("c/x", file(b"1")), ("c/y/z", file(b"2")), ("c/b", file(b"3"))],
        vec![],
    ];
    let trees = trees.map(|entries| {
        tree(entries.into_iter().map(|(path, node)| (path.to_owned(), node)).collect())
    });
    for old in &trees {
        for new in &trees {
            for (renames, names_folders) in [(false, false), (true, false), (true, true)] {
                let base = snapshot(old, names_folders);
                assert_eq!(composed(&base, old, new, renames), snapshot(new, true));
            }
        }
    }
}

#[test]
fn a_v2023_base_is_diffed_as_well() {
    let mut builder = ManifestBuilder::new(Format::V2023);
    for path in ["gone/deep/a", "stays"] {
        builder.push(crate::setup::file_entry(path, b"bytes", false)).unwrap();
    }
    let base = builder.build().unwrap();
    let gone = |path: &str| rusty_attachments_vfs::changes::Changed {
        path: path.into(),
        kind: ChangeKind::Deleted,
        state: LocalState::Deleted,
    };
    let changes = [gone("gone/deep/a"), gone("gone/deep"), gone("gone")];
    let made = diff_manifest(&base, base.hash(), 100, &changes).unwrap().manifest.unwrap();
    assert_eq!(made.chunk_size(), Some(100));
    let composed = base.compose(base.hash(), &made, UnnamedParent::Refuse).unwrap();
    let left: Vec<_> = composed.entries().map(|entry| entry.path.to_string()).collect();
    assert_eq!(left, ["stays"], "folders that only their content implied are gone with it");
}

#[test]
fn a_link_out_of_the_tree_is_skipped_and_what_it_replaced_is_gone() {
    let old = tree(vec![("a".to_owned(), Node::File { bytes: vec![1], runnable: false })]);
    let base = snapshot(&old, true);
    let mut set = ChangeSet::new(NameRule::Exact);
    for (path, target) in [("a", "/etc/passwd"), ("b", "C:/x"), ("c/d", "../../up")] {
        let target = target.as_bytes().to_vec();
        set.set(path.into(), Some(LocalState::Symlink { target }));
    }
    let changes = classify(&set, &TreeBase(&old));
    let made = diff_manifest(&base, base.hash(), CHUNK, &changes).unwrap();
    assert_eq!(made.skipped.len(), 3);
    let diff = made.manifest.unwrap();
    let entries: Vec<_> =
        diff.entries().map(|entry| (entry.path.to_string(), entry.kind)).collect();
    assert_eq!(entries, [("a".to_owned(), EntryKind::DeletedFile)]);
}

/// The draft lists the parents of targets as folders, and a folder replaces what is in its place.
#[test]
fn a_link_never_makes_a_folder_of_what_is_none() {
    let file = || Node::File { bytes: vec![1], runnable: false };
    let old = tree(vec![
        ("file".to_owned(), file()),
        ("folder/inner".to_owned(), file()),
        ("gone/inner".to_owned(), file()),
        ("link".to_owned(), Node::Link("folder".to_owned())),
    ]);
    let base = snapshot(&old, true);
    let links = [
        ("new/through", "link/inner", Some("folder/inner")),
        ("new/missing", "folder/missing", Some("folder/missing")),
        ("new/below file", "file/x", None),
        ("new/below missing", "missing/x", None),
        ("new/below gone", "gone/inner", None),
    ];
    let mut set = ChangeSet::new(NameRule::Exact);
    set.set("gone".into(), Some(LocalState::Deleted));
    set.set("new".into(), Some(LocalState::Directory));
    for (path, target, _) in links {
        let target = written(path, target);
        set.set(path.into(), Some(LocalState::Symlink { target }));
    }
    let changes = classify(&set, &TreeBase(&old));
    let made = diff_manifest(&base, base.hash(), CHUNK, &changes).unwrap();
    let diff = Manifest::decode(&made.manifest.unwrap().encode()).unwrap();
    let composed = base.compose(base.hash(), &diff, UnnamedParent::Refuse).unwrap();
    for (path, _, target) in links {
        let kind = composed.get(path.into()).map(|entry| entry.kind);
        let target = target.map(|target| EntryKind::Symlink { target: target.into() });
        assert_eq!(kind, target, "{path}");
        let skipped = made.skipped.iter().any(|skipped| skipped.path.to_string() == path);
        assert_eq!(skipped, target.is_none(), "{path}");
    }
    for path in ["file", "link", "folder/inner"] {
        let kind = |manifest: &Manifest| format!("{:?}", manifest.get(path.into()));
        assert_eq!(kind(&composed), kind(&base), "{path} is as it was");
    }
    for path in ["gone", "missing"] {
        assert_eq!(composed.get(path.into()), None, "{path}");
    }
}

#[test]
fn a_file_that_was_not_hashed_is_refused_by_its_name() {
    let base = snapshot(&Tree::new(), true);
    let file = LocalFile {
        stamp: FileStamp::default(),
        executable: None,
        content: LocalContent::Unhashed,
        renamed_from: None,
        derived_from: None,
    };
    let mut set = ChangeSet::new(NameRule::Exact);
    set.set("new".into(), Some(LocalState::File(file)));
    let changes = classify(&set, &TreeBase(&Tree::new()));
    let error = diff_manifest(&base, base.hash(), CHUNK, &changes).unwrap_err();
    assert!(error.to_string().starts_with("'new': "), "{error}");
}
