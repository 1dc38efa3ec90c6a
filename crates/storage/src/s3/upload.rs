//! Uploads: one request for small payloads, parts side by side for large ones.
//!
//! Parts are read into memory, so that each can be sent again and its signature covers its bytes;
//! an upload holds at most four of them. A file that changes while it is read is not published.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::runtime::Handle;

use crate::client::Payload;
use crate::error::StorageError;
use crate::s3::S3Store;
use crate::s3::error::store_error;

/// Payloads from this size on go in parts, as official tools do it (`deadline.md` 3).
const PART_BYTES: u64 = 8 << 20;

/// S3's limit.
const PARTS_MAX: u64 = 10_000;

/// Parts of one upload that are under way at a time.
const PARTS_AT_ONCE: usize = 4;

/// Time for a part beyond the read timeout, which the SDK counts from the first byte sent: 8 MiB
/// at 32 KiB/s.
pub(super) const SLOWEST_PART: Duration = Duration::from_secs(256);

/// Uploads a payload to `key`, with metadata.
pub(super) async fn upload(
    store: &S3Store,
    key: &str,
    payload: Payload,
    metadata: &[(String, String)],
) -> Result<(), StorageError> {
    let source = Source::open(payload).await?;
    let metadata = (!metadata.is_empty()).then(|| metadata.iter().cloned().collect());
    let upload = Upload { store, key, metadata };
    if source.size < PART_BYTES {
        let bytes = source.read(0, source.size).await?;
        source.check_unchanged().await?;
        upload.whole(bytes).await
    } else {
        upload.in_parts(source).await
    }
}

struct Upload<'a> {
    store: &'a S3Store,
    key: &'a str,
    metadata: Option<HashMap<String, String>>,
}

