//! The trait that a store implements, and the values that pass through it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, StreamExt};

use crate::error::StorageError;

/// Bytes `start..end` of an object; `end` may lie past the object's end, and the store then gives
/// what there is.
pub type ByteRange = Range<u64>;

/// A store of objects under string keys.
///
/// Keys use `/` and are relative to the store's root; [`check_key`](crate::check_key) is the rule
/// they obey. Implementations bound their own waits: every call ends, with an error if need be.
/// Dropping a returned future or stream cancels the call.
///
/// Three methods make a store:
///
/// ```
/// use std::sync::Arc;
/// use rusty_attachments_storage::{
///     ByteRange, Object, ObjectInfo, Payload, StorageClient, StorageError, async_trait,
/// };
///
/// /// Asks a service of one's own for the bytes.
/// #[derive(Debug)]
/// struct MyStorageClient {
///     service: MyService,
/// }
///
/// #[async_trait]
/// impl StorageClient for MyStorageClient {
///     async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
///         let size = self.head(key).await?.size;
///         let range = range.unwrap_or(0..size);
///         let bytes = self.service.fetch(key, range.start, range.end.min(size)).await;
///         Ok(Object::from_bytes(size, bytes.into()))
///     }
///
///     async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
///         match self.service.size(key).await {
///             Some(size) => Ok(ObjectInfo { key: key.to_owned(), size }),
///             None => Err(StorageError::NotFound { key: key.to_owned() }),
///         }
///     }
///
///     async fn put(&self, key: &str, _: Payload) -> Result<(), StorageError> {
///         Err(StorageError::Unsupported { operation: "put", key: key.to_owned() })
///     }
/// }
///
/// # #[derive(Debug)]
/// # struct MyService;
/// # impl MyService {
/// #     async fn size(&self, key: &str) -> Option<u64> {
/// #         (key == "Data/x").then_some(11)
/// #     }
/// #     async fn fetch(&self, _: &str, start: u64, end: u64) -> Vec<u8> {
/// #         b"hello world".get(start as usize..end as usize).unwrap_or_default().to_vec()
/// #     }
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store: Arc<MyStorageClient> = Arc::new(MyStorageClient { service: MyService });
/// let store: Arc<dyn StorageClient> = store;
/// let object = store.get("Data/x", Some(6..100)).await?;
/// assert_eq!(object.bytes("Data/x", 1024).await?, "world");
/// # Ok::<(), StorageError>(()) }).unwrap();
/// ```
#[async_trait]
pub trait StorageClient: fmt::Debug + Send + Sync + 'static {
    /// Reads an object, or `range` of it.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no such object; the other kinds as they apply. A
    /// range that is empty, or starts at or past the object's end, gives an empty body, not an
    /// error.
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

    /// Stores an object with user metadata beside it: names in lower case with `-`, values in
    /// printable ASCII, 2 KiB in all, as S3 has it. An empty list is a plain [`put`](Self::put).
    ///
    /// # Errors
    /// [`StorageError::Unsupported`] where a store keeps none, which is the default: an object
    /// that is worth nothing without its metadata must not be stored without. Else as
    /// [`put`](Self::put).
    async fn put_with_metadata(
        &self,
        key: &str,
        payload: Payload,
        metadata: &[(String, String)],
    ) -> Result<(), StorageError> {
        if metadata.is_empty() {
            return self.put(key, payload).await;
        }
        Err(StorageError::Unsupported { operation: "keep metadata", key: key.to_owned() })
    }

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

impl Payload {
    /// How many bytes there are to store, as far as can be known before reading them.
    ///
    /// # Errors
    /// [`StorageError::Io`] if the file cannot be found or looked at.
    pub async fn size(&self) -> Result<u64, StorageError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => match tokio::fs::metadata(path).await {
                Ok(metadata) => Ok(metadata.len()),
                Err(error) => Err(StorageError::io(format!("read '{}'", path.display()), &error)),
            },
        }
    }
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

    /// Waits for the whole body and gives it in one piece. `key` is for the errors.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] as soon as the body exceeds `limit` bytes, and whatever broke
    /// the body.
    pub async fn bytes(mut self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.body.next().await {
            let piece = piece?;
            if (whole.len() + piece.len()) as u64 > limit {
                return Err(StorageError::TooLarge { key: key.to_owned(), size: self.size, limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("size", &self.size).finish_non_exhaustive()
    }
}
