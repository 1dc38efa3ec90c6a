//! PrjUpdateFileIfNeeded, PrjDeleteFile and marks below the root, state by state.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::RwLock;
use tempfile::TempDir;

use super::super::root::Shared;
use super::super::stage::{Stage as Played, is_data};
use super::super::store::{NewFull, Store};
use super::*;
use crate::contract::BasicInfo;
use crate::contract::operations::{Access, Open, Share, Target as OpenTarget};
use crate::knobs::Knobs;
use crate::link::{Command, Provider, StartRequest};
use crate::scheduler::Scheduler;

/// A provider that is not asked anything.
#[derive(Debug)]
struct Silent;

impl Provider for Silent {
    fn invoke(&self, command: Command) {
        unreachable!("{command:?} was not to be sent")
    }

    fn cancel(&self, _id: i32) {}
}

struct Stage {
    _folder: TempDir,
    scheduler: Scheduler,
    root: Arc<Root>,
    session: Arc<Session>,
}

const INSTANCE: Guid = Guid([5; 16]);
const INVALID: HResult = HResult::VIRTUALIZATION_INVALID_OPERATION;
const NONE: FailureCauses = FailureCauses::empty();

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = std::fs::File::open(folder.path()).unwrap();
        let store = Store::open(OwnedFd::from(directory)).unwrap();
        store.mark(ItemId::ROOT, INSTANCE, VersionInfo::default(), &Wide::default()).unwrap();
        let scheduler = Scheduler::seeded(1);
        let shared = Shared {
            knobs: RwLock::new(Arc::new(Knobs::default())),
            violations: crate::ViolationLog::default(),
            trace: super::super::Trace::default(),
            runtime: Arc::new(scheduler.clone()),
        };
        let root = Root::new("/root".into(), store, Arc::new(shared)).unwrap();
        let request = StartRequest {
            process: Process::default(),
            root: "/root".into(),
            negative_path_cache: false,
            queries_names: true,
            notifications: None,
            cancels: false,
        };
        let session = Arc::new(Session::new(request, Arc::new(Silent)));
        Self { _folder: folder, scheduler, root, session }
    }

    fn run<T: Send + 'static>(&self, action: impl Future<Output = T> + Send + 'static) -> T {
        let handle = self.scheduler.spawn("provider", action);
        self.scheduler.run_until_idle().unwrap();
        handle.take().unwrap()
    }

    fn update(&self, path: &str, content: u8, flags: UpdateFlags) -> (HResult, FailureCauses) {
        self.update_with(path, info(false, content), flags)
    }

    fn update_with(
        &self,
        path: &str,
        info: PlaceholderInfo,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses) {
        let (root, session, path) = (self.root.clone(), self.session.clone(), Wide::from(path));
        told(self.run(async move { root.update_file(&session, &path, info, flags).await }))
    }

    fn delete(&self, path: &str, flags: UpdateFlags) -> (HResult, FailureCauses) {
        let (root, session, path) = (self.root.clone(), self.session.clone(), Wide::from(path));
        told(self.run(async move { root.delete_file(&session, &path, flags).await }))
    }

    fn mark(&self, path: &str, instance: Guid) -> Result<()> {
        let (root, path) = (self.root.clone(), Wide::from(path));
        let version = info(true, 9).version;
        let caller = Process::default();
        self.run(async move { root.mark_directory(&caller, &path, version, instance).await })
    }

    fn find(&self, parent: ItemId, name: &str) -> Option<Item> {
        self.root.store.find(parent, &name.into()).unwrap().map(|found| found.item)
    }

    fn placeholder(&self, parent: ItemId, name: &str, info: &PlaceholderInfo) -> ItemId {
        let origin = Wide::from(name);
        let new = NewPlaceholder { info, instance: INSTANCE, origin: &origin };
        self.root.store.add_placeholder(parent, &origin, new).unwrap().id
    }

    /// A file, or a tombstone, in this state.
    fn file(&self, name: &str, state: FileState, attributes: u32) {
        if state == FileState::TOMBSTONE {
            return self.root.store.add_tombstone(ItemId::ROOT, &name.into()).unwrap();
        }
        let mut info = info(false, 1);
        info.basic.attributes = attributes;
        let id = self.placeholder(ItemId::ROOT, name, &info);
        self.root.store.set_state(id, state).unwrap();
    }

    fn rules(&self) -> Vec<String> {
        let broken = self.root.shared.violations.take();
        broken.into_iter().map(|broken| broken.rule).collect()
    }
}

