//! Marking, starting and forgetting roots, as a provider's library sees it.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::super::stage::Stage;
use super::super::store::{NewFull, NewPlaceholder};
use super::*;
use crate::contract::{BasicInfo, NotificationMapping, NotifyMask, PlaceholderInfo};
use crate::link::Command;
use crate::scheduler::Scheduler;

/// A provider that answers nothing.
#[derive(Debug)]
struct Silent;

impl Provider for Silent {
    fn invoke(&self, command: Command) {
        unreachable!("{command:?} was not to be sent")
    }

    fn cancel(&self, _id: i32) {}
}

/// Notes who comes and goes.
#[derive(Debug, Default)]
struct Mounts {
    refusal: Option<HResult>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Attach for Mounts {
    fn attached(&self, root: Arc<Root>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        self.seen.lock().push(format!("attached {}", root.path()));
        let result = self.refusal.map_or(Ok(()), Err);
        Box::pin(async move { result })
    }

    fn detached(&self, root: Arc<Root>) -> Task {
        self.seen.lock().push(format!("detached {}", root.path()));
        Box::pin(async {})
    }
}

struct Machine {
    folder: TempDir,
    scheduler: Scheduler,
    driver: Arc<Driver>,
}

const INSTANCE: Guid = Guid([5; 16]);

impl Machine {
    fn new() -> Self {
        Self::with(Knobs::default(), None)
    }

    fn with(knobs: Knobs, attach: Option<Arc<dyn Attach>>) -> Self {
        let scheduler = Scheduler::seeded(1);
        let driver = Driver::new(knobs, Arc::new(scheduler.clone()), attach);
        Self { folder: tempfile::tempdir().unwrap(), scheduler, driver }
    }

    /// The machine after a restart of the driver.
    fn restarted(self, knobs: Knobs) -> Self {
        let driver = Driver::new(knobs, Arc::new(self.scheduler.clone()), None);
        Self { driver, ..self }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make(&self, name: &str) -> Wide {
        fs::create_dir_all(self.path(name)).unwrap();
        self.wide(name)
    }

    fn wide(&self, name: &str) -> Wide {
        Wide::from(self.path(name).to_str().unwrap())
    }

    fn run<T: Send + 'static>(&self, action: impl Future<Output = T> + Send + 'static) -> T {
        let handle = self.scheduler.spawn("provider", action);
        self.scheduler.run_until_idle().unwrap();
        handle.take().unwrap()
    }

    fn mark(&self, root: &Wide) -> Result<()> {
        self.mark_as(root, INSTANCE)
    }

    fn mark_as(&self, root: &Wide, instance: Guid) -> Result<()> {
        let mut version = VersionInfo::default();
        version.content[0] = 1;
        self.mark_with(MarkRequest {
            process: Process::default(),
            root: root.clone(),
            target: None,
            version: Some(Box::new(version)),
            instance,
        })
    }

    fn mark_with(&self, request: MarkRequest) -> Result<()> {
        let driver = self.driver.clone();
        self.run(async move { driver.mark(request).await })
    }

    fn start(&self, root: &Wide) -> Result<(Arc<Root>, Arc<Session>)> {
        self.start_with(root, None)
    }

    fn start_with(
        &self,
        root: &Wide,
        notifications: Option<Vec<NotificationMapping>>,
    ) -> Result<(Arc<Root>, Arc<Session>)> {
        let request = StartRequest {
            process: Process::default(),
            root: root.clone(),
            negative_path_cache: false,
            queries_names: true,
            notifications,
            cancels: false,
        };
        let driver = self.driver.clone();
        self.run(async move { driver.start(request, Arc::new(Silent)).await })
    }

    fn start_code(&self, root: &Wide) -> HResult {
        self.start(root).map(|_| ()).into()
    }

    fn state(&self, path: &Wide) -> Result<FileState> {
        let (driver, path) = (self.driver.clone(), path.clone());
        self.run(async move { driver.on_disk_state(&path).await })
    }

