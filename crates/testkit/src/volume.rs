//! A volume in memory that front ends are tested against.
//!
//! It keeps a nested tree, answers from it, counts what it is asked, and does on demand what a bad
//! day does: hold reads back until the test lets them go, fail them, answer short, or panic.

mod tree;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use rusty_attachments_model::{ContentHash, PathRef};
use rusty_attachments_vfs::{
    Attributes, COPY_PIECE_BYTES, ContentIdentity, DirectoryListing, InvalidationWatcher,
    ListedEntry, NodeId, NodeKind, Outcome, ReadData, Usage, VfsError, VfsErrorKind, Volume,
};
use tokio::sync::watch;

pub use self::tree::{Content, DEFAULT_MTIME_US, Entry, Name, Tree, pattern};

#[derive(Debug)]
struct Node {
    attributes: Attributes,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Directory(Arc<Listing>),
    File(Content, ContentIdentity),
    Symlink(Vec<u8>),
}

#[derive(Debug)]
struct Listing {
    parent: NodeId,
    entries: Vec<(Name, Attributes)>,
}

impl DirectoryListing for Listing {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, index: usize) -> Option<ListedEntry<'_>> {
        let (name, attributes) = self.entries.get(index)?;
        Some(ListedEntry { name: PathRef::from_wtf8(name), attributes: *attributes })
    }

    fn parent(&self) -> NodeId {
        self.parent
    }
}

/// What a [`ReferenceVolume`] was asked for so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls of `lookup`.
    pub lookups: AtomicU64,
    /// Calls of `children`.
    pub listings: AtomicU64,
    /// Calls of `progress` while bytes seem to arrive.
    pub progress: AtomicU64,
    /// Calls of `read` and `read_content`.
    pub reads: AtomicU64,
    /// Bytes given out by `read`.
    pub bytes: AtomicU64,
    /// `retain` minus what `release` gave back.
    pub retained: AtomicI64,
}

/// What shall happen to the reads of one file.
#[derive(Clone, Debug)]
enum Trouble {
    Fails { from: u64, kind: VfsErrorKind },
    Short(usize),
    Panics,
}

/// The volume. See the module.
pub struct ReferenceVolume {
    nodes: Vec<Node>,
    by_content: HashMap<ContentIdentity, NodeId>,
    bytes: u64,
    gates: Mutex<HashMap<NodeId, watch::Sender<GateState>>>,
    trouble: Mutex<HashMap<NodeId, Trouble>>,
    local: Mutex<HashMap<NodeId, Arc<File>>>,
    watcher: Mutex<Option<Arc<InvalidationWatcher>>>,
    /// What front ends asked for.
    pub counts: Counts,
    /// Whether bytes seem to arrive all the time: each call of `progress` gives another number.
    pub flowing: AtomicBool,
}

