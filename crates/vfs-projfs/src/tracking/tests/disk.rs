//! A disk with placeholders, tombstones and full items in memory, after projfs.md E.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use crate::callbacks::Hint;
use crate::disk::{Disk, DiskItem, ItemKind, ItemState};
use crate::projection::{ManifestProjection, ProjectedFileInfo, ProjectedKind};
use crate::tracking::remount::{Remove, UpdateRefused, Updater};

/// What somebody who walks through a tree finds: names as they are spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Directory,
    File(Vec<u8>),
    Link(String),
}

pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn text(units: &[u16]) -> String {
    String::from_utf16(units).unwrap()
}

pub(super) fn fold(text: &str) -> String {
    text.to_uppercase()
}

#[derive(Debug)]
enum Node {
    Directory(Folder),
    File(u64),
    Link { target: String, state: ItemState },
    Tombstone,
}

#[derive(Debug)]
struct Entry {
    name: String,
    node: Node,
}

#[derive(Debug, Default)]
struct Folder {
    full: bool,
    /// By folded name.
    entries: BTreeMap<String, Entry>,
}

/// A file, under whichever names.
#[derive(Clone, Debug)]
struct Inode {
    bytes: Vec<u8>,
    mtime_ns: i128,
    state: ItemState,
}

/// What is on disk.
#[derive(Debug)]
struct State {
    projection: Arc<ManifestProjection>,
    /// By identity.
    contents: HashMap<[u8; 16], Vec<u8>>,
    root: Folder,
    inodes: HashMap<u64, Inode>,
    running: bool,
    clock_ns: i128,
    /// How many looks from now on panic.
    panics: u32,
    fails: bool,
    looks: u64,
}

/// The disk, and all that programs do to it. Operations give hints, or `None` if they fail.
#[derive(Debug)]
pub(super) struct ModelDisk(Mutex<State>);

/// The hints of one operation. Only those of closed handles may be lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    pub(super) sure: Vec<Hint>,
    pub(super) of_closes: Vec<Hint>,
}

impl Hints {
    fn sure(hint: Hint) -> Self {
        Self { sure: vec![hint], of_closes: Vec::new() }
    }

    fn and_close(mut self, path: &str) -> Self {
        self.of_closes.push(Hint::Look(wide(path)));
        self
    }
}

fn names(path: &str) -> Vec<&str> {
    path.split('\\').filter(|name| !name.is_empty()).collect()
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('\\').unwrap_or(("", path))
}

impl State {
    fn folder(&mut self, path: &str) -> Option<&mut Folder> {
        self.materialise(path);
        let mut folder = &mut self.root;
        for name in names(path) {
            match &mut folder.entries.get_mut(&fold(name))?.node {
                Node::Directory(below) => folder = below,
                Node::File(_) | Node::Link { .. } | Node::Tombstone => return None,
            }
        }
        Some(folder)
    }

    fn existing(&self, path: &str) -> Option<&Entry> {
        let (above, name) = split(path);
        let mut folder = &self.root;
        for name in names(above) {
            match &folder.entries.get(&fold(name))?.node {
                Node::Directory(below) => folder = below,
                Node::File(_) | Node::Link { .. } | Node::Tombstone => return None,
            }
        }
        folder.entries.get(&fold(name))
    }

    /// Makes placeholders for all parts of a path that are projected and not on disk.
    fn materialise(&mut self, path: &str) {
        let mut at = String::new();
        for name in names(path) {
            let above = at.clone();
            at = if at.is_empty() { name.to_owned() } else { format!("{at}\\{name}") };
            if self.existing(&at).is_some() || !self.running {
                continue;
            }
            let Some(found) = self.projection.find(&wide(&at)).unwrap() else { return };
            let node = self.placeholder(&found);
            let spelled = split(&text(&found.path)).1.to_owned();
            match self.folder_if_there(&above) {
                Some(folder) if !folder.full => {
                    folder.entries.insert(fold(name), Entry { name: spelled, node });
                }
                _ => return,
            }
        }
    }

