//! A wrapper that tries again, and goes on with a body where it broke.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::sleep;

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;

/// A body that brought this much since it last broke gets all its tries back: a day-long download
/// may break many times, as long as it gets on.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How often and how soon to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all; 1 means no second one.
    pub attempts: u32,
    /// The wait before the second try. Doubles from there; each wait is cut by up to half at
    /// random, so that many clients do not return as one.
    pub first_wait: Duration,
    /// No wait is longer.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// Five tries within about three seconds.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// The wait after `failures` failed tries.
    fn wait(&self, failures: u32) -> Duration {
        let doubled = self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.longest_wait).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Repeats what failed for a moment ([`StorageError::is_transient`]): calls, and the rest of
/// bodies that broke or ended early.
#[derive(Clone, Debug)]
pub struct RetryingStore {
    inner: Arc<dyn StorageClient>,
    policy: RetryPolicy,
    repeats_calls: bool,
}

impl RetryingStore {
    /// Repeats calls to `inner` and resumes its bodies.
    #[must_use]
    pub fn new(inner: Arc<dyn StorageClient>, policy: RetryPolicy) -> Self {
        Self { inner, policy, repeats_calls: true }
    }

    /// Only resumes bodies: for a store that repeats calls on its own, as S3 does.
    #[must_use]
    pub fn resuming(inner: Arc<dyn StorageClient>, policy: RetryPolicy) -> Self {
        Self { inner, policy, repeats_calls: false }
    }

    /// Calls until it succeeds, fails for good, or was tried often enough.
    async fn retry<T, F: Future<Output = Result<T, StorageError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, StorageError> {
        let attempts = if self.repeats_calls { self.policy.attempts } else { 1 };
        let mut failures = 0;
        loop {
            match call().await {
                Err(error) if error.is_transient() && failures + 1 < attempts => {
                    failures += 1;
                    tracing::debug!(%error, failures, "trying again");
                    sleep(self.policy.wait(failures)).await;
                }
                result => return result,
            }
        }
    }
}

#[async_trait]
impl StorageClient for RetryingStore {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        let Object { size, body } = self.retry(|| self.inner.get(key, range.clone())).await?;
        let range = range.unwrap_or(0..size);
        let end = range.end.min(size);
        let at = range.start.min(end);
        let store = self.clone();
        let state = ResumedBody {
            store,
            key: key.to_owned(),
            size,
            at,
            end,
            body,
            failures: 0,
            progress: 0,
        };
        Ok(Object { size, body: stream::try_unfold(state, ResumedBody::next).boxed() })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        self.retry(|| self.inner.head(key)).await
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
        self.retry(|| self.inner.put_with_metadata(key, payload.clone(), metadata)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        self.retry(|| self.inner.list(prefix)).await
    }
}

/// A body, and what it takes to ask for the rest of it.
struct ResumedBody {
    store: RetryingStore,
    key: String,
    size: u64,
    /// The next byte to come, and the end of the range, within the object.
    at: u64,
    end: u64,
    body: BoxStream<'static, Result<Bytes, StorageError>>,
    /// Failures in a row.
    failures: u32,
    /// Bytes since the last failure.
    progress: u64,
}

impl ResumedBody {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StorageError> {
        loop {
            let left = self.end - self.at;
            let error = match self.body.next().await {
                Some(Ok(piece)) if piece.len() as u64 > left => {
                    let reason = "the store sent more than was asked for".to_owned();
                    return Err(StorageError::Corrupt { key: self.key, reason });
                }
                Some(Ok(piece)) => {
                    self.at += piece.len() as u64;
                    self.progress += piece.len() as u64;
                    return Ok(Some((piece, self)));
                }
                // The body is read to its end even then, so that its connection can be used again.
                None | Some(Err(_)) if left == 0 => return Ok(None),
                Some(Err(error)) if !error.is_transient() => return Err(error),
                Some(Err(error)) => error,
                None => {
                    let reason = format!("the answer ended {left} bytes early");
                    StorageError::Offline { key: self.key.clone(), reason }
                }
            };
            self.resume(error).await?;
        }
    }

    /// Asks for the rest; fails with `error` if the body broke too often.
    async fn resume(&mut self, error: StorageError) -> Result<(), StorageError> {
        if self.progress >= PROGRESS_BYTES {
            self.failures = 0;
        }
        self.progress = 0;
        self.failures += 1;
        if self.failures >= self.store.policy.attempts {
            return Err(error);
        }
        tracing::debug!(key = self.key, %error, at = self.at, "asking for the rest");
        sleep(self.store.policy.wait(self.failures)).await;
        let store = &self.store;
        let rest = store.retry(|| store.inner.get(&self.key, Some(self.at..self.end))).await?;
        if rest.size != self.size {
            let reason = format!("it had {} bytes, and then {}", self.size, rest.size);
            return Err(StorageError::Corrupt { key: self.key.clone(), reason });
        }
        self.body = rest.body;
        Ok(())
    }
}
