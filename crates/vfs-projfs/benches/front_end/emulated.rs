//! A root on the emulator, used by other processes; beside the null provider, and content beside a
//! plain verified copy from the same store.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures_util::StreamExt;
use rusty_attachments_model::{ContentHash, ContentHasher, Manifest};
use rusty_attachments_storage::{LocalStore, MemoryStore, StorageClient, cas};
use rusty_attachments_testkit::rig::block_on;

use crate::job::Job;
use crate::null_provider::NullTree;
use crate::root::{Provider, Root};
use crate::table::{Row, Target, Took, best, time};

const FLAT: usize = 50_000;
const FOLDERS: usize = 200;
const IN_FOLDER: usize = 50;
const PLACEHOLDERS: usize = 2_000;
const SMALL: usize = 2_000;
const SMALL_BYTES: usize = 16 << 10;
const LARGE_BYTES: usize = 256 << 20;

/// Of the null provider's cost.
const OF_NULL: f64 = 1.5;
/// Of the speed of what can be no faster.
const OF_COPY: f64 = 0.9;

pub(crate) fn measure_hydration() {
    let large = ["large.exr".to_owned()];
    hydrate("one file of 256 MiB", &Job::of_bytes(large.into_iter(), LARGE_BYTES));
    let small = (0..SMALL).map(|i| format!("{i:04}.exr"));
    hydrate("2,000 files of 16 KiB", &Job::of_bytes(small, SMALL_BYTES));
}

/// Runs a program in a root, and gives the lines that it wrote.
fn lines(root: &Path, program: &str, arguments: &[&str]) -> usize {
    let output = Command::new(program).args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

/// A job, as both providers have it.
struct Sides {
    manifest: Manifest,
    store: Arc<dyn StorageClient>,
    null: Arc<NullTree>,
}

impl Sides {
    /// Of a job whose content nobody reads.
    fn new(job: &Job) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self { manifest: job.manifest(), store, null: NullTree::new(job) }
    }

    /// The best of some work on fresh roots: ours, and the null provider's.
    fn best(&self, work: impl Fn(&Path) -> Took) -> [Took; 2] {
        let on = |provider: Provider<'_>| work(&Root::start(&provider).path);
        best([&mut || on(Provider::Ours(&self.manifest, &self.store)), &mut || {
            on(Provider::Null(&self.null))
        }])
    }
}

pub(crate) fn measure_listings() {
    let flat = Sides::new(&Job::of_names((0..FLAT).map(|i| format!("{i:06}.exr"))));
    let find = |root: &Path, entries| time(|| assert_eq!(lines(root, "find", &["."]), entries + 1));
    let times = flat.best(|root| find(root, FLAT));
    print("entries enumerated (find, one folder), first time", FLAT, times);
    let times = flat.best(|root| {
        find(root, FLAT);
        find(root, FLAT)
    });
    print("the same again", FLAT, times);
    let path = |i| format!("f{:03}/{:02}.exr", i / IN_FOLDER, i % IN_FOLDER);
    let deep = Sides::new(&Job::of_names((0..FOLDERS * IN_FOLDER).map(path)));
    let entries = FOLDERS * IN_FOLDER + FOLDERS;
    let times = deep.best(|root| find(root, entries));
    print("entries enumerated (find, 200 folders), first time", entries, times);
}

pub(crate) fn measure_placeholders() {
    let names: Vec<_> = (0..PLACEHOLDERS).map(|i| format!("{i:06}.exr")).collect();
    let sides = Sides::new(&Job::of_names(names.iter().cloned()));
    let times = sides.best(|root| time(|| stat(root, &names)));
    print("placeholders (stat)", PLACEHOLDERS, times);
}

fn stat(root: &Path, names: &[String]) {
    let arguments: Vec<_> =
        ["-c", "%s"].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_eq!(lines(root, "stat", &arguments), names.len());
}

fn print(what: &str, count: usize, [ours, theirs]: [Took; 2]) {
    let rate = |took: Took| count as f64 / took.seconds;
    let processor = |took: Took| took.processor * 1e6 / count as f64;
    let peer = "null provider";
    let (most, least) = (Target::AtMost(OF_NULL), Target::AtLeast(1.0 / OF_NULL));
    Row { what, unit: "/s", ours: rate(ours), peer, theirs: rate(theirs), target: least }.print();
    let what = format!("{what}, processor");
    let (ours, theirs) = (processor(ours), processor(theirs));
    Row { what: &what, unit: "us each", ours, peer, theirs, target: most }.print();
}

fn hydrate(what: &str, job: &Job) {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap().ephemeral();
    for (kind, store) in [
        ("memory", Arc::new(MemoryStore::new()) as Arc<dyn StorageClient>),
        ("local folder", Arc::new(local)),
    ] {
        job.fill(&*store);
        let (manifest, null) = (job.manifest(), NullTree::new(job));
        let read = |provider: Provider<'_>| {
            let root = Root::start(&provider);
            time(|| cat(&root.path, job))
        };
        let times = best([
            &mut || read(Provider::Ours(&manifest, &store)),
            &mut || read(Provider::Null(&null)),
            &mut || copy_all(&store, job),
        ]);
        let mebibytes = job.bytes() as f64 / f64::from(1 << 20);
        let [ours, null, copy] = times.map(|took| mebibytes / took.seconds);
        let what = format!("hydration of {what}, {kind} store");
        // Faster than the slower of both it cannot be.
        let target = |is_limit| if is_limit { Target::AtLeast(OF_COPY) } else { Target::None };
        for (peer, theirs, target) in [
            ("null provider", null, target(null <= copy)),
            ("plain verified copy", copy, target(copy < null)),
        ] {
            Row { what: &what, unit: "MiB/s", ours, peer, theirs, target }.print();
        }
        let [ours, null, copy] = times.map(|took| took.processor * 1e3 / mebibytes);
        let (what, peer) = (format!("{what}, processor"), "both together");
        let (unit, theirs, target) = ("ms/MiB", null + copy, Target::None);
        Row { what: &what, unit, ours, peer, theirs, target }.print();
    }
}

fn cat(root: &Path, job: &Job) {
    let mut cat = Command::new("cat");
    cat.args(job.files.iter().map(|(path, _)| path)).current_dir(root).stdout(Stdio::null());
    assert!(cat.status().unwrap().success());
}

/// GET, hash, write: one after the other.
fn copy_all(store: &Arc<dyn StorageClient>, job: &Job) -> Took {
    let hashes: Vec<_> = job.files.iter().map(|(_, bytes)| ContentHash::of(bytes)).collect();
    let folder = tempfile::tempdir().unwrap();
    time(|| {
        block_on(async {
            for (number, hash) in hashes.into_iter().enumerate() {
                copy(&**store, hash, &folder.path().join(number.to_string())).await;
            }
        });
    })
}

async fn copy(store: &dyn StorageClient, hash: ContentHash, to: &Path) {
    let mut object = cas::get(store, hash, None).await.unwrap();
    let (mut hasher, mut file) = (ContentHasher::new(), File::create(to).unwrap());
    while let Some(piece) = object.body.next().await {
        let piece = piece.unwrap();
        hasher.update(&piece);
        file.write_all(&piece).unwrap();
    }
    assert_eq!(hasher.finish(), hash);
}
