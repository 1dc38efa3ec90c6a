//! The change store: the change set, kept.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rusty_attachments_model::PathBuf;
use rusty_attachments_vfs::changes::{
    ChangeError, ChangeSet, ChangeStore, FileStamp, Journal, LocalContent, LocalFile, LocalState,
    NameRule, VolumeBase, classify,
};

use crate::world::{self, Nodes, Note, Step, World, hashed, note};

fn open(folder: &Path) -> ChangeStore {
    ChangeStore::open(folder, NameRule::Exact).unwrap()
}

fn keep(store: &ChangeStore, told: &Note) {
    match told.clone() {
        Note::Set(path, state) => store.set(path.as_str().into(), state),
        Note::SetAll(states) => store.set_all(
            states.into_iter().map(|(path, state)| (path.as_str().into(), state)).collect(),
        ),
        Note::RenameTree(from, to) => store.rename_tree(from.as_str().into(), to.as_str().into()),
    }
    .unwrap();
}

fn states(set: &ChangeSet) -> Vec<(PathBuf, LocalState)> {
    set.iter().map(|(path, state)| (path.into(), state.clone())).collect()
}

fn file(size: u64) -> LocalState {
    LocalState::File(LocalFile {
        stamp: FileStamp { size, mtime_ns: -5 },
        executable: Some(true),
        content: LocalContent::Unhashed,
        renamed_from: Some("elsewhere".into()),
        derived_from: Some(world::identity(b"before")),
    })
}

fn run(base: Nodes, steps: &[(Step, bool)]) {
    let temp = tempfile::tempdir().unwrap();
    let mut world = World::new(base);
    let mut set = ChangeSet::new(NameRule::Exact);
    let mut store = open(temp.path());
    let volume = world.volume();
    // What a crash at this size of the journal must bring back.
    let mut history = vec![(store.journal_size(), Vec::new())];
    for (step, reopens) in steps {
        for told in world.step(step) {
            note(&mut set, &told);
            keep(&store, &told);
            history.push((store.journal_size(), states(&set)));
            let size = store.journal_size();
            if matches!(told, Note::Set(..)) {
                keep(&store, &told);
                assert_eq!(store.journal_size(), size, "known already: {told:?}");
            }
        }
        if *reopens {
            drop(store);
            store = open(temp.path());
        }
        assert_eq!(store.states(), states(&set));
        assert_eq!(store.len(), set.len());
        let lines = store.changes(&VolumeBase(&*volume));
        assert_eq!(lines, classify(&set, &VolumeBase(&*volume)));
        world.check_lines(&lines);
    }
    drop(store);
    crash_everywhere(temp.path(), &history);
}

/// Cuts the journal at several places within each record, and opens it.
fn crash_everywhere(folder: &Path, history: &[(u64, Vec<(PathBuf, LocalState)>)]) {
    let journal = fs::read(folder.join("changes.journal")).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for cut in (history[0].0..=journal.len() as u64).step_by(7) {
        let path = crashed.path().join("changes.journal");
        fs::write(&path, &journal[..usize::try_from(cut).unwrap()]).unwrap();
        let (_, expected) = history.iter().rfind(|(size, _)| *size <= cut).unwrap();
        assert_eq!(open(crashed.path()).states(), *expected, "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn a_store_is_its_set_with_reopens_and_crashes_between_any_steps(
        base in world::base(),
        steps in prop::collection::vec((world::step(), any::<bool>()), 1..25),
    ) {
        run(base, &steps);
    }
}

#[test]
fn a_compacted_store_says_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    let mut set = ChangeSet::new(NameRule::Exact);
    let mut largest = 0;
    let mut told = |told: Note| {
        note(&mut set, &told);
        keep(&store, &told);
        largest = largest.max(store.journal_size());
    };
    // Folders that hide what the base has below, and such that do not.
    told(Note::Set("gone".into(), Some(LocalState::Deleted)));
    told(Note::Set("anew".into(), Some(LocalState::Deleted)));
    told(Note::Set("anew".into(), Some(LocalState::Directory)));
    told(Note::Set("anew/sub".into(), Some(LocalState::Directory)));
    told(Note::Set("merged".into(), Some(LocalState::Directory)));
    told(Note::Set("link".into(), Some(LocalState::Symlink { target: b"to".to_vec() })));
    for round in 0..20u64 {
        for index in 0..600 {
            let state = (index % 7 != round % 7).then(|| file(round * 1000 + index));
            told(Note::Set(format!("merged/frame.{index:04}.exr"), state));
        }
    }
    assert!(largest < 256 * 1024, "{largest} bytes for 600 paths");
    let size = store.journal_size();
    drop(store);
    let store = open(temp.path());
    assert_eq!(store.journal_size(), size);
    assert_eq!(store.states(), states(&set));
    let tree = rusty_attachments_testkit::volume::Tree::new()
        .file("gone/a", "a")
        .file("anew/sub/b", "b")
        .file("merged/c", "c")
        .build();
    let lines = store.changes(&VolumeBase(&*tree));
    assert_eq!(lines, classify(&set, &VolumeBase(&*tree)));
    let is_told = |path: &str| lines.iter().any(|line| line.path == path.into());
    assert!(is_told("gone/a") && is_told("anew/sub/b") && !is_told("merged/c"));
}