impl Upload<'_> {
    fn error<E>(&self, error: &SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        store_error(&self.store.bucket, self.key, error)
    }

    /// Settings for requests with a body.
    fn patience(&self) -> aws_sdk_s3::config::Builder {
        let timeouts = TimeoutConfig::builder().read_timeout(self.store.upload_timeout).build();
        aws_sdk_s3::config::Builder::new().timeout_config(timeouts)
    }

    async fn whole(&self, bytes: Bytes) -> Result<(), StorageError> {
        let store = self.store;
        let request = store.client.put_object().bucket(&store.bucket).key(store.full_key(self.key));
        let request = request
            .set_expected_bucket_owner(store.owner.clone())
            .set_metadata(self.metadata.clone())
            .body(bytes.into());
        let sent = request.customize().config_override(self.patience()).send().await;
        sent.map(|_| ()).map_err(|error| self.error(&error))
    }

    async fn in_parts(&self, source: Source) -> Result<(), StorageError> {
        let pending = self.begin().await?;
        match self.send_parts(source, &pending).await {
            Ok(parts) => self.complete(pending, parts).await,
            Err(error) => {
                pending.abort().await;
                Err(error)
            }
        }
    }

    async fn begin(&self) -> Result<PendingUpload, StorageError> {
        let store = self.store;
        let key = store.full_key(self.key);
        let request = store.client.create_multipart_upload().bucket(&store.bucket).key(&key);
        let request = request.set_metadata(self.metadata.clone());
        let begun = request.set_expected_bucket_owner(store.owner.clone()).send().await;
        let begun = begun.map_err(|error| self.error(&error))?;
        let id = begun.upload_id.ok_or_else(|| StorageError::Offline {
            key: self.key.to_owned(),
            reason: "the server's answer is not usable: it has no upload id".to_owned(),
        })?;
        let (client, bucket) = (store.client.clone(), store.bucket.clone());
        Ok(PendingUpload(Some(Pending { client, bucket, key, id, owner: store.owner.clone() })))
    }

    async fn send_parts(
        &self,
        source: Source,
        pending: &PendingUpload,
    ) -> Result<Vec<CompletedPart>, StorageError> {
        let part_bytes = PART_BYTES.max(source.size.div_ceil(PARTS_MAX));
        let id = pending.id();
        let parts = (0..).zip((0..source.size).step_by(part_bytes as usize));
        let sending = stream::iter(parts).map(|(index, start)| {
            let end = (start + part_bytes).min(source.size);
            let source = &source;
            async move { self.send_part(index + 1, source.read(start, end).await?, id).await }
        });
        let mut parts: Vec<_> = sending.buffer_unordered(PARTS_AT_ONCE).try_collect().await?;
        source.check_unchanged().await?;
        parts.sort_by_key(CompletedPart::part_number);
        Ok(parts)
    }

    async fn send_part(
        &self,
        number: i32,
        bytes: Bytes,
        id: &str,
    ) -> Result<CompletedPart, StorageError> {
        let store = self.store;
        let request = store
            .client
            .upload_part()
            .bucket(&store.bucket)
            .key(store.full_key(self.key))
            .upload_id(id)
            .part_number(number)
            .set_expected_bucket_owner(store.owner.clone())
            .body(bytes.into());
        let sent = request.customize().config_override(self.patience()).send().await;
        let sent = sent.map_err(|error| self.error(&error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    async fn complete(
        &self,
        mut pending: PendingUpload,
        parts: Vec<CompletedPart>,
    ) -> Result<(), StorageError> {
        let store = self.store;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = store
            .client
            .complete_multipart_upload()
            .bucket(&store.bucket)
            .key(store.full_key(self.key))
            .upload_id(pending.id())
            .set_expected_bucket_owner(store.owner.clone())
            .multipart_upload(parts);
        match request.customize().config_override(self.patience()).send().await {
            Ok(_) => {
                pending.0 = None;
                Ok(())
            }
            Err(error) => {
                pending.abort().await;
                Err(self.error(&error))
            }
        }
    }
}

/// A multipart upload on the server, whose parts cost money until it is completed or aborted.
struct PendingUpload(Option<Pending>);

struct Pending {
    client: Client,
    bucket: String,
    key: String,
    id: String,
    owner: Option<String>,
}

impl PendingUpload {
    fn id(&self) -> &str {
        self.0.as_ref().map_or("", |pending| &pending.id)
    }

    async fn abort(mut self) {
        if let Some(pending) = self.0.take() {
            pending.abort().await;
        }
    }
}

impl Pending {
    /// Failures are only logged: the upload has failed for a better reason already.
    async fn abort(self) {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.key);
        let request = request.upload_id(self.id).set_expected_bucket_owner(self.owner);
        if let Err(error) = request.send().await {
            let error = store_error(&self.bucket, &self.key, &error);
            tracing::warn!(key = self.key, %error, "an unfinished upload stays on the server");
        }
    }
}

impl Drop for PendingUpload {
    /// The caller went away in the middle.
    fn drop(&mut self) {
        if let (Some(pending), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(pending.abort());
        }
    }
}

/// Bytes to upload, readable by ranges from several tasks.
struct Source {
    size: u64,
    content: SourceContent,
}

enum SourceContent {
    Bytes(Bytes),
    File { file: Arc<File>, path: PathBuf, opened: Metadata },
}

impl Source {
    async fn open(payload: Payload) -> Result<Self, StorageError> {
        match payload {
            Payload::Bytes(bytes) => {
                Ok(Self { size: bytes.len() as u64, content: SourceContent::Bytes(bytes) })
            }
            Payload::File(path) => {
                let (file, opened) = blocking(path.clone(), |path| {
                    let file = File::open(path)?;
                    let opened = file.metadata()?;
                    Ok((Arc::new(file), opened))
                })
                .await?;
                let size = opened.len();
                Ok(Self { size, content: SourceContent::File { file, path, opened } })
            }
        }
    }

    async fn read(&self, start: u64, end: u64) -> Result<Bytes, StorageError> {
        match &self.content {
            SourceContent::Bytes(bytes) => Ok(bytes.slice(start as usize..end as usize)),
            SourceContent::File { file, path, .. } => {
                let file = Arc::clone(file);
                blocking(path.clone(), move |_| read_exactly(&file, start, end - start)).await
            }
        }
    }

    async fn check_unchanged(&self) -> Result<(), StorageError> {
        let SourceContent::File { file, path, opened } = &self.content else { return Ok(()) };
        let (file, opened) = (Arc::clone(file), opened.clone());
        blocking(path.clone(), move |_| {
            let now = file.metadata()?;
            if now.len() != opened.len() || now.modified()? != opened.modified()? {
                return Err(io::Error::other("the file was changed while it was read"));
            }
            Ok(())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&PathBuf) -> io::Result<T> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&path);
        done.map_err(|error| StorageError::io(format!("read '{}'", path.display()), &error))
    });
    done.await.unwrap_or_else(|stopped| Err(StorageError::stopped("read a file", &stopped)))
}

fn read_exactly(file: &File, start: u64, len: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; len as usize];
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, start)?;
    #[cfg(windows)]
    {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match std::os::windows::fs::FileExt::seek_read(file, rest, start + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
    }
    Ok(bytes.into())
}