impl fmt::Debug for ReferenceVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferenceVolume({} nodes)", self.nodes.len())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl ReferenceVolume {
    /// The volume of a nested tree; ids are given in breadth-first order.
    #[must_use]
    pub fn new(root: BTreeMap<Name, Entry>) -> Arc<Self> {
        let mut pending = std::collections::VecDeque::from([(NodeId::ROOT, NodeId::ROOT, root)]);
        let mut nodes: BTreeMap<NodeId, Node> = BTreeMap::new();
        let mut next = 2;
        let mut bytes = 0;
        let mut by_content = HashMap::new();
        let folder = |node, mtime_us| Attributes {
            node,
            kind: NodeKind::Directory,
            size: 0,
            mtime_us,
            executable: false,
        };
        let mut own = HashMap::from([(NodeId::ROOT, folder(NodeId::ROOT, DEFAULT_MTIME_US))]);
        while let Some((node, parent, children)) = pending.pop_front() {
            let mut entries = Vec::with_capacity(children.len());
            for (name, entry) in children {
                let child = NodeId(next);
                next += 1;
                let leaf = |kind, size, mtime_us, executable| Attributes {
                    node: child,
                    kind,
                    size,
                    mtime_us,
                    executable,
                };
                let (attributes, body) = match entry {
                    Entry::Directory { children, mtime_us } => {
                        pending.push_back((child, node, children));
                        own.insert(child, folder(child, mtime_us));
                        (folder(child, mtime_us), None)
                    }
                    Entry::File { content, mtime_us, executable } => {
                        bytes += content.size();
                        let size = content.size();
                        let attributes = leaf(NodeKind::File, size, mtime_us, executable);
                        let identity = identity(child, &content);
                        by_content.entry(identity).or_insert(child);
                        (attributes, Some(Body::File(content, identity)))
                    }
                    Entry::Symlink { target } => {
                        let size = target.len() as u64;
                        let attributes = leaf(NodeKind::Symlink, size, DEFAULT_MTIME_US, false);
                        (attributes, Some(Body::Symlink(target)))
                    }
                };
                if let Some(body) = body {
                    nodes.insert(child, Node { attributes, body });
                }
                entries.push((name, attributes));
            }
            let body = Body::Directory(Arc::new(Listing { parent, entries }));
            nodes.insert(node, Node { attributes: own[&node], body });
        }
        Arc::new(Self {
            nodes: nodes.into_values().collect(),
            by_content,
            bytes,
            gates: Mutex::default(),
            trouble: Mutex::default(),
            local: Mutex::default(),
            watcher: Mutex::default(),
            counts: Counts::default(),
            flowing: AtomicBool::new(false),
        })
    }

    /// The node at a slash-separated path.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn node(&self, path: &str) -> NodeId {
        let mut node = NodeId::ROOT;
        for name in PathRef::from(path).components() {
            node = self.find(node, name).unwrap_or_else(|error| panic!("{path}: {error}")).node;
        }
        node
    }

    /// Holds back every read of a file until the gate is opened or dropped.
    #[must_use]
    pub fn gate(self: &Arc<Self>, path: &str) -> ReadGate {
        let node = self.node(path);
        let sender = watch::Sender::new(GateState::default());
        self.gates.lock().insert(node, sender.clone());
        ReadGate { volume: Arc::clone(self), node, sender }
    }

    /// Makes reads of a file, or listings of a folder, fail from now on.
    pub fn fail(&self, path: &str, kind: VfsErrorKind) {
        self.fail_from(path, 0, kind);
    }

    /// Makes reads of a file at or after offset `from` fail from now on.
    pub fn fail_from(&self, path: &str, from: u64, kind: VfsErrorKind) {
        self.trouble.lock().insert(self.node(path), Trouble::Fails { from, kind });
    }

    /// Makes reads of a file panic from now on.
    pub fn panic_on_read(&self, path: &str) {
        self.trouble.lock().insert(self.node(path), Trouble::Panics);
    }

    /// Makes reads of a file answer with at most `length` bytes from now on.
    pub fn answer_short(&self, path: &str, length: usize) {
        self.trouble.lock().insert(self.node(path), Trouble::Short(length));
    }

    /// Ends what `fail`, `panic_on_read` and `answer_short` began.
    pub fn heal(&self, path: &str) {
        self.trouble.lock().remove(&self.node(path));
    }

    /// Offers a local file with the content of `path`, as a disk cache would.
    pub fn set_local_file(&self, path: &str, file: File) {
        self.local.lock().insert(self.node(path), Arc::new(file));
    }

    /// Tells the front end that bytes of a file which it was given turned out wrong.
    pub fn invalidate(&self, path: &str) {
        let watcher = self.watcher.lock().clone();
        if let Some(watcher) = watcher {
            watcher(self.node(path));
        }
    }

    fn get(&self, node: NodeId) -> Result<&Node, VfsError> {
        let index = usize::try_from(node.0).ok().and_then(|id| id.checked_sub(1));
        index.and_then(|index| self.nodes.get(index)).ok_or_else(|| {
            VfsError::new(VfsErrorKind::NotFound, format!("there is no node {}", node.0))
        })
    }

    fn listing(&self, node: NodeId) -> Result<&Arc<Listing>, VfsError> {
        match &self.get(node)?.body {
            Body::Directory(listing) => Ok(listing),
            _ => Err(VfsError::new(
                VfsErrorKind::NotDirectory,
                format!("node {} is no folder", node.0),
            )),
        }
    }

    fn find(&self, parent: NodeId, name: PathRef<'_>) -> Result<Attributes, VfsError> {
        let entries = &self.listing(parent)?.entries;
        entries
            .binary_search_by(|(other, _)| other.as_slice().cmp(name.as_wtf8()))
            .map(|index| entries[index].1)
            .map_err(|_| VfsError::new(VfsErrorKind::NotFound, format!("there is no '{name}'")))
    }

    fn trouble(&self, node: NodeId) -> Option<Trouble> {
        self.trouble.lock().get(&node).cloned()
    }
}