    fn rules(&self) -> Vec<String> {
        self.driver.take_violations().into_iter().map(|broken| broken.rule).collect()
    }
}

const AGAIN: Result<()> = Err(HResult::REPARSE_POINT_ENCOUNTERED);

#[test]
fn a_marked_root_is_told_that_it_is_marked_and_stays_so_over_restarts() {
    let machine = Machine::new();
    let root = machine.make("root");
    fs::write(machine.path("root/before"), b"x").unwrap();
    machine.mark(&root).unwrap();
    assert_eq!(machine.mark(&root), AGAIN, "M3");
    let machine = machine.restarted(Knobs::default());
    assert!(machine.driver.root(&machine.path("root")).is_none());
    assert_eq!(machine.mark(&root), AGAIN, "M3");
    let root = machine.driver.root(&machine.path("root")).unwrap();
    assert_eq!(root.instance, INSTANCE);
    let item = root.store.item(ItemId::ROOT).unwrap();
    assert_eq!((item.version.content[0], item.state), (1, FileState::PLACEHOLDER));
    let before = root.store.find(ItemId::ROOT, &"BEFORE".into()).unwrap().unwrap();
    assert_eq!(before.item.state, FileState::FULL, "M5");
    assert!(machine.rules().is_empty());
}

#[test]
fn all_spellings_of_a_folder_are_one_root() {
    let machine = Machine::new();
    machine.make("root");
    symlink(machine.path("root"), machine.path("link")).unwrap();
    symlink(machine.folder.path(), machine.path("up")).unwrap();
    let windows = format!(r"\\?\Z:{}\root\", machine.folder.path().display()).replace('/', "\\");
    machine.mark(&Wide::from(windows.as_str())).unwrap();
    for name in ["root", "link", "up/root", "up/up/link", "root/../root"] {
        assert_eq!(machine.mark(&machine.wide(name)), AGAIN, "{name}");
    }
    assert!(machine.driver.root(&machine.path("link")).is_some());
}

#[test]
fn another_identity_breaks_a_rule() {
    let machine = Machine::new();
    let root = machine.make("root");
    machine.mark(&root).unwrap();
    let other = Guid([6; 16]);
    assert_eq!(machine.mark_as(&root, other), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    machine.driver.set_knobs(Knobs { strict: false, ..Knobs::default() });
    assert_eq!(machine.mark_as(&root, other), AGAIN);
    assert_eq!(machine.rules(), ["M2", "M2"]);
    assert_eq!(machine.driver.root(&machine.path("root")).unwrap().instance, INSTANCE);
}

#[test]
fn roots_are_not_nested_whether_attached_or_on_disk() {
    let machine = Machine::new();
    let (middle, above) = (machine.make("a/b"), machine.wide("a"));
    let (below, beside) = (machine.make("a/b/c"), machine.make("a/bb"));
    machine.mark(&middle).unwrap();
    let nested = Err(HResult::VIRTUALIZATION_INVALID_OPERATION);
    assert_eq!((machine.mark(&above), machine.mark(&below)), (nested, nested), "M4");
    assert_eq!(machine.start_code(&below), HResult::VIRTUALIZATION_INVALID_OPERATION, "M7");
    machine.mark(&beside).unwrap();
    let machine = machine.restarted(Knobs::default());
    assert_eq!((machine.mark(&above), machine.mark(&below)), (nested, nested), "M4");
    assert_eq!(machine.mark(&middle), AGAIN);
    assert!(!machine.path("a/.projfs").exists(), "a refused mark leaves nothing");
}

#[test]
fn a_folder_has_one_driver_at_a_time() {
    let machine = Machine::new();
    let root = machine.make("root");
    machine.mark(&root).unwrap();
    let other = Driver::new(Knobs::default(), Arc::new(machine.scheduler.clone()), None);
    let other = Machine {
        folder: tempfile::tempdir().unwrap(),
        driver: other,
        scheduler: machine.scheduler.clone(),
    };
    let refused = Err(HResult::VIRTUALIZATION_INVALID_OPERATION);
    assert_eq!(other.mark(&root), refused);
    let attached = machine.driver.root(&machine.path("root")).unwrap();
    let driver = machine.driver.clone();
    machine.run(async move { driver.detach(&attached).await });
    assert_eq!(other.mark(&root), Err(HResult::REPARSE_POINT_ENCOUNTERED));
    assert_eq!(machine.mark(&root), refused);
}

#[test]
fn what_is_no_folder_cannot_be_marked() {
    let machine = Machine::new();
    fs::write(machine.path("file"), b"").unwrap();
    assert_eq!(machine.mark(&machine.wide("file")), Err(HResult::DIRECTORY));
    assert_eq!(machine.mark(&machine.wide("none")), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(machine.mark(&machine.wide("none/none")), Err(HResult::PATH_NOT_FOUND));
    assert_eq!(machine.mark(&Wide::default()), Err(HResult::INVALID_ARGUMENT), "M4");
    assert_eq!(machine.mark(&"relative".into()), Err(HResult::INVALID_ARGUMENT));
}

#[test]
fn a_provider_starts_on_a_marked_root_once() {
    let machine = Machine::new();
    let root = machine.make("root");
    assert_eq!(machine.start_code(&root), HResult::REPARSE_TAG_MISMATCH, "M7");
    assert!(!machine.path("root/.projfs").exists(), "a refused start leaves nothing");
    assert_eq!(machine.start_code(&machine.wide("none")), HResult::FILE_NOT_FOUND);
    machine.mark(&root).unwrap();
    let (attached, session) = machine.start(&root).unwrap();
    assert_eq!(machine.start_code(&root), HResult::ALREADY_INITIALIZED, "M7");
    machine.run(async move { session.stop(&attached).await });
    let (attached, session) = machine.start(&root).unwrap();
    session.died(&attached);
    assert_eq!(machine.start_code(&root), HResult::OK);
}

#[test]
fn a_root_from_before_starts_unless_each_boot_wants_a_mark() {
    let machine = Machine::new();
    let root = machine.make("root");
    machine.mark(&root).unwrap();
    let machine = machine.restarted(Knobs::default());
    assert_eq!(machine.start_code(&root), HResult::OK);
    let machine = machine.restarted(Knobs { mark_after_boot: true, ..Knobs::default() });
    let unknown = HResult::VIRTUALIZATION_PROVIDER_UNKNOWN;
    assert_eq!(machine.start_code(&root), unknown, "M3");
    assert_eq!(machine.start_code(&root), unknown, "M3");
    assert_eq!(machine.mark(&root), AGAIN);
    assert_eq!(machine.start_code(&root), HResult::OK);
}

#[test]
fn mappings_are_checked_at_the_start() {
    let machine = Machine::new();
    let root = machine.make("root");
    machine.mark(&root).unwrap();
    let mapping = |root: &str| NotificationMapping { root: root.into(), mask: NotifyMask::DEFAULT };
    let refused = machine.start_with(&root, Some(vec![mapping(".")])).map(|_| ());
    assert_eq!(refused, Err(HResult::INVALID_ARGUMENT), "K2");
    let unwise = vec![mapping(r"a\b"), mapping("")];
    assert!(machine.start_with(&root, Some(unwise)).is_ok());
    assert_eq!(machine.rules(), ["K2"]);
}

#[test]
fn a_root_that_cannot_be_mounted_is_not_marked() {
    let refusal = Some(HResult::ACCESS_DENIED);
    let mounts = Mounts { refusal, ..Mounts::default() };
    let machine = Machine::with(Knobs::default(), Some(Arc::new(mounts)));
    let root = machine.make("root");
    assert_eq!(machine.mark(&root), Err(HResult::ACCESS_DENIED));
    assert!(machine.driver.root(&machine.path("root")).is_none());
    let machine = machine.restarted(Knobs::default());
    assert_eq!(machine.start_code(&root), HResult::REPARSE_TAG_MISMATCH);
    machine.mark(&root).unwrap();
}

#[test]
fn a_detached_root_is_stopped_unmounted_and_forgotten_and_can_come_back() {
    let mounts = Mounts::default();
    let seen = mounts.seen.clone();
    let machine = Machine::with(Knobs::default(), Some(Arc::new(mounts)));
    let root = machine.make("root");
    machine.mark(&root).unwrap();
    let (attached, _session) = machine.start(&root).unwrap();
    let (driver, detached) = (machine.driver.clone(), attached.clone());
    machine.run(async move { driver.detach(&detached).await });
    assert!(attached.session().is_none());
    assert!(machine.driver.root(&machine.path("root")).is_none());
    assert_eq!(*seen.lock(), [format!("attached {root}"), format!("detached {root}")]);
    assert_eq!(machine.mark(&root), AGAIN);
    assert!(machine.driver.root(&machine.path("root")).is_some());
}

#[test]
fn states_are_told_without_a_provider_tombstones_too() {
    let machine = Machine::new();
    let wide = machine.make("root");
    fs::create_dir(machine.path("root/Local")).unwrap();
    fs::write(machine.path("root/Local/file"), b"").unwrap();
    machine.mark(&wide).unwrap();
    let root = machine.driver.root(&machine.path("root")).unwrap();
    let directory = BasicInfo { directory: true, ..BasicInfo::default() };
    let info = PlaceholderInfo { basic: directory, ..PlaceholderInfo::default() };
    let origin = Wide::from("d");
    let new = NewPlaceholder { info: &info, instance: INSTANCE, origin: &origin };
    let parent = root.store.add_placeholder(ItemId::ROOT, &origin, new).unwrap().id;
    root.store.add_full(parent, &"f".into(), NewFull::File { attributes: 0 }).unwrap();
    root.store.add_tombstone(parent, &"t".into()).unwrap();
    let state = |machine: &Machine, below: &str| machine.state(&wide.join(&below.into()));
    let told = |machine: &Machine| {
        assert_eq!(state(machine, ""), Ok(FileState::PLACEHOLDER));
        assert_eq!(state(machine, "d"), Ok(FileState::PLACEHOLDER));
        assert_eq!(state(machine, r"d\f"), Ok(FileState::FULL));
        assert_eq!(state(machine, r"d\t"), Ok(FileState::TOMBSTONE), "M15");
        assert_eq!(state(machine, r"Local\file"), Ok(FileState::FULL));
    };
    told(&machine);
    assert_eq!(state(&machine, r"D\T"), Ok(FileState::TOMBSTONE));
    assert_eq!(state(&machine, r"d\t\x"), Err(HResult::PATH_NOT_FOUND));
    for (path, code) in [
        (r"Local\none", HResult::FILE_NOT_FOUND),
        (r"Local\none\none", HResult::PATH_NOT_FOUND),
        (r"Local\file\x", HResult::PATH_NOT_FOUND),
        (r"d\virtual", HResult::VIRTUALIZATION_UNAVAILABLE),
    ] {
        assert_eq!(state(&machine, path), Err(code), "{path}");
    }
    // Also while the root is not attached.
    let machine = machine.restarted(Knobs::default());
    told(&machine);
    assert_eq!(state(&machine, r"Local\none"), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(state(&machine, r"none\none"), Err(HResult::PATH_NOT_FOUND));
    assert_eq!(machine.state(&machine.wide(".")), Ok(FileState::FULL));
}

#[test]
fn a_running_provider_is_asked_for_states_and_its_tombstones_read_as_missing() {
    let stage = Stage::projecting(&["d\\", "d\\f", "d\\t"]);
    let state = |path: &str| {
        let path = Wide::from(path);
        stage.run(|root, _| async move { root.on_disk_state(&path).await })
    };
    assert_eq!(state(r"D\F"), Ok(FileState::PLACEHOLDER), "M15");
    assert_eq!(stage.trace(), ["GetPlaceholderInfo D -> OK", r"GetPlaceholderInfo d\F -> OK"]);
    assert_eq!(state(r"d\none"), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(state(r"none\none"), Err(HResult::PATH_NOT_FOUND));
    let directory = stage.item("d").id;
    stage.root.store.add_tombstone(directory, &"t".into()).unwrap();
    assert_eq!(state(r"d\t"), Err(HResult::FILE_NOT_FOUND), "M15");
    assert_eq!(state(r"d\t\x"), Err(HResult::PATH_NOT_FOUND));
    stage.stop();
    assert_eq!(state(r"d\t"), Ok(FileState::TOMBSTONE), "R16");
}