fn told(result: std::result::Result<(), Refused>) -> (HResult, FailureCauses) {
    result.err().unwrap_or((HResult::OK, NONE))
}

fn info(directory: bool, content: u8) -> PlaceholderInfo {
    let size = if directory { 0 } else { 10 };
    let basic = BasicInfo { directory, size, ..BasicInfo::default() };
    let mut info = PlaceholderInfo { basic, ..PlaceholderInfo::default() };
    info.version.content[0] = content;
    info
}

#[test]
fn what_is_discarded_must_be_allowed_flag_by_flag() {
    let ph = FileState::PLACEHOLDER;
    let dirty = ph | FileState::DIRTY;
    let everything = dirty | FileState::HYDRATED;
    let read_only = attributes::READONLY;
    let (metadata, data) = (FailureCauses::DIRTY_METADATA, FailureCauses::DIRTY_DATA);
    let (tombstone, locked) = (FailureCauses::TOMBSTONE, FailureCauses::READ_ONLY);
    let cases = [
        (ph, 0, NONE),
        (ph | FileState::HYDRATED, 0, NONE),
        (dirty, 0, metadata),
        (everything, read_only, metadata | locked),
        (FileState::FULL, 0, data),
        (FileState::FULL, read_only, data | locked),
        (FileState::TOMBSTONE, 0, tombstone),
    ];
    for bits in 0..16_u32 {
        // READ_ONLY is 8 as a cause and 32 as a flag.
        let flags = UpdateFlags::from_bits_retain(bits & 7 | (bits & 8) << 2);
        let allowed = FailureCauses::from_bits_retain(bits);
        for (state, attributes, needed) in cases {
            let stage = Stage::new();
            stage.file("updated", state, attributes);
            stage.file("deleted", state, attributes);
            let left = needed - allowed;
            let code = if left.is_empty() { HResult::OK } else { INVALID };
            let what = format!("{state:?} with {attributes:#x}, allowing {flags:?}");
            assert_eq!(stage.update("UPDATED", 2, flags), (code, left), "update of {what}");
            assert_eq!(stage.delete("Deleted", flags), (code, left), "deletion of {what}");
            let updated = stage.find(ItemId::ROOT, "updated").unwrap();
            let deleted = stage.find(ItemId::ROOT, "deleted");
            if left.is_empty() {
                assert_eq!((updated.state, updated.basic.attributes), (ph, 0), "{what}");
                assert_eq!((updated.version.content[0], updated.basic.size), (2, 10), "{what}");
                assert!(deleted.is_none(), "{what}");
            } else {
                assert_eq!((updated.state, deleted.unwrap().state), (state, state), "{what}");
            }
        }
    }
}

#[test]
fn the_same_content_is_left_as_it_is() {
    let stage = Stage::new();
    let state = FileState::PLACEHOLDER | FileState::HYDRATED | FileState::DIRTY;
    stage.file("f", state, attributes::READONLY);
    assert_eq!(stage.update("f", 1, UpdateFlags::empty()), (HResult::OK, NONE), "M18");
    let item = stage.find(ItemId::ROOT, "f").unwrap();
    assert_eq!((item.state, item.basic.attributes), (state, attributes::READONLY));
}

#[test]
fn what_is_not_on_disk_is_not_found() {
    let stage = Stage::new();
    let none = UpdateFlags::all();
    let none = none & (UpdateFlags::DIRTY_DATA | UpdateFlags::DIRTY_METADATA);
    stage.root.store.add_tombstone(ItemId::ROOT, &"gone".into()).unwrap();
    stage.file("file", FileState::PLACEHOLDER, 0);
    let link = NewFull::Link { target: "x".into(), directory: true };
    stage.root.store.add_full(ItemId::ROOT, &"link".into(), link).unwrap();
    for (path, code) in [
        ("virtual", HResult::FILE_NOT_FOUND),
        (r"virtual\f", HResult::PATH_NOT_FOUND),
        (r"gone\f", HResult::PATH_NOT_FOUND),
        (r"file\f", HResult::PATH_NOT_FOUND),
        ("link", HResult::REPARSE_POINT_ENCOUNTERED),
        (r"link\f", HResult::REPARSE_POINT_ENCOUNTERED),
        ("", HResult::INVALID_ARGUMENT),
    ] {
        assert_eq!(stage.update(path, 2, none), (code, NONE), "update of {path:?}");
        assert_eq!(stage.delete(path, none), (code, NONE), "deletion of {path:?}");
    }
}

