//! Every store and wrapper passes the conformance suite, and each its own promises.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::cas::{self, Stored};
use rusty_attachments_storage::{
    ByteRange, CountingStore, LocalStore, MemoryStore, Object, ObjectInfo, OpenOptions, Payload,
    RetryPolicy, RetryingStore, StorageClient, StorageError, Throttle, ThrottledStore, async_trait,
    open_store,
};
use rusty_attachments_testkit::{Fault, FaultKind, FaultyStore, Operation, store_conformance};

fn payload(bytes: &'static [u8]) -> Payload {
    Payload::Bytes(Bytes::from_static(bytes))
}

#[tokio::test]
async fn memory_conforms() {
    store_conformance(&MemoryStore::new(), "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path().join("new/store")).unwrap();
    store_conformance(&store, "a").await;
    store_conformance(&store.ephemeral(), "b").await;
    assert_eq!(temporary_files(folder.path()), 0);
}

#[tokio::test]
async fn wrappers_conform() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let throttle =
        Throttle { latency: Duration::from_micros(50), bytes_per_second: NonZeroU64::new(1 << 33) };
    let store = Arc::new(ThrottledStore::new(store, throttle));
    let store = Arc::new(CountingStore::with_keys(store));
    let store = RetryingStore::new(store, RetryPolicy::default());
    store_conformance(&store, "a").await;
}

/// A store of three methods, as users write them.
#[derive(Debug)]
struct Plain(MemoryStore);

#[async_trait]
impl StorageClient for Plain {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        self.0.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        self.0.head(key).await
    }

    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError> {
        self.0.put(key, payload).await
    }
}

#[tokio::test]
async fn metadata_passes_every_wrapper_or_is_refused() {
    let metadata = [("asset-root".to_owned(), "/job".to_owned())];
    let wrap = |inner: Arc<dyn StorageClient>| {
        let store = Arc::new(FaultyStore::new(inner));
        let store = Arc::new(ThrottledStore::new(store, Throttle::default()));
        let store = Arc::new(CountingStore::new(store));
        RetryingStore::new(store, RetryPolicy::default())
    };
    let memory = Arc::new(MemoryStore::new());
    let store = wrap(Arc::clone(&memory) as Arc<dyn StorageClient>);
    store.put_with_metadata("with", payload(b"x"), &metadata).await.unwrap();
    store.put("without", payload(b"x")).await.unwrap();
    assert_eq!(memory.metadata("with").unwrap(), metadata);
    assert_eq!(memory.metadata("without").unwrap(), []);

    let plain = wrap(Arc::new(Plain(MemoryStore::new())));
    store_conformance(&plain, "a").await;
    let error = plain.put_with_metadata("with", payload(b"x"), &metadata).await.unwrap_err();
    assert!(matches!(error, StorageError::Unsupported { .. }), "{error:?}");
    assert!(plain.head("with").await.is_err());
}

fn temporary_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => temporary_files(&entry.path()),
        false => entry.file_name().to_string_lossy().starts_with('.').into(),
    };
    entries.map(count).sum()
}