    fn folder_if_there(&mut self, path: &str) -> Option<&mut Folder> {
        let mut folder = &mut self.root;
        for name in names(path) {
            match &mut folder.entries.get_mut(&fold(name))?.node {
                Node::Directory(below) => folder = below,
                Node::File(_) | Node::Link { .. } | Node::Tombstone => return None,
            }
        }
        Some(folder)
    }

    fn placeholder(&mut self, info: &ProjectedFileInfo) -> Node {
        match &info.kind {
            ProjectedKind::Directory => Node::Directory(Folder::default()),
            ProjectedKind::Symlink { target, .. } => {
                Node::Link { target: text(target), state: ItemState::Placeholder }
            }
            ProjectedKind::File => self.new_file(Inode {
                bytes: self.contents[info.content.unwrap().hash.as_bytes()].clone(),
                mtime_ns: (i128::from(info.write_time) - 116_444_736_000_000_000) * 100,
                state: ItemState::Placeholder,
            }),
        }
    }

    fn new_file(&mut self, inode: Inode) -> Node {
        let number = self.inodes.len() as u64;
        self.inodes.insert(number, inode);
        Node::File(number)
    }

    fn full_file(&mut self, bytes: &[u8]) -> Node {
        self.clock_ns += 1_000_000;
        let mtime_ns = self.clock_ns;
        self.new_file(Inode { bytes: bytes.to_vec(), mtime_ns, state: ItemState::Full })
    }

    /// The entry at a path, made if it is projected.
    fn entry(&mut self, path: &str) -> Option<&mut Entry> {
        let (above, name) = split(path);
        self.materialise(path);
        let folder = self.folder_if_there(above)?;
        let entry = folder.entries.get_mut(&fold(name))?;
        (!matches!(entry.node, Node::Tombstone)).then_some(entry)
    }

    fn put(&mut self, path: &str, node: Node) -> Option<()> {
        let (above, name) = split(path);
        let folder = self.folder(above)?;
        folder.entries.insert(fold(name), Entry { name: name.to_owned(), node });
        Some(())
    }

    /// Takes an item away, and leaves a tombstone where it is projected (projfs.md E8, M12).
    fn take(&mut self, path: &str) -> Option<Node> {
        self.entry(path)?;
        let (above, name) = split(path);
        let is_projected = self.running && self.projection.find(&wide(path)).unwrap().is_some();
        let folder = self.folder_if_there(above)?;
        let entry = folder.entries.remove(&fold(name))?;
        if is_projected && !folder.full {
            let tombstone = Entry { name: entry.name, node: Node::Tombstone };
            folder.entries.insert(fold(name), tombstone);
        }
        Some(entry.node)
    }

    fn is_empty_folder(&mut self, path: &str) -> bool {
        let mut seen = BTreeMap::new();
        self.see(path, &mut seen);
        seen.is_empty()
    }

    /// All that is visible below a folder.
    fn see(&self, path: &str, seen: &mut BTreeMap<String, (String, Seen)>) {
        let mut folder = Some(&self.root);
        for name in names(path) {
            folder = folder.and_then(|folder| match &folder.entries.get(&fold(name))?.node {
                Node::Directory(below) => Some(below),
                Node::File(_) | Node::Link { .. } | Node::Tombstone => None,
            });
        }
        let empty = BTreeMap::new();
        let entries = folder.map_or(&empty, |folder| &folder.entries);
        for entry in entries.values() {
            let path = joined(path, &entry.name);
            let what = match &entry.node {
                Node::Tombstone => continue,
                Node::Directory(_) => Seen::Directory,
                Node::File(inode) => Seen::File(self.inodes[inode].bytes.clone()),
                Node::Link { target, .. } => Seen::Link(target.clone()),
            };
            seen.insert(fold(&path), (path.clone(), what.clone()));
            if what == Seen::Directory {
                self.see(&path, seen);
            }
        }
        if folder.is_some_and(|folder| folder.full) {
            return;
        }
        let Some(node) = self.projection.folder(&wide(path)).unwrap() else { return };
        for entry in &*self.projection.listing(node).unwrap().unwrap() {
            let name = text(&entry.name);
            if !entries.contains_key(&fold(&name)) {
                let path = joined(path, &name);
                let what = self.virtual_item(entry);
                seen.insert(fold(&path), (path.clone(), what.clone()));
                if what == Seen::Directory {
                    self.see(&path, seen);
                }
            }
        }
    }

