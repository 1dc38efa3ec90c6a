//! The production volume: a manifest's tree over verified content. Read-only.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use rusty_attachments_model::{Content, ContentHash, Manifest, PathRef};
use rusty_attachments_storage::StorageClient;
use tokio::time::timeout;

use crate::cache::{CacheLimits, DiskCache};
use crate::content::{ContentFetch, ContentOptions, ObjectRef, Origin};
use crate::error::{VfsError, VfsErrorKind};
use crate::executor::AsyncExecutor;
use crate::pool::MemoryPool;
use crate::siblings::SiblingWalks;
use crate::stats::{Counter, Stats};
use crate::trace::{self, Trace};
use crate::tree::{ContentIndex, FileContent, INodeManager};
use crate::volume::{
    Attributes, ContentIdentity, DirectoryListing, InvalidationWatcher, NodeId, NodeKind, Outcome,
    ReadData, Usage, Volume,
};

/// Where a volume keeps content on disk.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// The folder of the cache, shared by all mounts of a user; made if it is not there.
    pub dir: PathBuf,
    /// How large it may become.
    pub limits: CacheLimits,
}

/// How a volume works.
#[derive(Clone, Debug)]
pub struct VolumeOptions {
    /// Bytes of memory for content, fetched or being fetched. Default 256 MiB, at least 64 KiB.
    pub memory_budget: u64,
    /// The disk cache; `None` keeps content in memory only.
    pub cache: Option<CacheOptions>,
    /// How content is fetched and verified.
    pub content: ContentOptions,
    /// How long a read may take in all before it fails; `None` leaves the limits of
    /// [`ContentOptions`] alone. Default 5 minutes.
    pub read_timeout: Option<Duration>,
}

impl Default for VolumeOptions {
    fn default() -> Self {
        Self {
            memory_budget: 256 * 1024 * 1024,
            cache: None,
            content: ContentOptions::default(),
            read_timeout: Some(Duration::from_secs(300)),
        }
    }
}

/// The smallest memory budget that still leaves room for a few blocks.
const MEMORY_BUDGET_MIN: u64 = 64 * 1024;

/// A manifest, shown as a folder; its bytes come from a store on first touch.
pub struct ManifestVolume {
    tree: Arc<INodeManager>,
    /// Built when content is first asked for by its identity, if not before.
    by_content: OnceLock<ContentIndex>,
    content: Arc<ContentFetch>,
    pool: Arc<MemoryPool>,
    cache: Option<Arc<DiskCache>>,
    stats: Arc<Stats>,
    trace: Trace,
    walks: SiblingWalks,
    read_timeout: Option<Duration>,
    started: Instant,
}

impl fmt::Debug for ManifestVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestVolume").field("nodes", &self.tree.len()).finish_non_exhaustive()
    }
}

impl ManifestVolume {
    /// Builds the tree of `manifest` and opens the cache. Does not touch the store.
    ///
    /// # Errors
    /// The manifest cannot be mounted, or the cache folder cannot be used.
    pub fn new(
        manifest: &Manifest,
        storage: Arc<dyn StorageClient>,
        options: VolumeOptions,
        executor: Arc<AsyncExecutor>,
    ) -> Result<Arc<Self>, VfsError> {
        if options.memory_budget < MEMORY_BUDGET_MIN {
            return Err(VfsError::new(
                VfsErrorKind::OutOfMemory,
                format!(
                    "a memory budget of {} bytes is too small: at least {MEMORY_BUDGET_MIN} are needed",
                    options.memory_budget
                ),
            ));
        }
        let tree = Arc::new(INodeManager::build(manifest)?);
        let cache = match &options.cache {
            Some(cache) => Some(DiskCache::open(&cache.dir, cache.limits)?),
            None => None,
        };
        let pool = MemoryPool::new(options.memory_budget);
        let stats = Arc::new(Stats::default());
        let content = ContentFetch::new(
            storage,
            Arc::clone(&pool),
            cache.clone(),
            executor,
            Arc::clone(&stats),
            options.content,
        );
        Ok(Arc::new(Self {
            trace: Trace::new(tree.len()),
            walks: SiblingWalks::default(),
            read_timeout: options.read_timeout,
            started: Instant::now(),
            by_content: OnceLock::new(),
            tree,
            content,
            pool,
            cache,
            stats,
        }))
    }

    /// The tree that is shown.
    #[must_use]
    pub fn tree(&self) -> &INodeManager {
        &self.tree
    }

