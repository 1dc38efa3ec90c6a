//! The reference: what each action comes to, by the rulebook. One action after the other; a whole
//! machine is one value, so that it can be cloned and compared.
//!
//! * `tree`: items and their names. `calls`: the callbacks that an action makes.
//! * `opening`: opening, overwriting, making. `data`: content and attributes.
//! * `naming`: renaming, linking, deleting, closing. `listing`: what a directory shows.
//! * `providing`: what providers do.

mod calls;
mod data;
mod listing;
mod naming;
mod opening;
mod providing;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use projfs_emulator::contract::operations::{Access, Share};
use projfs_emulator::contract::{FileState, HResult};

pub(crate) use self::calls::Calls;
use self::tree::{Id, Item, Place, Tree};
use crate::action::{Action, OnDisk, Outcome, Provides, Slot, Snapshot};
use crate::projection::{Projection, fold, join};

/// The result of something that may fail.
type Result<T> = std::result::Result<T, HResult>;

/// One machine with one root.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    projection: Projection,
    tree: Tree,
    handles: BTreeMap<Slot, Handle>,
    running: Option<Running>,
    /// How many providers were started.
    started: u32,
    /// The negative path cache (H10), by folded path.
    denied: BTreeSet<String>,
    calls: Calls,
}

/// A provider that runs.
#[derive(Clone, Copy, Debug)]
struct Running {
    how: Provides,
    /// Which one it is.
    number: u32,
}

/// An open handle.
#[derive(Clone, Debug)]
struct Handle {
    by: u32,
    item: Id,
    /// The name that it was opened by, wherever it was moved; `None` for the root.
    place: Option<Place>,
    /// The path of that name when it was last known.
    path: String,
    access: Access,
    share: Share,
    delete_on_close: bool,
    /// Its name goes when it closes.
    doomed: bool,
    modified: bool,
    /// The provider that was told of the open (K13).
    told: Option<u32>,
}

impl Reference {
    /// A marked root, not provided for, in a folder that had these before (M5).
    pub(crate) fn new(projection: Projection, before: &[(&str, Option<&str>)]) -> Self {
        let mut tree = Tree::new();
        for (path, content) in before {
            tree.add_local(path, content.map(str::as_bytes));
        }
        Self {
            projection,
            tree,
            handles: BTreeMap::new(),
            running: None,
            started: 0,
            denied: BTreeSet::new(),
            calls: Calls::default(),
        }
    }

