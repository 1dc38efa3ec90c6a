//! A tracker over the model of a disk, run step by step on the test's thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusty_attachments_model::{PathBuf, PathRef};
use rusty_attachments_testkit::volume::{Content, DEFAULT_MTIME_US, Tree};
use rusty_attachments_vfs::changes::{ChangeKind, ChangeStore, Changed, NameRule};
use tempfile::TempDir;

use super::disk::{Hints, ModelDisk, ModelUpdater, Seen, fold, wide};
use crate::callbacks::{Hint, HintSink, Presence};
use crate::projection::{ManifestProjection, ProjectionOptions};
use crate::tracking::hashing;
use crate::tracking::paths::narrow;
use crate::tracking::queue::Job;
use crate::tracking::remount::RemountReport;
use crate::tracking::shown::Shown;
use crate::tracking::tracker::Tracker;

/// A projected tree: paths with backslashes, and content; `None` is a folder.
pub(super) type Base = BTreeMap<String, Option<Vec<u8>>>;

pub(super) fn base(entries: &[(&str, Option<&str>)]) -> Base {
    let entry = |(path, text): &(&str, Option<&str>)| {
        ((*path).to_owned(), text.map(|text| text.as_bytes().to_vec()))
    };
    entries.iter().map(entry).collect()
}

/// A tree of those entries that fit together, the first ones first.
pub(super) fn planted(entries: Vec<(String, Option<&str>)>) -> Base {
    let mut base = Base::new();
    for (path, content) in entries {
        let is_file = |at: &str| base.get(at).is_some_and(Option::is_some);
        let is_below_file = path.match_indices('\\').any(|(at, _)| is_file(&path[..at]));
        let has_below = base.keys().any(|other| other.starts_with(&format!("{path}\\")));
        let is_taken = base.contains_key(&path) || (has_below && content.is_some());
        if !is_below_file && !is_taken {
            base.insert(path, content.map(|text| text.as_bytes().to_vec()));
        }
    }
    base
}

/// What one starts with: two folders, two files of one size.
pub(super) fn small() -> Base {
    base(&[("d\\a", Some("alpha")), ("d\\b", Some("bravo")), ("d\\e", None), ("top", Some("x"))])
}

/// Builds a projection. With `same_times` all files have one time of writing; else no two have,
/// over all bases.
pub(super) fn projection(base: &Base, same_times: bool) -> Arc<ManifestProjection> {
    let mut tree = Tree::new();
    for (path, content) in base {
        let slashed = path.replace('\\', "/");
        tree = match content {
            None => tree.directory(slashed.as_str()),
            Some(bytes) => {
                let hash =
                    rusty_attachments_model::ContentHash::of(&[path.as_bytes(), bytes].concat());
                let place = i64::from(u32::from_le_bytes(hash.as_bytes()[..4].try_into().unwrap()));
                let offset = if same_times { 0 } else { place * 3_000_000 / 1000 };
                let content = Content::Bytes(bytes.clone().into());
                tree.content(slashed.as_str(), content, DEFAULT_MTIME_US + offset, false)
            }
        };
    }
    Arc::new(ManifestProjection::new(tree.build(), ProjectionOptions::default()).unwrap())
}

/// Contents that are ever projected in these tests.
pub(super) const CONTENTS: [&str; 6] = ["", "x", "alpha", "bravo", "longer text", "other"];

pub(super) struct Rig {
    pub(super) disk: Arc<ModelDisk>,
    pub(super) base: Base,
    pub(super) projection: Arc<ManifestProjection>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) store: Arc<ChangeStore>,
    folder: TempDir,
    same_times: bool,
    waiting_max: usize,
}

fn folded(path: PathRef<'_>) -> Vec<u8> {
    path.utf16().map(ntfs_names::upcase).flat_map(u16::to_be_bytes).collect()
}

impl Rig {
    pub(super) fn new(base: Base) -> Self {
        Self::with(base, false, 100_000)
    }

    pub(super) fn with(base: Base, same_times: bool, waiting_max: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let projection = projection(&base, same_times);
        let contents: Vec<_> = CONTENTS.iter().map(|text| text.as_bytes().to_vec()).collect();
        let disk = ModelDisk::new(Arc::clone(&projection), &contents);
        let store = open(&folder);
        let tracker = tracker(&projection, &disk, &store, waiting_max);
        tracker.scan(Vec::new()).unwrap();
        disk.start();
        Self { disk, base, projection, tracker, store, folder, same_times, waiting_max }
    }

    /// Tells the tracker of an operation.
    pub(super) fn tell(&self, hints: Option<Hints>) {
        let hints = hints.expect("the operation succeeds");
        for hint in hints.sure.into_iter().chain(hints.of_closes) {
            self.tracker.take(hint);
        }
    }

    pub(super) fn look(&self, path: &str) {
        self.tracker.take(Hint::Look(wide(path)));
    }

    pub(super) fn work(&self, most: usize) {
        self.tracker.work_off(&ModelUpdater::new(&self.disk), most);
    }

    /// Stops the root, lets `offline` act, and starts again with a tracker that knows only what is
    /// on disk.
    pub(super) fn restart(&mut self, offline: impl FnOnce(&ModelDisk)) {
        self.stop(offline);
        self.tracker.scan(Vec::new()).unwrap();
        self.disk.start();
    }

    fn stop(&mut self, offline: impl FnOnce(&ModelDisk)) {
        self.disk.stop();
        offline(&self.disk);
        // One process at a time has the journal.
        let nothing = tempfile::tempdir().unwrap();
        let unused = open(&nothing);
        self.tracker = tracker(&self.projection, &self.disk, &unused, 1);
        self.store = unused;
        self.store = open(&self.folder);
        self.tracker = tracker(&self.projection, &self.disk, &self.store, self.waiting_max);
    }