    fn virtual_item(&self, info: &ProjectedFileInfo) -> Seen {
        match &info.kind {
            ProjectedKind::Directory => Seen::Directory,
            ProjectedKind::Symlink { target, .. } => Seen::Link(text(target)),
            ProjectedKind::File => {
                Seen::File(self.contents[info.content.unwrap().hash.as_bytes()].clone())
            }
        }
    }

    fn item(&self, entry: &Entry) -> DiskItem {
        let (kind, state, size, mtime_ns) = match &entry.node {
            Node::Directory(folder) => {
                let state = if folder.full { ItemState::Full } else { ItemState::Placeholder };
                (ItemKind::Directory, state, 0, 0)
            }
            Node::File(inode) => {
                let inode = &self.inodes[inode];
                (ItemKind::File, inode.state, inode.bytes.len() as u64, inode.mtime_ns)
            }
            Node::Link { state, .. } => (ItemKind::Symlink, *state, 0, 0),
            Node::Tombstone => (ItemKind::File, ItemState::Tombstone, 0, 0),
        };
        DiskItem { name: wide(&entry.name), kind, state, size, mtime_ns }
    }
}

pub(super) fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}\\{name}") }
}

impl ModelDisk {
    /// A root that was just marked. `contents` has the bytes of all that is ever projected.
    pub(super) fn new(projection: Arc<ManifestProjection>, contents: &[Vec<u8>]) -> Arc<Self> {
        let hash = |bytes: &Vec<u8>| *rusty_attachments_model::ContentHash::of(bytes).as_bytes();
        Arc::new(Self(Mutex::new(State {
            projection,
            contents: contents.iter().map(|bytes| (hash(bytes), bytes.clone())).collect(),
            root: Folder::default(),
            inodes: HashMap::new(),
            running: false,
            clock_ns: 1_700_000_000_000_000_000,
            panics: 0,
            fails: false,
            looks: 0,
        })))
    }

    pub(super) fn start(&self) {
        self.0.lock().running = true;
    }

    pub(super) fn stop(&self) {
        self.0.lock().running = false;
    }

    pub(super) fn project(&self, projection: Arc<ManifestProjection>) {
        self.0.lock().projection = projection;
    }

    /// Lets the next looks panic.
    pub(super) fn panic_next(&self, times: u32) {
        self.0.lock().panics = times;
    }

    /// Lets every look fail, or none any more.
    pub(super) fn fail(&self, fails: bool) {
        self.0.lock().fails = fails;
    }

    pub(super) fn looks(&self) -> u64 {
        self.0.lock().looks
    }

    /// Whether there is a placeholder, or more.
    pub(super) fn is_on_disk(&self, path: &str) -> bool {
        self.0.lock().existing(path).is_some()
    }