    /// Does one thing.
    pub(crate) fn run(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Open { slot, by, path, how } => self.open(*slot, *by, path, how),
            Action::List { by, path, pattern, .. } => self.list(*by, path, pattern.as_deref()),
            Action::Touch { path } => self.touch(path).into(),
            Action::Close { slot } => match self.handles.remove(slot) {
                Some(handle) => {
                    self.close(handle);
                    Outcome::Done
                }
                None => Outcome::Skipped,
            },
            Action::Read { slot, .. }
            | Action::Write { slot, .. }
            | Action::SetSize { slot, .. }
            | Action::SetReadOnly { slot, .. }
            | Action::Dispose { slot, .. }
            | Action::Rename { slot, .. }
            | Action::Link { slot, .. } => {
                if self.handles.contains_key(slot) {
                    self.by_handle(*slot, action)
                } else {
                    Outcome::Skipped
                }
            }
            Action::Start(how) => self.start(*how),
            // What is open stays open (M9).
            Action::Stop | Action::Die => match self.running.take() {
                Some(_) => Outcome::Done,
                None => Outcome::Skipped,
            },
            Action::Reboot => {
                self.running = None;
                self.handles.clear();
                self.denied.clear();
                Outcome::Done
            }
            Action::Project { .. }
            | Action::Announce { .. }
            | Action::Update { .. }
            | Action::Unproject { .. }
            | Action::Evict { .. }
            | Action::Prepare { .. } => {
                if self.running.is_some() {
                    self.by_provider(action)
                } else {
                    Outcome::Skipped
                }
            }
        }
    }

    /// An open that does what it does, and then gets no handle.
    pub(crate) fn run_halfway(&mut self, open: &Action) {
        if let Action::Open { by, path, how, .. } = open {
            let _no_handle = self.opened(*by, path, how);
        }
    }

    fn by_handle(&mut self, slot: Slot, action: &Action) -> Outcome {
        match action {
            Action::Read { offset, length, .. } => match self.read(slot, *offset, *length) {
                Ok(data) => Outcome::data(&data),
                Err(code) => Outcome::failed(code),
            },
            Action::Write { offset, data, .. } => self.write(slot, *offset, data).into(),
            Action::SetSize { size, .. } => self.set_size(slot, *size).into(),
            Action::SetReadOnly { read_only, .. } => self.set_read_only(slot, *read_only),
            Action::Dispose { delete, .. } => self.dispose(slot, *delete).into(),
            Action::Rename { to, replace, .. } => self.rename(slot, to, *replace).into(),
            Action::Link { to, .. } => self.link(slot, to).into(),
            _ => Outcome::Skipped,
        }
    }

    /// The callbacks since the last call.
    pub(crate) fn take_calls(&mut self) -> Calls {
        std::mem::take(&mut self.calls)
    }

    /// Whether the rulebook knows what this comes to: a placeholder that nobody asked for below a
    /// full directory is nowhere spoken of.
    pub(crate) fn knows(&self, action: &Action) -> bool {
        let Action::Prepare { path } = action else { return true };
        let folders = path.match_indices('\\').map(|(end, _)| &path[..end]);
        folders.into_iter().all(|folder| !self.is_full(folder))
    }

    fn is_full(&self, path: &str) -> bool {
        let mut at = Some(Tree::ROOT);
        for name in path.split('\\') {
            at = at.and_then(|at| self.tree.find(at, name)).map(|(_, id)| id);
        }
        at.is_some_and(|at| self.tree.item(at).state == FileState::FULL)
    }

    /// Whether a slot has a handle.
    pub(crate) fn is_open(&self, slot: Slot) -> bool {
        self.handles.contains_key(&slot)
    }

    /// Whether a provider runs.
    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Everything on disk.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        snapshot.insert(String::new(), self.on_disk(Tree::ROOT, 0));
        self.look(Tree::ROOT, "", &mut snapshot);
        snapshot
    }

    fn look(&self, directory: Id, path: &str, snapshot: &mut Snapshot) {
        for (name, id) in self.tree.children(directory) {
            let below = join(path, name);
            let names = self.tree.names(id);
            snapshot.insert(below.clone(), self.on_disk(id, names));
            self.look(id, &below, snapshot);
        }
    }

    fn on_disk(&self, id: Id, names: u32) -> OnDisk {
        let item = self.tree.item(id);
        if item.state == FileState::TOMBSTONE {
            return OnDisk::TOMBSTONE;
        }
        let has_data = item.state.intersects(FileState::FULL | FileState::HYDRATED);
        OnDisk {
            state: item.state.bits(),
            directory: item.directory,
            size: self.size(item),
            read_only: item.read_only,
            names,
            data: (has_data && !item.directory).then(|| item.data.escape_ascii().to_string()),
        }
    }

    /// Of a file that has no data yet, as it was projected.
    fn size(&self, item: &Item) -> u64 {
        let has_data = item.state.intersects(FileState::FULL | FileState::HYDRATED);
        let data = if item.directory || item.state == FileState::TOMBSTONE {
            &[]
        } else if has_data {
            item.data.as_slice()
        } else {
            self.projection.content(item.version)
        };
        u64::try_from(data.len()).unwrap()
    }

    /// A directory gets a child, loses one, or has it under another name (E5).
    fn children_changed(&mut self, directory: Id) {
        self.tree.item_mut(directory).dirty();
    }

    /// What a handle may touch is told to the provider by this path (K3).
    fn handle_path(&self, handle: &Handle) -> String {
        let Some(place) = &handle.place else { return String::new() };
        match self.tree.path(place.directory) {
            Some(folder) => join(&folder, &place.name),
            None => handle.path.clone(),
        }
    }

    fn has_name(&self, item: Id, place: &Place) -> bool {
        self.tree.find(place.directory, &place.name).is_some_and(|(_, id)| id == item)
    }

    /// Whether some handle takes this item's name away when it closes.
    fn dooms(&self, item: Id) -> bool {
        self.handles.values().any(|handle| handle.item == item && handle.doomed)
    }

    /// Whether some handle does not let others delete or rename (M21).
    fn blocks_deletion(&self, item: Id, but: Option<Slot>) -> bool {
        self.handles.iter().any(|(slot, handle)| {
            Some(*slot) != but
                && handle.item == item
                && !opening::shared_as(handle.access).is_empty()
                && !handle.share.contains(Share::DELETE)
        })
    }

    /// Whether the provider projects a name now (E9); it is asked by QueryFileName, or by a listing
    /// (I1). Never below full directories, nor without a provider (M12).
    fn still_projected(&mut self, place: &Place) -> bool {
        let Some(running) = self.running else { return false };
        if self.tree.item(place.directory).state == FileState::FULL {
            return false;
        }
        let folder = self.tree.path(place.directory).unwrap();
        let path = join(&folder, &place.name);
        if running.how.queries_names {
            self.calls.add(format!("QueryFileName {path}"));
        } else {
            self.calls.lists(&folder);
        }
        self.projection.find(&path).is_some()
    }

    /// Says to the provider what happens, unless it did it itself (K12).
    fn tell(&mut self, by: u32, what: &str, directory: bool) {
        let Some(running) = self.running else { return };
        if by == 0 || by != running.how.process {
            let directory = if directory { " (directory)" } else { "" };
            self.calls.add(format!("Notify {what}{directory}"));
        }
    }
}

/// A path as callbacks are written down.
fn shown(path: &str) -> &str {
    if path.is_empty() { "\"\"" } else { path }
}

fn is_same(one: &Place, other: &Place) -> bool {
    one.directory == other.directory && fold(&one.name) == fold(&other.name)
}
