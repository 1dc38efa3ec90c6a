//! A small world: the tree that a manifest has, the tree that is there now, and the notes that a
//! front end would take of every operation.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rusty_attachments_model::{Content as Hashes, ContentHash, PathBuf, PathRef};
use rusty_attachments_testkit::volume::{Content, DEFAULT_MTIME_US, Entry, ReferenceVolume, Tree};
use rusty_attachments_vfs::ContentIdentity;
use rusty_attachments_vfs::changes::{
    ChangeKind, ChangeSet, Changed, FileStamp, LocalContent, LocalFile, LocalState, VolumeBase,
    classify,
};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File { bytes: Vec<u8>, executable: bool },
    Link(Vec<u8>),
}

/// Paths with `/`; every folder is named.
pub(crate) type Nodes = BTreeMap<String, Node>;

/// What a front end tells a change set or store.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Set(String, Option<LocalState>),
    SetAll(Vec<(String, Option<LocalState>)>),
    RenameTree(String, String),
}

/// An operation on files; what cannot be done there and then does nothing.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write {
        path: usize,
        bytes: u8,
        hash: bool,
    },
    WriteTheSame {
        path: usize,
    },
    SaveAtomically {
        path: usize,
        bytes: u8,
    },
    SetExecutable {
        path: usize,
        executable: bool,
    },
    Link {
        path: usize,
        target: u8,
    },
    MakeFolder {
        path: usize,
    },
    /// Folders with all that is in them.
    Remove {
        path: usize,
        one_by_one: bool,
        knows_base: bool,
    },
    Rename {
        from: usize,
        to: usize,
        hash: bool,
    },
    /// A file of the base is put back, and found to be so.
    PutBack {
        path: usize,
    },
}

/// Few, so that operations meet. The second sorts between the first and what is in it if paths are
/// compared by their bytes.
const NAMES: [&str; 2] = ["a", "a-"];
const PATHS: usize = 2 + 4 + 8;

/// One of the paths of up to three components.
fn path(index: usize) -> String {
    let name = |bit: usize| NAMES[index >> bit & 1];
    match index {
        0..2 => name(0).into(),
        2..6 => format!("{}/{}", name(1), name(0)),
        _ => format!("{}/{}/{}", name(2), name(1), name(0)),
    }
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let at = || 0..PATHS;
    let byte = || 0u8..4;
    prop_oneof![
        3 => (at(), byte(), any::<bool>())
            .prop_map(|(path, bytes, hash)| Step::Write { path, bytes, hash }),
        1 => at().prop_map(|path| Step::WriteTheSame { path }),
        1 => (at(), byte()).prop_map(|(path, bytes)| Step::SaveAtomically { path, bytes }),
        1 => (at(), any::<bool>())
            .prop_map(|(path, executable)| Step::SetExecutable { path, executable }),
        1 => (at(), byte()).prop_map(|(path, target)| Step::Link { path, target }),
        4 => at().prop_map(|path| Step::MakeFolder { path }),
        3 => (at(), any::<bool>(), any::<bool>())
            .prop_map(|(path, one_by_one, knows_base)| Step::Remove { path, one_by_one, knows_base }),
        6 => (at(), at(), any::<bool>()).prop_map(|(from, to, hash)| Step::Rename { from, to, hash }),
        1 => at().prop_map(|path| Step::PutBack { path }),
    ]
}

/// A tree of a few files, links and folders.
pub(crate) fn base() -> impl Strategy<Value = Nodes> {
    let node = prop_oneof![
        4 => (0u8..4, any::<bool>())
            .prop_map(|(bytes, executable)| Node::File { bytes: content(bytes), executable }),
        1 => (0u8..4).prop_map(|target| Node::Link(vec![b't', target])),
        2 => Just(Node::Folder),
    ];
    prop::collection::vec((0..PATHS, node), 0..10).prop_map(|entries| {
        let mut nodes = Nodes::new();
        for (index, node) in entries {
            let path = path(index);
            let is_free = ancestors(&path).all(|above| is_folder_or_none(nodes.get(above)));
            if is_free && !nodes.contains_key(&path) {
                ancestors(&path).for_each(|above| _ = nodes.insert(above.into(), Node::Folder));
                nodes.insert(path, node);
            }
        }
        nodes
    })
}

