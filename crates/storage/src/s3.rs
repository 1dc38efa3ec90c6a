//! The S3 store, on the AWS SDK.
//!
//! Owns: requests, ranges, multipart uploads, and what the SDK's errors mean. Retries of whole
//! requests are the SDK's; a body that breaks midway is an error of the body, which
//! [`RetryingStore`](crate::RetryingStore) can resume. Refuses to cache, and to follow a bucket
//! into another region.

mod connect;
mod error;
mod upload;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;
use crate::key::{check_key, check_prefix};
use error::{body_error, is_past_the_end, store_error};

/// How to reach a bucket. `S3Options::new(bucket)` asks the environment for everything else.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct S3Options {
    /// The bucket's name.
    pub bucket: String,
    /// What every key starts with, joined by `/`; the queue's `rootPrefix`. May be empty.
    pub root_prefix: String,
    /// The region. Default: the profile's, then `AWS_REGION`, then the machine's.
    pub region: Option<String>,
    /// The profile of the AWS configuration files. Default: `AWS_PROFILE`. A profile that is
    /// named here goes before keys in the environment, as in the AWS CLI.
    pub profile: Option<String>,
    /// Another S3 server, as an `http://` or `https://` URL. Default: `AWS_ENDPOINT_URL_S3`, then
    /// `AWS_ENDPOINT_URL`, then the profile's.
    pub endpoint: Option<String>,
    /// Whether the bucket goes into the path instead of the host name. Default: with an endpoint.
    pub path_style: Option<bool>,
    /// Keys to use instead of the default credential chain.
    pub credentials: Option<S3Credentials>,
    /// The account that must own the bucket; S3 refuses requests if another does.
    pub expected_bucket_owner: Option<String>,
    /// How long a connection may take to come about. Default 10 s.
    pub connect_timeout: Duration,
    /// How long the store may be silent, before an answer and within one. Default 30 s.
    pub read_timeout: Duration,
    /// How often a request is tried in all. Default 5.
    pub max_attempts: u32,
    /// About how long to wait before the second try; doubles from there, with jitter. Default
    /// 200 ms, and never more than 20 s.
    pub retry_backoff: Duration,
}

impl S3Options {
    /// Options for `bucket` with all defaults.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            root_prefix: String::new(),
            region: None,
            profile: None,
            endpoint: None,
            path_style: None,
            credentials: None,
            expected_bucket_owner: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            max_attempts: 5,
            retry_backoff: Duration::from_millis(200),
        }
    }
}

/// An access key.
#[derive(Clone)]
pub struct S3Credentials {
    /// The key's public half.
    pub access_key_id: String,
    /// The key's secret half.
    pub secret_access_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Objects in an S3 bucket, below a root prefix.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    root_prefix: String,
    owner: Option<String>,
    upload_timeout: Duration,
}

impl S3Store {
    /// Reads the configuration; makes no request to the bucket.
    ///
    /// # Errors
    /// [`StorageError::Config`] if there is no region, or an option is wrong. Missing credentials
    /// show with the first request.
    pub async fn connect(options: S3Options) -> Result<Self, StorageError> {
        let client = connect::client(&options).await?;
        Ok(Self {
            client,
            bucket: options.bucket,
            root_prefix: options.root_prefix,
            owner: options.expected_bucket_owner,
            upload_timeout: options.read_timeout + upload::SLOWEST_PART,
        })
    }

    /// Plain joins, as official tools do: a prefix that ends in `/` gives `//`.
    fn full_key(&self, key: &str) -> String {
        match self.root_prefix.as_str() {
            "" => key.to_owned(),
            root => format!("{root}/{key}"),
        }
    }

