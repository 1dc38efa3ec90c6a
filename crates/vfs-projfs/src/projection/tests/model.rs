//! Random trees against models that sort, fold and search as simply as can be.

use std::collections::BTreeMap;

use ntfs_names::{fold, unopenable};
use proptest::prelude::*;
use proptest::sample::select;
use rusty_attachments_testkit::volume::{Content, DEFAULT_MTIME_US, Entry as TreeEntry, Name};

use super::*;

type Children = BTreeMap<Name, TreeEntry>;

/// A folder as it should be shown: entries in order, those that are folders with what is in them.
type Model = Vec<(Vec<u16>, Option<Shown>)>;

#[derive(Debug, Default)]
struct Shown(Model);

/// What the report should say: the kind of fault and the path.
type Faults = Vec<(&'static str, String)>;

const NAMES: [&str; 16] = [
    "a",
    "A",
    "aB",
    "Ab",
    "b",
    "_",
    "[",
    "con",
    "x.",
    "\u{e9}",
    "\u{c9}",
    "\u{df}",
    "\u{3c9}",
    "\u{3a9}",
    "\u{1F600}",
    "\u{E000}",
];

fn file() -> TreeEntry {
    TreeEntry::File { content: Content::Pattern(1), mtime_us: DEFAULT_MTIME_US, executable: false }
}

fn children() -> impl Strategy<Value = Children> {
    let name = || select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec());
    let folder = |children| TreeEntry::Directory { children, mtime_us: DEFAULT_MTIME_US };
    let entry = Just(file()).prop_recursive(4, 60, 8, move |inner| {
        proptest::collection::btree_map(name(), inner, 0..8).prop_map(folder)
    });
    proptest::collection::btree_map(name(), entry, 0..10)
}

/// What should be shown of folders that are shown as one, each with its path.
fn model(sources: &[(String, &Children)], faults: &mut Faults) -> Model {
    let mut all: Vec<(Vec<u16>, bool, &Name, String, &TreeEntry)> = Vec::new();
    for (above, children) in sources {
        for (name, entry) in *children {
            let text = std::str::from_utf8(name).unwrap();
            let path = if above.is_empty() { text.to_owned() } else { format!("{above}/{text}") };
            if unopenable(&units(text)).is_some() {
                faults.push(("impossible", path));
            } else {
                let is_file = !matches!(entry, TreeEntry::Directory { .. });
                all.push((fold(&units(text)), is_file, name, path, entry));
            }
        }
    }
    all.sort_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
    let mut shown: Model = Vec::new();
    while !all.is_empty() {
        let first = all[0].0.clone();
        let same: Vec<_> = all.extract_if(.., |entry| entry.0 == first).collect();
        let merged: Vec<(String, &Children)> = same
            .iter()
            .filter_map(|(_, _, _, path, entry)| match entry {
                TreeEntry::Directory { children, .. } => Some((path.clone(), children)),
                _ => None,
            })
            .collect();
        for (_, is_file, _, path, _) in &same[1..] {
            faults.push((if *is_file { "collides" } else { "merged" }, path.clone()));
        }
        let below = (!merged.is_empty()).then(|| Shown(model(&merged, faults)));
        shown.push((units(std::str::from_utf8(same[0].2).unwrap()), below));
    }
    shown
}

fn check(projection: &ManifestProjection, folder: NodeId, model: &Model) {
    let listing = projection.listing(folder).unwrap().unwrap();
    let names: Vec<&[u16]> = listing.iter().map(|entry| &*entry.name).collect();
    let expected: Vec<&[u16]> = model.iter().map(|(name, _)| name.as_slice()).collect();
    assert_eq!(names, expected);
    for (entry, (_, below)) in listing.iter().zip(model) {
        assert_eq!(entry.is_directory(), below.is_some());
        if let Some(Shown(below)) = below {
            check(projection, entry.node, below);
        }
    }
}

/// The spelling of a path, found by looking at every entry of each folder.
fn search(mut model: &Model, names: &[&str]) -> Option<Vec<u16>> {
    let mut spelled: Vec<Vec<u16>> = Vec::new();
    for (depth, name) in names.iter().enumerate() {
        let wanted = fold(&units(name));
        let (found, below) = model.iter().find(|(name, _)| fold(name) == wanted)?;
        spelled.push(found.clone());
        match below {
            Some(Shown(below)) => model = below,
            None if depth + 1 < names.len() => return None,
            None => {}
        }
    }
    Some(spelled.join(&BACKSLASH))
}