fn is_folder_or_none(node: Option<&Node>) -> bool {
    node.is_none_or(|node| *node == Node::Folder)
}

fn content(byte: u8) -> Vec<u8> {
    vec![byte; usize::from(byte) * 3]
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(slash, _)| &path[..slash])
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(crate) fn identity(bytes: &[u8]) -> ContentIdentity {
    ContentIdentity::of(bytes.len() as u64, Hashes::Whole(ContentHash::of(bytes)))
}

pub(crate) fn hashed(bytes: &[u8]) -> LocalContent {
    LocalContent::Hashed { chunk_size: 0, hashes: vec![ContentHash::of(bytes)] }
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) base: Nodes,
    pub(crate) now: Nodes,
    /// What the front end remembers of files that are not, or not any more, the base's.
    noted: BTreeMap<String, LocalFile>,
    /// Folders and links that are not, or not any more, the base's.
    own: BTreeSet<String>,
    clock: i128,
}

impl World {
    pub(crate) fn new(base: Nodes) -> Self {
        Self { now: base.clone(), base, noted: BTreeMap::new(), own: BTreeSet::new(), clock: 0 }
    }

    pub(crate) fn volume(&self) -> std::sync::Arc<ReferenceVolume> {
        let tree = self.base.iter().fold(Tree::new(), |tree, (path, node)| {
            let path = path.as_str();
            let mtime_us = DEFAULT_MTIME_US;
            match node {
                Node::Folder => {
                    tree.with(path, Entry::Directory { children: BTreeMap::new(), mtime_us })
                }
                Node::Link(target) => tree.with(path, Entry::Symlink { target: target.clone() }),
                Node::File { bytes, executable } => {
                    tree.content(path, Content::Bytes(bytes.clone().into()), mtime_us, *executable)
                }
            }
        });
        tree.build()
    }

