//! A store in memory, for tests and for embedding.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;
use crate::key::{check_key, check_prefix};

/// Objects in a map. Holds everything for as long as it lives.
#[derive(Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, key: &str) -> Result<Bytes, StorageError> {
        check_key(key)?;
        let found = self.objects().get(key).cloned();
        found.ok_or_else(|| StorageError::NotFound { key: key.to_owned() })
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("objects", &self.objects().len()).finish()
    }
}

#[async_trait]
impl StorageClient for MemoryStore {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        let bytes = self.object(key)?;
        let size = bytes.len() as u64;
        let range = range.unwrap_or(0..size);
        let end = range.end.min(size) as usize;
        let start = (range.start.min(size) as usize).min(end);
        Ok(Object::from_bytes(size, bytes.slice(start..end)))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        let bytes = self.object(key)?;
        Ok(ObjectInfo { key: key.to_owned(), size: bytes.len() as u64 })
    }

    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError> {
        check_key(key)?;
        let bytes = match payload {
            Payload::Bytes(bytes) => bytes,
            Payload::File(path) => tokio::fs::read(&path)
                .await
                .map_err(|error| StorageError::io(format!("read '{}'", path.display()), &error))?
                .into(),
        };
        self.objects().insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        check_prefix(prefix)?;
        let objects = self.objects();
        let listed =
            objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(listed
            .map(|(key, bytes)| ObjectInfo { key: key.clone(), size: bytes.len() as u64 })
            .collect())
    }
}
