//! The trait that a store implements, and the values that pass through it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};

use crate::error::StorageError;

/// Bytes `start..end` of an object. Never empty; `end` may lie past the object's end, and the
/// store then gives what there is.
pub type ByteRange = Range<u64>;

/// A store of objects under string keys.
///
/// Keys use `/` and are relative to the store's root. Implementations bound their own waits:
/// every call ends, with an error if need be. Dropping a returned future or stream cancels the
/// call.
#[async_trait]
pub trait StorageClient: fmt::Debug + Send + Sync + 'static {
    /// Reads an object, or `range` of it.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no such object; the other kinds as they apply. A
    /// range that starts at or past the object's end gives an empty body, not an error.
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError>;

    /// Asks for an object's size without its bytes.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no such object; the other kinds as they apply.
    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError>;

    /// Stores an object; readers see the old object or the whole new one.
    ///
    /// # Errors
    /// As the kinds of [`StorageError`] say.
    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError>;

    /// All objects whose key starts with `prefix`, in key order.
    ///
    /// # Errors
    /// [`StorageError::Unsupported`] where a store cannot list, which is the default.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        Err(StorageError::Unsupported { operation: "list", key: prefix.to_owned() })
    }
}

/// What a store knows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key, relative to the store's root.
    pub key: String,
    /// Bytes in the whole object.
    pub size: u64,
}

/// What is to be stored.
#[derive(Clone, Debug)]
pub enum Payload {
    /// These bytes.
    Bytes(Bytes),
    /// The bytes that this file holds while the call runs.
    File(PathBuf),
}

/// An object's bytes as they arrive.
pub struct Object {
    /// Bytes in the whole object, whatever range was asked for.
    pub size: u64,
    /// The bytes of the range, in order, in pieces of the store's choosing.
    pub body: BoxStream<'static, Result<Bytes, StorageError>>,
}

impl Object {
    /// An object whose bytes are all at hand; `bytes` are those of the range.
    #[must_use]
    pub fn from_bytes(size: u64, bytes: Bytes) -> Self {
        Self { size, body: futures_util::stream::once(async { Ok(bytes) }).boxed() }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("size", &self.size).finish_non_exhaustive()
    }
}
