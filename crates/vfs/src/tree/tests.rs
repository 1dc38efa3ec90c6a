//! The tree against a map from paths to what is there, and the shapes that break naive builds.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Kind, Manifest, ManifestBuilder,
    ManifestError, PathRef, PathStyle, Spec,
};

use super::{ContentIndex, INodeManager, TreeError};
use crate::volume::{ContentIdentity, NodeId, NodeKind};

fn file(path: &str, size: u64) -> Entry<'_> {
    let content = Content::Whole(ContentHash::of(path.as_bytes()));
    let file = File { size, mtime_us: size as i64 * 1000, runnable: size % 2 == 1, content };
    Entry { path: path.into(), kind: EntryKind::File(file) }
}

fn folder(path: &str) -> Entry<'_> {
    Entry { path: path.into(), kind: EntryKind::Directory }
}

fn link<'a>(path: &'a str, target: &'a str) -> Entry<'a> {
    Entry { path: path.into(), kind: EntryKind::Symlink { target: target.into() } }
}

/// Builds from entries in any order, without the checks that a manifest has passed.
fn tree(entries: &[Entry<'_>]) -> Result<Arc<INodeManager>, TreeError> {
    let mut sorted = entries.to_vec();
    sorted.sort_by(|a, b| a.path.cmp_utf16(b.path));
    INodeManager::from_entries(|| sorted.iter().copied()).map(Arc::new)
}

fn paths(tree: &INodeManager) -> Vec<String> {
    (1..=tree.len() as u64).map(|id| tree.path(NodeId(id)).unwrap().to_string()).collect()
}

fn manifest(format: Format, entries: &[Entry<'_>]) -> Manifest {
    let mut builder = ManifestBuilder::new(format);
    entries.iter().for_each(|&entry| builder.push(entry).unwrap());
    builder.build().unwrap()
}

const SNAPSHOT: Format = Format::V2025(Spec { style: PathStyle::Relative, kind: Kind::Snapshot });

#[test]
fn folders_come_level_by_level_and_in_the_order_of_bytes() {
    // UTF-16 order has U+1F600 before U+E000, bytes have it after; `a-b` is between `a` and `a/z`.
    let entries =
        ["a/z", "a-b/c", "a.txt", "\u{1F600}", "\u{E000}", "a/y/x"].map(|path| file(path, 1));
    let tree = tree(&entries).unwrap();
    let expected =
        ["", "a", "a-b", "a.txt", "\u{E000}", "\u{1F600}", "a/y", "a/z", "a-b/c", "a/y/x"];
    assert_eq!(paths(&tree), expected);
    for (index, path) in expected.into_iter().enumerate() {
        assert_eq!(tree.find(path.into()), Some(NodeId(index as u64 + 1)), "{path}");
    }
    for absent in ["b", "a/", "/a", "a/z/q", "a//z", "a-b/d"] {
        assert_eq!(tree.find(absent.into()), None, "{absent}");
    }
}

#[test]
fn every_file_is_found_by_its_content() {
    let hash = |seed: u64| ContentHash::of(&seed.to_le_bytes());
    let chunks = [hash(1), hash(2)];
    let whole = |path: &'static str, size, seed| {
        let content = Content::Whole(hash(seed));
        let file = File { size, mtime_us: 0, runnable: false, content };
        Entry { path: path.into(), kind: EntryKind::File(file) }
    };
    let chunked = Content::Chunked { chunk_size: 256 << 20, hashes: &chunks };
    let big = File { size: (256 << 20) + 1, mtime_us: 0, runnable: false, content: chunked };
    let entries = [
        whole("a", 1, 1),
        whole("b", 2, 1),
        whole("c", 1, 2),
        whole("d/e", 1, 1),
        Entry { path: "d/big".into(), kind: EntryKind::File(big) },
        folder("f"),
    ];
    let tree = tree(&entries).unwrap();
    let index = ContentIndex::build(&tree);
    for path in ["a", "b", "c", "d/e", "d/big"] {
        let identity = tree.identity(tree.find(path.into()).unwrap()).unwrap();
        let found = index.find(&tree, identity).unwrap();
        assert_eq!(tree.identity(found), Some(identity), "{path}");
    }
    let unknown = ContentIdentity { size: 3, chunk_size: None, hash: hash(1) };
    assert_eq!(index.find(&tree, unknown), None);
}

#[test]
fn everything_a_manifest_says_is_kept() {
    let chunks = [ContentHash::of(b"1"), ContentHash::of(b"2")];
    let chunk_size = 256 << 20;
    let content = Content::Chunked { chunk_size, hashes: &chunks };
    let big = File { size: chunk_size + 1, mtime_us: -5, runnable: true, content };
    let entries = [
        Entry { path: "d/big".into(), kind: EntryKind::File(big) },
        file("d/small", 7),
        link("d/sub/link", "d/big"),
        folder("empty"),
        folder("d"),
    ];
    let manifest = manifest(SNAPSHOT, &entries);
    let tree = INodeManager::build(&manifest).unwrap();
    drop(manifest);
    let node = |path: &str| tree.find(path.into()).unwrap();

    let content = tree.content(node("d/big")).unwrap();
    assert_eq!(content.size, chunk_size + 1);
    assert_eq!(content.content, Content::Chunked { chunk_size, hashes: &chunks });
    let attributes = tree.attributes(node("d/big")).unwrap();
    assert_eq!(
        (attributes.kind, attributes.size, attributes.mtime_us, attributes.executable),
        (NodeKind::File, chunk_size + 1, -5, true)
    );
    let small = tree.content(node("d/small")).unwrap();
    assert_eq!(small.content, Content::Whole(ContentHash::of(b"d/small")));

    let link = node("d/sub/link");
    assert_eq!(tree.link_target(link), Some("../big".into()));
    assert_eq!(tree.attributes(link).unwrap().size, 6);
    assert_eq!(tree.content(link), None);
    assert_eq!(tree.content(node("d")), None);
    assert_eq!(tree.link_target(node("d/small")), None);
    assert_eq!(tree.attributes(node("empty")).unwrap().kind, NodeKind::Directory);
    assert_eq!(tree.total_bytes(), chunk_size + 8);
    assert_eq!(tree.len(), 7);
}

#[test]
fn folders_are_as_new_as_what_is_in_them() {
    let entries = [
        file("a/b/old", 2),
        file("a/new", 9),
        folder("a/empty"),
        link("a/b/link", "x"),
        folder("z"),
    ];
    let tree = tree(&entries).unwrap();
    let mtime = |path: &str| tree.attributes(tree.find(path.into()).unwrap()).unwrap().mtime_us;
    assert_eq!(
        ["", "a", "a/b", "a/b/link", "a/empty", "z"].map(mtime),
        [9000, 9000, 2000, 2000, 9000, 9000]
    );
    let bare = self::tree(&[folder("z")]).unwrap();
    assert_eq!(bare.attributes(NodeId::ROOT).unwrap().mtime_us, 0);
}

#[test]
fn a_link_has_the_size_that_readlink_returns() {
    let target = rusty_attachments_model::PathBuf::from_unix(b"bad\xff");
    let entry = Entry { path: "l".into(), kind: EntryKind::Symlink { target: target.as_ref() } };
    let tree = tree(&[entry]).unwrap();
    assert_eq!(tree.link_target(NodeId(2)).unwrap().to_unix().unwrap().len(), 4);
    assert_eq!(tree.attributes(NodeId(2)).unwrap().size, 4);
}

#[test]
fn clashes_name_both_entries() {
    let error = tree(&[file("a/b", 1), file("a/b-c", 2), file("a/b/c/d", 3)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "'a/b' is a file in the manifest, but 'a/b/c/d' needs it to be a folder"
    );
    let error = tree(&[link("a", "b"), file("a/x", 3)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "'a' is a link in the manifest, but 'a/x' needs it to be a folder"
    );
    for (first, second) in [(file("a/b", 1), file("a/b", 2)), (folder("a/b"), folder("a/b"))] {
        let error = tree(&[first, second]).unwrap_err().to_string();
        assert!(error.starts_with("'a/b' is in the manifest twice, as a f"), "{error}");
    }
    let error = tree(&[file("a", 1), folder("a")]).unwrap_err().to_string();
    assert_eq!(error, "'a' is in the manifest twice, as a file and as a folder");
}

#[test]
fn a_folder_may_be_both_named_and_implied() {
    let tree = tree(&[folder("a"), file("a-b", 1), file("a/x", 2), folder("a/y")]).unwrap();
    assert_eq!(paths(&tree), ["", "a", "a-b", "a/x", "a/y"]);
}

#[test]
fn what_is_no_tree_is_refused() {
    for path in ["", "a//b", "/a", "a/", "a/./b", "../a", "a/.."] {
        let error = tree(&[file(path, 1)]).unwrap_err();
        assert_eq!(error, TreeError::UnsafePath { path: path.into() });
    }
    let gone = Entry { path: "a".into(), kind: EntryKind::DeletedFile };
    assert!(tree(&[gone]).is_err());
    let spec = |style, kind| Format::V2025(Spec { style, kind });
    let diff = manifest(spec(PathStyle::Relative, Kind::Diff), &[file("a", 1)]);
    assert!(matches!(
        INodeManager::build(&diff).unwrap_err(),
        TreeError::Manifest(ManifestError::DiffAlone { .. })
    ));
    let absolute = manifest(spec(PathStyle::Absolute, Kind::Snapshot), &[file("/a", 1)]);
    assert_eq!(INodeManager::build(&absolute).unwrap_err(), ManifestError::AbsoluteAlone.into());
}

#[test]
fn ids_that_were_never_given_have_nothing() {
    let tree = tree(&[file("a", 1)]).unwrap();
    for id in [0, 3, u64::MAX].map(NodeId) {
        assert_eq!(tree.attributes(id), None);
        assert_eq!(tree.path(id), None);
        assert_eq!(tree.lookup(id, "a".into()), None);
        assert!(tree.listing(id).is_none());
        assert_eq!(tree.files_after(id).count(), 0);
    }
    assert_eq!(tree.lookup(NodeId(2), "a".into()), None);
    assert!(tree.listing(NodeId(2)).is_none());
    assert_eq!(tree.parent(NodeId::ROOT), Some(NodeId::ROOT));
}

#[test]
fn depth_is_no_matter() {
    for depth in [60, 10_000] {
        let path = vec!["d"; depth].join("/");
        let sibling = format!("{path}/last");
        let tree = tree(&[file(&sibling, 1)]).unwrap();
        assert_eq!(tree.len(), depth + 2);
        let node = tree.find(sibling.as_str().into()).unwrap();
        assert_eq!(tree.path(node).unwrap().to_string(), sibling);
    }
}

#[test]
fn siblings_follow_in_listing_order() {
    let entries = [file("a/1", 1), folder("a/2"), file("a/3", 1), file("a/4/x", 1), file("b", 1)];
    let tree = tree(&entries).unwrap();
    let after = |path: &str| -> Vec<String> {
        let node = tree.find(path.into()).unwrap();
        tree.files_after(node).map(|node| tree.path(node).unwrap().to_string()).collect()
    };
    assert_eq!(after("a/1"), ["a/3"]);
    assert_eq!(after("a/3"), [""; 0]);
    assert_eq!(after("a"), ["b"]);
    assert_eq!(after(""), [""; 0]);
}

#[test]
fn a_wide_folder_is_small_and_listed_whole() {
    const FILES: usize = 100_000;
    let names: Vec<_> = (0..FILES).map(|i| format!("wide/texture_{i:06}.exr")).collect();
    let entries: Vec<_> = names.iter().map(|name| file(name, 2)).collect();
    let tree = Arc::new(INodeManager::build(&manifest(Format::V2023, &entries)).unwrap());

    let name_bytes = FILES * "texture_000000.exr".len();
    let beside_names = (tree.memory_bytes() - name_bytes) / FILES;
    assert!(beside_names <= 120, "{beside_names} bytes a file beside its name");

    let wide = tree.find("wide".into()).unwrap();
    let listing = tree.listing(wide).unwrap();
    assert_eq!((listing.len(), listing.parent()), (FILES, NodeId::ROOT));
    for index in (0..FILES).step_by(997) {
        let entry = listing.entry(index).unwrap();
        assert_eq!(entry.name.to_str(), names[index].strip_prefix("wide/"));
        assert_eq!(tree.lookup(wide, entry.name), Some(entry.attributes.node));
        assert_eq!(tree.attributes(entry.attributes.node), Some(entry.attributes));
    }
    assert!(listing.entry(FILES).is_none());
}

// The reference: a map from components to what is there.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    File(u64),
    Link,
    Folder { named: bool },
}

type Reference<'a> = BTreeMap<Vec<&'a [u8]>, Thing>;

/// What is at every path; `None` if two entries want one.
fn reference<'a>(entries: &'a [Entry<'a>]) -> Option<Reference<'a>> {
    let mut things = Reference::from([(Vec::new(), Thing::Folder { named: false })]);
    for entry in entries {
        let components: Vec<_> = entry.path.components().map(PathRef::as_wtf8).collect();
        for depth in 1..components.len() {
            let parent = components[..depth].to_vec();
            let thing = things.entry(parent).or_insert(Thing::Folder { named: false });
            if !matches!(thing, Thing::Folder { .. }) {
                return None;
            }
        }
        let thing = match entry.kind {
            EntryKind::File(file) => Thing::File(file.size),
            EntryKind::Symlink { .. } => Thing::Link,
            _ => Thing::Folder { named: true },
        };
        match (things.get(&components), thing) {
            (None, _) | (Some(Thing::Folder { named: false }), Thing::Folder { .. }) => {}
            _ => return None,
        }
        things.insert(components, thing);
    }
    Some(things)
}

fn check_against(tree: &Arc<INodeManager>, things: &Reference<'_>) {
    assert_eq!(tree.len(), things.len());
    for (components, &thing) in things {
        let path = components.join(&b'/');
        let node = tree.find(PathRef::from_wtf8(&path)).unwrap();
        assert_eq!(tree.path(node).unwrap().as_ref().as_wtf8(), path);
        let attributes = tree.attributes(node).unwrap();
        match thing {
            Thing::File(size) => {
                assert_eq!((attributes.kind, attributes.size), (NodeKind::File, size));
                let content = tree.content(node).unwrap().content;
                assert_eq!(content, Content::Whole(ContentHash::of(&path)));
            }
            Thing::Link => assert_eq!(attributes.kind, NodeKind::Symlink),
            Thing::Folder { .. } => {
                let expected: Vec<_> = things
                    .keys()
                    .filter(|other| other.split_last().is_some_and(|(_, up)| up == components))
                    .map(|other| other[other.len() - 1])
                    .collect();
                let listing = tree.listing(node).unwrap();
                let listed: Vec<_> =
                    (0..listing.len()).map(|at| listing.entry(at).unwrap()).collect();
                let names: Vec<_> = listed.iter().map(|entry| entry.name.as_wtf8()).collect();
                assert_eq!(names, expected);
                for entry in listed {
                    assert_eq!(tree.parent(entry.attributes.node), Some(node));
                    assert_eq!(tree.lookup(node, entry.name), Some(entry.attributes.node));
                }
                assert_eq!(listing.parent(), tree.parent(node).unwrap());
            }
        }
    }
    let sizes = things.values().map(|thing| if let Thing::File(size) = thing { *size } else { 0 });
    assert_eq!(tree.total_bytes(), sizes.sum::<u64>());
}

fn path() -> impl Strategy<Value = String> {
    let names = ["a", "a-b", "a.x", "aa", "A", "b", "\u{e9}", "\u{E000}", "\u{1F600}", "\u{FF21}"];
    proptest::collection::vec(proptest::sample::select(names.to_vec()), 1..6)
        .prop_map(|names| names.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_is_what_the_reference_is(
        entries in proptest::collection::vec((path(), 0..12u8, 0..1000u64), 0..40),
    ) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(path, kind, size)| match kind {
                0 => link(path, "x"),
                1..4 => folder(path),
                _ => file(path, *size),
            })
            .collect();
        // Random paths clash almost always once there are many: keep what fits most of the time.
        let mut fitting: Vec<Entry<'_>> = Vec::new();
        for &entry in &entries {
            fitting.push(entry);
            if reference(&fitting).is_none() {
                prop_assert!(tree(&fitting).is_err());
                fitting.pop();
            }
        }
        check_against(&tree(&fitting).unwrap(), &reference(&fitting).unwrap());
    }
}