    /// Builds now what finds content by its identity, which takes a while for many files. Else the
    /// first that asks for content so does.
    pub fn index_content(&self) {
        self.content_index();
    }

    fn content_index(&self) -> &ContentIndex {
        self.by_content.get_or_init(|| ContentIndex::build(&self.tree))
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The first reads so far, as lines of JSON with their paths.
    #[must_use]
    pub fn trace_lines(&self) -> String {
        self.trace.to_json_lines(|node| shown_path(&self.tree, node))
    }

    /// Keeps the first reads so far in the cache folder, as `traces/<fingerprint>.jsonl`, for
    /// whoever prefetches for the next mount of the same files. `None` without a cache or reads.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_trace(&self) -> Result<Option<PathBuf>, VfsError> {
        let Some(cache) = self.cache.as_ref().filter(|cache| !cache.is_read_only()) else {
            return Ok(None);
        };
        let lines = self.trace_lines();
        if lines.is_empty() {
            return Ok(None);
        }
        let folder = cache.dir().join("traces");
        let name = format!("{}.jsonl", self.tree.fingerprint());
        let saved = trace::save(&folder, &name, &lines);
        saved.map(Some).map_err(|error| {
            let message = format!("cannot keep the trace in '{}': {error}", folder.display());
            VfsError::new(VfsErrorKind::Internal, message)
        })
    }

    fn file(&self, node: NodeId) -> Result<FileContent<'_>, VfsError> {
        if let Some(file) = self.tree.content(node) {
            return Ok(file);
        }
        let kind = match self.attributes(node)?.kind {
            NodeKind::Directory => VfsErrorKind::IsDirectory,
            _ => VfsErrorKind::InvalidNode,
        };
        let path = shown_path(&self.tree, node);
        Err(VfsError::new(kind, format!("cannot read '{path}': it is not a file")))
    }

    /// Fetches ahead what a walk through the file's folder will want.
    fn fetch_siblings(&self, node: NodeId) {
        let Some(folder) = self.tree.parent(node) else { return };
        let mut bytes_left = self.pool.budget() / 8;
        for id in self.walks.note(folder, node) {
            let sibling = NodeId(id);
            if self.tree.parent(sibling) != Some(folder) {
                return;
            }
            let Some(FileContent { size, content: Content::Whole(hash) }) =
                self.tree.content(sibling)
            else {
                continue;
            };
            let object = ObjectRef { hash, size };
            if size == 0 || !self.content.is_whole(object) {
                continue;
            }
            if bytes_left < size || !self.content.may_prefetch() {
                return self.walks.not_issued(folder, id);
            }
            bytes_left -= size;
            self.content.prefetch_whole(object);
        }
    }

    /// What content is about, and where its bytes are.
    fn resolve(&self, content: ContentIdentity) -> Result<(Subject, FileContent<'_>), VfsError> {
        let found = self.content_index().find(&self.tree, content);
        if let Some((node, file)) = found.and_then(|node| Some((node, self.tree.content(node)?))) {
            return Ok((Subject::Node(node), file));
        }
        if content.chunk_size.is_some() {
            self.stats.failed_reads.add(1);
            return Err(unknown_chunks(content));
        }
        let file = FileContent { size: content.size, content: Content::Whole(content.hash) };
        Ok((Subject::Object(content.hash), file))
    }

    fn read_file(
        &self,
        subject: Subject,
        file: FileContent<'_>,
        offset: u64,
        length: usize,
    ) -> Outcome<ReadData> {
        let range = offset..offset.saturating_add(length as u64).min(file.size);
        if range.is_empty() {
            return Outcome::Ready(Ok(ReadData::from(Bytes::new())));
        }
        let first = match subject {
            Subject::Node(node) => self.trace.note(node, offset).then_some(node),
            Subject::Object(_) => None,
        };
        let outcome = match file.content {
            Content::Whole(hash) => {
                let object = ObjectRef { hash, size: file.size };
                let answer = self.content.read(object, range);
                if let Some(node) = first
                    && matches!(answer.origin, Origin::Memory | Origin::Elsewhere)
                {
                    self.fetch_siblings(node);
                }
                answer.outcome
            }
            Content::Chunked { chunk_size, hashes } => {
                self.read_chunks(chunk_size, file.size, hashes, &range)
            }
        };
        self.guard(subject, outcome)
    }

    fn read_chunks(
        &self,
        chunk_size: u64,
        size: u64,
        hashes: &[ContentHash],
        range: &Range<u64>,
    ) -> Outcome<ReadData> {
        let mut parts = Vec::new();
        let mut offset = range.start;
        while offset < range.end {
            let index = offset / chunk_size;
            let start = index * chunk_size;
            let found = usize::try_from(index).ok().and_then(|index| hashes.get(index));
            let Some(&hash) = found else { break };
            let object = ObjectRef { hash, size: chunk_size.min(size - start) };
            let end = range.end.min(start + object.size);
            parts.push(self.content.read(object, offset - start..end - start).outcome);
            offset = end;
        }
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return only;
        }
        Outcome::Pending(Box::pin(async move {
            let mut bytes = Vec::new();
            for part in parts {
                bytes.extend_from_slice(&part.finish().await?);
            }
            Ok(ReadData::from(Bytes::from(bytes)))
        }))
    }

    /// Bounds a read in time, and tells its error of the file.
    fn guard(&self, subject: Subject, outcome: Outcome<ReadData>) -> Outcome<ReadData> {
        match outcome {
            Outcome::Ready(Ok(data)) => Outcome::Ready(Ok(data)),
            Outcome::Ready(Err(error)) => {
                self.stats.failed_reads.add(1);
                Outcome::Ready(Err(error.while_reading(subject.shown(&self.tree))))
            }
            Outcome::Pending(answer) => {
                let (tree, stats) = (Arc::clone(&self.tree), Arc::clone(&self.stats));
                let limit = self.read_timeout;
                Outcome::Pending(Box::pin(async move {
                    let result = match limit {
                        Some(limit) => timeout(limit, answer).await.unwrap_or_else(|_| {
                            Err(VfsError::new(
                                VfsErrorKind::TimedOut,
                                format!("no answer within {} s", limit.as_secs()),
                            ))
                        }),
                        None => answer.await,
                    };
                    result.map_err(|error| {
                        stats.failed_reads.add(1);
                        error.while_reading(subject.shown(&tree))
                    })
                }))
            }
        }
    }
}