#[test]
fn hashes_are_noted_only_of_the_file_that_was_hashed() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    let stamp = FileStamp { size: 3, mtime_ns: -5 };
    assert!(!store.set_content("f".into(), stamp, hashed(b"abc")).unwrap(), "not noted at all");
    store.set("f".into(), Some(file(3))).unwrap();
    let older = FileStamp { mtime_ns: -6, ..stamp };
    assert!(!store.set_content("f".into(), older, hashed(b"old")).unwrap());
    assert_eq!(store.get("f".into()), Some(file(3)));
    assert!(store.set_content("f".into(), stamp, hashed(b"abc")).unwrap());
    let size = store.journal_size();
    assert!(store.set_content("f".into(), stamp, hashed(b"abc")).unwrap());
    assert_eq!(store.journal_size(), size, "known already");
    drop(store);
    let store = open(temp.path());
    let Some(LocalState::File(found)) = store.get("f".into()) else { panic!("{store:?}") };
    assert_eq!(found.content, hashed(b"abc"));
    assert_eq!((found.stamp, found.executable), (stamp, Some(true)));
    assert_eq!(found.renamed_from, Some("elsewhere".into()));
    assert_eq!(found.derived_from, Some(world::identity(b"before")));
}

#[test]
fn a_batch_is_noted_in_its_order() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    store.set("f".into(), Some(file(1))).unwrap();
    // Each of these is known at the beginning, but not after the one before it.
    let batch = vec![("f".into(), Some(file(2))), ("f".into(), Some(file(1)))];
    store.set_all(batch).unwrap();
    assert_eq!(store.get("f".into()), Some(file(1)));
    store.set("d".into(), Some(LocalState::Deleted)).unwrap();
    let batch = vec![("d/in".into(), Some(file(2))), ("d".into(), Some(LocalState::Deleted))];
    store.set_all(batch).unwrap();
    assert_eq!(store.get("d/in".into()), None);
    store.set("d/in".into(), Some(file(3))).unwrap();
    let batch = vec![("d".into(), Some(LocalState::Deleted)), ("d/in".into(), Some(file(3)))];
    store.set_all(batch).unwrap();
    assert_eq!(store.get("d/in".into()), Some(file(3)));
    store.set("d/in".into(), None).unwrap();
    let (before, size) = (store.states(), store.journal_size());
    let again = before.iter().map(|(path, state)| (path.clone(), Some(state.clone())));
    store.set_all(again.collect()).unwrap();
    let after = (store.states(), store.journal_size());
    assert_eq!(after, (before.clone(), size));
    drop(store);
    assert_eq!(open(temp.path()).states(), before);
}

#[test]
fn names_of_any_kind_are_kept() {
    let temp = tempfile::tempdir().unwrap();
    let odd = PathBuf::from_wtf8(b"lone \xed\xa0\xbd/\xed\xb3\xbf".to_vec());
    let store = open(temp.path());
    store.set(odd.as_ref(), Some(LocalState::Directory)).unwrap();
    drop(store);
    assert_eq!(open(temp.path()).states(), [(odd, LocalState::Directory)]);
}

#[test]
fn a_store_is_used_by_one_process_and_reads_what_it_wrote() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("not/there/yet");
    let store = open(&folder);
    let second = ChangeStore::open(&folder, NameRule::Exact).unwrap_err();
    assert!(second.to_string().contains("in use"), "{second}");
    drop(store);
    // A record that is whole but says nothing that this version knows.
    let journal = folder.join("changes.journal");
    Journal::open(&journal, 1).unwrap().0.append(b"\xff\xff\xff").unwrap();
    let unreadable = ChangeStore::open(&folder, NameRule::Exact).unwrap_err();
    assert!(matches!(unreadable, ChangeError::Record { index: 0, .. }), "{unreadable}");
    let in_the_way = temp.path().join("file");
    fs::write(&in_the_way, b"").unwrap();
    let refused = ChangeStore::open(&in_the_way.join("sub"), NameRule::Exact).unwrap_err();
    assert!(matches!(refused, ChangeError::Folder { .. }), "{refused}");
}

#[test]
fn readers_see_whole_batches_while_others_note_and_sync() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(std::sync::atomic::Ordering::SeqCst) {
                    let states = store.states();
                    assert!(states.is_empty() || states.len() == 2, "{states:?}");
                    assert!(states.windows(2).all(|pair| pair[0].1 == pair[1].1));
                }
            });
        }
        scope.spawn(|| {
            for size in 0..2000 {
                let batch = vec![("a".into(), Some(file(size))), ("b".into(), Some(file(size)))];
                store.set_all(batch).unwrap();
                if size % 100 == 0 {
                    store.sync().unwrap();
                }
            }
            is_done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
    });
    drop(store);
    assert_eq!(open(temp.path()).get("b".into()), Some(file(1999)));
}
