//! A root with a provider and applications, run step by step on one thread.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;

use crate::contract::operations::*;
use crate::contract::{FileState, HResult, NotificationMapping, NotifyMask, Result, Wide};
pub(super) use crate::engine::stage::APPLICATION;
use crate::engine::stage::{Act, Stage};
use crate::engine::store::Item;
use crate::knobs::{Expression, Knobs};
use crate::link::{Command, Process, Reply};

pub(super) const PLACEHOLDER: Option<FileState> = Some(FileState::PLACEHOLDER);
pub(super) const HYDRATED: Option<FileState> =
    Some(FileState::PLACEHOLDER.union(FileState::HYDRATED));
pub(super) const DIRTY: Option<FileState> = Some(FileState::PLACEHOLDER.union(FileState::DIRTY));
pub(super) const FULL: Option<FileState> = Some(FileState::FULL);
pub(super) const TOMBSTONE: Option<FileState> = Some(FileState::TOMBSTONE);

/// The provider's process.
pub(super) const PROVIDER: u32 = 1;

/// A root, its provider, and an application.
pub(super) struct Rig {
    stage: Stage,
    /// What is not in the root.
    pub(super) outside: TempDir,
    held: Arc<Mutex<Vec<Act>>>,
}

impl Deref for Rig {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// All notifications.
pub(super) const EVERYTHING: NotifyMask = NotifyMask::from_bits_retain(0x1FFE);

impl Rig {
    /// A root of which these paths are projected, by a provider that wants to know everything. A
    /// path with a backslash at the end is a directory; a file's content is its path.
    pub(super) fn new(paths: &[&str]) -> Self {
        let rig = Self::stopped(paths);
        rig.begin(EVERYTHING);
        rig
    }

    /// As [`Self::new`], run in an order that the seed draws.
    pub(super) fn seeded(paths: &[&str], seed: u64) -> Self {
        let rig = Self::stopped_seeded(paths, seed);
        rig.begin(EVERYTHING);
        rig
    }

    /// As [`Self::new`], but the provider does not run yet.
    pub(super) fn stopped(paths: &[&str]) -> Self {
        Self::stopped_seeded(paths, 0)
    }

    fn stopped_seeded(paths: &[&str], seed: u64) -> Self {
        let knobs = Knobs { expression: Expression::Null, seed, ..Knobs::default() };
        let stage = Stage::empty(knobs);
        paths.iter().for_each(|path| stage.provider.project(path));
        Self { stage, outside: tempfile::tempdir().unwrap(), held: Arc::default() }
    }

    /// Starts the provider, which wants to know this.
    pub(super) fn begin(&self, mask: NotifyMask) {
        self.begin_with(&[("", mask)]);
    }

    pub(super) fn begin_with(&self, mappings: &[(&str, NotifyMask)]) {
        let mapping = |(root, mask): &(&str, NotifyMask)| NotificationMapping {
            root: (*root).into(),
            mask: *mask,
        };
        let mappings = mappings.iter().map(mapping).collect();
        self.stage.start(|request| request.notifications = Some(mappings));
    }

    /// As [`Self::begin`], with everything, but without QueryFileName.
    pub(super) fn start_without_queries(&self) {
        let mapping = NotificationMapping { root: Wide::default(), mask: EVERYTHING };
        self.stage.start(|request| {
            request.notifications = Some(vec![mapping]);
            request.queries_names = false;
        });
    }

    /// The provider answers commands that begin like `command` with `code` from now on.
    pub(super) fn refuse(&self, command: &'static str, code: HResult) {
        self.provider.fails(move |asked| asked.to_string().starts_with(command), code);
    }

    /// The provider asks for this mask in its replies to commands that begin like `command`.
    pub(super) fn reply_mask(&self, command: &'static str, mask: NotifyMask) {
        let takes = move |asked: &Command| asked.to_string().starts_with(command);
        self.provider.does(takes, move |act| async move {
            act.complete(HResult::OK, Reply::Mask(mask));
        });
    }

