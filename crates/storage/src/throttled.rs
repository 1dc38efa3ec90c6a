//! A wrapper that makes a fast store as slow as a network: for tests and simulation.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;

/// The largest piece of a paced body, so that it flows instead of arriving in lumps.
const PIECE_BYTES: usize = 64 << 10;

/// How slow a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// Time from a request to the first byte of its answer.
    pub latency: Duration,
    /// Bytes a second on each connection, that is: for each call; `None` for no limit.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// Delays every request, and paces every body and payload on its own.
#[derive(Debug)]
pub struct ThrottledStore {
    inner: Arc<dyn StorageClient>,
    throttle: Throttle,
}

impl ThrottledStore {
    /// Slows `inner` down.
    #[must_use]
    pub fn new(inner: Arc<dyn StorageClient>, throttle: Throttle) -> Self {
        Self { inner, throttle }
    }
}

impl Throttle {
    /// How long `bytes` are under way.
    fn duration(&self, bytes: u64) -> Duration {
        self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(bytes as f64 / rate.get() as f64)
        })
    }

    fn pace(
        self,
        body: BoxStream<'static, Result<Bytes, StorageError>>,
    ) -> BoxStream<'static, Result<Bytes, StorageError>> {
        if self.bytes_per_second.is_none() {
            return body;
        }
        let start = Instant::now();
        let mut sent = 0;
        body.flat_map(|piece| stream::iter(split(piece)))
            .then(move |piece| {
                sent += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
                let due = start + self.duration(sent);
                async move {
                    sleep_until(due).await;
                    piece
                }
            })
            .boxed()
    }
}

/// Cuts a piece into small ones.
fn split(piece: Result<Bytes, StorageError>) -> impl Iterator<Item = Result<Bytes, StorageError>> {
    let mut rest = Some(piece);
    std::iter::from_fn(move || match rest.take()? {
        Ok(mut bytes) if bytes.len() > PIECE_BYTES => {
            let first = bytes.split_to(PIECE_BYTES);
            rest = Some(Ok(bytes));
            Some(Ok(first))
        }
        piece => Some(piece),
    })
}

#[async_trait]
impl StorageClient for ThrottledStore {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        sleep(self.throttle.latency).await;
        let Object { size, body } = self.inner.get(key, range).await?;
        Ok(Object { size, body: self.throttle.pace(body) })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        sleep(self.throttle.latency).await;
        self.inner.head(key).await
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
        let size = payload.size().await?;
        sleep(self.throttle.latency + self.throttle.duration(size)).await;
        self.inner.put_with_metadata(key, payload, metadata).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        sleep(self.throttle.latency).await;
        self.inner.list(prefix).await
    }
}
