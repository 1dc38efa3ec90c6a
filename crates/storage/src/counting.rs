//! A wrapper that counts what passes through it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::StreamExt;

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;

/// Requests and bytes since the wrapper was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads begun.
    pub gets: u64,
    /// Sizes asked for.
    pub heads: u64,
    /// Writes begun.
    pub puts: u64,
    /// Listings asked for.
    pub lists: u64,
    /// Calls and bodies that failed, missing objects included.
    pub failures: u64,
    /// Body bytes that arrived.
    pub bytes_read: u64,
    /// Payload bytes that were stored.
    pub bytes_written: u64,
}

/// Counts requests, failures and bytes; costs a few relaxed atomic additions per call and piece.
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn StorageClient>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    gets: AtomicU64,
    heads: AtomicU64,
    puts: AtomicU64,
    lists: AtomicU64,
    failures: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    gets_by_key: Option<Mutex<HashMap<String, u64>>>,
}

impl CountingStore {
    /// Counts what goes to `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn StorageClient>) -> Self {
        Self { inner, counters: Arc::default() }
    }

    /// Also counts reads by key, in a map that grows with every new key: for tests.
    #[must_use]
    pub fn with_keys(inner: Arc<dyn StorageClient>) -> Self {
        let counters = Counters { gets_by_key: Some(Mutex::default()), ..Counters::default() };
        Self { inner, counters: Arc::new(counters) }
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            gets: read(&self.counters.gets),
            heads: read(&self.counters.heads),
            puts: read(&self.counters.puts),
            lists: read(&self.counters.lists),
            failures: read(&self.counters.failures),
            bytes_read: read(&self.counters.bytes_read),
            bytes_written: read(&self.counters.bytes_written),
        }
    }

    /// How often `key` was read; always 0 unless made by [`CountingStore::with_keys`].
    #[must_use]
    pub fn gets_of(&self, key: &str) -> u64 {
        let Some(by_key) = &self.counters.gets_by_key else { return 0 };
        let by_key = by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.get(key).copied().unwrap_or(0)
    }
}

impl Counters {
    fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    fn watch<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if result.is_err() {
            Self::add(&self.failures, 1);
        }
        result
    }

    fn begin_get(&self, key: &str) {
        Self::add(&self.gets, 1);
        if let Some(by_key) = &self.gets_by_key {
            let mut by_key = by_key.lock().unwrap_or_else(PoisonError::into_inner);
            *by_key.entry(key.to_owned()).or_default() += 1;
        }
    }
}

#[async_trait]
impl StorageClient for CountingStore {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        self.counters.begin_get(key);
        let object = self.counters.watch(self.inner.get(key, range).await)?;
        let counters = Arc::clone(&self.counters);
        let body = object.body.map(move |piece| {
            let bytes = counters.watch(piece)?;
            Counters::add(&counters.bytes_read, bytes.len() as u64);
            Ok(bytes)
        });
        Ok(Object { size: object.size, body: body.boxed() })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        Counters::add(&self.counters.heads, 1);
        self.counters.watch(self.inner.head(key).await)
    }

    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError> {
        self.put_with_metadata(key, payload, &[]).await
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        payload: Payload,
        metadata: &[(String, String)],
    ) -> Result<(), StorageError> {
        Counters::add(&self.counters.puts, 1);
        let size = self.counters.watch(payload.size().await)?;
        self.counters.watch(self.inner.put_with_metadata(key, payload, metadata).await)?;
        Counters::add(&self.counters.bytes_written, size);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        Counters::add(&self.counters.lists, 1);
        self.counters.watch(self.inner.list(prefix).await)
    }
}
