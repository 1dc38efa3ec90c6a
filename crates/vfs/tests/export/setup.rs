//! A folder of changed files, a store, and an export of one into the other.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf as FilePath};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder, PathBuf,
    PathRef,
};
use rusty_attachments_storage::{
    CountingStore, Counts, MemoryStore, StorageClient, StorageError, cas,
};
use rusty_attachments_testkit::FaultyStore;
use rusty_attachments_vfs::ContentIdentity;
use rusty_attachments_vfs::changes::{
    ChangeKind, Changed, FileStamp, LocalContent, LocalFile, LocalState,
};
use rusty_attachments_vfs::export::{
    Export, ExportError, ExportEvents, ExportFormat, ExportOptions, ExportReport, FolderFiles,
    LocalFiles, ManifestTarget, OutputPlace, OutputSelection, UploadEvents,
};
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime};

/// Long before any test.
pub(crate) const OLD: Duration = Duration::from_micros(1_700_000_000_123_456);

/// Events that are noted, and a switch.
#[derive(Default)]
pub(crate) struct Noted {
    pub(crate) hashed: Mutex<Vec<(PathBuf, FileStamp, LocalContent)>>,
    pub(crate) begun: Mutex<Option<(u64, u64)>>,
    pub(crate) files: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) cancel: tokio::sync::watch::Sender<bool>,
    /// Runs when bytes were read, before the file is looked at again.
    pub(crate) on_bytes: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl UploadEvents for Noted {
    fn done_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(hook) = &mut *self.on_bytes.lock() {
            hook();
        }
    }

    fn done_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    fn cancelled(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async { drop(self.cancel.subscribe().wait_for(|set| *set).await) })
    }
}

impl ExportEvents for Noted {
    fn begins(&self, files: u64, bytes: u64) {
        *self.begun.lock() = Some((files, bytes));
    }

    fn hashed(&self, path: PathRef<'_>, stamp: FileStamp, content: LocalContent) {
        self.hashed.lock().push((path.into(), stamp, content));
    }
}

/// Counts how often files are opened.
pub(crate) struct WatchedFiles {
    inner: FolderFiles,
    pub(crate) opens: AtomicU64,
}

impl LocalFiles for WatchedFiles {
    fn open(&self, path: PathRef<'_>) -> io::Result<fs::File> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        self.inner.open(path)
    }
}

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) faulty: Arc<FaultyStore>,
    counting: Arc<CountingStore>,
    pub(crate) events: Arc<Noted>,
    pub(crate) base: Manifest,
    pub(crate) changes: Vec<Changed>,
    pub(crate) files: WatchedFiles,
    pub(crate) options: ExportOptions,
    pub(crate) runtime: Runtime,
}