#[test]
fn directories_go_when_nothing_but_allowed_tombstones_is_in_them() {
    let stage = Stage::new();
    let store = &stage.root.store;
    let directory = stage.placeholder(ItemId::ROOT, "d", &info(true, 1));
    let child = stage.placeholder(directory, "c", &info(false, 1));
    let all = FLAGS;
    let full = (HResult::DIR_NOT_EMPTY, NONE);
    assert_eq!(stage.update_with("d", info(true, 2), all), full, "M20");
    assert_eq!(stage.delete("d", all), full, "M20");
    store.bury(directory, &"c".into()).unwrap();
    assert!(store.item(child).is_none());
    let hidden = (HResult::DIR_NOT_EMPTY, FailureCauses::TOMBSTONE);
    assert_eq!(stage.update_with("d", info(true, 2), UpdateFlags::DIRTY_DATA), hidden);
    assert_eq!(stage.delete("d", all - UpdateFlags::TOMBSTONE), hidden);
    assert_eq!(stage.update_with("d", info(true, 2), all), (HResult::OK, NONE));
    assert!(stage.find(directory, "c").is_none(), "it is projected anew");
    assert_eq!(stage.find(ItemId::ROOT, "d").unwrap().version.content[0], 2);
    store.add_tombstone(directory, &"t".into()).unwrap();
    assert_eq!(stage.delete("d", UpdateFlags::TOMBSTONE), (HResult::OK, NONE));
    assert!(stage.find(ItemId::ROOT, "d").is_none());
    assert_eq!(stage.delete(r"d\t", all), (HResult::PATH_NOT_FOUND, NONE));
}

#[test]
fn a_file_does_not_become_a_directory() {
    let stage = Stage::new();
    stage.file("f", FileState::PLACEHOLDER, 0);
    let refused = stage.update_with("f", info(true, 2), FLAGS);
    assert_eq!(refused, (HResult::INVALID_ARGUMENT, NONE));
    assert_eq!(stage.find(ItemId::ROOT, "f").unwrap().version.content[0], 1);
}

#[test]
fn reserved_flags_break_a_rule() {
    let stage = Stage::new();
    stage.file("f", FileState::PLACEHOLDER, 0);
    for bits in [8, 16, 64] {
        let flags = FLAGS | UpdateFlags::from_bits_retain(bits);
        assert_eq!(stage.delete("f", flags), (HResult::INVALID_ARGUMENT, NONE));
        assert_eq!(stage.rules(), ["D4"]);
    }
    let lenient = Knobs { strict: false, ..Knobs::default() };
    *stage.root.shared.knobs.write() = Arc::new(lenient);
    let flags = UpdateFlags::from_bits_retain(8);
    assert_eq!(stage.update("f", 2, flags), (HResult::OK, NONE));
    assert_eq!(stage.rules(), ["D4"]);
}

#[test]
fn a_handle_that_does_not_share_deletion_stands_in_the_way() {
    let stage = Stage::new();
    stage.file("f", FileState::FULL, 0);
    let opened = |share| {
        let root = stage.root.clone();
        let how = Open { share, ..Open::existing(Access::READ) };
        let target = OpenTarget { from: ItemId::ROOT, path: "f".into() };
        let reader = Process { id: 7, image: Wide::default() };
        stage.run(async move { root.open(&reader, &target, how).await }).unwrap().handle
    };
    let close = |handle| {
        let root = stage.root.clone();
        stage.run(async move { root.close(handle).await }).unwrap();
    };
    let keeping = opened(Share::READ | Share::WRITE);
    let sharing = opened(Share::all());
    let refused = (HResult::SHARING_VIOLATION, NONE);
    assert_eq!(stage.update("f", 2, FLAGS), refused, "M21");
    assert_eq!(stage.delete("f", FLAGS), refused, "M21");
    close(keeping);
    assert_eq!(stage.update("f", 2, FLAGS), (HResult::OK, NONE));
    assert_eq!(stage.delete("f", FLAGS), (HResult::OK, NONE));
    close(sharing);
}