/// The objects that a file is made of.
fn objects(file: FileContent<'_>) -> Vec<ObjectRef> {
    match file.content {
        Content::Whole(hash) => vec![ObjectRef { hash, size: file.size }],
        Content::Chunked { chunk_size, hashes } => {
            let starts = (0..file.size).step_by(usize::try_from(chunk_size).unwrap_or(usize::MAX));
            let object = |(start, hash): (u64, &ContentHash)| ObjectRef {
                hash: *hash,
                size: chunk_size.min(file.size - start),
            };
            starts.zip(hashes).map(object).collect()
        }
    }
}

/// What a read is about.
#[derive(Clone, Copy)]
enum Subject {
    Node(NodeId),
    /// Content that no node has.
    Object(ContentHash),
}

impl Subject {
    /// Its name for people.
    fn shown(self, tree: &INodeManager) -> String {
        match self {
            Self::Node(node) => shown_path(tree, node),
            Self::Object(hash) => format!("object {hash}"),
        }
    }
}

/// A node's path for people.
fn shown_path(tree: &INodeManager, node: NodeId) -> String {
    tree.path(node).map_or_else(|| format!("node {}", node.0), |path| path.to_string())
}

/// Whether an object is a file's content, or part of it.
fn holds(tree: &INodeManager, node: NodeId, object: ContentHash) -> bool {
    tree.content(node).is_some_and(|file| match file.content {
        Content::Whole(hash) => hash == object,
        Content::Chunked { hashes, .. } => hashes.contains(&object),
    })
}

fn no_such_node(node: NodeId) -> VfsError {
    VfsError::new(VfsErrorKind::NotFound, format!("there is no node {}", node.0))
}

fn unknown_chunks(content: ContentIdentity) -> VfsError {
    let (size, hash) = (content.size, content.hash);
    VfsError::new(
        VfsErrorKind::ContentMissing,
        format!("no file has the {size} bytes of chunks whose hashes hash to {hash}"),
    )
}

impl Volume for ManifestVolume {
    fn lookup(&self, parent: NodeId, name: PathRef<'_>) -> Result<Attributes, VfsError> {
        if let Some(found) = self.tree.lookup(parent, name) {
            return self.attributes(found);
        }
        let kind = match self.attributes(parent)?.kind {
            NodeKind::Directory => VfsErrorKind::NotFound,
            _ => VfsErrorKind::NotDirectory,
        };
        Err(VfsError::new(kind, format!("there is no '{name}'")))
    }