#[tokio::test]
async fn a_local_store_without_its_folder_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = LocalStore::open(folder.path().join("nowhere")).unwrap_err();
    assert!(matches!(&error, StorageError::Config { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere"), "{error}");

    let root = folder.path().join("store");
    let store = LocalStore::create(&root).unwrap();
    store.put("Data/x", payload(b"x")).await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    let error = store.head("Data/x").await.unwrap_err();
    assert!(matches!(error, StorageError::Offline { .. }), "not a missing object: {error:?}");
    assert!(store.put("Data/x", payload(b"x")).await.is_err());
    assert!(!root.exists(), "a folder that went away is not made again");
}

#[tokio::test]
async fn folders_and_what_is_below_files_are_no_objects() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    store.put("folder/file", payload(b"x")).await.unwrap();
    for key in ["folder", "folder/file/below"] {
        let head = store.head(key).await.unwrap_err();
        let get = store.get(key, None).await.unwrap_err();
        for error in [head, get] {
            assert!(matches!(error, StorageError::NotFound { .. }), "{error:?}");
        }
    }
    assert!(store.put("folder/file/below", payload(b"y")).await.is_err());
}

#[tokio::test]
async fn leftovers_of_a_killed_writer_are_no_objects() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    store.put("Data/x", payload(b"x")).await.unwrap();
    std::fs::write(folder.path().join("Data/.incomplete-abc"), b"half").unwrap();
    assert_eq!(store.list("").await.unwrap().len(), 1);
    let error = store.get("Data/.incomplete-abc", None).await.unwrap_err();
    assert!(matches!(error, StorageError::InvalidKey { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_named_pipe_in_the_folder_does_not_hang_readers() {
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(status.unwrap().success());
    let store = LocalStore::open(folder.path()).unwrap();
    let got = tokio::time::timeout(Duration::from_secs(20), store.get("pipe", None)).await;
    assert!(matches!(got.unwrap(), Err(StorageError::NotFound { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn objects_get_the_permissions_that_the_umask_admits() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, b"x").unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    store.put("object", payload(b"x")).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder.path().join("object")), mode(&plain));
}

#[tokio::test]
async fn objects_are_found_under_the_legacy_key() {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    let hash = ContentHash::of(b"old");
    let missing = cas::get(&store, hash, None).await.unwrap_err();
    assert!(
        matches!(&missing, StorageError::NotFound { key } if *key == cas::object_key(hash)),
        "the key that users know: {missing:?}"
    );
    store.put(&cas::legacy_object_key(hash), payload(b"old")).await.unwrap();
    assert_eq!(cas::head(&store, hash).await.unwrap().size, 3);
    let object = cas::get(&store, hash, Some(1..3)).await.unwrap();
    assert_eq!(object.bytes("old", 10).await.unwrap(), "ld");

    // Only a miss leads to the legacy key.
    let denied = store.arm(Fault::new(FaultKind::AccessDenied).on(Operation::Get));
    let error = cas::get(&store, hash, None).await.unwrap_err();
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
    assert_eq!(denied.fired(), 1);
}

#[tokio::test]
async fn absent_objects_are_uploaded_once() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let counted = CountingStore::new(Arc::clone(&store) as Arc<dyn StorageClient>);
    let hash = ContentHash::of(b"content");
    let put = || cas::put_if_absent(&counted, hash, payload(b"content"));
    assert_eq!(put().await.unwrap(), Stored::Uploaded);
    assert_eq!(put().await.unwrap(), Stored::Present);
    assert_eq!(counted.counts().puts, 1);

    store.put(&cas::object_key(hash), payload(b"torn")).await.unwrap();
    assert_eq!(put().await.unwrap(), Stored::Uploaded, "another length is not the content");

    let wrong = ContentHash::of(b"else");
    let error = cas::put_if_absent(&counted, wrong, payload(b"content")).await.unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error:?}");

    let denied = Fault::new(FaultKind::AccessDenied).on(Operation::Head);
    store.arm(denied);
    let error = put().await.unwrap_err();
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
    assert_eq!(counted.counts().puts, 2, "a refused HEAD uploads nothing");
}

#[tokio::test]
async fn counts_are_exact() {
    let store = CountingStore::with_keys(Arc::new(MemoryStore::new()));
    store.put("a", payload(b"0123456789")).await.unwrap();
    store.head("a").await.unwrap();
    store.head("b").await.unwrap_err();
    store.list("").await.unwrap();
    let object = store.get("a", Some(2..7)).await.unwrap();
    assert_eq!(object.bytes("a", 100).await.unwrap().len(), 5);
    store.get("b", None).await.unwrap_err();
    let counts = store.counts();
    assert_eq!((counts.gets, counts.heads, counts.puts, counts.lists), (2, 2, 1, 1));
    assert_eq!((counts.failures, counts.bytes_read, counts.bytes_written), (2, 5, 10));
    assert_eq!((store.gets_of("a"), store.gets_of("b"), store.gets_of("c")), (1, 1, 0));
}

#[tokio::test]
async fn throttled_bodies_take_their_time() {
    let inner = MemoryStore::new();
    inner.put("a", Payload::Bytes(vec![7; 300_000].into())).await.unwrap();
    let throttle = Throttle {
        latency: Duration::from_millis(50),
        bytes_per_second: NonZeroU64::new(2_000_000),
    };
    let store = ThrottledStore::new(Arc::new(inner), throttle);
    let start = Instant::now();
    let object = store.get("a", None).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(object.bytes("a", u64::MAX).await.unwrap().len(), 300_000);
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
    let store = MemoryStore::new();
    store.put("a", payload(b"0123456789")).await.unwrap();
    let object = store.get("a", None).await.unwrap();
    let error = object.bytes("a", 9).await.unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { size: 10, limit: 9, .. }), "{error:?}");
}

const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_wait: Duration::from_micros(10),
    longest_wait: Duration::from_micros(100),
};

