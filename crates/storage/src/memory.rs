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
    objects: Mutex<BTreeMap<String, Stored>>,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    metadata: Vec<(String, String)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The metadata that an object was stored with; `None` if there is no such object.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<Vec<(String, String)>> {
        self.objects().get(key).map(|stored| stored.metadata.clone())
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, key: &str) -> Result<Bytes, StorageError> {
        check_key(key)?;
        let found = self.objects().get(key).map(|stored| stored.bytes.clone());
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
        self.put_with_metadata(key, payload, &[]).await
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        payload: Payload,
        metadata: &[(String, String)],
    ) -> Result<(), StorageError> {
        check_key(key)?;
        let bytes = match payload {
            Payload::Bytes(bytes) => bytes,
            Payload::File(path) => tokio::fs::read(&path)
                .await
                .map_err(|error| StorageError::io(format!("read '{}'", path.display()), &error))?
                .into(),
        };
        self.objects().insert(key.to_owned(), Stored { bytes, metadata: metadata.to_vec() });
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        check_prefix(prefix)?;
        let objects = self.objects();
        let listed =
            objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(listed
            .map(|(key, stored)| ObjectInfo { key: key.clone(), size: stored.bytes.len() as u64 })
            .collect())
    }
}