    fn attributes(&self, node: NodeId) -> Result<Attributes, VfsError> {
        self.tree.attributes(node).ok_or_else(|| no_such_node(node))
    }

    fn children(&self, directory: NodeId) -> Result<Arc<dyn DirectoryListing>, VfsError> {
        if let Some(listing) = self.tree.listing(directory) {
            return Ok(listing);
        }
        self.attributes(directory)?;
        let path = shown_path(&self.tree, directory);
        Err(VfsError::new(VfsErrorKind::NotDirectory, format!("'{path}' is not a folder")))
    }

    fn link_target(&self, node: NodeId) -> Result<Vec<u8>, VfsError> {
        if let Some(target) = self.tree.link_target(node) {
            return Ok(target.as_wtf8().to_vec());
        }
        self.attributes(node)?;
        let path = shown_path(&self.tree, node);
        Err(VfsError::new(VfsErrorKind::InvalidNode, format!("'{path}' is not a link")))
    }

    fn read(&self, node: NodeId, offset: u64, length: usize) -> Outcome<ReadData> {
        self.stats.reads.add(1);
        match self.file(node) {
            Ok(file) => self.read_file(Subject::Node(node), file, offset, length),
            Err(error) => Outcome::Ready(Err(error)),
        }
    }

    fn content_identity(&self, node: NodeId) -> Option<ContentIdentity> {
        self.tree.identity(node)
    }

    fn read_content(
        &self,
        content: ContentIdentity,
        offset: u64,
        length: usize,
    ) -> Outcome<ReadData> {
        self.stats.reads.add(1);
        match self.resolve(content) {
            Ok((subject, file)) => self.read_file(subject, file, offset, length),
            Err(error) => Outcome::Ready(Err(error)),
        }
    }

    fn copy_content(
        &self,
        content: ContentIdentity,
    ) -> BoxStream<'static, Result<ReadData, VfsError>> {
        self.stats.reads.add(1);
        let (subject, file) = match self.resolve(content) {
            Ok(found) => found,
            Err(error) => return stream::once(std::future::ready(Err(error))).boxed(),
        };
        if let Subject::Node(node) = subject {
            self.trace.note(node, 0);
        }
        let (tree, stats) = (Arc::clone(&self.tree), Arc::clone(&self.stats));
        let pieces = self.content.copy(objects(file));
        let told = pieces.map_err(move |error| {
            stats.failed_reads.add(1);
            error.while_reading(subject.shown(&tree))
        });
        told.boxed()
    }

    fn local_file(&self, node: NodeId) -> Option<Arc<File>> {
        let file = self.tree.content(node).filter(|file| file.size > 0)?;
        match file.content {
            Content::Whole(hash) => {
                self.content.kept().local_file(ObjectRef { hash, size: file.size })
            }
            Content::Chunked { .. } => None,
        }
    }

    fn flush(&self, _node: NodeId) -> Outcome<()> {
        Outcome::Ready(Ok(()))
    }

    fn watch_invalidations(&self, watcher: InvalidationWatcher) {
        let tree = Arc::clone(&self.tree);
        self.content.watch_poison(Box::new(move |hash| {
            // Rare enough to look at every node.
            let nodes = (1..=tree.len() as u64).map(NodeId);
            nodes.filter(|&node| holds(&tree, node, hash)).for_each(&watcher);
        }));
    }

    fn usage(&self) -> Usage {
        Usage { bytes: self.tree.total_bytes(), nodes: self.tree.len() as u64, bytes_free: 0 }
    }

    fn progress(&self) -> u64 {
        let Stats { pool_bytes, disk_bytes, store_bytes, .. } = &*self.stats;
        [pool_bytes, disk_bytes, store_bytes]
            .map(Counter::get)
            .into_iter()
            .fold(0, u64::wrapping_add)
    }

    fn report(&self) -> String {
        let poisoned: Vec<_> = self.content.poisoned().iter().map(ToString::to_string).collect();
        serde_json::json!({
            "schema": "rusty-attachments/volume/1",
            "pid": std::process::id(),
            "uptime_s": self.started.elapsed().as_secs(),
            "nodes": self.tree.len(),
            "bytes": self.tree.total_bytes(),
            "tree_memory_bytes": self.tree.memory_bytes(),
            "memory_budget_bytes": self.pool.budget(),
            "memory_used_bytes": self.pool.stats().used,
            "cache_dir": self.cache.as_ref().map(|cache| cache.dir().display().to_string()),
            "corrupt_objects": poisoned,
            "stats": &*self.stats,
        })
        .to_string()
    }
}