fn reported(projection: &ManifestProjection) -> Faults {
    let faults = projection.report().faults().iter().map(|fault| match fault {
        NameFault::Impossible { path, .. } => ("impossible", path.to_string()),
        NameFault::Collides { path, .. } => ("collides", path.to_string()),
        NameFault::Merged { path, .. } => ("merged", path.to_string()),
        NameFault::Link { path, .. } => ("link", path.to_string()),
    });
    let mut faults: Faults = faults.collect();
    faults.sort();
    faults
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn names_are_shown_found_and_reported_as_the_model_says(
        children in children(),
        questions in proptest::collection::vec(
            proptest::collection::vec(select(&NAMES[..]), 1..5), 40,
        ),
    ) {
        let mut faults = Faults::new();
        let expected = model(&[(String::new(), &children)], &mut faults);
        faults.sort();
        let volume = ReferenceVolume::new(children);
        let projection = ManifestProjection::new(volume, ProjectionOptions::default()).unwrap();
        check(&projection, NodeId::ROOT, &expected);
        prop_assert_eq!(reported(&projection), faults);
        for names in &questions {
            let found = projection.find(&units(&names.join("\\"))).unwrap();
            prop_assert_eq!(found.map(|found| found.path), search(&expected, names));
        }
    }
}

/// Where Windows goes from a folder by a target: detours are removed from the text before any link
/// in it is followed. Gives whether it is a folder; `Err` if that leaves the root, `None` if
/// nothing is there.
fn go(
    projection: &ManifestProjection,
    folder: &[&str],
    target: &str,
) -> Result<Option<bool>, String> {
    let mut way: Vec<String> = folder.iter().map(|name| (*name).to_owned()).collect();
    way.extend(target.split('\\').map(str::to_owned));
    for _ in 0..200 {
        let mut plain: Vec<String> = Vec::new();
        for name in way {
            match &*name {
                "." => {}
                ".." => _ = plain.pop().ok_or_else(|| format!("'{target}' leads out"))?,
                _ => plain.push(name),
            }
        }
        let link = (1..=plain.len()).find_map(|depth| {
            match &at(projection, &plain[..depth].join("\\"))?.kind {
                ProjectedKind::Symlink { target, .. } => Some((depth, text(target))),
                _ => None,
            }
        });
        let Some((depth, target)) = link else {
            let is_root = plain.is_empty().then_some(true);
            let end = at(projection, &plain.join("\\"));
            return Ok(is_root.or(end.map(|end| end.is_directory())));
        };
        way = plain[..depth - 1].to_vec();
        way.extend(target.split('\\').map(str::to_owned));
        way.extend_from_slice(&plain[depth..]);
    }
    panic!("'{target}' from {folder:?} has no end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn links_that_are_shown_stay_in_the_tree_end_and_say_what_they_lead_to(
        links in proptest::collection::vec(
            (
                select(&["", "d/", "d/e/", "f/"][..]),
                select(&["l", "m", "n"][..]),
                proptest::collection::vec(
                    select(&["..", ".", "", "d", "e", "f", "l", "m", "n", "x", "D", "M", "X", "y:"][..]),
                    1..6,
                ),
            ),
            1..10,
        ),
    ) {
        let tree = Tree::new().file("d/e/x", "").file("d/x", "").file("f/x", "").file("x", "");
        let tree = links.iter().fold(tree, |tree, (folder, name, target)| {
            tree.link(format!("{folder}{name}").as_str(), target.join("/"))
        });
        let projection = shown(tree);
        for (folder, name, _) in links {
            let path = format!("{folder}{name}").replace('/', "\\");
            let Some(link) = at(&projection, &path) else { continue };
            let ProjectedKind::Symlink { target, directory } = &link.kind else { panic!("{link:?}") };
            let folder: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
            let target = text(target);
            match go(&projection, &folder, &target) {
                Ok(end) => prop_assert_eq!(end.unwrap_or(false), *directory),
                Err(out) => prop_assert!(false, "{} of '{}'", out, path),
            }
        }
    }
}