#[test]
fn a_name_that_an_operation_holds_is_waited_for_ten_seconds() {
    let stage = Stage::new();
    stage.file("f", FileState::PLACEHOLDER, 0);
    let name = Wide::from("F");
    let held = stage.root.clone();
    let guard = stage.run(async move { held.names.lock(&[(ItemId::ROOT, &name)]).await });
    let before = stage.scheduler.now();
    assert_eq!(stage.delete("f", FLAGS), (HResult::SHARING_VIOLATION, NONE));
    assert_eq!((stage.scheduler.now() - before).as_secs(), 10);
    drop(guard);
    assert_eq!(stage.delete("f", FLAGS), (HResult::OK, NONE));
}

#[test]
fn an_update_waits_for_data_that_is_under_way_and_none_of_it_is_left() {
    let stage = Played::projecting(&["a"]);
    let item = stage.item("a").id;
    let session = stage.root.session().unwrap();
    let update = || {
        let (root, session) = (stage.root.clone(), session.clone());
        let update =
            async move { root.update_file(&session, &"a".into(), info(false, 2), FLAGS).await };
        stage.scheduler.spawn("provider", update)
    };
    for converts in [false, true] {
        stage.provider.hangs(is_data);
        let reader = stage.spawn(move |root, caller| async move {
            if converts {
                root.convert_to_full(&caller, item, true).await
            } else {
                root.hydrate(&caller, item).await
            }
        });
        while stage.scheduler.step() {}
        let impatient = update();
        while stage.scheduler.step() {}
        assert_eq!(impatient.take().map(told), Some((HResult::SHARING_VIOLATION, NONE)));
        let patient = update();
        stage.scheduler.settle();
        assert!(patient.take().is_none());
        reader.cancel();
        stage.provider.behave();
        stage.scheduler.run_until_idle().unwrap();
        assert_eq!(patient.take().map(told), Some((HResult::OK, NONE)));
        let updated = stage.item("a");
        assert_eq!((updated.state, updated.version.content[0]), (FileState::PLACEHOLDER, 2));
        assert_eq!(updated.basic.size, 10);
        let (info, instance, origin) = (info(false, 1), stage.root.instance, "a".into());
        let another = NewPlaceholder { info: &info, instance, origin: &origin };
        stage.root.store.reset(item, another).unwrap();
    }
}

#[test]
fn a_local_directory_is_projected_again_when_it_is_marked() {
    let stage = Stage::new();
    let store = &stage.root.store;
    let kind = NewFull::Directory { attributes: attributes::HIDDEN };
    let directory = store.add_full(ItemId::ROOT, &"d".into(), kind).unwrap().id;
    let kind = NewFull::Directory { attributes: 0 };
    store.add_full(directory, &"inner".into(), kind).unwrap();
    store.add_full(ItemId::ROOT, &"f".into(), NewFull::File { attributes: 0 }).unwrap();
    stage.mark(r"d\inner", INSTANCE).unwrap();
    stage.mark("d", INSTANCE).unwrap();
    let item = stage.find(ItemId::ROOT, "d").unwrap();
    assert_eq!((item.state, item.instance), (FileState::PLACEHOLDER, INSTANCE));
    assert_eq!(item.version.content[0], 9);
    assert_eq!(item.origin, Wide::from("d"));
    assert!(item.basic.attributes & attributes::HIDDEN != 0, "it keeps its attributes");
    assert_eq!(stage.mark("D", INSTANCE), Err(HResult::REPARSE_POINT_ENCOUNTERED));
    assert_eq!(stage.mark("f", INSTANCE), Err(HResult::DIRECTORY));
    let kind = NewFull::Directory { attributes: 0 };
    let other = store.add_full(directory, &"other".into(), kind).unwrap().id;
    assert_eq!(stage.mark(r"d\other", Guid::default()), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    assert_eq!(stage.rules(), ["M2"]);
    assert_eq!(store.item(other).unwrap().state, FileState::FULL);
}