/// True for given bytes; patterns have one of their own in every file, for bytes that are computed
/// would cost too much to hash.
fn identity(node: NodeId, content: &Content) -> ContentIdentity {
    let hash = match content {
        Content::Bytes(bytes) => ContentHash::of(bytes),
        Content::Pattern(_) => ContentHash::of(&node.0.to_le_bytes()),
    };
    ContentIdentity { size: content.size(), chunk_size: None, hash }
}

fn answer(
    content: &Content,
    trouble: Option<Trouble>,
    offset: u64,
    length: usize,
) -> Result<ReadData, VfsError> {
    match trouble {
        Some(Trouble::Fails { from, kind }) if offset >= from => {
            Err(VfsError::new(kind, format!("injected {kind:?}")))
        }
        None | Some(Trouble::Fails { .. }) => Ok(content.read(offset, length).into()),
        Some(Trouble::Short(most)) => Ok(content.read(offset, length.min(most)).into()),
        Some(Trouble::Panics) => panic!("injected panic"),
    }
}

impl Volume for ReferenceVolume {
    fn lookup(&self, parent: NodeId, name: PathRef<'_>) -> Result<Attributes, VfsError> {
        self.counts.lookups.fetch_add(1, Ordering::Relaxed);
        self.find(parent, name)
    }

    fn attributes(&self, node: NodeId) -> Result<Attributes, VfsError> {
        Ok(self.get(node)?.attributes)
    }

    fn children(&self, directory: NodeId) -> Result<Arc<dyn DirectoryListing>, VfsError> {
        self.counts.listings.fetch_add(1, Ordering::Relaxed);
        if let Some(Trouble::Fails { kind, .. }) = self.trouble(directory) {
            return Err(VfsError::new(kind, "listings fail in this test"));
        }
        Ok(Arc::clone(self.listing(directory)?) as Arc<dyn DirectoryListing>)
    }