impl Rig {
    /// Nothing has changed, in a job with one file.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let memory = Arc::new(MemoryStore::new());
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&memory) as Arc<dyn StorageClient>));
        let counting = Arc::new(CountingStore::new(Arc::clone(&faulty) as Arc<dyn StorageClient>));
        let mut builder = ManifestBuilder::new(Format::V2023);
        builder.push(file_entry("scene/input.ma", b"input", false)).unwrap();
        let options = ExportOptions {
            format: ExportFormat::Outputs(OutputSelection::default()),
            targets: vec![ManifestTarget::Queue(place())],
            threads: 1,
            staging: folder.path().to_owned(),
        };
        let files = WatchedFiles { inner: FolderFiles::new(root), opens: AtomicU64::new(0) };
        Self {
            folder,
            memory,
            faulty,
            counting,
            events: Arc::default(),
            base: builder.build().unwrap(),
            changes: Vec::new(),
            files,
            options,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn root(&self) -> FilePath {
        self.folder.path().join("root")
    }

    pub(crate) fn store(&self) -> Arc<dyn StorageClient> {
        Arc::clone(&self.counting) as Arc<dyn StorageClient>
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counting.counts()
    }

    /// Writes a file that nobody has touched for long, and gives its note.
    pub(crate) fn write(&self, name: impl AsRef<[u8]>, bytes: &[u8]) -> LocalFile {
        let path = self.root().join(std::ffi::OsStr::from_bytes(name.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        set_time(&path, UNIX_EPOCH + OLD);
        local_file(&path)
    }

    /// A new file that was not hashed.
    pub(crate) fn add(&mut self, name: impl AsRef<[u8]>, bytes: &[u8]) {
        let file = self.write(&name, bytes);
        self.note(name, ChangeKind::Added, LocalState::File(file));
    }

    pub(crate) fn note(&mut self, name: impl AsRef<[u8]>, kind: ChangeKind, state: LocalState) {
        self.changes.push(Changed { path: PathBuf::from_unix(name.as_ref()), kind, state });
    }

    pub(crate) fn export(&self) -> Result<ExportReport, ExportError> {
        self.export_to(self.store(), self.runtime.handle().clone())
    }

    pub(crate) fn export_to(
        &self,
        client: Arc<dyn StorageClient>,
        runtime: Handle,
    ) -> Result<ExportReport, ExportError> {
        let (base, changes) = (&self.base, self.changes.as_slice());
        let export = Export { base, changes, files: &self.files, options: &self.options };
        export.run(client, runtime, Arc::clone(&self.events) as Arc<dyn ExportEvents>)
    }

    pub(crate) fn diff_in_chunks_of(&mut self, chunk_size: u64) -> FilePath {
        let target = self.folder.path().join("diff.manifest");
        self.options.format = ExportFormat::Diff {
            base_hash: self.base.hash(),
            chunk_size: NonZeroU64::new(chunk_size).unwrap(),
        };
        self.options.targets = vec![ManifestTarget::File(target.clone())];
        target
    }

    /// The bytes of an object.
    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.runtime.block_on(async {
            match self.memory.get(key, None).await {
                Ok(object) => Some(object.bytes(key, u64::MAX).await.unwrap().to_vec()),
                Err(StorageError::NotFound { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        })
    }

    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self.runtime.block_on(self.memory.list(prefix)).unwrap();
        listed.into_iter().map(|info| info.key).collect()
    }

    pub(crate) fn content(&self, content: Content<'_>) -> Option<Vec<u8>> {
        let hashes = match content {
            Content::Whole(hash) => vec![hash],
            Content::Chunked { hashes, .. } => hashes.to_vec(),
        };
        let objects = hashes.into_iter().map(|hash| self.object(&cas::object_key(hash)));
        objects.collect::<Option<Vec<_>>>().map(|objects| objects.concat())
    }

    /// Every object has the bytes that its key says, and a manifest has all that it names.
    pub(crate) fn check_store(&self) {
        for key in self.keys("Data/") {
            let hash = ContentHash::of(&self.object(&key).unwrap());
            assert_eq!(key, cas::object_key(hash));
        }
        for key in self.keys("Manifests/") {
            let manifest = Manifest::decode_bytes(&self.object(&key).unwrap()).unwrap();
            for (path, file) in manifest.files() {
                let bytes = self.content(file.content);
                let bytes = bytes.unwrap_or_else(|| panic!("{key} names {path}, which is missing"));
                assert_eq!(bytes.len() as u64, file.size, "{path}");
            }
        }
    }
}

pub(crate) fn place() -> OutputPlace {
    OutputPlace {
        asset_root: "/mnt/job".to_owned(),
        file_system_location_name: None,
        farm: "farm-1".to_owned(),
        queue: "queue-2".to_owned(),
        job: "job-3".to_owned(),
        step: "step-4".to_owned(),
        task: Some("task-4-0".to_owned()),
        session_action: "sessionaction-5-1".to_owned(),
        started: UNIX_EPOCH + OLD,
    }
}

pub(crate) fn set_time(path: &Path, time: SystemTime) {
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// The note of a file that was not hashed.
pub(crate) fn local_file(path: &Path) -> LocalFile {
    LocalFile {
        stamp: FileStamp::of(&fs::metadata(path).unwrap()),
        executable: None,
        content: LocalContent::Unhashed,
        renamed_from: None,
        derived_from: None,
    }
}

pub(crate) fn file_entry<'a>(path: &'a str, bytes: &[u8], runnable: bool) -> Entry<'a> {
    let content = Content::Whole(ContentHash::of(bytes));
    let file = File { size: bytes.len() as u64, mtime_us: 1, runnable, content };
    Entry { path: path.into(), kind: EntryKind::File(file) }
}

pub(crate) fn identity(bytes: &[u8]) -> ContentIdentity {
    ContentIdentity::of(bytes.len() as u64, Content::Whole(ContentHash::of(bytes)))
}