    /// The provider keeps commands that begin like `command` until [`Self::go_on`].
    pub(super) fn hold(&self, command: &'static str) {
        let held = self.held.clone();
        let takes = move |asked: &Command| asked.to_string().starts_with(command);
        self.provider.does(takes, move |act| {
            held.lock().push(act);
            std::future::ready(())
        });
    }

    /// Answers what was kept.
    pub(super) fn go_on(&self) {
        self.provider.behave();
        for act in std::mem::take(&mut *self.held.lock()) {
            drop(self.scheduler.spawn("provider", act.do_right()));
        }
    }

    /// Runs all that can go on.
    pub(super) fn settle(&self) {
        // What waits for the provider or another application is what the test is about.
        let _ = self.scheduler.run_until_idle();
    }

    /// Runs a future, and everything that follows of it, to the end.
    #[track_caller]
    pub(super) fn do_<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.stage.run(|_, _| future)
    }

    #[track_caller]
    pub(super) fn open(&self, path: &str, how: Open) -> Result<Opened> {
        self.open_as(APPLICATION, path, how)
    }

    #[track_caller]
    pub(super) fn open_as(&self, process: u32, path: &str, how: Open) -> Result<Opened> {
        let root = self.root.clone();
        let target = at(path);
        self.do_(async move { root.open(&process_of(process), &target, how).await })
    }

    #[track_caller]
    pub(super) fn open_at(&self, target: &Target, how: Open) -> Result<Opened> {
        let (root, target) = (self.root.clone(), target.clone());
        self.do_(async move { root.open(&process_of(APPLICATION), &target, how).await })
    }

    #[track_caller]
    pub(super) fn lookup(&self, parent: ItemId, name: &str) -> Result<Attributes> {
        let (root, name) = (self.root.clone(), Wide::from(name));
        self.do_(async move { root.lookup(&process_of(APPLICATION), parent, &name).await })
    }

    /// Makes a placeholder.
    #[track_caller]
    pub(super) fn touch(&self, path: &str) {
        let handle = self.handle(path, Open::existing(Access::empty()));
        self.close(handle);
    }

    /// Opens what must be openable.
    #[track_caller]
    pub(super) fn handle(&self, path: &str, how: Open) -> HandleId {
        self.open(path, how).unwrap().handle
    }

    #[track_caller]
    pub(super) fn close(&self, handle: HandleId) {
        let root = self.root.clone();
        self.do_(async move { root.close(handle).await }).unwrap();
    }

    #[track_caller]
    pub(super) fn read(&self, handle: HandleId) -> Result<String> {
        let root = self.root.clone();
        let data = self.do_(async move { root.read(handle, 0, 1 << 20).await })?;
        Ok(String::from_utf8(data).unwrap())
    }

    #[track_caller]
    pub(super) fn write(&self, handle: HandleId, offset: u64, data: &str) -> Result<()> {
        let (root, data) = (self.root.clone(), data.as_bytes().to_vec());
        self.do_(async move { root.write(handle, offset, &data).await })
    }

    #[track_caller]
    pub(super) fn set_size(&self, handle: HandleId, size: u64) -> Result<()> {
        let root = self.root.clone();
        self.do_(async move { root.set_size(handle, size).await })
    }

    #[track_caller]
    pub(super) fn set_basic(&self, handle: HandleId, change: BasicChange) -> Result<()> {
        let root = self.root.clone();
        self.do_(async move { root.set_basic(handle, change).await })
    }

    #[track_caller]
    pub(super) fn dispose(&self, handle: HandleId, delete: bool) -> Result<()> {
        let root = self.root.clone();
        self.do_(async move { root.set_disposition(handle, delete).await })
    }

    #[track_caller]
    pub(super) fn rename(&self, handle: HandleId, to: &str, replace: bool) -> Result<()> {
        let (root, to) = (self.root.clone(), at(to));
        self.do_(async move { root.rename(handle, &to, replace).await })
    }