/// A store with one object of 3 MiB that fails on command and is asked again.
async fn retrying() -> (Arc<FaultyStore>, Arc<CountingStore>, RetryingStore, Bytes) {
    let bytes: Bytes = (0..3 << 20).map(|i: u32| (i % 251) as u8).collect();
    let inner = MemoryStore::new();
    inner.put("a", Payload::Bytes(bytes.clone())).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::new(inner)));
    let counting = Arc::new(CountingStore::new(Arc::clone(&faulty) as Arc<dyn StorageClient>));
    let store = RetryingStore::new(Arc::clone(&counting) as Arc<dyn StorageClient>, QUICK);
    (faulty, counting, store, bytes)
}

async fn read(
    store: &dyn StorageClient,
    range: Option<std::ops::Range<u64>>,
) -> Result<Bytes, StorageError> {
    store.get("a", range).await?.bytes("a", u64::MAX).await
}

#[tokio::test]
async fn passing_failures_are_tried_again_and_others_are_not() {
    let (faulty, counting, store, bytes) = retrying().await;
    for kind in [FaultKind::Offline, FaultKind::Throttled] {
        faulty.arm(Fault::new(kind).next(2));
        assert_eq!(read(&store, None).await.unwrap(), bytes);
        let always = faulty.arm(Fault::new(kind));
        assert!(store.head("a").await.unwrap_err().is_transient());
        assert_eq!(always.fired(), 3);
        faulty.disarm_all();
    }
    let before = counting.counts().heads;
    faulty.arm(Fault::new(FaultKind::AccessDenied));
    store.head("a").await.unwrap_err();
    assert_eq!(counting.counts().heads, before + 1);

    faulty.disarm_all();
    faulty.arm(Fault::new(FaultKind::Offline).on(Operation::Put).next(1));
    store.put("b", payload(b"x")).await.unwrap();
    assert_eq!(store.head("b").await.unwrap().size, 1);
}

#[tokio::test]
async fn broken_bodies_go_on_where_they_broke() {
    let (faulty, counting, store, bytes) = retrying().await;
    for kind in [FaultKind::CutAfter(1000), FaultKind::ShortBody(1000), FaultKind::CutAfter(0)] {
        faulty.arm(Fault::new(kind).next(2));
        let before = counting.counts();
        assert_eq!(read(&store, Some(5..2 << 20)).await.unwrap(), bytes.slice(5..2 << 20));
        let after = counting.counts();
        assert_eq!(after.gets - before.gets, 3, "{kind:?}");
        assert_eq!(after.bytes_read - before.bytes_read, (2 << 20) - 5, "no byte comes twice");
    }

    faulty.arm(Fault::new(FaultKind::CutAfter(1000)));
    let error = read(&store, None).await.unwrap_err();
    assert!(matches!(error, StorageError::Offline { .. }), "{error:?}");
    faulty.disarm_all();

    // Each time a good part came, so each time there are all tries again.
    let cut = faulty.arm(Fault::new(FaultKind::CutAfter((1 << 20) + 1)));
    assert_eq!(read(&store, None).await.unwrap(), bytes);
    assert_eq!(cut.fired(), 3);
    faulty.disarm_all();

    faulty.arm(Fault::new(FaultKind::CutAfter(1000)).next(1));
    let object = store.get("a", None).await.unwrap();
    faulty.put("a", payload(b"another object")).await.unwrap();
    let error = object.bytes("a", u64::MAX).await.unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "two objects in one body: {error:?}");
}

#[tokio::test]
async fn a_store_that_retries_itself_is_only_resumed() {
    let (faulty, counting, _, bytes) = retrying().await;
    let store = RetryingStore::resuming(Arc::clone(&counting) as Arc<dyn StorageClient>, QUICK);
    faulty.arm(Fault::new(FaultKind::CutAfter(7)).next(1));
    assert_eq!(read(&store, None).await.unwrap(), bytes);
    faulty.arm(Fault::new(FaultKind::Offline).next(1));
    read(&store, None).await.unwrap_err();
    assert_eq!(counting.counts().gets, 3);
}

#[tokio::test]
async fn stores_are_opened_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new", folder.path().display()).parse().unwrap();
    let missing = open_store(&url, &OpenOptions::default()).await.unwrap_err();
    assert!(matches!(missing, StorageError::Config { .. }), "{missing:?}");
    let create = OpenOptions { create: true, ..OpenOptions::default() };
    let store = open_store(&url, &create).await.unwrap();
    store.put("a", payload(b"x")).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("new/a")).unwrap(), b"x");
    let url = "s3://bucket".parse().unwrap();
    let options = OpenOptions { endpoint: Some("no url".to_owned()), ..OpenOptions::default() };
    let error = open_store(&url, &options).await.unwrap_err();
    assert!(matches!(error, StorageError::Config { .. }), "{error:?}");
}
