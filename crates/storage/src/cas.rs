//! The layout of content-addressed objects below a store's root (`deadline.md` 3).
//!
//! This is the one place that builds such keys. What arrives is not checked against its hash
//! here: readers verify. What leaves is: one object under a wrong key poisons every job that
//! shares the CAS, and nothing would ever replace it.

use std::io::Read;
use std::path::{Path, PathBuf};

use rusty_attachments_model::{ContentHash, ContentHasher};

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;

/// Bytes read at a time while a file is hashed.
const HASH_PIECE_BYTES: usize = 1 << 20;

/// The key of the object that holds the content of `hash`.
#[must_use]
pub fn object_key(hash: ContentHash) -> String {
    format!("Data/{hash}.xxh128")
}

/// The key that old uploaders used: without the algorithm as its suffix.
#[must_use]
pub fn legacy_object_key(hash: ContentHash) -> String {
    format!("Data/{hash}")
}

/// The key of a manifest; `path` is what a job states as its `inputManifestPath`.
#[must_use]
pub fn manifest_key(path: &str) -> String {
    format!("Manifests/{path}")
}

/// The last part of an input manifest's key: the hash of the job's root path as the submitter
/// spelled it.
#[must_use]
pub fn input_manifest_name(root_path: &str) -> String {
    format!("{}_input", ContentHash::of(root_path.as_bytes()))
}

/// Reads the content of `hash`, or `range` of it, from wherever old and new uploaders put it.
///
/// # Errors
/// [`StorageError::NotFound`] with the current key if neither key is there; the other kinds as
/// they apply.
pub async fn get(
    client: &dyn StorageClient,
    hash: ContentHash,
    range: Option<ByteRange>,
) -> Result<Object, StorageError> {
    let missing = match client.get(&object_key(hash), range.clone()).await {
        Err(error @ StorageError::NotFound { .. }) => error,
        answer => return answer,
    };
    or_primary(client.get(&legacy_object_key(hash), range).await, missing)
}

/// Asks for the size of the object that holds the content of `hash`, under either key.
///
/// # Errors
/// As [`get`].
pub async fn head(
    client: &dyn StorageClient,
    hash: ContentHash,
) -> Result<ObjectInfo, StorageError> {
    let missing = match client.head(&object_key(hash)).await {
        Err(error @ StorageError::NotFound { .. }) => error,
        answer => return answer,
    };
    or_primary(client.head(&legacy_object_key(hash)).await, missing)
}

/// Reports a miss of both keys under the key that users know.
fn or_primary<T>(
    legacy: Result<T, StorageError>,
    missing: StorageError,
) -> Result<T, StorageError> {
    match legacy {
        Err(StorageError::NotFound { .. }) => Err(missing),
        answer => answer,
    }
}

/// What [`put_if_absent`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The object was there already, in full length.
    Present,
    /// The object was uploaded, because it was absent or of another length.
    Uploaded,
}

/// Stores the content of `hash` under its current key, unless it is there.
///
/// An object of another length under the key is replaced: it cannot be the content.
///
/// # Errors
/// [`StorageError::Corrupt`] if the payload does not hash to `hash`; nothing is uploaded then. A
/// refused HEAD is [`StorageError::AccessDenied`] and final: without leave to list, S3 says 403
/// for absent objects too, and an upload could overwrite anything (`deadline.md` 3).
pub async fn put_if_absent(
    client: &dyn StorageClient,
    hash: ContentHash,
    payload: Payload,
) -> Result<Stored, StorageError> {
    let key = object_key(hash);
    let size = payload.size().await?;
    match client.head(&key).await {
        Ok(info) if info.size == size => return Ok(Stored::Present),
        Ok(_) | Err(StorageError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    put(client, hash, payload).await?;
    Ok(Stored::Uploaded)
}

/// Stores the content of `hash` under its current key, whatever is there.
///
/// # Errors
/// [`StorageError::Corrupt`] if the payload does not hash to `hash`; nothing is uploaded then. The
/// other kinds as they apply.
pub async fn put(
    client: &dyn StorageClient,
    hash: ContentHash,
    payload: Payload,
) -> Result<(), StorageError> {
    let key = object_key(hash);
    let actual = match &payload {
        Payload::Bytes(bytes) => ContentHash::of(bytes),
        Payload::File(path) => hash_file(path.clone()).await?,
    };
    if actual != hash {
        let reason = format!("the bytes to upload have the hash {actual}: the file has changed");
        return Err(StorageError::Corrupt { key, reason });
    }
    client.put(&key, payload).await
}

async fn hash_file(path: PathBuf) -> Result<ContentHash, StorageError> {
    let hashing = tokio::task::spawn_blocking(move || {
        hash_open_file(&path)
            .map_err(|error| StorageError::io(format!("read '{}'", path.display()), &error))
    });
    hashing.await.unwrap_or_else(|stopped| Err(StorageError::stopped("hash a file", &stopped)))
}

fn hash_open_file(path: &Path) -> std::io::Result<ContentHash> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = ContentHasher::new();
    let mut piece = vec![0; HASH_PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(piece.get(..n).unwrap_or_default()),
        }
    }
}