    /// What users made or changed, which nobody else may take away.
    pub(super) fn full_files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock();
        let mut found = BTreeMap::new();
        let mut pending = vec![(String::new(), &state.root)];
        while let Some((path, folder)) = pending.pop() {
            for (name, entry) in &folder.entries {
                let path = joined(&path, name);
                match &entry.node {
                    Node::Directory(below) => pending.push((path, below)),
                    Node::File(inode) if state.inodes[inode].state.is_full() => {
                        found.insert(path, state.inodes[inode].bytes.clone());
                    }
                    Node::File(_) | Node::Link { .. } | Node::Tombstone => {}
                }
            }
        }
        found
    }

    /// What a walk from outside finds, by folded path.
    pub(super) fn seen(&self) -> BTreeMap<String, (String, Seen)> {
        let mut seen = BTreeMap::new();
        self.0.lock().see("", &mut seen);
        seen
    }

    pub(super) fn stat(&self, path: &str) {
        let _ = self.0.lock().entry(path);
    }

    pub(super) fn read(&self, path: &str) -> Option<()> {
        let mut state = self.0.lock();
        let Node::File(inode) = state.entry(path)?.node else { return None };
        let inode = state.inodes.get_mut(&inode)?;
        inode.state = match inode.state {
            ItemState::Placeholder => ItemState::Hydrated,
            ItemState::DirtyPlaceholder => ItemState::DirtyHydrated,
            state => state,
        };
        Some(())
    }

    /// Sets a time (projfs.md T25).
    pub(super) fn touch(&self, path: &str) -> Option<()> {
        let mut state = self.0.lock();
        state.clock_ns += 1_000_000;
        let now = state.clock_ns;
        let Node::File(inode) = state.entry(path)?.node else { return None };
        let inode = state.inodes.get_mut(&inode)?;
        inode.mtime_ns = now;
        inode.state = match inode.state {
            ItemState::Placeholder => ItemState::DirtyPlaceholder,
            ItemState::Hydrated => ItemState::DirtyHydrated,
            state => state,
        };
        Some(())
    }

    /// Writes, and sets the time back to what it was.
    pub(super) fn write_in_time(&self, path: &str, bytes: &[u8]) -> Option<Hints> {
        let mut state = self.0.lock();
        let Node::File(number) = state.entry(path)?.node else { return None };
        let inode = state.inodes.get_mut(&number)?;
        (inode.bytes, inode.state) = (bytes.to_vec(), ItemState::Full);
        Some(Hints::sure(Hint::Look(wide(path))).and_close(path))
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Option<Hints> {
        let mut state = self.0.lock();
        let hints = Hints::sure(Hint::Look(wide(path))).and_close(path);
        if let Some(entry) = state.entry(path) {
            let Node::File(number) = entry.node else { return None };
            state.clock_ns += 1_000_000;
            let mtime_ns = state.clock_ns;
            let inode = Inode { bytes: bytes.to_vec(), mtime_ns, state: ItemState::Full };
            state.inodes.insert(number, inode);
            return Some(hints);
        }
        let node = state.full_file(bytes);
        state.put(path, node)?;
        Some(hints)
    }

    pub(super) fn make_folder(&self, path: &str) -> Option<Hints> {
        let mut state = self.0.lock();
        if state.entry(path).is_some() {
            return None;
        }
        state.put(path, Node::Directory(Folder { full: true, ..Folder::default() }))?;
        Some(Hints::sure(Hint::Look(wide(path))))
    }

    pub(super) fn make_link(&self, path: &str, target: &str) -> Option<Hints> {
        let mut state = self.0.lock();
        if state.entry(path).is_some() {
            return None;
        }
        let node = Node::Link { target: target.to_owned(), state: ItemState::Full };
        state.put(path, node)?;
        Some(Hints::sure(Hint::Look(wide(path))).and_close(path))
    }

    /// Deletes a file, or an empty folder.
    pub(super) fn delete(&self, path: &str) -> Option<Hints> {
        let mut state = self.0.lock();
        if matches!(state.entry(path)?.node, Node::Directory(_)) && !state.is_empty_folder(path) {
            return None;
        }
        state.take(path)?;
        Some(Hints::default().and_close(path))
    }

    /// Renames a file or a full folder; replaces files only.
    pub(super) fn rename(&self, from: &str, to: &str) -> Option<Hints> {
        let mut state = self.0.lock();
        let directory = match &state.entry(from)?.node {
            Node::Directory(folder) if !folder.full => return None,
            Node::Directory(_) => true,
            _ => false,
        };
        let is_same = fold(from) == fold(to);
        if fold(to).starts_with(&format!("{}\\", fold(from))) {
            return None;
        }
        if let Some(target) = state.entry(to) {
            let is_folder = matches!(target.node, Node::Directory(_));
            if !is_same && (directory || is_folder) {
                return None;
            }
        }
        let (above, name) = split(to);
        state.folder(above)?;
        if is_same {
            state.entry(from)?.name = name.to_owned();
        } else {
            let node = state.take(from)?;
            state.put(to, node)?;
        }
        Some(Hints::sure(Hint::Renamed { from: wide(from), to: wide(to), directory }))
    }

    pub(super) fn link(&self, path: &str, link: &str) -> Option<Hints> {
        let mut state = self.0.lock();
        let Node::File(inode) = state.entry(path)?.node else { return None };
        if state.entry(link).is_some() {
            return None;
        }
        state.put(link, Node::File(inode))?;
        let inode = state.inodes.get_mut(&inode)?;
        if inode.state == ItemState::Placeholder {
            inode.state = ItemState::Hydrated;
        }
        Some(Hints::sure(Hint::Linked { path: wide(path), link: wide(link) }))
    }

    /// A folder with a file and a folder in it, from outside (projfs.md T22).
    pub(super) fn move_in(&self, path: &str, bytes: &[u8]) -> Option<Hints> {
        let mut state = self.0.lock();
        if state.entry(path).is_some() {
            return None;
        }
        let mut folder = Folder { full: true, ..Folder::default() };
        let node = state.full_file(bytes);
        folder.entries.insert("A".to_owned(), Entry { name: "a".to_owned(), node });
        let below = Node::Directory(Folder { full: true, ..Folder::default() });
        folder.entries.insert("NEW".to_owned(), Entry { name: "new".to_owned(), node: below });
        state.put(path, Node::Directory(folder))?;
        let (from, to) = (Vec::new(), wide(path));
        Some(Hints::sure(Hint::Renamed { from, to, directory: true }))
    }

    /// Out of the root (projfs.md T23).
    pub(super) fn move_out(&self, path: &str) -> Option<Hints> {
        let mut state = self.0.lock();
        let directory = match &state.entry(path)?.node {
            Node::Directory(folder) if !folder.full => return None,
            Node::Directory(_) => true,
            _ => false,
        };
        state.take(path)?;
        Some(Hints::sure(Hint::Renamed { from: wide(path), to: Vec::new(), directory }))
    }
}

