//! The production volume with everything around it, and ways to read from it.

use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Kind, Manifest, ManifestBuilder, PathRef,
    PathStyle, Spec,
};
use rusty_attachments_storage::{CountingStore, MemoryStore, Payload, StorageClient, cas};
use rusty_attachments_vfs::{
    AsyncExecutor, CacheLimits, CacheOptions, ContentOptions, ExecutorConfig, ManifestVolume,
    NodeId, VfsError, Volume, VolumeOptions,
};

use crate::faulty::FaultyStore;
use crate::job::Job;

/// Far longer than anything here takes; ends a test that would hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A volume over a memory store that counts and fails on command.
#[derive(Debug)]
pub struct Rig {
    /// The volume itself.
    pub volume: Arc<ManifestVolume>,
    store: Arc<MemoryStore>,
    /// Its store, where faults are armed.
    pub faults: Arc<FaultyStore>,
    /// Behind the faults: what was really asked for.
    pub counts: Arc<CountingStore>,
    /// What the volume works on.
    pub executor: Arc<AsyncExecutor>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.faults.disarm_all();
    }
}

/// Options without read-ahead between files, so that requests can be counted.
#[must_use]
pub fn quiet(budget: u64) -> VolumeOptions {
    VolumeOptions {
        memory_budget: budget,
        content: ContentOptions { max_prefetches: 0, ..ContentOptions::default() },
        ..VolumeOptions::default()
    }
}

/// The same with a disk cache in `dir`.
#[must_use]
pub fn with_cache(mut options: VolumeOptions, dir: &std::path::Path) -> VolumeOptions {
    let limits = CacheLimits { max_bytes: 4 << 30, min_free_bytes: 0 };
    options.cache = Some(CacheOptions { dir: dir.to_owned(), limits });
    options
}

impl Rig {
    /// A volume of `manifest` over `store`.
    #[must_use]
    pub fn new(manifest: &Manifest, store: Arc<MemoryStore>, options: VolumeOptions) -> Self {
        let counts =
            Arc::new(CountingStore::with_keys(Arc::clone(&store) as Arc<dyn StorageClient>));
        let faults = Arc::new(FaultyStore::new(Arc::clone(&counts) as Arc<dyn StorageClient>));
        let client = Arc::clone(&faults) as Arc<dyn StorageClient>;
        let executor = Arc::new(AsyncExecutor::new(ExecutorConfig::default()).unwrap());
        let volume = ManifestVolume::new(manifest, client, options, Arc::clone(&executor)).unwrap();
        Self { volume, store, faults, counts, executor }
    }

    /// A volume of a job whose store is filled.
    #[must_use]
    pub fn of_job(job: &Job, options: VolumeOptions) -> Self {
        let store = Arc::new(MemoryStore::new());
        block_on(job.fill(&*store)).unwrap();
        Self::new(&job.manifest(), store, options)
    }

    /// A volume of one file called `f`.
    #[must_use]
    pub fn of_bytes(bytes: &[u8], options: VolumeOptions) -> Self {
        let store = Arc::new(MemoryStore::new());
        let hash = ContentHash::of(bytes);
        let payload = Payload::Bytes(bytes.to_vec().into());
        block_on(store.put(&cas::object_key(hash), payload)).unwrap();
        Self::new(&one_file(hash, bytes.len() as u64), store, options)
    }

    /// A volume of one file called `f`, in an object for every `chunk_size` bytes.
    #[must_use]
    pub fn of_chunks(bytes: &[u8], chunk_size: usize, options: VolumeOptions) -> Self {
        let store = Arc::new(MemoryStore::new());
        let kept = |chunk: &[u8]| {
            let hash = ContentHash::of(chunk);
            let payload = Payload::Bytes(chunk.to_vec().into());
            block_on(store.put(&cas::object_key(hash), payload)).unwrap();
            hash
        };
        let hashes: Vec<_> = bytes.chunks(chunk_size).map(kept).collect();
        let spec = Spec { style: PathStyle::Relative, kind: Kind::Snapshot };
        let chunk_size = chunk_size as u64;
        let mut builder = ManifestBuilder::new(Format::V2025(spec)).with_chunk_size(chunk_size);
        let content = Content::Chunked { chunk_size, hashes: &hashes };
        let file = File { size: bytes.len() as u64, mtime_us: 0, runnable: true, content };
        builder.push(Entry { path: PathRef::from("f"), kind: EntryKind::File(file) }).unwrap();
        Self::new(&builder.build().unwrap(), store, options)
    }

    /// Puts an object into the store.
    pub fn put(&self, bytes: &[u8]) {
        self.put_as(ContentHash::of(bytes), bytes);
    }

    /// Puts an object into the store under a hash that it need not have.
    pub fn put_as(&self, hash: ContentHash, bytes: &[u8]) {
        let payload = Payload::Bytes(bytes.to_vec().into());
        block_on(self.store.put(&cas::object_key(hash), payload)).unwrap();
    }

    /// The node at `path`, which must be there.
    #[must_use]
    pub fn node(&self, path: PathRef<'_>) -> NodeId {
        path.components()
            .fold(NodeId::ROOT, |parent, name| self.volume.lookup(parent, name).unwrap().node)
    }

    /// The file called `f`.
    #[must_use]
    pub fn file(&self) -> NodeId {
        self.node(PathRef::from("f"))
    }

    /// What a read gives, whenever it comes.
    ///
    /// # Errors
    /// Those of the volume.
    pub fn read(&self, node: NodeId, offset: u64, length: usize) -> Result<Vec<u8>, VfsError> {
        let outcome = self.volume.read(node, offset, length);
        let bytes = async { outcome.finish().await.map(|data| data.to_vec()) };
        self.executor.block_on_timeout(bytes, PATIENCE).expect("an answer in time")
    }

    /// The whole file, in reads as a kernel makes them.
    ///
    /// # Errors
    /// Those of the volume.
    pub fn read_all(&self, node: NodeId, piece: usize) -> Result<Vec<u8>, VfsError> {
        let mut bytes = Vec::new();
        loop {
            let read = self.read(node, bytes.len() as u64, piece)?;
            if read.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(read);
        }
    }
}

/// A manifest of one file called `f`.
#[must_use]
pub fn one_file(hash: ContentHash, size: u64) -> Manifest {
    let file = File { size, mtime_us: 1, runnable: false, content: Content::Whole(hash) };
    let mut builder = ManifestBuilder::new(Format::V2023);
    builder.push(Entry { path: PathRef::from("f"), kind: EntryKind::File(file) }).unwrap();
    builder.build().unwrap()
}

/// Deterministic bytes that do not repeat in any block size.
#[must_use]
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Waits for a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