    /// The bytes of all files that are there.
    pub(crate) fn bytes(&self, path: &str) -> Option<&[u8]> {
        match self.now.get(path) {
            Some(Node::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// Does a step, and says what there is to note of it.
    pub(crate) fn step(&mut self, step: &Step) -> Vec<Note> {
        match *step {
            Step::Write { path: at, bytes, hash } => self.write(&path(at), content(bytes), hash),
            Step::WriteTheSame { path: at } => {
                let path = path(at);
                let Some(bytes) = self.bytes(&path).map(<[u8]>::to_vec) else { return Vec::new() };
                self.write(&path, bytes, true)
            }
            Step::SaveAtomically { path: at, bytes } => {
                let (target, temporary) = (path(at), format!("{}.tmp", path(at)));
                let mut notes = self.write(&temporary, content(bytes), false);
                if !notes.is_empty() {
                    notes.extend(self.rename(&temporary, &target, true));
                }
                notes
            }
            Step::SetExecutable { path: at, executable } => {
                self.set_executable(&path(at), executable)
            }
            Step::Link { path: at, target } => self.link(&path(at), target),
            Step::MakeFolder { path: at } => self.make_folder(&path(at)),
            Step::Remove { path: at, one_by_one, knows_base } => {
                self.remove(&path(at), one_by_one, knows_base)
            }
            Step::Rename { from, to, hash } => self.rename(&path(from), &path(to), hash),
            Step::PutBack { path: at } => self.put_back(&path(at)),
        }
    }

    fn has_parent(&self, path: &str) -> bool {
        ancestors(path).all(|above| self.now.get(above) == Some(&Node::Folder))
    }

    fn base_content(&self, path: &str) -> Option<ContentIdentity> {
        match self.base.get(path)? {
            Node::File { bytes, .. } => Some(identity(bytes)),
            _ => None,
        }
    }

    /// What is noted of a file; of one that nobody touched, what would be noted first.
    fn local(&self, path: &str) -> LocalFile {
        if let Some(file) = self.noted.get(path) {
            return file.clone();
        }
        let Some(Node::File { bytes, executable }) = self.base.get(path) else {
            unreachable!("{path} is not noted, so it is the base's");
        };
        LocalFile {
            stamp: FileStamp { size: bytes.len() as u64, mtime_ns: 0 },
            executable: Some(*executable),
            content: LocalContent::Base(identity(bytes)),
            renamed_from: Some(path.into()),
            derived_from: Some(identity(bytes)),
        }
    }

    fn note_file(&mut self, path: &str, file: LocalFile) -> Note {
        self.noted.insert(path.into(), file.clone());
        Note::Set(path.into(), Some(LocalState::File(file)))
    }

    fn write(&mut self, path: &str, bytes: Vec<u8>, hash: bool) -> Vec<Note> {
        let executable = match self.now.get(path) {
            Some(Node::File { executable, .. }) => *executable,
            None if self.has_parent(path) => false,
            _ => return Vec::new(),
        };
        self.clock += 1;
        let old = self.noted.get(path);
        let file = LocalFile {
            stamp: FileStamp { size: bytes.len() as u64, mtime_ns: self.clock },
            executable: Some(executable),
            content: if hash { hashed(&bytes) } else { LocalContent::Unhashed },
            renamed_from: old.and_then(|old| old.renamed_from.clone()),
            derived_from: old.map_or(self.base_content(path), |old| old.derived_from),
        };
        self.now.insert(path.into(), Node::File { bytes, executable });
        vec![self.note_file(path, file)]
    }

    fn set_executable(&mut self, path: &str, now: bool) -> Vec<Note> {
        let Some(Node::File { executable, .. }) = self.now.get_mut(path) else {
            return Vec::new();
        };
        *executable = now;
        let file = LocalFile { executable: Some(now), ..self.local(path) };
        vec![self.note_file(path, file)]
    }

    fn link(&mut self, path: &str, target: u8) -> Vec<Note> {
        if self.now.contains_key(path) || !self.has_parent(path) {
            return Vec::new();
        }
        let target = vec![b't', target];
        self.own.insert(path.into());
        self.now.insert(path.into(), Node::Link(target.clone()));
        vec![Note::Set(path.into(), Some(LocalState::Symlink { target }))]
    }

    fn make_folder(&mut self, path: &str) -> Vec<Note> {
        if self.now.contains_key(path) || !self.has_parent(path) {
            return Vec::new();
        }
        self.own.insert(path.into());
        self.now.insert(path.into(), Node::Folder);
        vec![Note::Set(path.into(), Some(LocalState::Directory))]
    }

    fn paths_at_or_below(&self, folder: &str) -> Vec<String> {
        self.now.keys().filter(|path| is_at_or_below(path, folder)).cloned().collect()
    }

    fn forget(&mut self, folder: &str) {
        self.now.retain(|path, _| !is_at_or_below(path, folder));
        self.noted.retain(|path, _| !is_at_or_below(path, folder));
        self.own.retain(|path| !is_at_or_below(path, folder));
    }

    fn remove(&mut self, path: &str, one_by_one: bool, knows_base: bool) -> Vec<Note> {
        let mut gone = self.paths_at_or_below(path);
        gone.reverse();
        self.forget(path);
        if gone.is_empty() {
            return Vec::new();
        }
        let base = &self.base;
        let note = |path: String| {
            // A front end that knows the base notes nothing where the base has nothing.
            let is_none = knows_base && !base.contains_key(&path);
            Note::Set(path, (!is_none).then_some(LocalState::Deleted))
        };
        match one_by_one {
            true => gone.into_iter().map(note).collect(),
            // Whoever tells only of the folder says that it is gone.
            false => vec![Note::Set(path.into(), Some(LocalState::Deleted))],
        }
    }

    fn rename(&mut self, from: &str, to: &str, hash: bool) -> Vec<Note> {
        let is_possible = match (self.now.get(from), self.now.get(to)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(Node::Folder), Some(Node::Folder)) => self.paths_at_or_below(to).len() == 1,
            (Some(Node::Folder), Some(_)) | (Some(_), Some(Node::Folder)) => false,
            (Some(_), Some(_)) => true,
        };
        if !is_possible || !self.has_parent(to) || is_at_or_below(to, from) {
            return Vec::new();
        }
        match self.now[from].clone() {
            Node::Folder => self.rename_folder(from, to),
            Node::Link(target) => {
                self.forget(from);
                self.forget(to);
                self.own.insert(to.into());
                self.now.insert(to.into(), Node::Link(target.clone()));
                vec![
                    Note::Set(from.into(), Some(LocalState::Deleted)),
                    Note::Set(to.into(), Some(LocalState::Symlink { target })),
                ]
            }
            Node::File { bytes, executable } => {
                let mut file = self.local(from);
                if hash && !matches!(file.content, LocalContent::Base(_)) {
                    file.content = hashed(&bytes);
                }
                file.derived_from =
                    self.noted.get(to).map_or(self.base_content(to), |old| old.derived_from);
                self.forget(from);
                self.forget(to);
                self.now.insert(to.into(), Node::File { bytes, executable });
                let gone = self.base.contains_key(from).then_some(LocalState::Deleted);
                self.noted.insert(to.into(), file.clone());
                vec![Note::SetAll(vec![
                    (from.into(), gone),
                    (to.into(), Some(LocalState::File(file))),
                ])]
            }
        }
    }

    fn rename_folder(&mut self, from: &str, to: &str) -> Vec<Note> {
        let moved = self.paths_at_or_below(from);
        let is_own = |path: &String| self.noted.contains_key(path) || self.own.contains(path);
        let is_local = moved.iter().all(is_own);
        let new_path = |path: &String| format!("{to}{}", &path[from.len()..]);
        let nodes: Vec<_> = moved
            .iter()
            .map(|path| {
                let node = self.now[path].clone();
                let file = matches!(node, Node::File { .. }).then(|| self.local(path));
                (new_path(path), node, file)
            })
            .collect();
        let is_base_replaced = self.now.contains_key(to) && !self.own.contains(to);
        self.forget(from);
        self.forget(to);
        let mut notes = vec![
            (from.to_owned(), Some(LocalState::Deleted)),
            (to.to_owned(), Some(LocalState::Deleted)),
        ];
        for (path, node, file) in nodes {
            let state = match (&node, &file) {
                (Node::Folder, _) => LocalState::Directory,
                (Node::Link(target), _) => LocalState::Symlink { target: target.clone() },
                (Node::File { .. }, file) => {
                    let file = LocalFile { derived_from: None, ..file.clone().unwrap() };
                    self.noted.insert(path.clone(), file.clone());
                    LocalState::File(file)
                }
            };
            notes.push((path.clone(), Some(state)));
            if file.is_none() {
                self.own.insert(path.clone());
            }
            self.now.insert(path, node);
        }
        match is_local {
            true => {
                let replaced = Note::Set(to.into(), Some(LocalState::Deleted));
                let replaced = is_base_replaced.then_some(replaced).into_iter();
                replaced.chain([Note::RenameTree(from.into(), to.into())]).collect()
            }
            false => vec![Note::SetAll(notes)],
        }
    }

    /// Only below folders that were never away: there `None` means what the base has.
    fn put_back(&mut self, path: &str) -> Vec<Note> {
        let Some(node @ Node::File { .. }) = self.base.get(path).cloned() else {
            return Vec::new();
        };
        if path.contains('/') || self.now.get(path) == Some(&Node::Folder) {
            return Vec::new();
        }
        self.now.insert(path.into(), node);
        self.noted.remove(path);
        self.own.remove(path);
        vec![Note::Set(path.into(), None)]
    }

    /// What hashing both trees from outside says: lines without renames, by path.
    pub(crate) fn difference(&self) -> BTreeMap<String, ChangeKind> {
        let mut lines = BTreeMap::new();
        for (path, node) in &self.now {
            let kind = match (self.base.get(path), node) {
                (None, _) => ChangeKind::Added,
                (Some(old), new) if old == new => continue,
                (Some(Node::File { bytes: old, .. }), Node::File { bytes: new, .. })
                    if old == new =>
                {
                    ChangeKind::ModeChanged
                }
                _ => ChangeKind::Modified,
            };
            lines.insert(path.clone(), kind);
        }
        let gone = self.base.keys().filter(|path| !self.now.contains_key(*path));
        lines.extend(gone.map(|path| (path.clone(), ChangeKind::Deleted)));
        lines
    }

    /// Holds a set against the base, and what it says against the difference.
    pub(crate) fn check(&self, set: &ChangeSet) -> Vec<Changed> {
        let volume = self.volume();
        let lines = classify(set, &VolumeBase(&*volume));
        self.check_lines(&lines);
        lines
    }

    pub(crate) fn check_lines(&self, lines: &[Changed]) {
        let mut difference = self.difference();
        self.check_order(lines);
        let text = |path: &PathBuf| path.as_ref().to_str().unwrap().to_owned();
        for line in lines {
            let path = text(&line.path);
            self.check_state(&path, &line.state);
            match &line.kind {
                // May be anything that a file can be.
                ChangeKind::Unhashed => {
                    let told = difference.remove(&path);
                    assert_ne!(told, Some(ChangeKind::Deleted), "{path}");
                }
                ChangeKind::Renamed { from } => {
                    assert_eq!(difference.remove(&path), Some(ChangeKind::Added), "{path}");
                    let from = text(from);
                    let gone = difference.remove(&from);
                    assert_eq!(gone, Some(ChangeKind::Deleted), "{from} -> {path}");
                    let Node::File { bytes, .. } = &self.base[&from] else { panic!("{from}") };
                    assert_eq!(self.bytes(&path), Some(&bytes[..]));
                }
                kind => assert_eq!(difference.remove(&path).as_ref(), Some(kind), "{path}"),
            }
        }
        assert!(difference.is_empty(), "not told: {difference:?} in {lines:?}");
    }

    fn check_state(&self, path: &str, state: &LocalState) {
        let is_true = match (self.now.get(path), state) {
            (None, LocalState::Deleted) | (Some(Node::Folder), LocalState::Directory) => true,
            (Some(Node::Link(is)), LocalState::Symlink { target }) => is == target,
            (Some(Node::File { bytes, executable }), LocalState::File(file)) => {
                file.stamp.size == bytes.len() as u64
                    && file.executable == Some(*executable)
                    && file.identity().is_none_or(|told| told == identity(bytes))
            }
            _ => false,
        };
        assert!(is_true, "{path}: {state:?} but there is {:?}", self.now.get(path));
    }

    /// Folders before what is in them; what is no folder any more behind that.
    fn check_order(&self, lines: &[Changed]) {
        let place = |path: PathRef<'_>| {
            let text = path.to_str().unwrap();
            let is_behind = self.base.get(text) == Some(&Node::Folder)
                && self.now.get(text) != Some(&Node::Folder);
            let names = path.components().map(|name| (0, name.as_wtf8().to_vec()));
            names.chain(is_behind.then_some((1, Vec::new()))).collect::<Vec<_>>()
        };
        let is_sorted = lines.is_sorted_by(|a, b| place(a.path.as_ref()) < place(b.path.as_ref()));
        assert!(is_sorted, "{lines:?}");
    }
}

/// Notes it as a front end does.
pub(crate) fn note(set: &mut ChangeSet, note: &Note) {
    match note.clone() {
        Note::Set(path, state) => set.set(path.as_str().into(), state),
        Note::SetAll(states) => {
            states.into_iter().for_each(|(path, state)| set.set(path.as_str().into(), state));
        }
        Note::RenameTree(from, to) => set.rename_tree(from.as_str().into(), to.as_str().into()),
    }
}

/// The notes that hashing every file gives that has no hash yet.
pub(crate) fn hash_all(world: &World, set: &ChangeSet) -> Vec<Note> {
    let notes = set.iter().filter_map(|(path, state)| {
        let path = path.to_str()?.to_owned();
        let LocalState::File(file) = state else { return None };
        (file.content == LocalContent::Unhashed).then(|| {
            let content = hashed(world.bytes(&path).unwrap());
            let state = LocalState::File(LocalFile { content, ..file.clone() });
            Note::Set(path, Some(state))
        })
    });
    notes.collect()
}
