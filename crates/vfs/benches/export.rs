//! Exports of many small files into a folder, beside a plain copy loop of the same files.
//!
//! `cargo bench -p rusty-attachments-vfs --bench export`; `FILES=2000` before it for a quick look.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that prints figures")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
};
use rusty_attachments_storage::{LocalStore, MemoryStore, StorageClient, Throttle, ThrottledStore};
use rusty_attachments_testkit::rig::noise;
use rusty_attachments_vfs::changes::{
    ChangeKind, Changed, FileStamp, LocalContent, LocalFile, LocalState,
};
use rusty_attachments_vfs::export::{
    Export, ExportFormat, ExportOptions, FolderFiles, ManifestTarget, OutputSelection,
};
use tokio::runtime::Runtime;

const FILE_BYTES: usize = 1_000;
const THREADS: usize = 16;

fn base() -> Manifest {
    let mut builder = ManifestBuilder::new(Format::V2023);
    let content = Content::Whole(ContentHash::EMPTY);
    let file = File { size: 0, mtime_us: 0, runnable: false, content };
    builder.push(Entry { path: "input".into(), kind: EntryKind::File(file) }).unwrap();
    builder.build().unwrap()
}

fn write_files(root: &Path, count: usize) -> Vec<Changed> {
    let write = |index: usize| {
        let (folder, name) = (format!("{:03}", index / 100), format!("{:03}/{index}", index / 100));
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(&name), noise(FILE_BYTES, index as u64)).unwrap();
        let stamp = FileStamp::of(&fs::metadata(root.join(&name)).unwrap());
        let file = LocalFile {
            stamp,
            executable: None,
            content: LocalContent::Unhashed,
            renamed_from: None,
            derived_from: None,
        };
        Changed {
            path: name.as_str().into(),
            kind: ChangeKind::Added,
            state: LocalState::File(file),
        }
    };
    (0..count).map(write).collect()
}

fn copy(root: &Path, target: &Path, changes: &[Changed]) {
    for (index, changed) in changes.iter().enumerate() {
        let source = root.join(changed.path.as_ref().to_str().unwrap());
        fs::write(target.join(index.to_string()), fs::read(source).unwrap()).unwrap();
    }
}

fn timed<T>(what: &str, files: usize, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {seconds:.2} s, {:.0} files/s", files as f64 / seconds);
    result
}

fn main() {
    let count = std::env::var("FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (root, copied, store) = (path("root"), path("copied"), path("store"));
    let changes = write_files(&root, count);
    let runtime = Runtime::new().unwrap();
    let (base, files) = (base(), FolderFiles::new(root.clone()));
    let options = ExportOptions {
        format: ExportFormat::Outputs(OutputSelection::default()),
        targets: vec![ManifestTarget::File(folder.path().join("manifest"))],
        threads: THREADS,
        staging: folder.path().to_owned(),
    };
    let export = |client: Arc<dyn StorageClient>| {
        let export = Export { base: &base, changes: &changes, files: &files, options: &options };
        export.run(client, runtime.handle().clone(), Arc::new(())).unwrap()
    };
    timed("plain copy loop", count, || copy(&root, &copied, &changes));
    let local = Arc::new(LocalStore::open(&store).unwrap().ephemeral());
    timed("export into a folder", count, || export(Arc::clone(&local) as Arc<dyn StorageClient>));
    timed("the same again", count, || export(local));
    let throttle = Throttle { latency: Duration::from_millis(2), bytes_per_second: None };
    let far = ThrottledStore::new(Arc::new(MemoryStore::new()), throttle);
    timed("export to a store 2 ms away", count, || export(Arc::new(far)));
}