    #[track_caller]
    pub(super) fn link(&self, handle: HandleId, to: &str) -> Result<()> {
        let (root, to) = (self.root.clone(), at(to));
        self.do_(async move { root.link(handle, &to).await })
    }

    /// Closes what is open.
    #[track_caller]
    pub(super) fn close_all(&self) {
        for handle in self.root.handles.all() {
            self.close(handle);
        }
    }

    /// Opens to delete, deletes and closes.
    #[track_caller]
    pub(super) fn delete(&self, path: &str) -> Result<()> {
        let handle = self.open(path, Open::existing(Access::DELETE))?.handle;
        let done = self.dispose(handle, true);
        self.close(handle);
        done
    }

    /// Opens to rename, renames and closes.
    #[track_caller]
    pub(super) fn rename_path(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        let handle = self.open(from, Open::existing(Access::DELETE))?.handle;
        let done = self.rename(handle, to, replace);
        self.close(handle);
        done
    }

    /// Makes a file with this content.
    #[track_caller]
    pub(super) fn make(&self, path: &str, content: &str) {
        let handle = self.handle(path, create(Kind::File));
        self.write(handle, 0, content).unwrap();
        self.close(handle);
    }

    #[track_caller]
    pub(super) fn make_directory(&self, path: &str) {
        let how = Open { access: Access::empty(), ..create(Kind::Directory) };
        let handle = self.handle(path, how);
        self.close(handle);
    }

    /// The whole content of a file.
    #[track_caller]
    pub(super) fn content(&self, path: &str) -> Result<String> {
        let handle = self.open(path, Open::existing(Access::READ))?.handle;
        let content = self.read(handle);
        self.close(handle);
        content
    }

    /// The state on disk, asking nobody; `None` for what is not there.
    pub(super) fn state(&self, path: &str) -> Option<FileState> {
        Some(self.item(path)?.state)
    }

    /// What is on disk, tombstones included, asking nobody.
    pub(super) fn item(&self, path: &str) -> Option<Item> {
        let mut at = self.root.store.item(ItemId::ROOT).unwrap();
        for name in Wide::from(path).components() {
            at = self.root.store.find(at.id, &name).unwrap()?.item;
        }
        Some(at)
    }

    /// The name of an item as it is spelled on disk.
    pub(super) fn spelling(&self, path: &str) -> String {
        let item = self.item(path).unwrap();
        self.root.store.place(item.id).unwrap().1.to_string()
    }

    /// Stops the provider as it should.
    pub(super) fn stop(&self) {
        let session = self.root.session().unwrap();
        self.run(|root, _| async move { session.stop(&root).await });
        self.stage.stop();
    }

    /// Where an item is on the host.
    pub(super) fn lower(&self, path: &str) -> PathBuf {
        self.folder().join(path.replace('\\', "/"))
    }

    /// The callbacks since the last time; "-> OK" is left out.
    pub(super) fn callbacks(&self) -> Vec<String> {
        let bare = |line: String| line.strip_suffix(" -> OK").map(str::to_owned).unwrap_or(line);
        self.trace().into_iter().map(bare).collect()
    }

    /// Checks and forgets the callbacks since the last time.
    #[track_caller]
    pub(super) fn expect(&self, lines: &[&str]) {
        assert_eq!(self.callbacks(), lines);
    }
}

pub(super) fn process_of(id: u32) -> Process {
    Process { id, image: Wide::default() }
}

pub(super) fn at(path: &str) -> Target {
    Target { from: ItemId::ROOT, path: path.into() }
}

/// CREATE_NEW.
pub(super) fn create(kind: Kind) -> Open {
    let access = Access::READ | Access::WRITE | Access::DELETE;
    let existing = Open::existing(access);
    Open { disposition: Disposition::Create, kind, ..existing }
}

/// CREATE_ALWAYS and its like.
pub(super) fn overwrite(disposition: Disposition) -> Open {
    Open { disposition, ..Open::existing(Access::READ | Access::WRITE) }
}