    fn link_target(&self, node: NodeId) -> Result<Vec<u8>, VfsError> {
        match &self.get(node)?.body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => {
                Err(VfsError::new(VfsErrorKind::InvalidNode, format!("node {} is no link", node.0)))
            }
        }
    }

    fn read(&self, node: NodeId, offset: u64, length: usize) -> Outcome<ReadData> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        let content = match self.get(node).map(|node| &node.body) {
            Ok(Body::File(content, _)) => content.clone(),
            Ok(_) => {
                let message = format!("node {} is no file", node.0);
                return Outcome::Ready(Err(VfsError::new(VfsErrorKind::IsDirectory, message)));
            }
            Err(error) => return Outcome::Ready(Err(error)),
        };
        self.counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
        let trouble = self.trouble(node);
        let gate = self.gates.lock().get(&node).cloned();
        let Some(gate) = gate else {
            return Outcome::Ready(answer(&content, trouble, offset, length));
        };
        Outcome::Pending(Box::pin(async move {
            pass(&gate).await;
            answer(&content, trouble, offset, length)
        }))
    }

    fn content_identity(&self, node: NodeId) -> Option<ContentIdentity> {
        match &self.get(node).ok()?.body {
            Body::File(_, identity) => Some(*identity),
            _ => None,
        }
    }

    fn read_content(
        &self,
        content: ContentIdentity,
        offset: u64,
        length: usize,
    ) -> Outcome<ReadData> {
        match self.by_content.get(&content) {
            Some(node) => self.read(*node, offset, length),
            None => Outcome::Ready(Err(VfsError::new(
                VfsErrorKind::ContentMissing,
                format!("no file has {content:?}"),
            ))),
        }
    }

    /// As many reads, which the gate and the trouble of now befall.
    fn copy_content(
        &self,
        content: ContentIdentity,
    ) -> BoxStream<'static, Result<ReadData, VfsError>> {
        let found = self.by_content.get(&content).copied();
        let body = found.and_then(|node| Some((node, &self.get(node).ok()?.body)));
        let Some((node, Body::File(bytes, _))) = body else {
            let missing = self.read_content(content, 0, 0).finish();
            return stream::once(missing).boxed();
        };
        let (bytes, trouble) = (bytes.clone(), self.trouble(node));
        let gate = self.gates.lock().get(&node).cloned();
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(content.size, Ordering::Relaxed);
        let pieces = stream::iter((0..content.size).step_by(COPY_PIECE_BYTES));
        let read = move |offset| {
            let (bytes, trouble, gate) = (bytes.clone(), trouble.clone(), gate.clone());
            async move {
                if let Some(gate) = gate {
                    pass(&gate).await;
                }
                answer(&bytes, trouble, offset, COPY_PIECE_BYTES)
            }
        };
        pieces.then(read).boxed()
    }

    fn local_file(&self, node: NodeId) -> Option<Arc<File>> {
        self.local.lock().get(&node).cloned()
    }

    fn flush(&self, _node: NodeId) -> Outcome<()> {
        Outcome::Ready(Ok(()))
    }

    fn retain(&self, _node: NodeId) {
        self.counts.retained.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self, _node: NodeId, count: u64) {
        self.counts.retained.fetch_sub(count as i64, Ordering::Relaxed);
    }

    fn watch_invalidations(&self, watcher: InvalidationWatcher) {
        *self.watcher.lock() = Some(Arc::new(watcher));
    }

    fn usage(&self) -> Usage {
        Usage { bytes: self.bytes, nodes: self.nodes.len() as u64, bytes_free: 0 }
    }

    fn progress(&self) -> u64 {
        let flows = u64::from(self.flowing.load(Ordering::Relaxed));
        self.counts.progress.fetch_add(flows, Ordering::Relaxed)
    }

    fn report(&self) -> String {
        format!("{{\"volume\":\"reference\",\"nodes\":{}}}", self.nodes.len())
    }
}

/// Waits until a gate is open; one that is dropped is.
async fn pass(gate: &watch::Sender<GateState>) {
    let mut states = gate.subscribe();
    let _waiting = Waiting::at(gate);
    let _ = states.wait_for(|state| state.open).await;
}

/// Counts one held read for as long as its future lives.
struct Waiting(watch::Sender<GateState>);

impl Waiting {
    fn at(gate: &watch::Sender<GateState>) -> Self {
        gate.send_modify(|state| state.waiting += 1);
        Self(gate.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.waiting -= 1);
    }
}

/// Holds the reads of one file back; dropping it lets them go.
#[derive(Debug)]
pub struct ReadGate {
    volume: Arc<ReferenceVolume>,
    node: NodeId,
    sender: watch::Sender<GateState>,
}

impl ReadGate {
    /// How many reads are held now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.sender.borrow().waiting
    }

    /// Waits until at least `count` reads are held.
    ///
    /// # Panics
    /// If that does not happen within 30 s.
    pub fn wait_for(&self, count: usize) {
        self.wait_until(|waiting| waiting >= count);
    }

    /// Waits until no read is held.
    ///
    /// # Panics
    /// If that does not happen within 30 s.
    pub fn wait_for_none(&self) {
        self.wait_until(|waiting| waiting == 0);
    }

    fn wait_until(&self, reached: impl Fn(usize) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !reached(self.waiting()) {
            assert!(Instant::now() < deadline, "{} reads are held", self.waiting());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets the held reads and all later ones go.
    pub fn open(&self) {
        self.volume.gates.lock().remove(&self.node);
        self.sender.send_modify(|state| state.open = true);
    }
}

impl Drop for ReadGate {
    fn drop(&mut self) {
        self.open();
    }
}