impl Disk for ModelDisk {
    fn look(&self, path: &[u16]) -> io::Result<Option<DiskItem>> {
        let mut state = self.0.lock();
        state.looks += 1;
        if state.panics > 0 {
            state.panics -= 1;
            drop(state);
            panic!("the disk is a model that panics now");
        }
        if state.fails {
            return Err(io::Error::other("the disk is a model that fails now"));
        }
        let path = text(path);
        if state.entry(&path).is_none() {
            return Ok(None);
        }
        Ok(state.existing(&path).map(|entry| state.item(entry)))
    }

    fn list(&self, folder: &[u16]) -> io::Result<Vec<DiskItem>> {
        let mut state = self.0.lock();
        let running = state.running;
        let path = text(folder);
        if state.folder(&path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut folder = &state.root;
        for name in names(&path) {
            let Node::Directory(below) = &folder.entries[&fold(name)].node else { unreachable!() };
            folder = below;
        }
        let is_shown = |entry: &&Entry| !running || !matches!(entry.node, Node::Tombstone);
        Ok(folder.entries.values().filter(is_shown).map(|entry| state.item(entry)).collect())
    }

    fn link_target(&self, path: &[u16]) -> io::Result<Vec<u16>> {
        match &self.0.lock().existing(&text(path)).map(|entry| &entry.node) {
            Some(Node::Link { target, .. }) => Ok(wide(target)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open(&self, path: &[u16]) -> io::Result<File> {
        let mut state = self.0.lock();
        let Some(Entry { node: Node::File(inode), .. }) = state.entry(&text(path)) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let inode = *inode;
        let inode = &state.inodes[&inode];
        let mut file = tempfile::tempfile()?;
        file.write_all(&inode.bytes)?;
        let time = Duration::from_nanos(u64::try_from(inode.mtime_ns).unwrap());
        file.set_modified(SystemTime::UNIX_EPOCH + time)?;
        Ok(file)
    }

    fn full_path(&self, path: &[u16]) -> PathBuf {
        PathBuf::from(format!("root\\{}", text(path)))
    }
}

/// PrjUpdateFileIfNeeded and PrjDeleteFile, with some items open in programs.
#[derive(Debug)]
pub(super) struct ModelUpdater {
    pub(super) disk: Arc<ModelDisk>,
    /// Folded paths that are open.
    pub(super) open: Vec<String>,
    pub(super) calls: Mutex<Vec<String>>,
}

impl ModelUpdater {
    pub(super) fn new(disk: &Arc<ModelDisk>) -> Self {
        Self { disk: Arc::clone(disk), open: Vec::new(), calls: Mutex::default() }
    }

    fn check(&self, verb: &str, path: &str) -> Result<(), UpdateRefused> {
        self.calls.lock().push(format!("{verb} {path}"));
        if self.open.contains(&fold(path)) {
            return Err(UpdateRefused::Failed("it is open".to_owned()));
        }
        Ok(())
    }
}

impl Updater for ModelUpdater {
    fn update(&self, path: &[u16], info: &ProjectedFileInfo) -> Result<(), UpdateRefused> {
        let path = text(path);
        self.check("update", &path)?;
        let mut state = self.disk.0.lock();
        let Some(entry) = state.existing(&path) else { return Ok(()) };
        let Node::File(inode) = entry.node else { return Err(UpdateRefused::Dirty) };
        let inode = &state.inodes[&inode];
        if inode.state.is_full() || inode.state.is_dirty() {
            return Err(UpdateRefused::Dirty);
        }
        let is_same = inode.bytes == state.contents[info.content.unwrap().hash.as_bytes()];
        if !is_same {
            let node = state.placeholder(info);
            let (above, name) = split(&path);
            let folder = state.folder_if_there(above).unwrap();
            folder.entries.get_mut(&fold(name)).unwrap().node = node;
        }
        Ok(())
    }

    fn delete(&self, path: &[u16], what: Remove) -> Result<(), UpdateRefused> {
        let path = text(path);
        self.check("delete", &path)?;
        let mut state = self.disk.0.lock();
        let Some(entry) = state.existing(&path) else { return Ok(()) };
        match &entry.node {
            Node::Tombstone if what != Remove::Tombstone => return Err(UpdateRefused::Dirty),
            Node::Directory(folder) => {
                assert_eq!(what, Remove::Directory);
                if folder.full {
                    return Err(UpdateRefused::Dirty);
                }
                let is_local = |entry: &Entry| !matches!(entry.node, Node::Tombstone);
                if folder.entries.values().any(is_local) {
                    return Err(UpdateRefused::NotEmpty);
                }
            }
            Node::File(inode) => {
                let item = &state.inodes[inode];
                if item.state.is_full() || item.state.is_dirty() {
                    return Err(UpdateRefused::Dirty);
                }
            }
            Node::Link { state, .. } if state.is_full() => return Err(UpdateRefused::Dirty),
            Node::Link { .. } | Node::Tombstone => {}
        }
        let (above, name) = split(&path);
        let folder = state.folder_if_there(above).unwrap();
        folder.entries.remove(&fold(name));
        Ok(())
    }
}