    /// The answer to a range that starts past the end of an object.
    async fn nothing(&self, key: &str) -> Result<Object, StorageError> {
        Ok(Object::from_bytes(self.head(key).await?.size, Bytes::new()))
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store")
            .field("bucket", &self.bucket)
            .field("root_prefix", &self.root_prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl StorageClient for S3Store {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        check_key(key)?;
        // HTTP has no empty ranges: a server would ignore one and send everything.
        if range.as_ref().is_some_and(|range| range.start >= range.end) {
            return self.nothing(key).await;
        }
        let request = self.client.get_object().bucket(&self.bucket).key(self.full_key(key));
        let request = request
            .set_range(range.as_ref().map(range_header))
            .set_expected_bucket_owner(self.owner.clone());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if is_past_the_end(&error) => return self.nothing(key).await,
            Err(error) => return Err(store_error(&self.bucket, key, &error)),
        };
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let size = match (&range, answer.content_range.as_deref().and_then(parse_content_range)) {
            (None, _) => length.ok_or_else(|| vague(key, "it did not state the object's size"))?,
            (Some(range), Some((start, size))) if start == range.start => size,
            // Some servers answer a range of an empty object with the whole of it.
            (Some(_), None) if length == Some(0) => 0,
            (Some(_), _) => return Err(vague(key, "it ignored the requested range")),
        };
        Ok(Object { size, body: body(answer.body, key.to_owned()) })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        check_key(key)?;
        let request = self.client.head_object().bucket(&self.bucket).key(self.full_key(key));
        let answer = request.set_expected_bucket_owner(self.owner.clone()).send().await;
        let answer = answer.map_err(|error| store_error(&self.bucket, key, &error))?;
        let size = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let size = size.ok_or_else(|| vague(key, "it did not state the object's size"))?;
        Ok(ObjectInfo { key: key.to_owned(), size })
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
        upload::upload(self, key, payload, metadata).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        check_prefix(prefix)?;
        let full_prefix = self.full_key(prefix);
        let root_len = full_prefix.len() - prefix.len();
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&full_prefix);
            let request = request
                .set_continuation_token(token.clone())
                .set_expected_bucket_owner(self.owner.clone());
            let page = request.send().await;
            let page = page.map_err(|error| store_error(&self.bucket, prefix, &error))?;
            for object in page.contents() {
                let key = object.key().and_then(|key| key.get(root_len..)).unwrap_or_default();
                let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                found.push(ObjectInfo { key: key.to_owned(), size });
            }
            // A server that repeats itself would keep us here for ever.
            match page.next_continuation_token {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                _ => break,
            }
        }
        // S3 sorts by UTF-8 bytes; not every other server does.
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }
}

/// The `Range` header for bytes that are not empty. Many servers keep offsets in an `i64`.
fn range_header(range: &ByteRange) -> String {
    let limit = i64::MAX.unsigned_abs();
    format!("bytes={}-{}", range.start.min(limit), (range.end - 1).min(limit))
}

/// The first byte and the object's size in `bytes FIRST-LAST/SIZE`.
fn parse_content_range(header: &str) -> Option<(u64, u64)> {
    let (span, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    Some((span.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
}

fn vague(key: &str, reason: &str) -> StorageError {
    let reason = format!("the server's answer is not usable: {reason}");
    StorageError::Offline { key: key.to_owned(), reason }
}

/// Passes a body on; its errors name the key.
fn body(body: ByteStream, key: String) -> stream::BoxStream<'static, Result<Bytes, StorageError>> {
    stream::unfold((body, key), |(mut body, key)| async move {
        let piece = body.next().await?.map_err(|error| body_error(&key, &error));
        Some((piece, (body, key)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_spelled_as_http_wants_them() {
        assert_eq!(range_header(&(0..1)), "bytes=0-0");
        assert_eq!(range_header(&(7..u64::MAX)), "bytes=7-9223372036854775807");
        assert_eq!(parse_content_range("bytes 7-9/11"), Some((7, 11)));
        for odd in ["bytes */11", "bytes 7-9/*", "7-9/11", ""] {
            assert_eq!(parse_content_range(odd), None, "{odd}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut options = S3Options::new("bucket");
        options.credentials = Some(S3Credentials {
            access_key_id: "public".into(),
            secret_access_key: "hush".into(),
            session_token: Some("hush".into()),
        });
        let printed = format!("{options:?}");
        assert!(printed.contains("public") && !printed.contains("hush"), "{printed}");
    }
}