    /// Restarts with another base. `open`: paths that programs have open.
    pub(super) fn remount(&mut self, base: Base, open: &[&str]) -> RemountReport {
        let before = Arc::clone(&self.projection);
        self.remount_from(&[before], base, open)
    }

    pub(super) fn remount_from(
        &mut self,
        before: &[Arc<ManifestProjection>],
        base: Base,
        open: &[&str],
    ) -> RemountReport {
        self.projection = projection(&base, self.same_times);
        self.base = base;
        self.stop(|_| ());
        let shown = before.iter().map(|it| Shown { projection: Arc::clone(it) }).collect();
        self.disk.project(Arc::clone(&self.projection));
        self.tracker.scan(shown).unwrap();
        self.disk.start();
        let mut updater = ModelUpdater::new(&self.disk);
        updater.open = open.iter().map(|path| fold(path)).collect();
        self.tracker.remount(&updater).unwrap()
    }

    /// What the tracker tells, after all that waits was worked off.
    pub(super) fn changes(&self) -> Vec<Changed> {
        self.tracker.push(Job::Refresh);
        self.work(usize::MAX);
        assert_eq!(self.tracker.failures(), Vec::<String>::new());
        hashing::changes(&self.projection, &*self.disk, &self.store, &|| false).unwrap()
    }

    /// One line a change: `A path`, `M path`, `D path`, `R from > path`, `U path`.
    pub(super) fn told(&self) -> Vec<String> {
        let line = |change: &Changed| {
            let path = change.path.to_string();
            match &change.kind {
                ChangeKind::Added => format!("A {path}"),
                ChangeKind::Modified => format!("M {path}"),
                ChangeKind::Deleted => format!("D {path}"),
                ChangeKind::Renamed { from } => format!("R {from} > {path}"),
                ChangeKind::ModeChanged => format!("X {path}"),
                ChangeKind::Unhashed => format!("U {path}"),
            }
        };
        self.changes().iter().map(line).collect()
    }

    /// Asserts that what is told is the difference of the trees as one who walks through them
    /// finds it.
    pub(super) fn check(&self) {
        let told = self.changes();
        let seen = self.disk.seen();
        let base = self.projected();
        let mut expected = BTreeSet::new();
        for (key, (path, what)) in &seen {
            match base.get(key) {
                None => expected.insert(format!("A {}", spelled(&base, path))),
                Some((path, was)) if was != what => expected.insert(format!("M {path}")),
                Some(_) => false,
            };
        }
        for (key, (path, _)) in &base {
            if !seen.contains_key(key) {
                expected.insert(format!("D {path}"));
            }
        }
        let mut lines = BTreeSet::new();
        for Changed { path, kind, .. } in &told {
            let shown = |path: &PathBuf| path.to_string().replace("\\\\", "/").replace('/', "\\");
            let path = shown(path);
            let line = match kind {
                ChangeKind::Added => format!("A {path}"),
                ChangeKind::Modified => format!("M {path}"),
                ChangeKind::Deleted => format!("D {path}"),
                ChangeKind::Renamed { from } => {
                    let from = shown(from);
                    assert_eq!(
                        seen.get(&fold(&path)).map(|(_, what)| what),
                        base.get(&fold(&from)).map(|(_, what)| what),
                        "{path} has the content of {from}"
                    );
                    assert!(lines.insert(format!("D {from}")), "D {from} twice");
                    format!("A {path}")
                }
                ChangeKind::ModeChanged | ChangeKind::Unhashed => format!("{kind:?} {path}"),
            };
            assert!(lines.insert(line.clone()), "{line} twice");
        }
        assert_eq!(lines, expected, "states: {:?}", self.store.states());
    }

    /// The base with the folders that it implies.
    fn projected(&self) -> BTreeMap<String, (String, Seen)> {
        let mut all = BTreeMap::new();
        for (path, content) in &self.base {
            let what = content.clone().map_or(Seen::Directory, Seen::File);
            all.insert(fold(path), (path.clone(), what));
            for (at, _) in path.match_indices('\\') {
                let folder = path[..at].to_owned();
                all.insert(fold(&folder), (folder, Seen::Directory));
            }
        }
        all
    }

    pub(super) fn state(&self, path: &str) -> Option<rusty_attachments_vfs::changes::LocalState> {
        self.store.get(narrow(&wide(path)).as_ref())
    }
}

/// A path with the names of the base as the base spells them.
fn spelled(base: &BTreeMap<String, (String, Seen)>, path: &str) -> String {
    let ends = path.match_indices('\\').map(|(at, _)| at);
    let mut known = ends.filter_map(|end| Some((end, &base.get(&fold(&path[..end]))?.0)));
    let known = known.next_back();
    known.map_or_else(|| path.to_owned(), |(end, known)| format!("{known}{}", &path[end..]))
}

fn open(folder: &TempDir) -> Arc<ChangeStore> {
    Arc::new(ChangeStore::open(folder.path(), NameRule::Folded(folded)).unwrap())
}

fn tracker(
    projection: &Arc<ManifestProjection>,
    disk: &Arc<ModelDisk>,
    store: &Arc<ChangeStore>,
    waiting_max: usize,
) -> Arc<Tracker> {
    let presence = Arc::new(Presence::new(Arc::clone(projection.volume())));
    let disk = Arc::clone(disk) as Arc<dyn crate::disk::Disk>;
    Tracker::with_queue(Arc::clone(projection), disk, Arc::clone(store), presence, waiting_max)
}
